"""Inline contents that Ignition cannot unpack, or refuses because of their hash."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flatprov.ignition.findings.codes import entry
from flatprov.ignition.findings.view import View, inner
from flatprov.ignition.report import Entry

_DIGITS: Final = {"sha512": 128, "sha256": 64}


def find(view: View) -> Iterator[Entry]:
    """Unpack what is inline and compare its hash, as Ignition will at the first boot."""
    for source in view.sources:
        if not source.inline:
            continue
        data = source.content(view)
        if source.problem:
            message = f"the contents are marked as gzip, but {source.problem}: the first boot fails"
            fix = 'compress them again, or set compression to "" where they are not compressed'
            yield entry("inline-gzip", (*source.path, "compression"), message, fix)
        if data is None or "verification" not in source.data:
            continue
        wanted = inner(source.data, "verification").get("hash")
        kind, _, digits = wanted.partition("-") if isinstance(wanted, str) else ("", "", "")
        if len(digits) == _DIGITS.get(kind) and _hash(kind, data) != digits.lower():
            message = f"the contents do not have this {kind}: the first boot fails"
            fix = "remove it, as inline contents need none, or compute it over the decompressed contents"
            yield entry("inline-hash", (*source.path, "verification", "hash"), message, fix)


def _hash(kind: str, data: bytes) -> str:
    import hashlib  # it loads OpenSSL, and few configs have a hash of what is inline

    return hashlib.new(kind, data).hexdigest()
