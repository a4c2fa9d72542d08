"""Unpacking one compressed file as a stream: bounded in memory and size, sparse where the content is zeros.

Only for bytes that are verified already. Unpacking does not begin while the file is still arriving, though that would
save time: a decompressor is the largest piece of code that sees the bytes, so it sees none that nobody vouches for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flatprov.errors import CancelledError
from flatprov.images.bzip2 import open_bzip2
from flatprov.images.failures import disk_error, image_error
from flatprov.images.formats import Format
from flatprov.images.sparse import Readable, SparseWriter, blocks

Progress = Callable[[int, int], None]

MAX_UNPACKED_BYTES = 64 << 30
"""The default limit: a small file may unpack to anything."""

STREAMED: tuple[Format, ...] = ("bz2", "gzip", "xz")
"""The formats that hold one compressed stream."""


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
        The `flatprov.images.sparse.data_digest` of what was written.

    Raises:
        ImageError: damaged, too large, or no space.
        CancelledError: stopped by the user.
    """
    total = source.stat().st_size
    with damage_is_told(source.name):
        opened = _open(source, found)
    with opened as stream:

        def tick() -> None:
            if cancelled is not None and cancelled():
                raise CancelledError(source.name, "unpacking was stopped", "run again: the verified file is kept")
            if progress is not None:
                progress(min(_packed_offset(stream), total), total)

        return write_sparse(Guarded(stream, source.name), target, source.name, max_bytes, tick)


def write_sparse(
    stream: Readable,
    target: Path,
    subject: str,
    max_bytes: int = MAX_UNPACKED_BYTES,
    tick: Callable[[], None] = lambda: None,
) -> str:
    """Write a stream to a file, sparse, and sync it. The file is removed if that fails.

    Args:
        stream: read to its end.
        target: created or overwritten.
        subject: for messages.
        max_bytes: refuse to write more.
        tick: called for each 1 MiB; may raise.

    Returns:
        Its `flatprov.images.sparse.data_digest`.

    Raises:
        ImageError: too large, or the disk refused.
    """
    try:
        with target.open("wb", buffering=0) as out:
            writer = SparseWriter(out.fileno())
            for block in blocks(stream):
                if writer.size_bytes + len(block) > max_bytes:
                    raise image_error(
                        "too-large", subject, f"unpacks to more than {max_bytes} bytes", "raise the limit"
                    )
                writer.write(block)
                tick()
            return writer.finish()
    except BaseException as error:
        target.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            raise disk_error(subject, error, str(target.parent)) from None
        raise


class Guarded:
    """A stream whose damage is told as ImageError, and nobody else's errors are."""

    def __init__(self, stream: Readable, subject: str) -> None:
        self._stream = stream
        self._subject = subject

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes; none at the end."""
        with damage_is_told(self._subject):
            return self._stream.read(size)


@contextmanager
def damage_is_told(subject: str) -> Iterator[None]:
    """Turn what decompressors raise for damaged data into an ImageError."""
    import lzma
    import zipfile
    import zlib

    try:
        yield
    except OSError as error:
        if error.errno is not None:
            raise disk_error(subject, error, subject) from None
        raise _damaged(subject, error) from None  # the decompressors raise OSError without a number
    except (EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile) as error:
        raise _damaged(subject, error) from None
    except (RuntimeError, ValueError) as error:
        if isinstance(error, NotImplementedError | RecursionError | UnicodeError):
            raise
        raise _damaged(subject, error) from None  # rapidgzip


def _damaged(subject: str, error: Exception) -> Exception:
    return image_error("unpack", subject, f"is damaged: {error}", "get the file again")


def _open(source: Path, found: Format) -> Any:
    if found == "bz2":
        return open_bzip2(source)
    if found == "gzip":
        import gzip

        return gzip.open(source)  # reads all members to the end of the file; anything else there is an error
    if found == "xz":
        import lzma

        return lzma.open(source)
    raise image_error("unpack", source.name, f"cannot be unpacked: {found}", "unpack it by hand")


def _packed_offset(stream: Any) -> int:
    """How far the packed file was read."""
    if hasattr(stream, "tell_compressed"):
        return int(stream.tell_compressed()) // 8  # in bits
    inner = getattr(stream, "fileobj", None) or getattr(stream, "_fp", None)
    return int(inner.tell()) if inner is not None else 0
