"""KVM or emulation: KVM only where it really runs a guest's first instructions.

``/dev/kvm`` may be there and be useless (nested virtualisation without it, processor features the host kernel refuses).
libvirt then offers KVM and each machine fails or hangs at its start. So the firmware of a machine without disks is run
first, with the processor setting of a node and its messages on the serial line: one that prints has a working KVM.
"""

from __future__ import annotations

import threading
import uuid
import xml.etree.ElementTree as ET
from typing import Protocol

from flatprov.platforms.libvirt.settings import Accelerator

_LIMIT_SECONDS = 10.0
_MEMORY_MIB = 64
_lock = threading.Lock()
_works: dict[str, bool] = {}  # by URI; a host's answer holds for the run


class Probed(Protocol):
    """The part of the client that is needed."""

    uri: str

    def domain_types(self, arch: str) -> set[str]:
        """What the host offers."""

    def firmware_prints(self, xml: str, limit_seconds: float) -> bool:
        """Whether a machine's firmware runs."""


def use_kvm(client: Probed, wanted: Accelerator, now: str = "") -> bool:
    """Whether a node runs under KVM.

    Args:
        client: its host.
        wanted: what the user asked for.
        now: what an existing machine runs with: ``auto`` never changes that.
    """
    if wanted != "auto":
        return wanted == "kvm"
    if now:
        return now == "kvm"
    with _lock:
        if client.uri not in _works:
            offered = "kvm" in client.domain_types("x86_64")
            _works[client.uri] = offered and client.firmware_prints(probe_xml(), _LIMIT_SECONDS)
        return _works[client.uri]


def probe_xml() -> str:
    """A machine of nothing but a processor, memory and a serial line."""
    root = ET.Element("domain", type="kvm")
    ET.SubElement(root, "name").text = f"flatprov-probe-{uuid.uuid4().hex[:12]}"
    ET.SubElement(root, "memory", unit="MiB").text = str(_MEMORY_MIB)
    ET.SubElement(root, "vcpu").text = "1"
    system = ET.SubElement(root, "os")
    ET.SubElement(system, "type", arch="x86_64", machine="q35").text = "hvm"
    ET.SubElement(system, "bios", useserial="yes")
    ET.SubElement(root, "cpu", mode="host-passthrough")  # as in domain.py: this is what fails on a half-working host
    ET.SubElement(ET.SubElement(root, "devices"), "serial", type="pty")
    return ET.tostring(root, "unicode")
