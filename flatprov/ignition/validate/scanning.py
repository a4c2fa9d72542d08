"""Walk over the text of a JSON document without building it, so that places in it can be named.

All functions work on a *view*: the bytes decoded as Latin-1, so that an index into it counts bytes, as positions do.
What is not looked at is skipped by the C scanner of ``json``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from flatprov.ignition.gotext import decode

_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.S)
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_BETWEEN: Final = re.compile(r"[ \t\n\r]*[,:]?[ \t\n\r]*")
_STRUCTURE: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.S)
_LITERAL: Final = re.compile(r"[-+.0-9A-Za-z]+")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def as_is(text: str) -> str:
    """Keep a number as it is written."""
    return text


_scan: Final = json.JSONDecoder(parse_int=as_is, parse_float=as_is).raw_decode


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
        found = _STRING.match(view, index)
        return found.end() if found else len(view)
    if first not in "{[":
        found = _LITERAL.match(view, index)
        return found.end() if found else len(view)
    try:
        return _scan(view, index)[1]
    except RecursionError:
        return _end_of_deep(view, index)


def _end_of_deep(view: str, index: int) -> int:
    depth = 0
    for found in _STRUCTURE.finditer(view, index):
        first = found[0][0]
        if first in "[{":
            depth += 1
        elif first in "]}":
            depth -= 1
            if not depth:
                return found.end()
    return len(view)


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
        found = _STRING.match(view, index)
        end = found.end() if found else index + 1
        between = _BETWEEN.match(view, end)
        value = between.end() if between else end
        yield string(view, index, end), index, value
        between = _BETWEEN.match(view, end_of(view, value))
        index = between.end() if between else len(view)


def items(view: str, index: int) -> Iterator[int]:
    """Give where each item of the list that begins at ``index`` begins."""
    index = skip_space(view, index + 1)
    while view[index] != "]":
        yield index
        between = _BETWEEN.match(view, end_of(view, index))
        index = between.end() if between else len(view)
