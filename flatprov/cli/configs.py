"""Configs as the command line takes them: a file or standard input, Ignition JSON or Butane YAML."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from flatprov.errors import ConfigError
from flatprov.ignition.report import Entry, Report
from flatprov.ignition.target import Target

#: The largest input that is read, in bytes; no carrier takes a config of this size.
MAX_BYTES: Final = 256 << 20
_VARIANT_YAML: Final = re.compile(rb"^variant[ \t]*:", re.M)
_VARIANT_JSON: Final = re.compile(rb'"variant"\s*:')
_VERSION_JSON: Final = re.compile(rb'"ignition"\s*:\s*\{')


@dataclass
class Loaded:
    """One input that was read and judged.

    Args:
        name: as the user wrote it; ``-`` is standard input.
        kind: ``json`` or ``butane``.
        config: the Ignition JSON; empty where the input could not be read as a config.
        report: what was found.
    """

    name: str
    kind: str
    config: dict[str, Any] = field(default_factory=dict)
    report: Report = field(default_factory=Report)


def read(name: str) -> bytes:
    """Give the bytes of a file, or of standard input for ``-``.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        if name == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "the name cannot be used").lower()
        raise ConfigError(
            name, f"cannot be read: {reason}", "name a file that exists, or - for standard input"
        ) from None
    if len(data) > MAX_BYTES:
        raise ConfigError(name, f"is larger than {MAX_BYTES:,} bytes", "have large contents fetched at boot")
    return data


def kind_of(data: bytes) -> str:
    """Tell by its content whether a text is ``butane`` or, like everything else, to be read as ``json``.

    Butane may be written as JSON too; it then has a variant and no Ignition version.
    """
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return "butane" if _VARIANT_JSON.search(data) and not _VERSION_JSON.search(data) else "json"
    return "butane" if _VARIANT_YAML.search(data) else "json"


def load(name: str, *, files_dir: str | None, target: Target, silence: list[str]) -> Loaded:
    """Read an input, translate it where it is Butane, and judge it by Ignition's rules and by ours.

    Raises:
        ConfigError: it cannot be read, or there is no finding of a code that shall be silenced.
    """
    data = read(name)
    loaded = Loaded(name, kind_of(data))
    if loaded.kind == "butane":
        _butane(loaded, data, files_dir, target)
    else:
        _json(loaded, data, target)
    loaded.report = loaded.report.without(silence)
    return loaded


def _butane(loaded: Loaded, data: bytes, files_dir: str | None, target: Target) -> None:
    from flatprov.ignition.butane import Folder, LocalError, translate
    from flatprov.ignition.findings import findings

    try:
        files = Folder(files_dir) if files_dir else None
    except LocalError as error:
        raise ConfigError("--files-dir", str(error), "name an existing folder") from None
    loaded.config, loaded.report = translate(data, files=files, ignition_version=target.ignition or None)
    if loaded.config:
        loaded.report = loaded.report + findings(loaded.config, target=target)


def _json(loaded: Loaded, data: bytes, target: Target) -> None:
    from flatprov.ignition.findings import findings, text_findings
    from flatprov.ignition.validate import validate
    from flatprov.ignition.versions import NEWEST_IGNITION

    version = target.ignition or NEWEST_IGNITION
    loaded.report = validate(data, ignition_version=version, oem=bool(target.release)) + text_findings(data)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(found, dict):
        loaded.config = found
        loaded.report = loaded.report + findings(found, target=target, text=data)


def spec_entry(config: dict[str, Any], target: Target) -> Report:
    """Say that the target's Ignition cannot read the config's spec version, where it cannot."""
    from flatprov.ignition.versions import check_target

    try:
        check_target(config, target)
    except ConfigError as error:
        path = tuple(int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", error.path))
        return Report((Entry("error", path, error.problem, "target", error.fix),))
    return Report()
