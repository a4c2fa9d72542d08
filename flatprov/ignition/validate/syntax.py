"""What is wrong with a text that is no JSON, in the words and at the place that Go gives.

The C scanner of ``json`` finds where it stops; from there the few bytes that matter are read as Go's scanner does.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from json.decoder import JSONDecodeError
from typing import Any, Final, NamedTuple

from flatprov.ignition import gotext
from flatprov.ignition.validate import scanning

MAX_DEPTH: Final = 10_000
DEPTH: Final = "exceeded max depth"
_END: Final = "unexpected end of JSON input"
_UNFINISHED_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:(\.)(?![0-9])|(?:\.[0-9]+)?[eE][+-]?(?![0-9]))")
_BEFORE_NUMBER: Final = re.compile(r"[-+.0-9eE]*\Z")
_NOT_STRUCTURE: Final = {code: None for code in range(256) if chr(code) not in "[]{}"}
_STEPS: Final = {"[": 1, "{": 1, "]": -1, "}": -1}
_BRACKET: Final = re.compile(r"[\[\]{}]")
_ESCAPES: Final = '"\\/bfnrt'
_HEX: Final = "0123456789abcdefABCDEF"


class SyntaxProblem(NamedTuple):
    """What is wrong, and which byte is; the end of the text where it is cut short."""

    message: str
    at: int


class _ConstantError(Exception):
    """``NaN`` or ``Infinity``, which Python's scanner takes."""


def _constant(name: str) -> Any:
    raise _ConstantError(name)


_scan: Final = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_constant).raw_decode


def problem(view: str) -> SyntaxProblem | None:
    """Find the first thing in the view of a text that keeps it from being JSON, as Go reads it."""
    found = _problem(view)
    deep = _too_deep(view)
    if deep is not None and (found is None or found.at > deep):
        return _at(view, deep, DEPTH)
    return found


def _too_deep(view: str) -> int | None:
    """Give the first bracket below Go's limit; newer Pythons read on beyond it."""
    if view.count("[") + view.count("{") <= MAX_DEPTH:
        return None
    steps = map(_STEPS.__getitem__, scanning.bare(view).translate(_NOT_STRUCTURE))
    if max(accumulate(steps), default=0) <= MAX_DEPTH:
        return None
    depth = 0
    for bracket in _BRACKET.finditer(scanning.blank(view)):
        depth += _STEPS[bracket[0]]
        if depth > MAX_DEPTH:
            return bracket.start()
    return None


def _problem(view: str) -> SyntaxProblem | None:
    start = scanning.skip_space(view, 0)
    if start == len(view):
        return SyntaxProblem(_END, len(view))
    found = _value(view, start)
    if isinstance(found, SyntaxProblem):
        return found
    end = scanning.skip_space(view, found)
    return None if end == len(view) else _explain(view, end, "after top-level value")


def _value(view: str, start: int) -> int | SyntaxProblem:
    """Give the end of the value at ``start``, or what is wrong with it."""
    try:
        return _scan(view, start)[1]
    except RecursionError:
        return _deep(view, start)
    except JSONDecodeError as error:
        return _from(view, error)
    except _ConstantError:
        # The same again with words of the same length that no scanner takes: now it says where.
        found = _value(view.replace("NaN", "@@@").replace("Infinity", "@@@@@@@@"), start)
        if isinstance(found, SyntaxProblem):
            return SyntaxProblem(found.message.replace("@", view[found.at], 1), found.at)
        return found


def _from(view: str, error: JSONDecodeError) -> SyntaxProblem:
    """Translate an error of Python's scanner."""
    if error.msg.startswith("Expecting value"):
        return _at_value(view, error.pos)
    if error.msg.startswith("Illegal trailing comma"):
        index = scanning.skip_space(view, error.pos + 1)
        return _at_value(view, index) if view[index : index + 1] == "]" else _at(view, index, _KEY)
    if error.msg.startswith("Expecting property name"):
        index = scanning.skip_space(view, error.pos)
        return _at(view, index, _KEY)
    if error.msg.startswith("Expecting ':'"):
        return _at(view, scanning.skip_space(view, error.pos), "after object key")
    if error.msg.startswith("Expecting ','"):
        index = scanning.skip_space(view, error.pos)
        inside = "after object key:value pair" if _open_bracket(view, index) == "{" else "after array element"
        return _explain(view, index, inside)
    return _in_string(view, error.pos)


_IN_STRING: Final = "in string literal"
_KEY: Final = "looking for beginning of object key string"


def _at(view: str, index: int, context: str) -> SyntaxProblem:
    if index >= len(view):  # Go ends a text with a space, and that is what is wrong in the middle of a word
        in_word = context.startswith(("in ", "after decimal")) and context != _IN_STRING
        return SyntaxProblem(f"invalid character ' ' {context}" if in_word else _END, len(view))
    return SyntaxProblem(f"invalid character {_quoted(view[index])} {context}", index)


def _quoted(character: str) -> str:
    return "'\"'" if character == '"' else f"'{gotext.escape(character, chr(39))}'"


def _at_value(view: str, index: int) -> SyntaxProblem:
    """Explain why no value begins here."""
    first = view[index : index + 1]
    if first == "-":
        return _at(view, index + 1, "in numeric literal")
    for word in ("true", "false", "null"):
        if first == word[0]:
            offset = next((at for at in range(1, len(word)) if view[index + at : index + at + 1] != word[at]), 0)
            return _at(view, index + offset, f"in literal {word} (expecting '{word[offset]}')")
    return _at(view, index, "looking for beginning of value")


def _explain(view: str, index: int, context: str) -> SyntaxProblem:
    """Explain why nothing may stand here; a number in front of it may have gone on."""
    if view[index : index + 1] in (".", "e", "E"):
        before = _BEFORE_NUMBER.search(view, max(0, index - 400), index)
        number = _UNFINISHED_NUMBER.match(view, before.start()) if before else None
        if number:
            where = "after decimal point in numeric literal" if number[1] else "in exponent of numeric literal"
            return _at(view, number.end(), where)
    return _at(view, index, context)


def _open_bracket(view: str, index: int) -> str:
    """Give the innermost bracket that is open at ``index``."""
    depth = 0
    for bracket in reversed(scanning.bare(view[:index]).translate(_NOT_STRUCTURE)):
        if bracket in "]}":
            depth += 1
        elif depth:
            depth -= 1
        else:
            return bracket
    return ""


def _in_string(view: str, index: int) -> SyntaxProblem:
    """Explain an error inside a string; Python's place is near a backslash, at a control character or at the start."""
    if view[index : index + 1] < " " and index < len(view):
        return _at(view, index, _IN_STRING)
    for start in (index, index - 1, index - 2, index + 1):
        if view[start : start + 1] == "\\" and _is_escape(view, start):
            found = _in_escape(view, start)
            if found:
                return found
    if view.endswith("\\") and _is_escape(view, len(view) - 1):
        return _at(view, len(view), "in string escape code")
    return SyntaxProblem(_END, len(view))


def _is_escape(view: str, index: int) -> bool:
    """Tell whether the backslash at ``index`` begins an escape and does not end one."""
    start = index
    while start > 0 and view[start - 1] == "\\":
        start -= 1
    return (index - start) % 2 == 0


def _in_escape(view: str, index: int) -> SyntaxProblem | None:
    kind = view[index + 1 : index + 2]
    if kind == "u":
        for offset in range(2, 6):
            if view[index + offset : index + offset + 1] not in _HEX or index + offset >= len(view):
                return _at(view, index + offset, "in \\u hexadecimal character escape")
        return None
    return None if kind and kind in _ESCAPES else _at(view, index + 1, "in string escape code")


def _deep(view: str, start: int) -> int | SyntaxProblem:
    """The same for a value that is nested too deeply for the C scanner: go down by hand where it gives up."""
    stack = [view[start]]
    index = start + 1
    fresh = True  # whether nothing stands behind the last bracket yet
    gave_up = 1  # the depth at which the C scanner last did: a few levels further down it would again
    while stack:
        index = scanning.skip_space(view, index)
        closing = "]" if stack[-1] == "[" else "}"
        inside = "after array element" if stack[-1] == "[" else "after object key:value pair"
        character = view[index : index + 1]
        if character == closing:
            stack.pop()
            index, fresh = index + 1, False
            continue
        if not fresh:
            if character != ",":
                return _explain(view, index, inside)
            index = scanning.skip_space(view, index + 1)
        if stack[-1] == "{":
            key = _key(view, index)
            if isinstance(key, SyntaxProblem):
                return key
            index = key
        near = len(stack) > MAX_DEPTH - 2000 or (fresh and len(stack) - gave_up < 64)
        found = _shallow(view, index, by_hand=near)
        if isinstance(found, SyntaxProblem):
            return found
        if found is None:
            gave_up = gave_up if near else len(stack)
            stack.append(view[index])
            if len(stack) > MAX_DEPTH:
                return _at(view, index, DEPTH)
            index, fresh = index + 1, True
        else:
            index, fresh = found, False
    return index


def _key(view: str, index: int) -> int | SyntaxProblem:
    """Give where the value begins whose key is at ``index``."""
    if view[index : index + 1] != '"':
        return _at(view, index, _KEY)
    end = _value(view, index)
    if isinstance(end, SyntaxProblem):
        return end
    index = scanning.skip_space(view, end)
    return (
        scanning.skip_space(view, index + 1) if view[index : index + 1] == ":" else _at(view, index, "after object key")
    )


def _shallow(view: str, index: int, *, by_hand: bool) -> int | SyntaxProblem | None:
    """Give the end of a value, what is wrong with it, or None where it must be gone down into."""
    if view[index : index + 1] not in ("[", "{"):
        return _value(view, index)
    if by_hand:
        return None
    try:
        return _scan(view, index)[1]
    except RecursionError:
        return None
    except (JSONDecodeError, _ConstantError):
        return _value(view, index)
