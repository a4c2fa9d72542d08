"""bz2 on several cores: the same bytes whoever packed them, and memory that stays small."""

from __future__ import annotations

import bz2
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flatprov.images.bzip2 import _has_huge_blocks, open_bzip2, read_up_to

MEASURE = """
import sys
from pathlib import Path
from flatprov.images.bzip2 import open_bzip2, read_up_to
from flatprov.images.stats import peak_bytes
with open_bzip2(Path(sys.argv[1]), threads=2) as stream:
    print(read_up_to(stream, 1 << 40), peak_bytes())
"""


def zeros_packed(blocks: int) -> bytes:
    packer = bz2.BZ2Compressor()
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(blocks)) + packer.flush()


def test_memory_stays_small_for_a_disk_of_zeros(tmp_path: Path) -> None:
    """Its blocks unpack to 46 MB each: several at once would take half a gigabyte."""
    path = tmp_path / "z.bz2"
    path.write_bytes(zeros_packed(700))
    done = subprocess.run([sys.executable, "-c", MEASURE, str(path)], check=True, capture_output=True, text=True)
    size, peak = map(int, done.stdout.split())
    assert size == 700 << 20
    assert peak < 150 << 20  # the goal is 300 MB; without the guard this file takes 308 MiB


@pytest.mark.parametrize(("zeros", "huge"), [(b"", False), (bytes(1 << 20), False), (bytes(400 << 20), True)])
def test_only_a_row_of_huge_blocks_is_left_to_one_thread(zeros: bytes, huge: bool, tmp_path: Path) -> None:
    path = tmp_path / "f.bz2"
    path.write_bytes(bz2.compress(bytes(2 << 20) + os.urandom(1 << 20) + zeros))
    assert _has_huge_blocks(path) is huge


@pytest.mark.parametrize("threads", [1, 2])
def test_blocks_at_any_bit_and_several_streams(threads: int, tmp_path: Path) -> None:
    content = os.urandom(3_000_001) + b"ab" * 700_000
    path = tmp_path / "f.bz2"
    path.write_bytes(bz2.compress(content[:7]) + bz2.compress(content[7:], 1))
    with open_bzip2(path, threads=threads) as stream:
        assert b"".join(iter(lambda: stream.read(1 << 20), b"")) == content
    with open_bzip2(path, threads=threads) as stream:
        assert read_up_to(stream, 1_500_000) == 1_500_000
