"""All findings of a config, in the order of their paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from flatprov.ignition.findings import (
    accounts,
    devices,
    encryption,
    exposure,
    extensions,
    fetching,
    files,
    inline,
    kernel,
    keys,
    modes,
    network,
    placeholders,
    units,
    updates,
)
from flatprov.ignition.findings.codes import CODES, Path, checked
from flatprov.ignition.findings.view import View
from flatprov.ignition.report import Entry, Report
from flatprov.ignition.target import Target

_FAMILIES: Final[tuple[Callable[[View], Iterator[Entry]], ...]] = (
    keys.find, placeholders.find, accounts.find, accounts.find_missing, modes.find, fetching.find,
    fetching.find_ignored, network.find, inline.find, files.find, files.find_homes, exposure.find, units.find,
    units.find_useless, updates.find, extensions.find, devices.find, devices.find_unmounted, encryption.find,
    encryption.find_locked, kernel.find,
)  # fmt: skip
_NOBODY: Final = Target()


def findings(
    config: dict[str, Any],
    *,
    target: Target | None = None,
    text: str | bytes | None = None,
    silence: Iterable[str] = (),
) -> Report:
    """Find what Ignition accepts though it has no effect, spoils the first boot, or is surely not meant.

    The validator's rules are not repeated here: a config can be invalid and have no finding, and the other way round.

    Args:
        config: the JSON object, valid or not.
        target: what will boot it; what is not known of it is not checked.
        text: the JSON text the config came from, for lines and columns.
        silence: codes that are meant to be so.

    Raises:
        ConfigError: ``silence`` has a code that no finding has.
    """
    silenced = checked(silence)
    view = View(config, _NOBODY if target is None else target)
    found = [entry for family in _FAMILIES for entry in family(view) if entry.code not in silenced]
    found.sort(key=_order)
    if text is not None and found:
        from flatprov.ignition.validate.positions import locate  # few callers have a text

        names = [entry for entry in found if CODES[entry.code].page == "keys"]
        found = locate(text, found, at_name=names)
    return Report(tuple(found))


def _order(entry: Entry) -> tuple[list[tuple[bool, int, str]], str]:
    return _path_order(entry.path), entry.code


def _path_order(path: Path) -> list[tuple[bool, int, str]]:
    return [(True, 0, part) if isinstance(part, str) else (False, part, "") for part in path]
