"""Read JSON strictly, and say of every text that is none where and why, whatever it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, NoReturn

from flatprov.errors import ConfigError
from flatprov.ignition.recognize import explain

#: No config is nested more deeply; what is, comes from somewhere else.
MAX_DEPTH: Final = 200
#: No carrier takes more than a small part of this.
MAX_BYTES: Final = 256 << 20
_LONGEST_NUMBER: Final = 300  #: digits; a float ends near 308
_MOST_DUPLICATES: Final = 100
_DEEPEST_DUPLICATE: Final = 16
_LONG_NUMBER: Final = re.compile(r"-?[0-9.]{200,}[0-9.eE+-]*|-?[0-9][0-9.]*[eE]\+?[0-9]{3,}")
_BRACKET: Final = re.compile(r"[\[\]{}]")
_COMMENTS: Final = ("//", "/*", "#")
_CONSTANTS: Final = ("NaN", "Infinity")


class Duplicate(NamedTuple):
    """A property that stands twice in one object; only the last one counts.

    Attributes:
        path: where, as keys and list indexes from the root.
        line: that of the later one's name, from 1.
        column: that of it, from 1, in bytes.
    """

    path: tuple[str | int, ...]
    line: int
    column: int


class _SpecialError(Exception):
    """Something that Python's reader takes and JSON does not, or that no machine can hold."""


def read(text: str | bytes) -> tuple[Any, tuple[Duplicate, ...]]:
    """Read a JSON text.

    Returns:
        What it holds, and the properties that stand twice: the first hundred, not below the sixteenth level.

    Raises:
        ConfigError: it is something else than JSON, or more than JSON can be: with line and column. A text with a
            comment is told that JSON has none. No text takes long, or ends otherwise.
    """
    if len(text) > MAX_BYTES:
        raise ConfigError("config", f"is larger than {MAX_BYTES >> 20} MiB", "fetch large contents with a source")
    twice: list[bool] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            twice.append(True)
        return found

    decoder = json.JSONDecoder(
        object_pairs_hook=unique, parse_constant=_refuse, parse_int=_integer, parse_float=_fraction
    )
    plain = _text(text)
    try:
        value = decoder.decode(plain)
    except RecursionError:
        value = None
        _too_deep(text)
    except (ValueError, _SpecialError):
        value = None
        _malformed(text)
    if _is_too_deep(value):
        _too_deep(text)
    return value, tuple(_duplicates(text)) if twice else ()


def _text(data: str | bytes) -> str:
    text = _decoded(data) if isinstance(data, bytes) else data
    foreign = explain(text)
    if foreign:
        raise foreign
    return text


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        where = f"line {line}, column {column}"
        raise explain(data) or ConfigError(where, "there is no UTF-8", "save the config as UTF-8") from None


def _refuse(name: str) -> NoReturn:
    raise _SpecialError(name)


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise _SpecialError
    return int(digits)


def _fraction(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise _SpecialError
    return number


def _malformed(text: str | bytes) -> NoReturn:
    from flatprov.ignition.validate import scanning, syntax  # only a broken text needs them

    view = scanning.view(text)
    wrong = syntax.problem(view)
    if wrong is None:
        at = next((at for at, number in _numbers(view) if _is_huge(number)), 0)
        raise _error(view, at, "the number is too large", "correct it there")
    at = wrong.at
    if view.startswith(_COMMENTS, at):
        raise _error(view, at, "the JSON is malformed: JSON has no comments", "remove it, or write Butane")
    for word in _CONSTANTS:
        if view.startswith(word, at):
            raise _error(view, at, f"{word} is no JSON", "write a number")
    if wrong.message.endswith(syntax.DEPTH):
        _too_deep(text)
    raise _error(view, at, f"the JSON is malformed: {wrong.message}", "correct it there")


def _is_too_deep(value: Any) -> bool:
    """Tell whether a value is nested more deeply than allowed, which Python itself may have read."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inner = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, (dict, list))]
        level = [one for group in inner for one in group]
        if not level:
            return False
    return any(isinstance(one, (dict, list)) for one in level)


def _too_deep(text: str | bytes) -> NoReturn:
    from flatprov.ignition.validate import scanning

    view = scanning.view(text)
    depth = at = 0
    for found in _BRACKET.finditer(scanning.blank(view)):
        depth += 1 if found[0] in "[{" else -1
        if depth > MAX_DEPTH:
            at = found.start()
            break
    raise _error(view, at, "the JSON is nested too deeply", "check where it comes from")


def _error(view: str, at: int, problem: str, fix: str) -> ConfigError:
    line, column = view.count("\n", 0, at) + 1, at - view.rfind("\n", 0, at)
    return ConfigError(f"line {line}, column {column}", problem, fix)


def _numbers(view: str) -> Iterator[tuple[int, str]]:
    from flatprov.ignition.validate import scanning

    return ((found.start(), found[0]) for found in _LONG_NUMBER.finditer(scanning.blank(view)))


def _is_huge(number: str) -> bool:
    if number.lstrip("-").isdigit():
        return len(number) > _LONGEST_NUMBER
    return float(number) in (float("inf"), float("-inf"))


def _duplicates(text: str | bytes) -> Iterator[Duplicate]:
    from flatprov.ignition.validate import scanning

    view = scanning.view(text)
    waiting: list[tuple[tuple[str | int, ...], int]] = [((), scanning.skip_space(view, 0))]
    left = _MOST_DUPLICATES
    while waiting and left:
        path, start = waiting.pop()
        inner: list[tuple[tuple[str | int, ...], int]] = []
        if view[start] == "{":
            seen = set()
            for name, at, value in scanning.members(view, start):
                if name in seen and left:
                    left -= 1
                    line, column = view.count("\n", 0, at) + 1, at - view.rfind("\n", 0, at)
                    yield Duplicate((*path, name), line, column)
                if not left:
                    return
                seen.add(name)
                inner.append(((*path, name), value))
        elif view[start] == "[":
            inner = [((*path, number), value) for number, value in enumerate(scanning.items(view, start))]
        if len(path) < _DEEPEST_DUPLICATE:
            waiting += [(where, value) for where, value in reversed(inner) if view[value] in "{["]
