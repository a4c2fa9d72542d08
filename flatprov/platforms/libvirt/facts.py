"""What a libvirt host says about itself, in plain data. Pure: XML in, dataclasses out."""

from __future__ import annotations

import ipaddress
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from datetime import datetime, timezone

_SMALL_PAGE_KIB = 4
_NO_CONFINEMENT = ("none", "dac")


@dataclass(frozen=True)
class HugePages:
    """Memory pages of one size that are larger than the usual ones."""

    size_kib: int
    total: int
    free: int


@dataclass(frozen=True, kw_only=True)
class HostFacts:
    """A host.

    Args:
        libvirt: the daemon's version, ``9_000_000`` for 9.0.0.
        qemu: QEMU's version, in the same form; 0 when the driver has none.
        architecture: of its processors, as the kernel names it.
        confinement: what confines QEMU: ``selinux``, ``apparmor`` or nothing.
        emulator_user: user and group that QEMU runs as, ``uid:gid``; empty when the daemon does not say.
        huge_pages: what it has of each size.
    """

    libvirt: int
    qemu: int
    architecture: str
    confinement: tuple[str, ...]
    emulator_user: str
    huge_pages: tuple[HugePages, ...]


@dataclass(frozen=True, kw_only=True)
class Pool:
    """A storage pool as the host knows it; sizes are those of the file system below it, 0 while it is stopped."""

    name: str
    kind: str
    active: bool
    autostart: bool
    capacity_bytes: int
    free_bytes: int
    path: str
    xml: str


@dataclass(frozen=True)
class Range:
    """An IPv4 range in use, and by what."""

    network: ipaddress.IPv4Network
    user: str


def host(capabilities: str, libvirt: int, qemu: int, free_pages: dict[int, int]) -> HostFacts:
    """A host from its capabilities.

    Args:
        capabilities: the daemon's XML.
        libvirt: its version.
        qemu: the hypervisor's version.
        free_pages: free pages by their size in KiB.
    """
    root = ET.fromstring(capabilities)  # noqa: S314 - the daemon's own XML
    models, user = [], ""
    for model in root.iterfind("host/secmodel"):
        name = model.findtext("model", "")
        if name == "dac":  # the label is +UID:+GID
            user = model.findtext("baselabel", "").replace("+", "")
        if name and name not in _NO_CONFINEMENT:
            models.append(name)
    pages = []
    for size in page_sizes(capabilities):
        cells = root.iterfind(f"host/topology/cells/cell/pages[@size='{size}']")
        total = sum(int(cell.text or "0") for cell in cells)
        pages.append(HugePages(size, total, free_pages.get(size, 0)))
    return HostFacts(
        libvirt=libvirt,
        qemu=qemu,
        architecture=root.findtext("host/cpu/arch", ""),
        confinement=tuple(models),
        emulator_user=user,
        huge_pages=tuple(pages),
    )


def page_sizes(capabilities: str) -> list[int]:
    """Sizes of huge pages in KiB that the host's processors know."""
    root = ET.fromstring(capabilities)  # noqa: S314 - the daemon's own XML
    sizes = (int(page.get("size", "0")) for page in root.iterfind("host/cpu/pages"))
    return [size for size in sizes if size > _SMALL_PAGE_KIB]


def pool(xml: str, *, active: bool, autostart: bool) -> Pool:
    """A storage pool from its XML; sizes are in bytes unless a unit says otherwise."""
    root = ET.fromstring(xml)  # noqa: S314 - the daemon's own XML
    return Pool(
        name=root.findtext("name", ""),
        kind=root.get("type", ""),
        active=active,
        autostart=autostart,
        capacity_bytes=int(root.findtext("capacity", "0")),
        free_bytes=int(root.findtext("available", "0")),
        path=root.findtext("target/path", ""),
        xml=xml,
    )


def changed_seconds(volume: str) -> float:
    """When a volume's file was last changed, as the host's clock had it (seconds of Unix time); 0 when not told."""
    text = ET.fromstring(volume).findtext("target/timestamps/mtime", "0")  # noqa: S314 - the daemon's own XML
    return float(text or "0")


def network_ranges(xml: str) -> list[ipaddress.IPv4Network]:
    """The IPv4 ranges of a libvirt network, or of an interface where the host tells its addresses."""
    root = ET.fromstring(xml)  # noqa: S314 - the daemon's own XML
    found = []
    for ip in root.iter("ip"):
        size = ip.get("netmask") or ip.get("prefix") or "32"
        try:
            found.append(ipaddress.IPv4Network(f"{ip.get('address')}/{size}", strict=False))
        except ValueError:  # IPv6
            continue
    return found


def bridge(xml: str) -> str:
    """The bridge of a network; empty when it has none."""
    found = ET.fromstring(xml).find("bridge")  # noqa: S314 - the daemon's own XML
    return "" if found is None else found.get("name", "")


def at(seconds: float) -> str:
    """A moment for people."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
