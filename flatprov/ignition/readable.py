"""Show in what two configs differ, so that a person can judge it."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from flatprov.errors import ConfigError
from flatprov.ignition.dataurl import decode, is_inline
from flatprov.ignition.diffing import Difference, differences
from flatprov.ignition.redaction import Redactor
from flatprov.ignition.schema import REFERENCE, RESOURCE, Field, Kind, Shape, item_key
from flatprov.ignition.secrets import secret_leaves

_LARGEST: Final = 200_000  # characters; comparing longer texts line by line takes too long
_MOST_LINES: Final = 4000
_LONGEST_PART: Final = 16_384  # bytes; signed queries of URLs have some hundreds
_CONTEXT: Final = 2  # unchanged lines around a changed one
_ALWAYS_SECRET: Final = ("passwordHash", "keyFile")
_UNSET: Final = "(not set)"
_NO_BREAK: Final = "(no line break at the end)"


class Change(NamedTuple):
    """One difference as text.

    Args:
        path: the property, such as ``storage.files[/etc/motd].contents``.
        summary: one line: ``0644 -> 0600``, ``added``; ``""`` where the lines say all.
        lines: what changed inside, as a unified diff or a list of items.
    """

    path: str
    summary: str
    lines: tuple[str, ...] = ()

    def __str__(self) -> str:
        head = f"{self.path}: {self.summary}" if self.summary else self.path
        return "\n".join([head, *(f"  {line}" for line in self.lines)])


def changes(old: dict[str, Any], new: dict[str, Any], *, secret: bool = False) -> list[Change]:
    """Give the differences of two configs by meaning (see ``diff``), with values that a person can read.

    Texts are shown as unified diffs, other bytes by size and the head of their sha256, modes in octal. Secret leaves
    (see ``is_sensitive``) are named and never shown, nor is anything they could be guessed from.

    Args:
        old: the config before.
        new: the config after.
        secret: True shows no contents at all, for configs that are secret as a whole.
    """
    leaves = {leaf for config in (old, new) for leaf in secret_leaves(config, everything=secret)}
    # Whole files are masked where they are shown; parts of a line (passwords in URLs, headers) go at the end.
    parts = Redactor(leaf for leaf in leaves if b"\n" not in leaf and len(leaf) <= _LONGEST_PART)
    show = _Show(leaves, secret)
    found = []
    for one in differences(old, new):
        change = show.change(one)
        summary = parts.redact(change.summary) if change.summary else ""
        lines = parts.redact("\n".join(change.lines)).split("\n") if change.lines else []
        found.append(Change(parts.redact(change.path), summary, tuple(lines)))
    return found


class _Show:
    def __init__(self, leaves: set[bytes], secret: bool) -> None:
        self._leaves, self._secret = leaves, secret

    def change(self, found: Difference) -> Change:
        path, item = found.path, found.field
        if found.whole:
            gone = found.new is None
            lines = () if gone or item.shape is None else tuple(self._item(item.shape, found.new))
            return Change(path, "removed" if gone else "added", lines)
        if item.kind in (Kind.STRINGS, Kind.OBJECTS):
            return self._list(path, item, found.old or [], found.new or [])
        if item.shape in (RESOURCE, REFERENCE):
            return self._text(path, item, self._contents(found.old), self._contents(found.new))
        if item.kind is Kind.STRING and item.name == "contents":
            return self._text(path, item, found.old, found.new)
        return Change(path, f"{self._scalar(item, found.old)} -> {self._scalar(item, found.new)}")

    def _item(self, shape: Shape, data: dict[str, Any]) -> Iterator[str]:
        """Tell what an item that was added has."""
        for item in shape.fields:
            value = data.get(item.name)
            if item.name == shape.key or value in (None, [], {}):
                continue
            if item.kind in (Kind.STRINGS, Kind.OBJECTS):
                yield from str(self._list(item.name, item, [], value)).split("\n")
            elif item.shape in (RESOURCE, REFERENCE) or item.name == "contents":
                text = self._contents(value) if item.shape else value
                yield from str(self._text(item.name, item, None, text)).split("\n")
            elif item.shape is not None:
                yield f"{item.name}:"
                yield from (f"  {line}" for line in self._item(item.shape, value))
            else:
                yield f"{item.name}: {self._scalar(item, value)}"

    def _list(self, path: str, item: Field, old: list[Any], new: list[Any]) -> Change:
        before, after = ([self._name(item, one) for one in side] for side in (old, new))
        if len(before) + len(after) > _MOST_LINES:
            return Change(path, f"{len(before)} -> {len(after)} items")
        changed = [line for line in _unified(before, after, context=0) if not line.startswith("@@")]
        return Change(path, "" if changed else "changed", tuple(f"{line[0]} {line[1:]}" for line in changed))

    def _name(self, item: Field, one: Any) -> str:
        if isinstance(one, str):
            return self._masked(one.encode()) or one
        if item.shape in (RESOURCE, REFERENCE):
            text = self._contents(one)
            return _size(text) if isinstance(text, bytes) else str(text)
        return item_key(item.shape, one)

    def _scalar(self, item: Field, value: Any) -> str:
        if value is None:
            return _UNSET
        if item.name in _ALWAYS_SECRET:
            return "(secret)"
        if item.name == "mode" and isinstance(value, int):
            return f"{value:04o}"
        masked = self._masked(value.encode()) if isinstance(value, str) else ""
        return masked or _safe(json.dumps(value, ensure_ascii=False))

    def _contents(self, resource: dict[str, Any] | None) -> bytes | str | None:
        """Give the bytes of inline contents, or what the reference says."""
        resource = resource or {}
        source = resource.get("source")
        if is_inline(source):
            try:
                return decode(str(source), resource.get("compression"))
            except ConfigError:
                return "(inline contents that do not decode)"
        if not resource:
            return None
        said = [str(source or "(no source)")]
        said += [f"compression {resource['compression']}"] if resource.get("compression") else []
        digest = (resource.get("verification") or {}).get("hash")
        said += [f"hash {digest[:24]}…"] if isinstance(digest, str) else []
        said += [f"header {one.get('name')}" for one in resource.get("httpHeaders") or []]
        return ", ".join(said)

    def _text(self, path: str, item: Field, old: bytes | str | None, new: bytes | str | None) -> Change:
        raw = [side.encode() if isinstance(side, str) else side for side in (old, new)]
        said = [side if isinstance(side, str) and item.shape else None for side in (old, new)]
        hidden = item.name in _ALWAYS_SECRET or any(side is not None and self._masked(side) for side in raw)
        sizes = [_UNSET if side is None else f"(secret, {len(side)} bytes)" for side in raw]
        if hidden:
            return Change(path, " -> ".join(sizes) + (" (other bytes)" if sizes[0] == sizes[1] else ""))
        if said[0] is None and said[1] is None:
            texts = [_readable(side or b"") for side in raw]
            if texts[0] is not None and texts[1] is not None:
                return Change(path, "" if any(raw) else "now empty", tuple(_unified(texts[0], texts[1])))
        shown = [_UNSET if side is None else words or _size(side) for side, words in zip(raw, said, strict=True)]
        return Change(path, _safe(" -> ".join(shown)))

    def _masked(self, value: bytes) -> str:
        return "(secret)" if value in self._leaves or (self._secret and len(value) > 0) else ""


def _size(data: bytes) -> str:
    return f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()[:12]}…"


def _readable(data: bytes) -> list[str] | None:
    """Give the lines of a text, or None for what is no text, or too long to compare."""
    if len(data) > _LARGEST or b"\0" in data:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    lines = text.split("\n")
    lines[-1:] = [lines[-1], _NO_BREAK] if lines[-1] else []
    return lines if len(lines) <= _MOST_LINES else None


def _unified(old: list[str], new: list[str], context: int = _CONTEXT) -> Iterator[str]:
    lines = difflib.unified_diff(old, new, lineterm="", n=context)
    for number, line in enumerate(lines):
        if number >= 2:  # without the names of two files
            yield _safe(line)


def _safe(text: str) -> str:
    """Write out what a terminal would obey."""
    return "".join(one if one.isprintable() or one == "\t" else one.encode("unicode_escape").decode() for one in text)
