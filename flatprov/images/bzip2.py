"""bzip2 on all cores, with memory that stays small whatever the file unpacks to.

rapidgzip's decoder keeps some blocks ahead. A block holds at most 900 kB before the run-length code, but up to 45.9 MB
of zeros after it, where the packing program filled its blocks that way (bzip2 does; lbzip2 and pbzip2, which cut their
input into pieces first, do not). Several such blocks at once would take half a gigabyte, so a file that has them is
unpacked by one thread, which is no slower there: writing zeros is most of the work.
"""

from __future__ import annotations

import itertools
import mmap
import os
from pathlib import Path
from typing import Any

from flatprov.images.sparse import Readable

_MAGIC = 0x314159265359  # begins a block, at any bit
_LARGEST_RAW_BLOCK = 900_000
_SAMPLE_BYTES = 4 << 20  #: unpacked bytes to tell the packing program by
_TINY_BYTES = 4096  #: a block that packs to less is nothing but repetition
_TINY_RUN = 4  #: so many in a row are unpacked at once


def open_bzip2(path: Path, threads: int | None = None) -> Any:
    """A readable stream of the content, in a ``with``; as many threads as cores unless said otherwise.

    Reading raises RuntimeError or ValueError (rapidgzip), OSError or EOFError (the standard library) for damaged data.
    """
    count = threads or len(os.sched_getaffinity(0))
    try:
        from rapidgzip import IndexedBzip2File
    except ImportError:  # no wheel for this machine: slower, and the same bytes
        import bz2

        return bz2.BZ2File(path)
    if count > 1 and _has_huge_blocks(path):
        count = 1
    return IndexedBzip2File(str(path), parallelization=count)


def _has_huge_blocks(path: Path) -> bool:
    from rapidgzip import IndexedBzip2File

    with IndexedBzip2File(str(path), parallelization=1) as sample:
        try:
            done = read_up_to(sample, _SAMPLE_BYTES)
        except (RuntimeError, ValueError):
            return False  # damaged: the reader proper says so
        raw = [*sorted(sample.available_block_offsets().values()), done]
    if all(b - a <= _LARGEST_RAW_BLOCK for a, b in itertools.pairwise(raw)):
        return False
    starts = _block_starts(path)
    tiny = 0
    for before, after in itertools.pairwise(starts):
        tiny = tiny + 1 if after - before < _TINY_BYTES else 0
        if tiny >= _TINY_RUN:
            return True
    return False


def _block_starts(path: Path) -> list[int]:
    """Offsets of the bytes in which blocks begin. Some may be chance: six bytes that look like it are rare."""
    found: list[int] = []
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for shift in range(8):
            whole = (_MAGIC << (8 - shift)).to_bytes(7, "big") if shift else _MAGIC.to_bytes(6, "big")
            pattern = whole[1:6] if shift else whole  # the bytes that the shift leaves complete
            at = data.find(pattern)
            while at >= 0:
                found.append(at)
                at = data.find(pattern, at + 1)
    return sorted(found)


def read_up_to(stream: Readable, size_bytes: int) -> int:
    """Read and forget; how many bytes there were."""
    done = 0
    while done < size_bytes and (block := stream.read(min(1 << 20, size_bytes - done))):
        done += len(block)
    return done
