"""Formats by content, and unpacking within bounds."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import lzma
import os
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatprov.errors import CancelledError, ImageError
from flatprov.images.formats import detect_format, inspect_qcow2, read_header, virtual_size
from flatprov.images.sparse import data_digest
from flatprov.images.store import Store, default_root
from flatprov.images.unpack import unpack_stream


def header(version: int = 3, bits: int = 0, size: int = 1 << 30, crypt: int = 0) -> bytes:
    start = struct.pack(">4sIQIIQI", b"QFI\xfb", version, 0, 0, 16, size, crypt)
    return start.ljust(72, b"\0") + struct.pack(">QQQ", bits, 0, 0) + bytes(400)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (header(), "qcow2"),
        (bz2.compress(b"x"), "bz2"),
        (gzip.compress(b"x", mtime=0), "gzip"),
        (lzma.compress(b"x"), "xz"),
        (b"PK\x03\x04", "zip"),
        (b"KDMV\x01", "vmdk"),
        (b"vhdxfile", "vhdx"),
        (b"conectix", "vhd"),
        (bytes(257) + b"ustar\x0000", "tar"),
        (bytes(32769) + b"CD001", "iso"),
        (bytes(510) + b"\x55\xaa", "raw"),
        (b"", "raw"),
    ],
)
def test_first_bytes_decide(data: bytes, found: str) -> None:
    assert detect_format(data) == found


def test_headers_of_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z", "w") as archive:
        archive.writestr("a", b"a")
    assert detect_format(read_header(tmp_path / "z")) == "zip"
    assert inspect_qcow2(header(2)).version == 2
    assert inspect_qcow2(header(bits=0b10000)).incompatible_features == ("extended L2 entries",)


def test_qcow2_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "i"
    for data, message in (
        (header(bits=0b10), "corrupt"),
        (header(bits=0b100), "external data file"),
        (header(crypt=1), "encryption"),
        (header(version=4), "unknown version 4"),
    ):
        path.write_bytes(data)
        with pytest.raises(ImageError, match=message):
            virtual_size(path, "qcow2", data)
    path.write_bytes(header(bits=1, size=12345))
    assert virtual_size(path, "qcow2", path.read_bytes()) == 12345


@given(st.binary(max_size=300))
def test_any_header_is_read_or_refused(tail: bytes) -> None:
    with contextlib.suppress(ImageError):
        assert inspect_qcow2(b"QFI\xfb" + tail).version in (2, 3)


PACKERS = {"bz2": bz2.compress, "gzip": gzip.compress, "xz": lzma.compress}


@pytest.mark.parametrize("kind", PACKERS)
def test_unpack(kind: str, tmp_path: Path) -> None:
    content = b"start" + bytes(3 << 20) + b"middle" * 100_000 + bytes(2 << 20)
    source, target = tmp_path / "s", tmp_path / "t"
    source.write_bytes(PACKERS[kind](content[:1000]) + PACKERS[kind](content[1000:]))  # several streams in one file
    digest = unpack_stream(source, target, kind)  # type: ignore[arg-type]
    assert target.read_bytes() == content
    assert digest == data_digest(target)
    assert target.stat().st_blocks * 512 < len(content) / 2, "zeros take no space"


@pytest.mark.parametrize("kind", PACKERS)
def test_unpack_refusals_leave_nothing(kind: str, tmp_path: Path) -> None:
    source, target = tmp_path / "s", tmp_path / "t"
    whole = PACKERS[kind](os.urandom(300_000))
    cases = {
        "cut": whole[:-50],
        "damaged": whole[:5000] + b"\xff" * 100 + whole[5100:],
        "bomb": PACKERS[kind](bytes(1 << 20)),
    }
    for name, data in cases.items():
        source.write_bytes(data)
        with pytest.raises(ImageError) as error:
            unpack_stream(source, target, kind, max_bytes=400_000)  # type: ignore[arg-type]
        assert error.value.code == ("image-too-large" if name == "bomb" else "image-unpack"), name
        assert not target.exists()
    source.write_bytes(whole)
    with pytest.raises(CancelledError):
        unpack_stream(source, target, kind, cancelled=lambda: True)  # type: ignore[arg-type]
    assert not target.exists()


def test_trailing_garbage_after_gzip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(gzip.compress(b"x" * 1000, mtime=0) + b"evil")
    with pytest.raises(ImageError, match="damaged"):
        unpack_stream(tmp_path / "s", tmp_path / "t", "gzip")


def test_bzip2_program_agrees(tmp_path: Path) -> None:
    content = os.urandom(100_000) * 3
    packed = subprocess.run(["bzip2", "-c"], input=content, capture_output=True, check=True).stdout
    (tmp_path / "s").write_bytes(packed)
    unpack_stream(tmp_path / "s", tmp_path / "t", "bz2")
    assert (tmp_path / "t").read_bytes() == content


def test_store_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_root() == tmp_path / "flatprov" / "images"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/x")
    assert default_root() == Path("/home/x/.cache/flatprov/images")
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with pytest.raises(ImageError, match="image store"):
        Store(blocked / "store").prepare()
    store = Store(tmp_path / "s")
    store.prepare()
    assert store.root.stat().st_mode & 0o777 == 0o700
    with store.lock("a"), pytest.raises(CancelledError), store.lock("a", lambda: True):
        pass
    part = store.part_path("x")
    part.write_bytes(b"verified")
    digest = hashlib.sha512(b"verified").hexdigest()
    path = store.commit(part, digest, "../../name")
    assert path.is_relative_to(store.root)
    assert store.find(digest, "../../name") == path
    assert store.find(hashlib.sha512(b"").hexdigest(), "name") is None
