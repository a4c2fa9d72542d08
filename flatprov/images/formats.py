"""What is in a file: its first bytes decide, never its name."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from flatprov.images.failures import disk_error, image_error

Format: TypeAlias = Literal["qcow2", "raw", "bz2", "gzip", "zip", "xz", "zstd", "vmdk", "vhdx", "vhd", "tar", "iso"]

HEADER_BYTES = 64 * 1024
"""How much of a file `detect_format` and `inspect_qcow2` want to see."""

_MAGIC: tuple[tuple[int, bytes, Format], ...] = (
    (0, b"QFI\xfb", "qcow2"),
    (0, b"BZh", "bz2"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"PK\x03\x04", "zip"),
    (0, b"\xfd7zXZ\x00", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"KDMV", "vmdk"),
    (0, b"# Disk DescriptorFile", "vmdk"),
    (0, b"vhdxfile", "vhdx"),
    (0, b"conectix", "vhd"),  # a dynamic one; a fixed one has this at its end only
    (257, b"ustar", "tar"),
    (32769, b"CD001", "iso"),
)
_FEATURES = ("dirty", "corrupt", "external data file", "compression type", "extended L2 entries")
_REFUSED_FEATURES = ("corrupt", "external data file")


@dataclass(frozen=True)
class Qcow2:
    """What the header of a qcow2 file says.

    Attributes:
        virtual_size: of the guest's disk, in bytes.
        backing_file: name of the file it is an overlay of; ``""`` for none.
        version: 2 or 3.
        incompatible_features: by name; ``bit N`` for those that we do not know.
        encrypted: whether its clusters are.
    """

    virtual_size: int
    backing_file: str
    version: int
    incompatible_features: tuple[str, ...]
    encrypted: bool = False


def detect_format(header: bytes) -> Format:
    """Tell a format by the first bytes (64 KiB are enough); raw is what nothing else matches."""
    for offset, magic, name in _MAGIC:
        if header[offset : offset + len(magic)] == magic:
            return name
    return "raw"


def inspect_qcow2(header: bytes, subject: str = "image") -> Qcow2:
    """Read a qcow2 header (docs/interop/qcow2.txt of QEMU).

    Raises:
        ImageError: no qcow2, cut off, or of an unknown version.
    """
    if header[:4] != b"QFI\xfb" or len(header) < 72:
        raise image_error("format", subject, "has no complete qcow2 header", "check that the file is whole")
    version, backing_offset, backing_size, cluster_bits, size, crypt = struct.unpack_from(">IQIIQI", header, 4)
    if version not in (2, 3) or not 9 <= cluster_bits <= 30:
        raise image_error("format", subject, f"is a qcow2 of unknown version {version}", "convert it with qemu-img")
    bits = struct.unpack_from(">Q", header, 72)[0] if version == 3 and len(header) >= 80 else 0
    names = [_FEATURES[n] if n < len(_FEATURES) else f"bit {n}" for n in range(64) if bits >> n & 1]
    backing = ""
    if backing_offset:
        backing = (
            header[backing_offset : backing_offset + min(backing_size, 1023)].decode("utf-8", "replace") or "unknown"
        )
    return Qcow2(size, backing, version, tuple(names), encrypted=bool(crypt))


def read_header(path: Path) -> bytes:
    """The first 64 KiB of a file.

    Raises:
        ImageError: it cannot be read, or is empty.
    """
    try:
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES)
    except OSError as error:
        raise disk_error(path.name, error, str(path)) from None
    if not header:
        raise image_error("format", path.name, "is empty", "give a disk image")
    return header


def virtual_size(path: Path, found: Format, header: bytes) -> int:
    """Size of the guest's disk in bytes: from the qcow2 header, the size of a raw file, 0 for others.

    A qcow2 that reads another file of the host (backing file, external data), or is encrypted or corrupt, is refused.

    Raises:
        ImageError: refused as said, or the header cannot be read.
    """
    if found == "raw":
        return path.stat().st_size
    if found != "qcow2":
        return 0
    disk = inspect_qcow2(header, path.name)
    if disk.backing_file:
        raise image_error(
            "format",
            path.name,
            f"is an overlay of {disk.backing_file!r}, not a whole disk",
            "make it whole: qemu-img convert -O qcow2 OLD NEW",
        )
    refused = [name for name in disk.incompatible_features if name in _REFUSED_FEATURES]
    if refused or disk.encrypted:
        what = ", ".join(refused) or "encryption"
        raise image_error(
            "format", path.name, f"is a qcow2 with {what}", "convert it: qemu-img convert -O qcow2 OLD NEW"
        )
    return disk.virtual_size


def check_declared(declared: Format | None, found: Format, subject: str) -> None:
    """Insist that a file is what the user said.

    Raises:
        ImageError: it is not; says what it is and how to go on.
    """
    if declared is None or declared == found:
        return
    fix = f'declare format="{found}"'
    if {declared, found} == {"qcow2", "raw"}:
        fix += f", or convert it: qemu-img convert -f {found} -O {declared} OLD NEW"
    raise image_error("format", subject, f"is declared {declared}, but its content is {found}", fix)
