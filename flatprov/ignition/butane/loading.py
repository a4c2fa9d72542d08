"""Butane YAML as a typed config: everything that is wrong becomes one error."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, Final

from flatprov.errors import ConfigError
from flatprov.ignition.butane.files import LocalError
from flatprov.ignition.butane.local import Folder
from flatprov.ignition.butane.translation import translate
from flatprov.ignition.report import Entry

#: How many errors one message lists.
MAX_ENTRIES: Final = 100


def load_butane(
    text: str | bytes,
    *,
    files_dir: str | os.PathLike[str] | None = None,
    strict: bool = False,
    silence: Iterable[str] = (),
) -> dict[str, Any]:
    """Give the Ignition JSON for Butane YAML.

    Args:
        text: the YAML.
        files_dir: the folder that ``local`` files and trees come from; None refuses them.
        strict: take warnings for errors.
        silence: codes of findings that are meant to be so, such as ``unknown-key``.

    Raises:
        ConfigError: with the YAML path of the first error; the text has all of them, with line and column.
    """
    try:
        files = None if files_dir is None else Folder(files_dir)
    except LocalError as error:
        raise ConfigError("files_dir", str(error), "name an existing folder", path="files_dir") from None
    config, report = translate(text, files=files)
    report = report.without(silence)
    wrong = report.errors or (report.warnings if strict else ())
    if wrong:
        raise error_of(sorted(wrong, key=lambda entry: (entry.line, entry.column)))
    return config


def error_of(entries: Sequence[Entry]) -> ConfigError:
    """Make one error of several entries of a report: the first leads, the others follow, one a line."""
    first = entries[0]
    place = f", line {first.line} col {first.column}" if first.line else ""
    subject = (first.where() if first.path else "the Butane config") + place
    fix = f". {first.fix[:1].upper()}{first.fix[1:]}" if first.fix else ""
    others = "".join(f"\n  {entry}" for entry in entries[1:MAX_ENTRIES])
    if len(entries) > MAX_ENTRIES:
        others += f"\n  and {len(entries) - MAX_ENTRIES} more"
    return ConfigError(subject, first.message + fix + others, path=_dotted(first.path))


def _dotted(path: tuple[str | int, ...]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")
