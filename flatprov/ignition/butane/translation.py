"""From Butane YAML to Ignition JSON, in the order Butane goes: source rules, translation, filter, Ignition's rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from yaml import MappingNode, ScalarNode

from flatprov.ignition.butane.checking import rules
from flatprov.ignition.butane.composing import Locator, Malformed, compose, is_null, pairs, place
from flatprov.ignition.butane.decoding import Decoder, TooManyValues
from flatprov.ignition.butane.desugaring import Desugarer
from flatprov.ignition.butane.fields import table
from flatprov.ignition.butane.files import LocalFiles, Memory
from flatprov.ignition.butane.mounting import add_mount_units
from flatprov.ignition.butane.rules import source_rules
from flatprov.ignition.butane.variants import spec_of
from flatprov.ignition.recognize import explain_butane
from flatprov.ignition.report import Entry, Report

_DUPLICATE = "duplicate entry defined"


def translate(
    text: str | bytes,
    *,
    files: LocalFiles | Mapping[str, bytes | str] | None = None,
    compress: bool = True,
    ignition_version: str | None = None,
) -> tuple[dict[str, Any], Report]:
    """Translate a Butane config of the variant flatcar.

    Paths in the report are those of the YAML. Lines and columns count from 1, columns in characters as Butane does. A
    key that the version does not know is an error of ours (code ``unknown-key``) where Butane warns: the config is
    given all the same, for a caller that silences the code.

    Args:
        text: the YAML.
        files: where ``local`` files and trees come from; None refuses them.
        compress: let inline contents be compressed where that is shorter.
        ignition_version: whose rules to check, such as ``2.24.0``; the validator's default when left out.

    Returns:
        The Ignition JSON, empty where an error keeps it from being made, and what was found.
    """
    try:
        return _translate(
            _utf8(text), Memory(files) if isinstance(files, Mapping) else files, compress, ignition_version
        )
    except Malformed as error:
        return {}, Report((error.entry,))


def _utf8(text: str | bytes) -> bytes:
    foreign = explain_butane(text)
    if foreign:
        raise Malformed(*foreign)
    try:
        if isinstance(text, str):
            return text.encode()
        text.decode()
    except UnicodeEncodeError:
        raise Malformed("the text holds half of a surrogate pair", "save it as UTF-8") from None
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1 if isinstance(text, bytes) else 0
        raise Malformed("the text is no UTF-8", "save it as UTF-8", line, 1) from None
    return text


def _translate(
    data: bytes, files: LocalFiles | None, compress: bool, ignition_version: str | None
) -> tuple[dict[str, Any], Report]:
    root = compose(data)
    if type(root) is not MappingNode:
        raise Malformed("the config is no mapping", "begin with variant: flatcar and version: 1.1.0", *place(root))
    locator = Locator(root)
    spec, refusal = spec_of(_top(root))
    if refusal:
        return {}, Report(tuple(_placed(locator, [refusal])))
    decoder = Decoder()
    try:
        config = decoder.object(root, table(spec), ()) or {}
    except TooManyValues:
        raise Malformed("its aliases make it larger than any config is", "write out what they stand for") from None
    if decoder.problems:
        return {}, Report(tuple(sorted([*decoder.unknown, *decoder.problems], key=_line)))
    del config["variant"], config["version"]
    config["ignition"] = {"version": spec, **config.get("ignition", {})}
    found = [*decoder.unknown, *_placed(locator, source_rules(decoder))]
    if _fatal(found):
        return {}, Report(tuple(found))

    wanted = [path[-1] for one, path in decoder.noted["filesystem"] if one.pop("with_mount_unit", False)]
    desugarer = Desugarer(decoder, files, spec=spec, compress=compress, ignition_version=ignition_version)
    desugarer.run(config)
    if wanted:
        add_mount_units(config, [number for number in wanted if isinstance(number, int)], desugarer.origins)
    found += _placed(locator, [*desugarer.problems, *_filtered(config)])
    if _fatal(found):
        return {}, Report(tuple(found))

    report = rules(config, ignition_version)
    entries = [replace(entry, path=desugarer.origins.source(entry.path)) for entry in report]
    found += _placed(locator, sorted(entries, key=lambda entry: entry.message != _DUPLICATE))
    return ({} if _fatal(found) else config), Report(tuple(found))


def _top(root: MappingNode) -> dict[str, str]:
    """Give the top-level keys and, where they are text, the values of those that say what the config is."""
    found: dict[str, str] = {}
    for key, value in pairs(root):
        known = key in ("variant", "version") and not is_null(value)
        if known and type(value) is not ScalarNode:
            raise Malformed("must be a string", "", *place(value), path=(key,))
        found.setdefault(key, str(value.value) if known else "")
    if type(root) is MappingNode:
        ignition = next((value for key, value in pairs(root) if key == "ignition"), None)
        if type(ignition) is MappingNode and "version" not in [key for key, _ in pairs(ignition)]:
            found["ignition"] = "without a version"
    return found


def _filtered(config: dict[str, Any]) -> Iterable[Entry]:
    for number, luks in enumerate((config.get("storage") or {}).get("luks", ())):
        if luks.get("clevis"):
            path = ("storage", "luks", number, "clevis")
            yield Entry("error", path, "clevis is not supported in this spec version")


def _placed(locator: Locator, entries: Iterable[Entry]) -> list[Entry]:
    placed = []
    for entry in entries:
        line, column = locator.place(entry.path)
        placed.append(replace(entry, line=line, column=column))
    return placed


def _fatal(entries: Iterable[Entry]) -> bool:
    return any(entry.level == "error" and entry.code != "unknown-key" for entry in entries)


def _line(entry: Entry) -> tuple[int, int]:
    return entry.line, entry.column
