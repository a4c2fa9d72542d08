"""Configs that a config merges or is replaced by, where their text is at hand: they are checked too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flatprov.errors import ConfigError
from flatprov.ignition.butane.checking import rules
from flatprov.ignition.butane.decoding import Path
from flatprov.ignition.parsing import parse
from flatprov.ignition.report import Entry


def check_reference(data: Any, path: Path, spec: str, ignition_version: str | None) -> Iterator[Entry]:
    """Give what is wrong with a config below ``ignition.config``.

    Butane checks inline ones of its own spec version, and gives the paths inside them; local ones it takes unseen. Here
    all are checked, and the path is that of the outer config, with the inner one in the message.

    Args:
        data: the text.
        path: of its ``inline`` or ``local`` in the YAML.
        spec: the spec version of the outer config.
        ignition_version: whose rules to check.
    """
    try:
        config = parse(data)
    except ConfigError as error:
        yield Entry("error", path, f"the config in it is invalid: {error}")
        return
    other = config["ignition"]["version"] != spec
    if other and path[-1] == "inline":
        message = "skipping validation for the merge/replace ignition config due to an unkown version"
        yield Entry("warning", (*path[:-1], "version"), message)
    for entry in rules(config, ignition_version):
        if entry.level == "error" or not other:
            yield Entry(entry.level, path, f"in the config at {entry.where()}: {entry.message}")
