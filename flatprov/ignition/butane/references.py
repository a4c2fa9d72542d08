"""Configs that a config merges or is replaced by, where they stand inline: they are checked too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flatprov.errors import ConfigError
from flatprov.ignition.butane.checking import rules
from flatprov.ignition.butane.decoding import Decoder, Path
from flatprov.ignition.parsing import parse
from flatprov.ignition.report import Entry


def references(decoder: Decoder, spec: str, ignition_version: str | None) -> Iterator[Entry]:
    """Give what is wrong with the inline configs below ``ignition.config``.

    Other than Butane's, the paths are those of the outer config, with the inner one in the message.
    """
    for found, path in decoder.noted["resource"]:
        inline = found.get("inline")
        if path[:2] != ("ignition", "config") or inline is None:
            continue
        yield from _inner(inline, path, spec, ignition_version)


def _inner(inline: Any, path: Path, spec: str, ignition_version: str | None) -> Iterator[Entry]:
    try:
        config = parse(inline)
    except ConfigError as error:
        yield Entry("error", (*path, "inline"), f"the config in it is invalid: {error}")
        return
    if config["ignition"]["version"] != spec:
        message = "skipping validation for the merge/replace ignition config due to an unkown version"
        yield Entry("warning", (*path, "version"), message)
        return
    report = rules(config, ignition_version)
    for entry in report:
        yield Entry(entry.level, (*path, "inline"), f"in the config at {entry.where()}: {entry.message}")
