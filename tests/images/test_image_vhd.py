"""VHDs beside qemu-img's: fixed ones of whole MiB are taken, the others are refused with what they are."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from flatprov.errors import ImageError
from flatprov.images.vhd import check_fixed_vhd, raw_to_fixed_vhd, read_vhd

pytestmark = pytest.mark.oracle


def made(path: Path, kind: str, size: int) -> Path:
    options = f"subformat={kind},force_size=on"
    subprocess.run(["qemu-img", "create", "-q", "-f", "vpc", "-o", options, path, str(size)], check=True)
    return path


def test_fixed_of_qemu_is_taken_and_others_refused(tmp_path: Path) -> None:
    assert check_fixed_vhd(made(tmp_path / "f", "fixed", 5 << 20)).virtual_size_bytes == 5 << 20
    with pytest.raises(ImageError, match="is a dynamic VHD"):
        check_fixed_vhd(made(tmp_path / "d", "dynamic", 5 << 20))
    odd = made(tmp_path / "o", "fixed", (5 << 20) + 512)
    with pytest.raises(ImageError, match=f"of {(5 << 20) + 512} bytes, which are not whole MiB"):
        check_fixed_vhd(odd)


@pytest.mark.parametrize("size", [1, 1 << 20, (3 << 20) + 512, 700 << 20, 30 << 30, 200 << 30])
def test_raw_disk_becomes_one_that_qemu_reads(size: int, tmp_path: Path) -> None:
    path, start = tmp_path / "disk", os.urandom(min(size, 4096))
    path.write_bytes(start)
    os.truncate(path, size)
    raw_to_fixed_vhd(path)
    found = check_fixed_vhd(path)
    assert found.virtual_size_bytes % (1 << 20) == 0
    assert 0 <= found.virtual_size_bytes - size < 1 << 20
    with path.open("rb") as file:
        assert file.read(len(start)) == start
    beside = made(tmp_path / "qemu", "fixed", found.virtual_size_bytes)
    for file in (path, beside):
        command = ["qemu-img", "info", "-f", "vpc", "--output", "json", str(file)]
        told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        assert told["virtual-size"] == found.virtual_size_bytes


def test_damaged_footers_are_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "f", "fixed", 1 << 20)
    with path.open("r+b") as file:
        file.seek((1 << 20) + 50)
        file.write(b"\xff")
    with pytest.raises(ImageError, match="wrong checksum"):
        read_vhd(path)
    path.write_bytes(b"x" * 100)
    with pytest.raises(ImageError, match="no VHD footer"):
        read_vhd(path)
