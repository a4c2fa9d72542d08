"""Unit files as Ignition reads them, which is not quite as systemd does.

Its lexer ignores everything before the first section, and takes a comment for continued where its line ends with a
backslash. It looks 2,048 bytes ahead in a buffer of 4,096 before each step, so whether a long line is refused depends
on where it lies.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from flatprov.ignition.gotext import SPACE, decode, quote

_LOOK_AHEAD: Final = 2048
_BUFFER: Final = 4096
_SECTION_OR_COMMENT: Final = re.compile(rb"[\[#;]")
_SPACES: Final = re.compile(
    rb"(?:[\t-\r ]|\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80)*"
)
_CHARACTER: Final = re.compile(rb"[\x00-\xff][\x80-\xbf]*")
_NAME: Final = re.compile(rb"[^=\r\n]*")
#: Whole lines with nothing special about them: options of one line, comments, empty lines.
_PLAIN_LINES: Final = re.compile(rb"(?:[A-Za-z][^=\r\n]*=(?:[^\n]*[^\\\n])?\n|[#;](?:[^\n]*[^\\ \n])?\n|\n){1,1000}")
_OPTION: Final = re.compile(rb"^[A-Za-z]", re.M)


class UnitText(NamedTuple):
    """What was found in a unit file.

    Attributes:
        problem: what is wrong with it, or ``""``.
        installs: whether an option stands in a section ``[Install]``.
        options: whether there is any option at all.
    """

    problem: str
    installs: bool
    options: bool


def read_unit(text: str, *, numbers: bool = False) -> UnitText:
    """Read a unit file or a drop-in.

    Args:
        text: its contents.
        numbers: quote its bytes as numbers, as Ignition before 2.15 does.
    """
    data = text.encode("utf-8", "replace")
    long = len(data) >= _LOOK_AHEAD and max(map(len, data.splitlines())) >= _LOOK_AHEAD
    return (_BufferedLexer if long else _Lexer)(data, numbers).read()


class _InvalidError(Exception):
    """The unit file ends the lexer."""


class _Lexer:
    """Reads the bytes from left to right."""

    def __init__(self, data: bytes, numbers: bool) -> None:
        self.data = data
        self.numbers = numbers
        self.position = 0
        self.installs = self.options = False

    def read(self) -> UnitText:
        """Read all of it."""
        try:
            if self._to_first_section():
                while self._options(self._section()):
                    pass
        except _InvalidError as invalid:
            return UnitText(str(invalid), False, False)
        return UnitText("", self.installs, self.options)

    def _characters(self, end: int, *, steps: bool) -> None:
        """Take the characters up to ``end``; with ``steps`` each is a step of its own."""
        self.position = end

    def _bytes(self, end: int) -> None:
        """Take the bytes up to ``end`` at once."""
        self.position = end

    def _step(self) -> None:
        """Begin a step."""

    def _to_first_section(self) -> bool:
        while True:
            found = _SECTION_OR_COMMENT.search(self.data, self.position)
            self._characters(found.end() if found else len(self.data), steps=True)
            if not found:
                return False
            if found[0] == b"[":
                return True
            self._comment()

    def _comment(self) -> None:
        self._step()
        while self._line().removesuffix(b" ").endswith(b"\\"):
            pass

    def _line(self) -> bytes:
        """Take the rest of the line, at the end of the text without its last carriage return."""
        start, end = self.position, self.data.find(b"\n", self.position)
        if end < 0:
            self._bytes(len(self.data))
            return self.data[start:].removesuffix(b"\r")
        self._bytes(end + 1)
        return self.data[start:end]

    def _section(self) -> bytes:
        """Take a section's name, the bracket before which is taken already, and what is behind it on its line."""
        self._step()
        start, end = self.position, self.data.find(b"]", self.position)
        if end < 0:
            raise _InvalidError("unable to find end of section")
        self._bytes(end + 1)
        self._step()
        garbage = decode(self._line()).strip(SPACE)
        if garbage:
            quoted = f"[{' '.join(map(str, garbage.encode()))}]" if self.numbers else quote(garbage)
            raise _InvalidError(f"found garbage after section name : {quoted}")
        return self.data[start:end]

    def _options(self, section: bytes) -> bool:
        """Take the options of a section; tell whether another section begins."""
        data = self.data
        while True:
            if self._plain_lines():
                self.options = True
                self.installs = self.installs or section == b"Install"
            found = _SPACES.match(data, self.position)
            start = found.end() if found else self.position
            if start >= len(data):
                self._characters(start, steps=True)
                return False
            character = _CHARACTER.match(data, start)
            self._characters(character.end() if character else start, steps=True)
            if data[start] == 0x5B:  # [
                return True
            if data[start] in b"#;":
                self._comment()
            else:
                self.position = start
                self._option()
                self.options = True
                self.installs = self.installs or section == b"Install"

    def _plain_lines(self) -> bool:
        """Take lines that need no closer look; tell whether there are options among them."""
        any_option = False
        while True:
            found = _PLAIN_LINES.match(self.data, self.position)
            if not found:
                return any_option
            any_option = any_option or _OPTION.search(self.data, found.start(), found.end()) is not None
            self.position = found.end()

    def _option(self) -> None:
        self._step()
        found = _NAME.match(self.data, self.position)
        end = found.end() if found else self.position
        if end >= len(self.data):
            raise _InvalidError("EOF")
        if self.data[end] != 0x3D:  # =
            raise _InvalidError("unexpected newline encountered while parsing option name")
        self._characters(end + 1, steps=False)
        self._step()
        while self._line().endswith(b"\\"):
            self._step()


class _BufferedLexer(_Lexer):
    """The same with the buffer, for texts with a line that may be too long."""

    def __init__(self, data: bytes, numbers: bool) -> None:
        super().__init__(data, numbers)
        self.filled = 0  #: how far the buffer has been filled
        self.long = _long_lines(data)

    def _plain_lines(self) -> bool:
        return False  # here each step counts

    def _characters(self, end: int, *, steps: bool) -> None:
        while True:
            if steps and self._sees_long_line(end):
                raise _InvalidError("line too long (max 2048 bytes)")
            if end <= self.filled:
                break
            # A character that is not in the buffer fills it; the next step begins behind that character.
            start = max(self.position, self._last_whole_character())
            self.filled = min(len(self.data), start + _BUFFER)
            character = _CHARACTER.match(self.data, start)
            self.position = character.end() if character else start
            if start >= len(self.data):
                break
        self.position = end

    def _last_whole_character(self) -> int:
        """Give where the buffer has no whole character left."""
        start = self.filled
        while start > self.position and start < len(self.data) and self.data[start] & 0xC0 == 0x80:
            start -= 1
        return start

    def _bytes(self, end: int) -> None:
        while end > self.filled:
            if self.filled - self.position >= _BUFFER:
                self.position = self.filled
            self.filled = min(len(self.data), self.position + _BUFFER)
        self.position = end

    def _step(self) -> None:
        if self._sees_long_line(self.position + 1):
            raise _InvalidError("line too long (max 2048 bytes)")

    def _sees_long_line(self, end: int) -> bool:
        """Tell whether a step that begins before ``end`` finds no end of line in its look ahead."""
        while self.long and self.long[-1][1] < self.position:
            self.long.pop()
        return bool(self.long) and max(self.long[-1][0], self.position) <= min(
            end - 1, self.long[-1][1], self.filled - _LOOK_AHEAD
        )


def _long_lines(data: bytes) -> list[tuple[int, int]]:
    """Give the first and the last place of each long line from which no end of it is in sight, the last line first."""
    found, start = [], 0
    for line in data.splitlines(keepends=True):
        length = len(line.rstrip(b"\r\n"))
        if length >= _LOOK_AHEAD:
            found.append((start, start + length - _LOOK_AHEAD))
        start += len(line)
    return found[::-1]
