"""Where in a text a path of its config is: line and column as ``ignition-validate`` prints them.

Both count from 1, columns in bytes. A text, number or other scalar is where its first byte is, an object or a list one
byte behind its opening bracket, a property that Ignition does not know where its name begins. What is not in the text
is where the nearest thing around it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeAlias

from flatprov.ignition.report import Entry
from flatprov.ignition.validate import scanning
from flatprov.ignition.validate.scanning import Document

Path: TypeAlias = tuple[str | int, ...]


def locate(text: str | bytes, entries: Iterable[Entry], *, at_name: Iterable[Entry] = ()) -> list[Entry]:
    """Give the entries with the lines and columns of their paths; those without a path stay as they are.

    Args:
        text: valid JSON; the entries are about what is in it.
        entries: what was found.
        at_name: those of the entries that are about the name of a property, not about its value.
    """
    found = list(entries)
    if not any(entry.path for entry in found):
        return found
    view = scanning.view(text)
    names = {id(entry) for entry in at_name}
    where = indexes(scanning.Document(view), [entry.path for entry in found], [id(entry) in names for entry in found])
    return [
        replace(entry, line=line, column=column) if entry.path else entry
        for entry, (line, column) in zip(found, places(view, where), strict=True)
    ]


def indexes(document: Document, paths: list[Path], at_name: list[bool]) -> list[int]:
    """Give for each path the index of the byte where it is."""
    tree: dict[Any, Any] = {}
    for path in paths:
        node = tree
        for part in path:
            node = node.setdefault(part, {})
    found: dict[Path, tuple[int, int]] = {}
    _descend(document, document.start, tree, (), found, document.start)
    return [_nearest(found, path, name) for path, name in zip(paths, at_name, strict=True)]


def _nearest(found: dict[Path, tuple[int, int]], path: Path, name: bool) -> int:
    if name and path in found:
        return found[path][0]
    while path and path not in found:
        path = path[:-1]
    return found[path][1]


def _descend(
    document: Document, start: int, wanted: dict[Any, Any], path: Path, found: dict[Path, tuple[int, int]], name: int
) -> None:
    """Note where the value at ``start`` and the wanted values in it are; a later property of one name counts alone."""
    first = document.view[start]
    found[path] = (name, start + 1 if first in "{[" else start)
    if not wanted:
        return
    if first == "{":
        last = {key: (at, value) for key, at, value in document.members(start) if key in wanted}
        for key, (at, value) in last.items():
            _descend(document, value, wanted[key], (*path, key), found, at)
    elif first == "[":
        for number, value in enumerate(document.items(start)):
            if number in wanted:
                _descend(document, value, wanted[number], (*path, number), found, value)


def places(view: str, indexes: list[int]) -> list[tuple[int, int]]:
    """Give line and column of each byte, zeros for what is behind the end."""
    known: dict[int, tuple[int, int]] = {}
    line, last = 1, 0
    for index in sorted(set(indexes)):
        line += view.count("\n", last, index)
        last = index
        known[index] = (line, index - view.rfind("\n", 0, index)) if index < len(view) else (0, 0)
    return [known[index] for index in indexes]
