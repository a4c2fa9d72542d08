"""The grammar of ``data:`` URLs as Ignition's decoder reads it, with its words for what is wrong.

Some of it is stricter than RFC 2397, and some is looser: the type is matched with its case and only by its beginning, a
parameter may stand in quotation marks, and ``base64`` must be the last of the parameters.
"""

from __future__ import annotations

import re
from typing import Final

_TOKENS: Final = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]*")
_QUOTED: Final = re.compile(r"(?:[\x00-!#-\[\]-\x7f]|\\[\x00-\x7f])*")
_TYPES: Final = ("text", "image", "audio", "video", "application", "message", "multipart")
_GO_STRING: Final = re.compile(
    r"(?:[^\\\n\"]|\\[abfnrtv\\\"]|\\x[0-9a-fA-F]{2}|\\[0-3][0-7]{2}"
    r"|\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4}|\\U(?!0000[dD][89a-fA-F])00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4})*"
)
_PLAIN: Final = bytes(byte for byte in range(0x21, 0x7F) if chr(byte) not in '<>#"{}|\\^[]`')
_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\n"
_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})(.?)")
_HEX: Final = frozenset("0123456789abcdefABCDEF")


def problem(source: str) -> str:
    """Say what is wrong with a ``data:`` URL, in the words of Ignition, or ``""``."""
    if source.startswith("data:;base64,"):
        return _base64_problem(source[13:])
    if source.startswith("data:,"):
        return _plain_problem(source[6:])
    if not source.startswith("data:"):
        return "missing data prefix"
    wrong, position, base64 = _head(source)
    return wrong or (_base64_problem if base64 else _plain_problem)(source[position:])


def split(source: str) -> tuple[bool, str]:
    """Give whether the data of a valid ``data:`` URL are base64, and the data."""
    _, position, base64 = _head(source)
    return base64, source[position:]


def _head(source: str) -> tuple[str, int, bool]:
    """Give what is wrong before the data, where the data begin, and whether they are base64."""
    position = 5
    if source[5:6] not in (";", ","):
        wrong, position = _media_type(source)
        if wrong:
            return wrong, 0, False
    unquote = False
    while True:
        if source[position : position + 1] == ",":
            return "", position + 1, False
        position += 1
        if source[position : position + 1] in ("", "=", ","):
            return "unterminated parameter sequence", 0, False
        end = _tokens(source, position)
        if source[end : end + 1] == ",":
            name = source[position:end]
            return ("" if name == "base64" else f"expected base64, got {name}"), end + 1, True
        if source[end : end + 1] != "=":
            return _wrong_at(source, end, "unterminated parameter sequence", "parameter attribute"), 0, False
        wrong, position, unquote = _parameter_value(source, end + 1, unquote)
        if wrong:
            return wrong, 0, False


def _tokens(source: str, position: int) -> int:
    found = _TOKENS.match(source, position)
    return found.end() if found else position


def _wrong_at(source: str, position: int, at_end: str, what: str) -> str:
    return at_end if position >= len(source) else f"invalid character for {what}"


def _media_type(source: str) -> tuple[str, int]:
    first = source[5:6]
    if not first:
        return "missing comma before data", 0
    other = first in "xX" and source[6:7] != "-"  # the decoder has then swallowed the second character unseen
    if first not in "xX" and not _TOKENS.fullmatch(first):
        return "invalid character after data prefix", 0
    slash = _tokens(source, 7 if other else 5)
    if source[slash : slash + 1] != "/":
        return _wrong_at(source, slash, "missing media type slash", "media type"), 0
    own = first in "xX" and not other
    if not own and not source[5:slash].startswith(_TYPES):
        return "invalid media type", 0
    end = _tokens(source, slash + 1)
    if end >= len(source):
        return "incomplete media type", 0
    return ("", end) if source[end] in ";," else ("invalid character for media subtype", 0)


def _parameter_value(source: str, position: int, unquote: bool) -> tuple[str, int, bool]:
    """Give what is wrong with a parameter's value, where it ends, and whether the next one is read as a quoted one."""
    if source[position : position + 1] == '"':
        found = _QUOTED.match(source, position + 1)
        end = found.end() if found else position + 1
        if source[end : end + 1] != '"':
            return _unclosed(source, end), 0, False
        value, position, unquote = source[position + 1 : end], end + 1, True
    else:
        end = _tokens(source, position)
        if end == position or end >= len(source) or source[end] not in ";,":
            return _wrong_at(source, end, "missing comma before data", "parameter value"), 0, False
        value, position = source[position:end], end
    if value:  # an empty quoted value leaves the mark for the one after it
        wrong = ("" if _GO_STRING.fullmatch(value) else "invalid syntax") if unquote else _escape_problem(value)
        if wrong:
            return wrong, 0, False
        unquote = False
    if position >= len(source):
        return "missing comma before data", 0, False
    return ("" if source[position] in ";," else "expected semicolon or comma"), position, unquote


def _unclosed(source: str, end: int) -> str:
    if end >= len(source) or (source[end] == "\\" and end + 1 >= len(source)):
        return "unclosed quoted string"
    return "invalid escaped character" if source[end] == "\\" else "invalid character for parameter value"


def _plain_problem(data: str) -> str:
    if not data.isascii() or data.encode().translate(None, _PLAIN):
        return "invalid data character"
    return _escape_problem(data) if "%" in data else ""


def _escape_problem(data: str) -> str:
    found = _ESCAPE.search(data)
    if not found:
        return ""
    cut = found.start() + 1 >= len(data) or (found[1] in _HEX and found.start() + 2 >= len(data))
    kind = "unexpected end of unescape sequence" if cut else "invalid char 0x25 in unescape sequence"
    return f"rfc2396: {kind}"


def _base64_problem(data: str) -> str:
    if not data.isascii():
        return "invalid data character"
    raw = data.encode()
    if raw.translate(None, _BASE64):
        return "invalid data character"
    raw = raw.replace(b"\n", b"")
    padding = raw.find(b"=")
    if padding < 0 and len(raw) % 4 == 0:
        return ""
    if len(raw) % 4 == 0 and raw[padding:] in (b"=", b"=="):
        return ""
    return f"illegal base64 data at input byte {_bad_base64_byte(raw, padding)}"


def _bad_base64_byte(raw: bytes, padding: int) -> int:
    if padding < 0:
        return len(raw) - len(raw) % 4  # the last group of four is cut short
    if padding % 4 < 2:
        return padding
    end = padding + 1
    if padding % 4 == 2:
        if end >= len(raw):
            return len(raw)
        if raw[end : end + 1] != b"=":
            return padding
        end += 1
    return end
