"""Place-holders that a template should have replaced."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from flatprov.ignition.findings.codes import Path, entry
from flatprov.ignition.findings.view import View
from flatprov.ignition.report import Entry

_WORD: Final = (
    r"\b(?:REPLACE[_-]?(?:ME|WITH|THIS)[A-Z0-9_-]*|CHANGE[_-]?(?:ME|THIS)[A-Z0-9_-]*|YOUR[_-][A-Z0-9_-]{2,}"
    r"|(?:INSERT|ENTER|PUT)[_-][A-Z0-9_-]{1,40}[_-]HERE|(?:TOKEN|KEY|PASSWORD|SECRET)[_-]HERE)\b"
)
_ANGLE: Final = r"<(?i:your|insert|replace|change|enter|add|put|paste|my|some)\b[ _-]?[^<>\n@]{0,60}>"
#: Any of the usual forms; for values that no program expands.
_ANY: Final = re.compile(
    rf"\$\{{[A-Za-z_][A-Za-z0-9_.]*\}}|\{{\{{[^{{}}\n]{{1,80}}\}}\}}|<%=?[^%\n]{{1,80}}%>"
    rf"|<[A-Za-z][A-Za-z0-9 _.:/-]{{0,60}}>|{_WORD}|{_ANGLE}"
)
#: Forms that neither a shell, nor systemd, nor a program's own templates use; for texts. Each is sought only where one
#: of its words was found, which is much faster.
_SURE: Final = (
    (re.compile(_WORD.encode()), (b"REPLACE", b"CHANGE", b"YOUR", b"HERE")),
    (re.compile(_ANGLE.encode()), (b"<",)),
)
#: A text that is nothing but a place-holder.
_WHOLE: Final = re.compile(rb"\s*(?:\$\{[A-Za-z_]\w*\}|\{\{[^{}\n]{1,80}\}\}|<[A-Za-z][\w .-]{0,60}>)\s*\Z")
_LONGEST_WHOLE: Final = 200
#: A Jinja expression: a name, perhaps with a filter. Go templates begin with a dot or with a word of their own.
_JINJA: Final = re.compile(
    rb"\{\{-? ?(?!(?:end|else|range|if|with|json|len|define|block|template|printf?|println|index)\b)"
    rb"[A-Za-z_][\w.\[\]'\"]*(?: ?\|[^{}\n]{1,60})? ?-?\}\}"
)
_MOST_BYTES: Final = 64 << 10

#: Tells fast whether a value could hold a place-holder at all.
SUSPECT: Final = re.compile(r"[{<]|REPLACE|CHANGE|YOUR|INSERT|ENTER|PUT|HERE").search
#: Properties that are no plain values: texts, keys and hashes have findings of their own, gecos is for people.
SKIPPED: Final = frozenset({"contents", "gecos", "sshAuthorizedKeys", "passwordHash", "config", "advertisement"})


def in_value(value: str, path: Path, name: str) -> Iterator[Entry]:
    """Find a place-holder in the value of a property."""
    found = _ANY.search(value)
    if found:
        yield _entry(found[0], path, f"the value of {name}")


def whole_value(value: str) -> str:
    """Give the place-holder that a key or hash consists of, or ``""``."""
    found = _ANY.search(value)
    return found[0] if found else ""


def find(view: View) -> Iterator[Entry]:
    """Find place-holders in units and in inline contents.

    ``${X}`` in a unit or script is a variable, and ``{{.X}}`` belongs to a program's own templates: they are left alone
    unless a file consists of nothing else.
    """
    for path, _, text in view.unit_texts:
        data = text[:_MOST_BYTES].encode("utf-8", "replace")
        found = _sure(data) or (b"{{" in data and _outside_comment(_JINJA.search(data), data)) or None
        if found:
            yield _entry(found[0].decode("utf-8", "replace"), path, "the text of the unit")
    for source in view.sources:
        data = (source.content(view) if source.inline else None) or b""
        found = (_WHOLE.match(data) if 0 < len(data) < _LONGEST_WHOLE else None) or _sure(data[:_MOST_BYTES])
        if found:
            yield _entry(found[0].strip().decode("utf-8", "replace"), (*source.path, "source"), "the contents")


def _sure(data: bytes) -> re.Match[bytes] | None:
    for pattern, words in _SURE:
        for word in words:
            if word in data:
                found = _outside_comment(pattern.search(data), data)
                if found:
                    return found
                break
    return None


def _outside_comment(found: re.Match[bytes] | None, data: bytes) -> re.Match[bytes] | None:
    if found is None:
        return None
    line = data[data.rfind(b"\n", 0, found.start()) + 1 : found.start()].lstrip()
    return None if line.startswith((b"#", b"//", b";")) else found


def _entry(found: str, path: Path, where: str) -> Entry:
    return entry(
        "placeholder",
        path,
        f"the place-holder {found[:60]} was left in {where}",
        "fill it in: render the template before the config is handed over",
    )
