"""Take secrets out of console text.

A console shows a config encoded, cut into lines, and with other output in between. So a secret is not looked for as a
whole: every stretch of twelve characters that occurs in any form of a secret is taken out.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final
from urllib.parse import quote, quote_plus

MARK: Final = "«redacted»"
GRAM: Final = 12  #: characters; a shorter piece of a longer secret stays
SHORTEST: Final = 4  #: characters; a shorter secret cannot be told from other text

_BREAKS: Final = re.compile(r"[\r\n]|\x1b\[[0-9;?]*[A-Za-z]")
_DUMP: Final = re.compile(r"Full config:")
_DUMP_END: Final = re.compile(r"(?:\w+\[\d+\]: )?\}\s*$")
_NOT_DUMP: Final = re.compile(
    r"Ignition failed|Reached target|FLATPROV-|\]: (?:files|disks|fetch|kargs|mount|umount): "
    r"|(?<!\w)(?!ignition\[)[a-z][\w.@-]*\[\d+\]: |^\s*(?:\[\s*[\d.]+\] )?\[\s*(?:OK|FAILED|DEPEND|INFO)\s*\]"
)
_FEW: Final = 48  # windows of a text up to which searching each is faster than listing the windows of all forms
_GO: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


class Redactor:
    """Takes secrets out of text in each form in which they can appear.

    The forms are: plain, base64, percent-encoded and JSON-escaped. Colours and line breaks inside a secret do not hide
    it. What Ignition prints after ``Full config:`` goes as a whole. Lines stay lines.

    Args:
        leaves: the secrets, as from ``secret_leaves``.
    """

    def __init__(self, leaves: Iterable[bytes]) -> None:
        forms = dict.fromkeys(form for leaf in leaves for form in _forms(leaf))
        self._short = sorted((form for form in forms if SHORTEST <= len(form) < GRAM), key=len, reverse=True)
        self._long = "\0".join(form for form in forms if len(form) >= GRAM)

    def redact(self, text: str) -> str:
        """Give the text with ``«redacted»`` in place of each piece of a secret."""
        marks = bytearray(len(text))
        places = _places(text)
        joined = "".join([text[place] for place in places])
        for begin, end in self._found(joined):
            for place in places[begin:end]:
                marks[place] = 1
        pieces = []
        for marked, run in groupby(range(len(text)), marks.__getitem__):
            run_places = list(run)
            pieces.append(MARK if marked else text[run_places[0] : run_places[-1] + 1])
        return _without_dump("".join(pieces))

    def _found(self, joined: str) -> Iterator[tuple[int, int]]:
        for secret in self._short:
            begin = joined.find(secret)
            while begin >= 0:
                yield begin, begin + len(secret)
                begin = joined.find(secret, begin + 1)
        count = len(joined) - GRAM + 1
        if count <= 0 or not self._long:
            return
        windows = [joined[begin : begin + GRAM] for begin in range(count)]
        wanted = set(windows)
        if len(wanted) <= _FEW:
            hits = {window for window in wanted if window in self._long}
        else:
            hits = wanted.intersection(map(self._long.__getitem__, map(slice, range(len(self._long)), _ends())))
        end = 0
        begin = -1
        for place, window in enumerate(windows):
            if window in hits:
                if place > end or begin < 0:
                    if begin >= 0:
                        yield begin, end
                    begin = place
                end = place + GRAM
        if begin >= 0:
            yield begin, end


def _ends() -> Iterator[int]:
    end = GRAM
    while True:
        yield end
        end += 1


def _places(text: str) -> list[int] | range:
    """Give the positions of the characters that are no line break and no colour."""
    breaks = list(_BREAKS.finditer(text))
    if not breaks:
        return range(len(text))
    places: list[int] = []
    begin = 0
    for found in breaks:
        places.extend(range(begin, found.start()))
        begin = found.end()
    places.extend(range(begin, len(text)))
    return places


def _forms(leaf: bytes) -> Iterator[str]:
    encoded = base64.b64encode(leaf).decode("ascii")
    yield from (encoded.rstrip("="), encoded.rstrip("=").replace("+", "-").replace("/", "_"))
    yield from (quote(leaf, safe="!*'()"), quote(leaf, safe="/"), quote_plus(leaf))
    try:
        text = leaf.decode()
    except UnicodeDecodeError:
        return
    yield from (_BREAKS.sub("", text), _BREAKS.sub("", text.strip()))
    for escaped in (json.dumps(text, ensure_ascii=False), json.dumps(text)):
        yield from (escaped[1:-1], escaped[1:-1].translate(_GO))


def _without_dump(text: str) -> str:
    if not _DUMP.search(text):
        return text
    lines, dumping = [], False
    for line in text.split("\n"):
        if not dumping or (_NOT_DUMP.search(line) and not _DUMP.search(line)):
            found = _DUMP.search(line)
            dumping = dumping or found is not None
            lines.append(line[: found.end()] + (f" {MARK}" if line[found.end() :].strip() else "") if found else line)
        else:
            dumping = not _DUMP_END.search(line) or line.rstrip()[:-1].endswith("  ")
            lines.append(MARK)
    return "\n".join(lines)
