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
from flatprov.images.sparse import data_digest

Progress = Callable[[int, int], None]

_CHUNK_BYTES = 1 << 20
_DIGESTS = ("sha512", "data_digest")
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
            if record and record["stamp"] == before and "sha512" in record:
                return str(record["sha512"])
            digest = _hash(path, progress, cancelled)
            after = _stamp(path)
        except OSError as error:
            raise disk_error(path.name, error, str(path)) from None
        if before == after and time.time_ns() - max(after[1], after[2]) > _RACY_NS:
            kept = {kind: record[kind] for kind in _DIGESTS if kind in record} if record else {}
            self._write(path, after, {**(kept if record and record["stamp"] == after else {}), "sha512": digest})
        return digest

    def remember(self, path: Path, sha512: str) -> None:
        """Record a digest that was just computed over a file that nobody else writes."""
        with contextlib.suppress(OSError):
            self._write(path, _stamp(path), {"sha512": sha512.lower()})

    def remember_data(self, path: Path, data_digest: str) -> None:
        """Record a `flatprov.images.sparse.data_digest` that was just computed while writing the file."""
        with contextlib.suppress(OSError):
            self._write(path, _stamp(path), {"data_digest": data_digest})

    def is_unchanged(self, path: Path) -> bool:
        """Whether a file that has a `data_digest` is as it was then: by its stamp, else by all of its bytes."""
        record = self._read(path)
        if record is None or "data_digest" not in record:
            return False
        try:
            stamp = _stamp(path)
            if record["stamp"] == stamp:
                return True
            if data_digest(path) != record["data_digest"] or _stamp(path) != stamp:
                return False
        except OSError:
            return False
        self._write(path, stamp, {"data_digest": record["data_digest"]})
        return True

    def recorded(self, path: Path) -> dict[str, str]:
        """The digests of the record by kind, whether or not the file changed since."""
        record = self._read(path) or {}
        return {kind: str(record[kind]) for kind in _DIGESTS if kind in record}

    def sha512_anew(self, path: Path, progress: Progress | None = None) -> str:
        """The SHA-512 of a file from all of its bytes, whatever is remembered; not recorded."""
        try:
            digest = _hash(path, progress, None)
        except OSError as error:
            raise disk_error(path.name, error, str(path)) from None
        return digest

    def data_digest_anew(self, path: Path, progress: Progress | None = None) -> str:
        """The `flatprov.images.sparse.data_digest` of a file, whatever is remembered; not recorded."""
        try:
            return data_digest(path, progress)
        except OSError as error:
            raise disk_error(path.name, error, str(path)) from None

    def touch(self, path: Path) -> None:
        """Note that a run asked for a file now."""
        with contextlib.suppress(OSError):
            os.utime(self._record_path(path))

    def used_at(self, path: Path) -> float:
        """When a run last asked for a file, seconds since 1970; 0 where nobody knows."""
        try:
            return self._record_path(path).stat().st_mtime
        except OSError:
            return 0.0

    def tidy(self) -> None:
        """Remove the records of files that are gone."""
        for path in self.folder.glob("*.json*"):
            try:
                named = Path(json.loads(path.read_bytes())["path"])
            except (OSError, ValueError, KeyError, TypeError):
                named = Path()
            if not named.is_file():
                path.unlink(missing_ok=True)

    def forget(self, path: Path) -> None:
        """Remove the record of a file that is gone or not to be believed."""
        self._record_path(path).unlink(missing_ok=True)

    def _record_path(self, path: Path) -> Path:
        return self.folder / (hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest() + ".json")

    def _read(self, path: Path) -> dict[str, object] | None:
        try:
            record = json.loads(self._record_path(path).read_bytes())
        except (OSError, ValueError):
            return None
        usable = isinstance(record, dict) and "stamp" in record and any(kind in record for kind in _DIGESTS)
        return record if usable else None

    def _write(self, path: Path, stamp: list[int], digests: dict[str, object]) -> None:
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            target = self._record_path(path)
            new = target.with_name(f"{target.name}.{os.getpid()}.{time.monotonic_ns()}")
            new.write_text(json.dumps({"path": os.path.realpath(path), "stamp": stamp, **digests}))
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
