"""UEFI with and without secure boot, vTPM, virtiofs: the daemon is asked whether it could start such a machine.

The daemon chooses firmware files and devices for a definition and says what it lacks. That is the whole truth, where
file names and capabilities are only signs of it.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator

from flatprov.platforms.finding import Finding
from flatprov.platforms.libvirt.checks import outcome
from flatprov.platforms.libvirt.client import Client

_OVMF = {"x86_64": "ovmf (edk2-ovmf on Fedora)", "aarch64": "qemu-efi-aarch64 (edk2-aarch64 on Fedora)"}
_UUID = "f1a7f1a7-0000-4000-8000-00000000d0c7"  # of a machine that is never defined


def all_of(client: Client, subject: str, architecture: str, kind: str, virtiofsd: bool | None) -> Iterator[Finding]:
    """The checks of this module.

    Args:
        client: the host.
        subject: the host.
        architecture: of the nodes, as libvirt names it.
        kind: ``kvm`` or ``qemu``.
        virtiofsd: whether it is installed there; None when that cannot be seen.
    """
    package = _OVMF.get(architecture, "its UEFI firmware")
    plain = client.refusal(machine(architecture, kind, secure_boot=False))
    yield _firmware("UEFI firmware without secure boot", subject, plain, f"install {package} there")
    check = "UEFI firmware with secure boot"
    if architecture == "x86_64":
        secure = client.refusal(machine(architecture, kind, secure_boot=True))
        yield _firmware(check, subject, secure, f"install {package} there, with the variant that has the vendor's keys")
    else:
        yield outcome.unknown(check, subject, f"not asked: flatprov knows of no secure boot for {architecture} guests")
    yield _tpm(subject, client.refusal(machine(architecture, kind, tpm=True)))
    yield _virtiofs(subject, client.refusal(machine(architecture, kind, virtiofs=True)), virtiofsd)


def _firmware(check: str, subject: str, refused: str, fix: str) -> Finding:
    if refused:
        return outcome.warning(check, subject, f"no such machine can start: {refused}", f"{fix}; BIOS guests need none")
    return outcome.ok(check, subject, "a machine with it could start")


def _tpm(subject: str, refused: str) -> Finding:
    check = "a virtual TPM can be had"
    if refused:
        text = f"no machine with a TPM 2.0 can start: {refused}"
        return outcome.warning(
            check, subject, text, "install swtpm and swtpm-tools there; nodes without a TPM need none"
        )
    return outcome.ok(check, subject, "swtpm is there")


def _virtiofs(subject: str, refused: str, installed: bool | None) -> Finding:
    check = "folders can be shared (virtiofs)"
    fix = "install virtiofsd there; nodes that share no folder need none"
    if refused:
        return outcome.warning(check, subject, f"no machine with a shared folder can start: {refused}", fix)
    if installed is None:
        text = "QEMU can; whether virtiofsd is installed cannot be seen from here"
        return outcome.unknown(check, subject, text, "look there for /usr/libexec/virtiofsd or /usr/lib/qemu/virtiofsd")
    if not installed:
        return outcome.warning(check, subject, "QEMU can, but there is no virtiofsd", fix)
    return outcome.ok(check, subject, "virtiofsd is there")


def machine(
    architecture: str,
    kind: str,
    *,
    secure_boot: bool | None = None,
    tpm: bool = False,
    virtiofs: bool = False,
) -> str:
    """A machine to ask the daemon about.

    Args:
        architecture: as libvirt names it.
        kind: ``kvm`` or ``qemu``.
        secure_boot: UEFI with it or without it; None for the machine type's usual firmware.
        tpm: it has a TPM 2.0.
        virtiofs: it has a shared folder.
    """
    root = ET.Element("domain", type=kind)
    ET.SubElement(root, "name").text = "flatprov-doctor"
    ET.SubElement(root, "uuid").text = _UUID
    ET.SubElement(root, "memory", unit="MiB").text = "1024"
    ET.SubElement(root, "vcpu").text = "1"
    if virtiofs:
        backing = ET.SubElement(root, "memoryBacking")
        ET.SubElement(backing, "source", type="memfd")
        ET.SubElement(backing, "access", mode="shared")
    # libvirt's processors of type "virt" know no other firmware
    system = ET.SubElement(root, "os", {} if secure_boot is None and architecture == "x86_64" else {"firmware": "efi"})
    kinds = {"x86_64": "q35", "aarch64": "virt"}
    ET.SubElement(system, "type", arch=architecture, machine=kinds.get(architecture, "virt")).text = "hvm"
    if secure_boot is not None:
        firmware = ET.SubElement(system, "firmware")
        if secure_boot:
            ET.SubElement(firmware, "feature", enabled="yes", name="enrolled-keys")
        ET.SubElement(firmware, "feature", enabled="yes" if secure_boot else "no", name="secure-boot")
    features = ET.SubElement(root, "features")
    ET.SubElement(features, "acpi")
    if secure_boot:
        ET.SubElement(features, "smm", state="on")
    devices = ET.SubElement(root, "devices")
    if tpm:
        device = ET.SubElement(devices, "tpm", model="tpm-crb" if architecture == "x86_64" else "tpm-tis")
        ET.SubElement(device, "backend", type="emulator", version="2.0")
    if virtiofs:
        share = ET.SubElement(devices, "filesystem", type="mount", accessmode="passthrough")
        ET.SubElement(share, "driver", type="virtiofs")
        ET.SubElement(share, "source", dir="/var/empty")
        ET.SubElement(share, "target", dir="flatprov")
    return ET.tostring(root, "unicode")
