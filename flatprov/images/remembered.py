"""Digests of local files, remembered while the file stays unchanged, so that 1 GB is not hashed on every run."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from flatprov.errors import CancelledError
from flatprov.images.failures import disk_error

Progress = Callable[[int, int], None]

_CHUNK_BYTES = 1 << 20
_RACY_NS = 50_000_000  # a change so soon after hashing may leave the same time stamp


class Remembered:
    """A folder with one record per path: size, times, inode and SHA-512.

    Args:
        folder: made when first written to. A record that cannot be written is no error: the file is hashed again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def sha512(self, path: Path, progress: Progress | None = None, cancelled: Callable[[], bool] | None = None) -> str:
        """The SHA-512 of a file, hex: remembered if size, mtime, ctime and inode are those of the record.

        Raises:
            ImageError: the file cannot be read.
            CancelledError: stopped by the user.
        """
        try:
            before = _stamp(path)
            record = self._read(path)
            if record and record["stamp"] == before:
                return str(record["sha512"])
            digest = _hash(path, progress, cancelled)
            after = _stamp(path)
        except OSError as error:
            raise disk_error(path.name, error, str(path)) from None
        if before == after and time.time_ns() - max(after[1], after[2]) > _RACY_NS:
            self._write(path, after, digest)
        return digest

    def recorded(self, path: Path) -> str | None:
        """The SHA-512 of the record, whether or not the file changed since; None without a record."""
        record = self._read(path)
        return str(record["sha512"]) if record else None

    def remember(self, path: Path, sha512: str) -> None:
        """Record a digest that was just computed over a file that nobody else writes."""
        with contextlib.suppress(OSError):
            self._write(path, _stamp(path), sha512.lower())

    def _record_path(self, path: Path) -> Path:
        return self.folder / (hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest() + ".json")

    def _read(self, path: Path) -> dict[str, object] | None:
        try:
            record = json.loads(self._record_path(path).read_bytes())
        except (OSError, ValueError):
            return None
        return record if isinstance(record, dict) and {"stamp", "sha512"} <= record.keys() else None

    def _write(self, path: Path, stamp: list[int], sha512: str) -> None:
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            target = self._record_path(path)
            new = target.with_name(f"{target.name}.{os.getpid()}.{time.monotonic_ns()}")
            new.write_text(json.dumps({"path": os.path.realpath(path), "stamp": stamp, "sha512": sha512}))
            new.replace(target)


def _stamp(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _hash(path: Path, progress: Progress | None, cancelled: Callable[[], bool] | None) -> str:
    digest = hashlib.sha512()
    done = 0
    with path.open("rb") as file:
        total = os.fstat(file.fileno()).st_size
        while chunk := file.read(_CHUNK_BYTES):
            if cancelled is not None and cancelled():
                raise CancelledError(path.name, "hashing was stopped")
            digest.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)
    return digest.hexdigest()
