"""What is known to be on disk of an unfinished download: a small JSON file beside the ``.part`` file.

After a crash or a power loss a file may be longer than what of it was written; only synced bytes are continued.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import IO

from flatprov.images.store import name_of

SYNC_BYTES = 16 << 20
SYNC_SECONDS = 1.0
_KEYS = ("url", "etag", "last_modified", "total", "synced")


class Journal:
    """Which version of a file the ``.part`` file is of, and how many of its bytes are synced.

    Args:
        part: the ``.part`` file.
        meta: its URL (hashed), validators, total and synced bytes, all as text.
    """

    def __init__(self, part: Path, meta: dict[str, str]) -> None:
        self.part = part
        self.meta = meta
        self._synced_at = time.monotonic()

    @property
    def validator(self) -> str:
        """For ``If-Range``; empty where a download cannot be continued."""
        return self.meta["etag"] or self.meta["last_modified"]

    @property
    def synced_bytes(self) -> int:
        """From the beginning of the file."""
        return int(self.meta["synced"])

    @property
    def total_bytes(self) -> int:
        """0 where the server did not say."""
        return int(self.meta["total"])

    @classmethod
    def begin(cls, part: Path, url: str, etag: str, last_modified: str, total_bytes: int) -> Journal:
        """Start one for a new download, with nothing synced yet."""
        meta = {
            "url": name_of(url),  # hashed: an address may hold a login
            "etag": "" if etag.startswith("W/") else etag,  # a weak one does not promise equal bytes
            "last_modified": last_modified,
            "total": str(total_bytes),
            "synced": "0",
        }
        journal = cls(part, meta)
        journal._write()
        return journal

    @classmethod
    def read(cls, part: Path, url: str) -> Journal | None:
        """That of an earlier run; None where it cannot be continued: another URL, no validator, damaged, older kind."""
        try:
            meta = json.loads(journal_path(part).read_bytes())
        except (OSError, ValueError):
            return None
        if not isinstance(meta, dict) or not all(isinstance(meta.get(key), str) for key in _KEYS):
            return None
        numbers = (meta["total"], meta["synced"])
        if not all(text.isascii() and text.isdecimal() for text in numbers) or meta["url"] != name_of(url):
            return None
        journal = cls(part, meta)
        return journal if journal.validator else None

    def sync_if_due(self, file: IO[bytes], done_bytes: int) -> None:
        """Sync about each second or 16 MiB."""
        late = time.monotonic() - self._synced_at >= SYNC_SECONDS
        first = not self.synced_bytes  # a short download can be continued too
        if first or late or done_bytes - self.synced_bytes >= SYNC_BYTES:
            self.sync(file, done_bytes)

    def sync(self, file: IO[bytes], done_bytes: int) -> None:
        """Sync the bytes, and only then note them."""
        file.flush()
        os.fdatasync(file.fileno())
        self.meta["synced"] = str(done_bytes)
        self._write()
        self._synced_at = time.monotonic()

    def _write(self) -> None:
        new = journal_path(self.part).with_suffix(".new")
        with new.open("w") as file:
            file.write(json.dumps(self.meta))
            file.flush()
            os.fdatasync(file.fileno())
        new.replace(journal_path(self.part))


def journal_path(part: Path) -> Path:
    """Where the journal of a ``.part`` file lies."""
    return part.with_name(part.name + ".json")
