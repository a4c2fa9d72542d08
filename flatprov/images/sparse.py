"""Writing a disk so that its zeros take no space, and a digest of what is in it.

The digest (``data_digest``) is SHA-256 over the offset and content of every block of 1 MiB that holds anything but
zeros, and the length. It does not depend on where a file system keeps holes, and costs nothing for the empty part of
a disk. It is ours: nobody publishes it, and it only tells whether an unpacked file in the store was changed.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

BLOCK_BYTES = 1 << 20
HOLE_BYTES = 4096  #: the block of usual file systems: a smaller hole saves nothing, a larger step wastes space
_ZEROS = bytes(BLOCK_BYTES)


class Readable(Protocol):
    """Anything with ``read``."""

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes; none at the end."""


def blocks(stream: Readable) -> Iterator[bytes]:
    """A stream in blocks of 1 MiB; only the last one is shorter."""
    while True:
        block = stream.read(BLOCK_BYTES)
        if len(block) < BLOCK_BYTES:
            parts = [block]
            while block and (missing := BLOCK_BYTES - sum(map(len, parts))):
                block = stream.read(missing)
                parts.append(block)
            block = b"".join(parts)
        if block:
            yield block
        if len(block) < BLOCK_BYTES:
            return


def is_zero(block: bytes) -> bool:
    """Whether there is nothing but zeros in at most 1 MiB."""
    return _ZEROS.startswith(block) if len(block) <= BLOCK_BYTES else not any(block)


class SparseWriter:
    """Writes a file from its first byte to its last, leaving holes.

    Args:
        handle: of an empty file.
    """

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self.size_bytes = 0
        self._digest = hashlib.sha256()

    def write(self, block: bytes) -> None:
        """Append 1 MiB; only the last block may be shorter."""
        if not is_zero(block):
            self._digest.update(self.size_bytes.to_bytes(8, "big"))
            self._digest.update(block)
            view = memoryview(block)
            for start, end in data_runs(block):
                write_all(self.handle, view[start:end], self.size_bytes + start)
        self.size_bytes += len(block)

    def finish(self) -> str:
        """Give the file its length and sync it.

        Returns:
            Its `data_digest`.
        """
        os.ftruncate(self.handle, self.size_bytes)
        os.fsync(self.handle)
        self._digest.update(self.size_bytes.to_bytes(8, "big"))
        return self._digest.hexdigest()


def data_runs(block: bytes) -> Iterator[tuple[int, int]]:
    """Begin and end of every run in a block that is worth writing."""
    start = -1
    for offset in range(0, len(block), HOLE_BYTES):
        # startswith compares in place: no copy of the piece
        piece = min(HOLE_BYTES, len(block) - offset)
        if block.startswith(_ZEROS[:piece] if piece < HOLE_BYTES else _HOLE, offset):
            if start >= 0:
                yield start, offset
                start = -1
        elif start < 0:
            start = offset
    if start >= 0:
        yield start, len(block)


_HOLE = bytes(HOLE_BYTES)


def write_all(handle: int, view: memoryview, offset: int) -> None:
    """Write the whole of it: one call may write less."""
    while view:
        written = os.pwrite(handle, view, offset)
        view, offset = view[written:], offset + written


def data_digest(path: Path, tick: Callable[[int, int], None] | None = None) -> str:
    """The digest that `SparseWriter.finish` gave, from the file; holes are not read.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        total = os.fstat(file.fileno()).st_size
        done = 0
        for start, length in extents(file.fileno(), total):
            first = start - start % BLOCK_BYTES
            for offset in range(max(first, done), start + length, BLOCK_BYTES):
                block = os.pread(file.fileno(), BLOCK_BYTES, offset)
                if not is_zero(block):
                    digest.update(offset.to_bytes(8, "big"))
                    digest.update(block)
                done = offset + BLOCK_BYTES
                if tick is not None:
                    tick(min(done, total), total)
    digest.update(total.to_bytes(8, "big"))
    return digest.hexdigest()


def extents(handle: int, total_bytes: int) -> Iterator[tuple[int, int]]:
    """Offset and length of every extent that is not a hole; one extent where the file system knows no holes."""
    offset = 0
    while offset < total_bytes:
        try:
            start = os.lseek(handle, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole to the end
                return
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
            yield offset, total_bytes - offset
            return
        end = min(os.lseek(handle, start, os.SEEK_HOLE), total_bytes)
        if end <= start:
            return
        yield start, end - start
        offset = end
