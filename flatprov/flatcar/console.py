"""A serial console's bytes as clean lines of text.

The bytes arrive in pieces of any size. The same bytes give the same lines, however they were cut.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

#: A line longer than this is cut; its rest is dropped. A boot report is far shorter.
MAX_LINE = 192 * 1024

_PROMPT = 200
_LINE_END = re.compile(rb"[\r\n]")
#: Moving to the first column or clearing the screen starts a new line for a reader.
_NEW_LINE = re.compile(r"\x1b\[(?:\d*(?:;1)?H|2J)|\x1bc")
_CODES = re.compile(
    r"\x1b\[[0-9;:?!<=>]*[ -/]*[@-~]"  # CSI: colours, cursor, modes
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: titles, palettes
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"  # DCS and its kin
    r"|\x1b[ -/]*[0-~]?"  # the rest, and one that was cut
    r"|[\x00-\x08\x0b-\x1f\x7f\u0080-\u009f]"
)


def clean(raw: bytes) -> list[str]:
    """Text of one raw line without terminal codes; cursor movements may make it several."""
    text = raw.decode("utf-8", "replace")
    return [_CODES.sub("", part) for part in _NEW_LINE.split(text)]


class ConsoleLines:
    """Cuts a byte stream into clean lines; empty ones are dropped."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[str]:
        """Take the next bytes and give the lines they complete; the iterator must be used up."""
        start = 0
        for end in _LINE_END.finditer(data):
            yield from self._extend(data[start : end.start()])
            yield from self._flush()
            start = end.end()
        yield from self._extend(data[start:])

    @property
    def partial(self) -> str:
        """The line that has no end yet if it is short enough to be a prompt."""
        return clean(bytes(self._rest))[-1] if len(self._rest) <= _PROMPT and not self._skipping else ""

    def _extend(self, piece: bytes) -> Iterator[str]:
        if self._skipping or not piece:
            return
        room = self._limit - len(self._rest)
        self._rest += piece[:room]
        if len(piece) > room:
            yield from self._flush()
            self._skipping = True

    def _flush(self) -> Iterator[str]:
        raw = bytes(self._rest)
        self._rest.clear()
        self._skipping = False
        for line in clean(raw):
            if line.strip():
                yield line


class History:
    """The last lines of a console, in bounded memory."""

    def __init__(self, limit: int = 256 * 1024) -> None:
        self._limit = limit
        self._size = 0
        self._lines: deque[str] = deque()

    def add(self, line: str) -> None:
        """Keep one more line, and forget the oldest ones that no longer fit."""
        self._lines.append(line)
        self._size += len(line) + 1
        while self._size > self._limit and len(self._lines) > 1:
            self._size -= len(self._lines.popleft()) + 1

    def last(self, count: int) -> list[str]:
        """The last lines, oldest first."""
        if count <= 0:
            return []
        return list(self._lines)[-count:]
