"""How Go prints and compares text, where the words of Ignition's messages depend on it."""

from __future__ import annotations

import codecs
from typing import Final

#: What Go's ``unicode.IsSpace`` takes for white space; Python's ``isspace`` takes more.
SPACE: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029"
    "\u202f\u205f\u3000"
)
_SHORT: Final = {
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\",
}  # fmt: skip
_EACH_BYTE: Final = "flatprov-each-byte"
codecs.register_error(_EACH_BYTE, lambda error: ("\ufffd" * (error.end - error.start), error.end))  # type: ignore[attr-defined]


def quote(text: str) -> str:
    """Write text as ``%q`` does."""
    return f'"{escape(text, chr(34))}"'


def escape(text: str, mark: str) -> str:
    """Write text as between the quotation marks ``mark`` of a Go literal."""
    return "".join(_escaped(character, mark) for character in text)


def _escaped(character: str, mark: str) -> str:
    if character == mark:
        return "\\" + mark
    if character in _SHORT:
        return _SHORT[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x20 or code == 0x7F else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def fold(name: str) -> str:
    """Give what is equal for names that Go's JSON decoder takes for the same.

    Two characters beyond ASCII are the same as one of it.
    """
    return name.replace("\u017f", "s").replace("\u212a", "k").lower()


def decode(data: bytes) -> str:
    """Read UTF-8 as Go does: every byte that does not belong to a character becomes U+FFFD."""
    return data.decode("utf-8", _EACH_BYTE)


def length(text: str) -> int:
    """Give the number of bytes of UTF-8, which is what Ignition counts."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
