"""Texts that are no JSON, or JSON of which a part does not count."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from flatprov.ignition.findings.codes import CODES, Path
from flatprov.ignition.recognize import explain
from flatprov.ignition.report import Entry, Report

_COMMENTS: Final = ("//", "/*", "#")
_SPACE: Final = " \t\r\n"
_MOST_DUPLICATES: Final = 100


def text_findings(text: str | bytes) -> Report:
    """Find what keeps a text from being read as Ignition JSON, with line and column.

    A text without errors can be loaded; then ``findings`` looks at what it says.

    Args:
        text: the text as it would be handed to a machine.
    """
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        foreign = explain(text)
        if foreign:
            return _one("foreign-format", foreign.problem, foreign.fix)
        assert isinstance(text, bytes)  # noqa: S101 - only bytes are decoded
        line, column = text.count(b"\n", 0, error.start) + 1, error.start - text.rfind(b"\n", 0, error.start)
        return _one("json-syntax", "the text is no UTF-8 here", "save it as UTF-8", line, column)
    foreign = explain(decoded)
    if foreign:
        return _one("foreign-format", foreign.problem, foreign.fix)
    return _json(decoded)


def _json(text: str) -> Report:
    twice = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            twice.append(True)
        return found

    def constant(name: str) -> Any:
        raise _ConstantError(name)

    try:
        data = json.loads(text, object_pairs_hook=unique, parse_constant=constant)
    except json.JSONDecodeError as error:
        return _malformed(text, error)
    except _ConstantError as error:
        return _one("json-syntax", f"{error} is no JSON", "write a number")
    except RecursionError:
        return _one("json-syntax", "the JSON is nested too deeply", "check where it comes from")
    except ValueError:
        return _one("json-syntax", "the JSON has a number that is too large", "write one that fits into 64 bits")
    if not isinstance(data, dict):
        return _one("json-syntax", "the JSON is no object", 'begin with {"ignition":{"version":"3.3.0"}}')
    return Report(tuple(_duplicates(text))) if twice else Report()


class _ConstantError(Exception):
    """NaN or Infinity."""


def _malformed(text: str, error: json.JSONDecodeError) -> Report:
    position = error.pos
    while position < len(text) and text[position] in _SPACE:
        position += 1
    line, column = _place(text, position)
    if text.startswith(_COMMENTS, position):
        message = "JSON has no comments: Ignition refuses the config"
        return _one("json-comment", message, "remove it, or write Butane, which has them", line, column)
    if text[position : position + 1] in ("}", "]") and text[:position].rstrip(_SPACE).endswith(","):
        return _one("json-syntax", "JSON allows no comma before a closing bracket", "remove the comma", line, column)
    if position >= len(text):
        return _one("json-syntax", "the JSON ends too early", "close what is open, or fetch it again", line, column)
    if text[position] == "'":
        return _one("json-syntax", "JSON knows only double quotes", 'write "', line, column)
    return _one("json-syntax", f"the JSON is malformed: {error.msg}", "correct it there", line, column)


def _place(text: str, position: int) -> tuple[int, int]:
    start = text.rfind("\n", 0, position) + 1
    return text.count("\n", 0, position) + 1, len(text[start:position].encode("utf-8", "replace")) + 1


def _duplicates(text: str) -> Iterator[Entry]:
    from flatprov.ignition.validate import scanning  # only a broken text needs it

    view = scanning.view(text)
    waiting: list[tuple[Path, int]] = [((), scanning.skip_space(view, 0))]
    found = 0
    while waiting:
        path, start = waiting.pop()
        if view[start] == "{":
            seen = set()
            for name, at, value in scanning.members(view, start):
                if name in seen and found < _MOST_DUPLICATES:
                    found += 1
                    line, column = view.count("\n", 0, at) + 1, at - view.rfind("\n", 0, at)
                    shown = name[:60] if name.isprintable() else "this property"
                    message = f"{shown} stands twice in this object, and only the last one counts"
                    fix = "keep one of them"
                    code = CODES["json-duplicate"]
                    yield Entry(code.level, (*path, name), message, code.code, fix, line, column)
                seen.add(name)
                waiting.append(((*path, name), value))
        elif view[start] == "[":
            waiting += [((*path, number), value) for number, value in enumerate(scanning.items(view, start))]


def _one(code: str, message: str, fix: str, line: int = 0, column: int = 0) -> Report:
    return Report((Entry(CODES[code].level, (), message, code=code, fix=fix, line=line, column=column),))
