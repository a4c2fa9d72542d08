"""The footer of a VHD: Azure takes only fixed ones, whose disk is whole MiB (Virtual Hard Disk Image Format, 1.0)."""

from __future__ import annotations

import os
import struct
import uuid
from dataclasses import dataclass
from pathlib import Path

from flatprov.images.failures import disk_error, image_error

FOOTER_BYTES = 512
_COOKIE = b"conectix"
_TYPES = {2: "fixed", 3: "dynamic", 4: "differencing"}
_FIXED = 2
_CREATOR = b"win "  # Hyper-V: for other creators QEMU takes the size from the geometry, which is only near to it
_MIB = 1 << 20
_CONVERT = "make it fixed: qemu-img convert -f vpc -O vpc -o subformat=fixed,force_size OLD NEW"


@dataclass(frozen=True)
class Vhd:
    """What the footer says.

    Attributes:
        kind: ``fixed``, ``dynamic``, ``differencing``, or ``type N``.
        virtual_size_bytes: of the guest's disk.
    """

    kind: str
    virtual_size_bytes: int


def read_vhd(path: Path) -> Vhd:
    """Read the footer, the last 512 bytes of every VHD.

    Raises:
        ImageError: it is none, is damaged, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - FOOTER_BYTES))
            footer = file.read(FOOTER_BYTES)
    except OSError as error:
        raise disk_error(path.name, error, str(path)) from None
    if len(footer) < FOOTER_BYTES or not footer.startswith(_COOKIE):
        raise image_error("format", path.name, "has no VHD footer in its last 512 bytes", "give a whole VHD")
    if struct.unpack_from(">I", footer, 64)[0] != checksum(footer):
        raise image_error("format", path.name, "has a VHD footer with a wrong checksum", "get the file again")
    kind = struct.unpack_from(">I", footer, 60)[0]
    return Vhd(_TYPES.get(kind, f"type {kind}"), struct.unpack_from(">Q", footer, 48)[0])


def check_fixed_vhd(path: Path) -> Vhd:
    """Insist on a VHD that Azure takes.

    Raises:
        ImageError: it is not fixed, its disk is not whole MiB, or the file has another length; says what was found.
    """
    found = read_vhd(path)
    if found.kind != "fixed":
        raise image_error("format", path.name, f"is a {found.kind} VHD; only a fixed one can be used", _CONVERT)
    length = path.stat().st_size - FOOTER_BYTES
    if length != found.virtual_size_bytes:
        raise image_error(
            "format",
            path.name,
            f"holds {length} bytes before its footer, which says {found.virtual_size_bytes}",
            "get the file again",
        )
    if length % _MIB:
        raise image_error(
            "format", path.name, f"is a VHD of {length} bytes, which are not whole MiB", "make one of its raw disk"
        )
    return found


def raw_to_fixed_vhd(path: Path) -> Vhd:
    """Turn a raw disk into a fixed VHD, in place: zeros up to a whole MiB, then the footer; synced.

    Args:
        path: a raw disk that nobody else uses; never a file of the store.

    Raises:
        ImageError: the disk refused.
    """
    try:
        with path.open("r+b") as file:
            size = -(-os.fstat(file.fileno()).st_size // _MIB) * _MIB
            file.truncate(size)
            file.seek(size)
            file.write(fixed_footer(size, uuid.uuid4().bytes))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise disk_error(path.name, error, str(path)) from None
    return Vhd("fixed", size)


def fixed_footer(size_bytes: int, identity: bytes) -> bytes:
    """The footer of a fixed VHD.

    Args:
        size_bytes: of the guest's disk.
        identity: 16 bytes that no other disk has.
    """
    fields = struct.pack(
        ">8sIIQI4sI4sQQHBBII16s",
        _COOKIE, 2, 0x00010000, (1 << 64) - 1, 0, _CREATOR, 0x000A0000, b"Wi2k",
        size_bytes, size_bytes, *_geometry(size_bytes // 512), _FIXED, 0, identity,
    ).ljust(FOOTER_BYTES, b"\0")  # fmt: skip
    return fields[:64] + struct.pack(">I", checksum(fields)) + fields[68:]


def checksum(footer: bytes) -> int:
    """One's complement of the sum of all bytes but the checksum's own."""
    return ~(sum(footer) - sum(footer[64:68])) & 0xFFFFFFFF


def _geometry(sectors: int) -> tuple[int, int, int]:
    """Cylinders, heads and sectors per track, by the rule in the appendix of the specification."""
    sectors = min(sectors, 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        return sectors // 255 // 16, 16, 255
    per_track, tracks = 17, sectors // 17
    heads = max((tracks + 1023) // 1024, 4)
    if tracks >= heads * 1024 or heads > 16:
        per_track, heads, tracks = 31, 16, sectors // 31
    if tracks >= heads * 1024:
        per_track, heads, tracks = 63, 16, sectors // 63
    return tracks // heads, heads, per_track
