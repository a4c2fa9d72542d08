"""A terminal that shows a machine's console: keys are read and never sent, and it is left as it was found."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from flatprov.flatcar.console import ConsoleLines

ESCAPE: Final = b"\x1d"  #: Ctrl-]
_INTERRUPT: Final = b"\x03"
# colours, cursor, line wrap, alternate screen, pasting and mouse modes, scroll region, character set
_RESET: Final = (
    b"\x1b[0m\x1b[?25h\x1b[?7h\x1b[?1049l\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1l\x1b>\x1b(B"
    b"\x1b7\x1b[r\x1b8"
)
# what a guest has no business with: titles, clipboard, device strings; BEL or ESC \ ends them
_STRINGS: Final = re.compile(rb"\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)")
_OPEN_STRING: Final = re.compile(rb"\x1b(?:[\]PX^_][^\x07\x1b]*\x1b?)?\Z")
_LONGEST_STRING: Final = 65536


class Screen:
    """Where a console's bytes go: as they are to a terminal, as clean lines to a file or pipe."""

    def __init__(self, output: int) -> None:
        self._output = output
        self._terminal = os.isatty(output)
        self._lines = ConsoleLines()
        self._held = b""

    def show(self, data: bytes) -> None:
        """Write what arrived."""
        if not self._terminal:
            self._write("".join(f"{line}\n" for line in self._lines.feed(data)).encode())
            return
        text = _STRINGS.sub(b"", self._held + data)
        held = _OPEN_STRING.search(text)
        self._held = text[held.start() :] if held and len(text) - held.start() < _LONGEST_STRING else b""
        self._write(text[: len(text) - len(self._held)])

    def reset(self) -> None:
        """Undo what the guest did to the terminal."""
        if self._terminal:
            self._write(_RESET + b"\r\n")

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._output, data) :]


@contextmanager
def keys(keyboard: int) -> Iterator[Keyboard]:
    """Keys one by one and unseen, while it lasts; the terminal is as before afterwards, after signals too."""
    if not os.isatty(keyboard):
        yield Keyboard(None)
        return
    before = termios.tcgetattr(keyboard)
    silent = termios.tcgetattr(keyboard)
    silent[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG)
    handlers = {}
    for number in (signal.SIGTERM, signal.SIGHUP):
        with contextlib.suppress(ValueError):  # not in the main thread
            handlers[number] = signal.signal(number, _leave)
    try:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, silent)
        yield Keyboard(keyboard)
    finally:
        # what the terminal answered to the guest's questions is thrown away, and not typed into the shell
        termios.tcsetattr(keyboard, termios.TCSAFLUSH, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


class Keyboard:
    """Keys that were pressed; none where there is no terminal."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def wants_to_leave(self) -> bool:
        """Whether Ctrl-] or Ctrl-C was pressed; other keys are dropped."""
        if self._descriptor is None:
            return False
        pressed = b""
        while select.select([self._descriptor], [], [], 0)[0]:
            part = os.read(self._descriptor, 1024)
            if not part:
                return True  # the terminal is gone
            pressed += part
        return ESCAPE in pressed or _INTERRUPT in pressed


def _leave(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
