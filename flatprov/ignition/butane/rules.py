"""The rules Butane checks on its own source, before it translates anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flatprov.ignition.butane.decoding import Decoder, Path
from flatprov.ignition.butane.modes import written_in_decimal
from flatprov.ignition.report import Entry

_SOURCES = ("local", "inline", "source")


def source_rules(decoder: Decoder) -> Iterator[Entry]:
    """Give what is wrong with a decoded config; without lines, which the caller knows."""
    noted = decoder.noted
    for found, path in noted["resource"]:
        given = [name for name in _SOURCES if name in found]
        if len(given) > 1:
            yield _error((*path, given[-1]), "only one of the following can be set: inline, local, source")
    for found, path in noted["filesystem"]:
        yield from _mount_unit(found, path)
    for kind in ("directory", "file"):
        for found, path in noted[kind]:
            if "mode" in found and written_in_decimal(found["mode"], directory=kind == "directory"):
                message = "unreasonable mode would be reasonable if specified in octal; remember to add a leading zero"
                yield Entry("warning", (*path, "mode"), message)
    for found, path in noted["tree"]:
        if not found.get("local"):
            yield _error(path, "local is required")
    for kind in ("unit", "dropin"):
        for found, path in noted[kind]:
            if "contents" in found and "contents_local" in found:
                yield _error(
                    (*path, "contents_local"), "only one of the following can be set: contents, contents_local"
                )


def _mount_unit(found: dict[str, Any], path: Path) -> Iterator[Entry]:
    if not found.get("with_mount_unit"):
        return
    if not found.get("format"):
        yield _error((*path, "format"), "format is required if with_mount_unit is true")
    elif found["format"] != "swap" and not found.get("path"):
        yield _error((*path, "path"), "path is required if with_mount_unit is true and format is not swap")


def _error(path: Path, message: str) -> Entry:
    return Entry("error", path, message)
