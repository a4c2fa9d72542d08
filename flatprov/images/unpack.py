"""Unpacking one compressed file as a stream: bounded in memory and size, sparse where the content is zeros.

Only for bytes that are verified already.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

from flatprov.errors import CancelledError
from flatprov.images.failures import disk_error, image_error
from flatprov.images.formats import Format

Progress = Callable[[int, int], None]

MAX_UNPACKED_BYTES = 64 << 30
"""The default limit: a small file may unpack to anything."""

STREAMED: tuple[Format, ...] = ("bz2", "gzip", "xz")
"""The formats that hold one compressed stream."""

_BLOCK_BYTES = 1 << 20
_HOLE_BYTES = 64 * 1024


def unpack_stream(
    source: Path,
    target: Path,
    found: Format,
    max_bytes: int = MAX_UNPACKED_BYTES,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> str:
    """Unpack a bz2, gzip or xz file and sync it to disk. The target is removed if that fails.

    Args:
        source: a verified file.
        target: created or overwritten.
        found: the source's format.
        max_bytes: refuse to write more.
        progress: called with packed bytes read and their total.
        cancelled: asked between blocks.

    Returns:
        The SHA-512 of the unpacked bytes, hex.

    Raises:
        ImageError: damaged, too large, or no space.
        CancelledError: stopped by the user.
    """
    try:
        with source.open("rb") as packed, _open(packed, found) as stream, target.open("wb") as out:
            digest = _copy(stream, out, source, max_bytes, lambda: _tick(packed, progress, cancelled, source))
            out.flush()
            os.fsync(out.fileno())
    except BaseException as error:
        target.unlink(missing_ok=True)
        if isinstance(error, EOFError) or (isinstance(error, OSError) and error.errno is None):
            # the decompressors raise OSError without a number for damaged data
            raise image_error("unpack", source.name, f"is damaged: {error}", "get the file again") from None
        if isinstance(error, OSError):
            raise disk_error(source.name, error, str(target.parent)) from None
        if isinstance(error, _damage_errors()):
            raise image_error("unpack", source.name, f"is damaged: {error}", "get the file again") from None
        raise
    return digest


def _damage_errors() -> tuple[type[Exception], ...]:
    import lzma
    import zlib

    return (lzma.LZMAError, zlib.error)


def _open(packed: IO[bytes], found: Format) -> IO[bytes]:
    if found == "bz2":
        import bz2

        return cast("IO[bytes]", bz2.BZ2File(packed))
    if found == "gzip":
        import gzip

        return cast("IO[bytes]", gzip.GzipFile(fileobj=packed))
    if found == "xz":
        import lzma

        return cast("IO[bytes]", lzma.LZMAFile(packed))
    raise image_error("unpack", getattr(packed, "name", "file"), f"cannot be unpacked: {found}", "unpack it by hand")


def _copy(stream: IO[bytes], out: IO[bytes], source: Path, max_bytes: int, tick: Callable[[], None]) -> str:
    digest = hashlib.sha512()
    written = 0
    zeros = bytes(_HOLE_BYTES)
    while block := stream.read(_BLOCK_BYTES):
        written += len(block)
        if written > max_bytes:
            raise image_error("too-large", source.name, f"unpacks to more than {max_bytes} bytes", "raise the limit")
        digest.update(block)
        for start in range(0, len(block), _HOLE_BYTES):
            piece = block[start : start + _HOLE_BYTES]
            if piece == zeros:
                out.seek(len(piece), os.SEEK_CUR)
            else:
                out.write(piece)
        tick()
    out.truncate(written)
    return digest.hexdigest()


def _tick(packed: IO[bytes], progress: Progress | None, cancelled: Callable[[], bool] | None, source: Path) -> None:
    if cancelled is not None and cancelled():
        raise CancelledError(source.name, "unpacking was stopped", "run again: the verified file is kept")
    if progress is not None:
        progress(packed.tell(), source.stat().st_size)
