"""The domain XML of a node: written from typed values, and read back. Pure."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass

MARK = "urn:flatprov:node:1"  #: the namespace of our mark in a domain's metadata
IGNITION_KEY = "opt/org.flatcar-linux/config"  # the fw_cfg name Flatcar reads (reference/flatcar.md section 5)
_ARCH = "x86_64"
_TRANSLATION_CACHE_MIB = (
    128  # QEMU's default grows with the guest; under emulation a fixed one serves small guests well
)
_FREE_PCIE_PORTS = 8  # for devices attached later
PHASE_BOOTING, PHASE_READY = "booting", "ready"

ET.register_namespace("flatprov", MARK)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What flatprov notes in a domain: whose it is, and what it was made from.

    Args:
        owner: ``project/stack``.
        pool: the node pool.
        config: sha256 of the Ignition config the node was booted with, hex.
        phase: ``booting`` until the first boot succeeded, then ``ready``.
        version: the image's version.
        address: the planned address.
        boot_seconds: how long the first boot took; 0 before it ended.
        release: the Flatcar version that the node reported; empty before.
    """

    owner: str
    pool: str
    config: str
    phase: str
    version: str
    address: str
    boot_seconds: float = 0.0
    release: str = ""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A node's hardware.

    Args:
        kvm: hardware virtualisation, else emulation.
        ignition_path: the config's file on the host; empty after the first boot.
    """

    name: str
    uuid: str
    mac: str
    vcpus: int
    memory_mib: int
    kvm: bool
    disk_path: str
    network: str
    ignition_path: str
    mark: Mark


def render(machine: Machine) -> str:
    """The definition, as libvirt takes it."""
    root = ET.Element("domain", type="kvm" if machine.kvm else "qemu")
    _text(root, "name", machine.name)
    _text(root, "uuid", machine.uuid)
    metadata = ET.SubElement(root, "metadata")
    mark = machine.mark
    ET.SubElement(
        metadata,
        f"{{{MARK}}}node",
        owner=mark.owner,
        pool=mark.pool,
        config=mark.config,
        phase=mark.phase,
        version=mark.version,
        address=mark.address,
        bootSeconds=f"{mark.boot_seconds:.1f}",
        release=mark.release,
    )
    _text(root, "memory", str(machine.memory_mib), unit="MiB")
    _text(root, "vcpu", str(machine.vcpus))
    if machine.ignition_path:
        sysinfo = ET.SubElement(root, "sysinfo", type="fwcfg")
        # by file and never inline: QEMU would receive XML-escaped text, and the process list would show it
        ET.SubElement(sysinfo, "entry", name=IGNITION_KEY, file=machine.ignition_path)
    system = ET.SubElement(root, "os")
    _text(system, "type", "hvm", arch=_ARCH, machine="q35")
    ET.SubElement(system, "boot", dev="hd")
    features = ET.SubElement(root, "features")
    ET.SubElement(features, "acpi")  # without it the guest finds no fw_cfg device
    ET.SubElement(features, "apic")
    if machine.kvm:
        ET.SubElement(root, "cpu", mode="host-passthrough")
    else:
        _text(ET.SubElement(features, "tcg"), "tb-cache", str(_TRANSLATION_CACHE_MIB), unit="MiB")
    for event, action in (("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy")):
        _text(root, event, action)
    _devices(root, machine)
    return ET.tostring(root, "unicode")


def _devices(root: ET.Element, machine: Machine) -> None:
    devices = ET.SubElement(root, "devices")
    ET.SubElement(devices, "controller", type="pci", index="0", model="pcie-root")
    for index in range(1, _FREE_PCIE_PORTS + 7):
        ET.SubElement(devices, "controller", type="pci", index=str(index), model="pcie-root-port")
    disk = ET.SubElement(devices, "disk", type="file", device="disk")
    ET.SubElement(disk, "driver", name="qemu", type="qcow2", discard="unmap")
    ET.SubElement(disk, "source", file=machine.disk_path)
    ET.SubElement(disk, "target", dev="vda", bus="virtio")
    interface = ET.SubElement(devices, "interface", type="network")
    ET.SubElement(interface, "mac", address=machine.mac)
    ET.SubElement(interface, "source", network=machine.network)
    ET.SubElement(interface, "model", type="virtio")
    serial = ET.SubElement(devices, "serial", type="pty")
    ET.SubElement(serial, "target", port="0")
    console = ET.SubElement(devices, "console", type="pty")
    ET.SubElement(console, "target", type="serial", port="0")
    channel = ET.SubElement(devices, "channel", type="unix")
    ET.SubElement(channel, "target", type="virtio", name="org.qemu.guest_agent.0")
    rng = ET.SubElement(devices, "rng", model="virtio")
    _text(rng, "backend", "/dev/urandom", model="random")


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = text


def parse(xml: str) -> Machine | None:
    """The typed values of a domain of ours; None when it carries no mark."""
    root = ET.fromstring(xml)  # noqa: S314 - libvirt's own XML
    node = root.find(f"metadata/{{{MARK}}}node")
    if node is None:
        return None
    entry = root.find("sysinfo[@type='fwcfg']/entry")
    return Machine(
        name=root.findtext("name", ""),
        uuid=root.findtext("uuid", ""),
        mac=_attribute(root, "devices/interface/mac", "address"),
        vcpus=int(root.findtext("vcpu", "0")),
        memory_mib=_mib(root.find("memory")),
        kvm=root.get("type") == "kvm",
        disk_path=_attribute(root, "devices/disk/source", "file"),
        network=_attribute(root, "devices/interface/source", "network"),
        ignition_path="" if entry is None else entry.get("file", ""),
        mark=Mark(
            owner=node.get("owner", ""),
            pool=node.get("pool", ""),
            config=node.get("config", ""),
            phase=node.get("phase", ""),
            version=node.get("version", ""),
            address=node.get("address", ""),
            boot_seconds=float(node.get("bootSeconds", "0")),
            release=node.get("release", ""),
        ),
    )


def _attribute(root: ET.Element, path: str, name: str) -> str:
    found = root.find(path)
    return "" if found is None else found.get(name, "")


_UNIT_KIB = {"b": 1 / 1024, "bytes": 1 / 1024, "KiB": 1, "k": 1, "MiB": 1024, "M": 1024, "GiB": 1 << 20, "G": 1 << 20}


def _mib(node: ET.Element | None) -> int:
    if node is None:
        return 0
    return int(int(node.text or "0") * _UNIT_KIB[node.get("unit", "KiB")]) >> 10


def volume_xml(
    name: str, kind: str, capacity_bytes: int, *, mode: str = "0600", backing: tuple[str, str] | None = None
) -> str:
    """A volume: its format, size and permissions, and for an overlay the path and format of what lies below it."""
    root = ET.Element("volume")
    _text(root, "name", name)
    _text(root, "capacity", str(capacity_bytes), unit="bytes")
    _text(root, "allocation", "0", unit="bytes")
    target = ET.SubElement(root, "target")
    ET.SubElement(target, "format", type=kind)
    _text(ET.SubElement(target, "permissions"), "mode", mode)
    if kind == "qcow2":
        _text(target, "compat", "1.1")
    if backing:
        below = ET.SubElement(root, "backingStore")
        _text(below, "path", backing[0])
        ET.SubElement(below, "format", type=backing[1])
    return ET.tostring(root, "unicode")
