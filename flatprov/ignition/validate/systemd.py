"""The rules for units and drop-ins."""

from __future__ import annotations

import re
from typing import Any, Final

from flatprov.ignition.gotext import quote
from flatprov.ignition.validate.findings import Findings, Path, Rule
from flatprov.ignition.validate.paths import extension

_EXTENSIONS: Final = frozenset(
    (".service", ".socket", ".device", ".mount", ".automount", ".swap", ".target", ".path", ".timer", ".snapshot",
     ".slice", ".scope")
)  # fmt: skip
_INSTANCE: Final = re.compile(r"(.+?)@(.+?)\.service\Z")


def _systemd(value: dict[str, Any], path: Path, found: Findings) -> None:
    """Warn of an enabled instance whose template, in the same config, cannot be enabled."""
    if found.ignition < (2, 15):
        return
    units = [unit or {} for unit in value.get("units") or ()]
    by_name: dict[str, dict[str, Any]] | None = None
    for number, unit in enumerate(units):
        name = unit.get("name") or ""
        if not unit.get("enabled") or "@" not in name:
            continue
        instance = _INSTANCE.match(name)
        if not instance:
            continue
        if by_name is None:
            by_name = {one.get("name") or "": one for one in units}
        template = f"{instance[1]}@.service"
        contents = by_name.get(template, {}).get("contents")
        if not contents:
            continue
        text = found.unit(contents)
        if not text.problem and not text.installs:
            message = f"template unit {quote(template)} for {quote(name)} doesn't have Install section"
            found.warn((*path, "units", number, "contents"), message)


def _unit(value: dict[str, Any], path: Path, found: Findings) -> None:
    name = value.get("name") or ""
    if extension(name) not in _EXTENSIONS:
        found.error((*path, "name"), "invalid systemd unit extension")
    contents = value.get("contents")
    if not contents:
        return
    text = found.unit(contents)
    if text.problem:
        found.error((*path, "contents"), f"invalid unit content: {text.problem}")
    elif value.get("enabled") and not text.installs and (text.options or found.ignition >= (2, 15)):
        message = f"unit {quote(name)} is enabled, but has no install section so enable does nothing"
        found.warn((*path, "contents"), message)


def _dropin(value: dict[str, Any], path: Path, found: Findings) -> None:
    contents = value.get("contents")
    if contents:
        problem = found.unit(contents).problem
        if problem:
            found.error((*path, "contents"), f"invalid unit content: {problem}")
    if extension(value.get("name") or "") != ".conf":
        found.error((*path, "name"), "invalid systemd drop-in extension")


RULES: Final[dict[str, Rule]] = {"Systemd": _systemd, "Unit": _unit, "Dropin": _dropin}
