"""Walk over the text of a JSON document without building it, so that places in it can be named.

All functions work on a *view*: the bytes decoded as Latin-1, so that an index into it counts bytes, as positions do.
What is not looked at is skipped by the C scanner of ``json``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Final

from flatprov.ignition.gotext import decode

_NAME: Final = re.compile(r'"([^"\\]*)"[ \t\n\r]*:[ \t\n\r]*')
_ESCAPE: Final = re.compile(r"\\.", re.S)
_STRING: Final = re.compile(r'"[^"]*"')
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_BETWEEN: Final = re.compile(r"[ \t\n\r]*[,:]?[ \t\n\r]*")
_BRACKET: Final = re.compile(r"[\[\]{}]")
_LITERAL: Final = re.compile(r"[-+.0-9A-Za-z]+")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


_scan: Final = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode


def view(text: str | bytes) -> str:
    """Give the view of a text."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return data.decode("latin-1")


def skip_space(view: str, index: int) -> int:
    """Give where the next token begins."""
    found = _SPACE.match(view, index)
    return found.end() if found else index


def end_of(view: str, index: int) -> int:
    """Give the end of the value that begins at ``index`` in valid JSON."""
    first = view[index]
    if first == '"':
        return int(scanstring(view, index + 1)[1])
    if first not in "{[":
        found = _LITERAL.match(view, index)
        return found.end() if found else len(view)
    try:
        return _scan(view, index)[1]
    except RecursionError:
        return _end_of_deep(view, index)


def _end_of_deep(view: str, index: int) -> int:
    depth = 0
    for found in _BRACKET.finditer(blank(view), index):
        depth += 1 if found[0] in "[{" else -1
        if not depth:
            return found.end()
    return len(view)


def blank(view: str) -> str:
    """Give the view with spaces in the place of its texts, so that only the structure and the numbers are left."""
    return _STRING.sub(lambda found: " " * len(found[0]), _ESCAPE.sub("  ", view))


def bare(view: str) -> str:
    """Give the view without its texts."""
    return _STRING.sub("", _ESCAPE.sub("", view))


def string(view: str, start: int, end: int) -> str:
    """Read the string literal at ``[start, end)`` as Go does."""
    raw = view[start + 1 : end - 1]
    if "\\" not in raw:
        return raw if raw.isascii() else decode(raw.encode("latin-1"))
    text = decode(view[start:end].encode("latin-1"))
    return _SURROGATE.sub("\ufffd", json.loads(text))


def members(view: str, index: int) -> Iterator[tuple[str, int, int]]:
    """Give each property of the object that begins at ``index``: its name, where the name and where the value begin."""
    index = skip_space(view, index + 1)
    while view[index] != "}":
        found = _NAME.match(view, index)
        if found:
            name, value = found[1], found.end()
            if not name.isascii():
                name = decode(name.encode("latin-1"))
        else:
            end = end_of(view, index)
            name = string(view, index, end)
            between = _BETWEEN.match(view, end)
            value = between.end() if between else end
        yield name, index, value
        between = _BETWEEN.match(view, end_of(view, value))
        index = between.end() if between else len(view)


def items(view: str, index: int) -> Iterator[int]:
    """Give where each item of the list that begins at ``index`` begins."""
    index = skip_space(view, index + 1)
    while view[index] != "]":
        yield index
        between = _BETWEEN.match(view, end_of(view, index))
        index = between.end() if between else len(view)


class Document:
    """A view of which the properties of each object are looked up once.

    Args:
        view: the view of valid JSON.
    """

    def __init__(self, view: str) -> None:
        self.view = view
        self.start = skip_space(view, 0)
        self._members: dict[int, list[tuple[str, int, int]]] = {}
        self._items: dict[int, list[int]] = {}

    def members(self, index: int) -> list[tuple[str, int, int]]:
        """Give what the function of that name gives."""
        if index not in self._members:
            self._members[index] = list(members(self.view, index))
        return self._members[index]

    def items(self, index: int) -> list[int]:
        """Give what the function of that name gives."""
        if index not in self._items:
            self._items[index] = list(items(self.view, index))
        return self._items[index]
