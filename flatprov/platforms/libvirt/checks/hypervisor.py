"""Versions, emulator and KVM."""

from __future__ import annotations

from flatprov.platforms.finding import Finding
from flatprov.platforms.libvirt.checks import outcome

#: (needed from, severe, what for): what flatprov writes into definitions, and the version that learned it
_LIBVIRT = (
    (6_005_000, True, "the Ignition config is handed over as a file by fw_cfg"),
    (7_002_000, False, "UEFI firmware is chosen by its features, with or without secure boot"),
)
_LIBVIRT_EMULATION = (8_000_000, "emulation without KVM needs its translation cache set")
_QEMU = (2_009_000, "machines have PCI Express root ports")
_TRIED = "tried with libvirt 9.0 and QEMU 7.2"

PACKAGES = {"x86_64": "qemu-system-x86", "aarch64": "qemu-system-arm"}
KERNEL_NAMES = {"amd64": "x86_64", "arm64": "aarch64"}  #: Flatcar's name of an architecture, and libvirt's


def libvirt_version(subject: str, version: int, *, kvm: bool) -> Finding:
    """Whether libvirt is new enough for what flatprov writes.

    Args:
        subject: the host.
        version: ``9_000_000`` for 9.0.0.
        kvm: nodes run under KVM there.
    """
    check = "libvirt is new enough"
    needs = [*_LIBVIRT, (_LIBVIRT_EMULATION[0], True, _LIBVIRT_EMULATION[1])] if not kvm else list(_LIBVIRT)
    missing = [need for need in needs if version < need[0]]
    if not missing:
        return outcome.ok(check, subject, f"libvirt {dotted(version)} ({_TRIED})")
    wanted, _, reason = max(missing)
    text = f"libvirt {dotted(version)} is older than {dotted(wanted)}, from which on {reason}"
    fix = f"upgrade libvirt there to {dotted(wanted)} or newer"
    if any(severe for _, severe, _ in missing):
        return outcome.error(check, subject, text, fix)
    return outcome.warning(check, subject, text, fix)


def qemu_version(subject: str, version: int) -> Finding:
    """Whether QEMU is new enough."""
    check = "QEMU is new enough"
    wanted, reason = _QEMU
    if version < wanted:
        text = f"QEMU {dotted(version)} is older than {dotted(wanted)}, from which on {reason}"
        return outcome.error(check, subject, text, f"upgrade QEMU there to {dotted(wanted)} or newer")
    return outcome.ok(check, subject, f"QEMU {dotted(version)} ({_TRIED})")


def emulator(subject: str, uri: str, architecture: str, offered: set[str], accelerator: str = "auto") -> Finding:
    """Whether the host has an emulator that can run the machine.

    Args:
        subject: the machine or host.
        uri: the host.
        architecture: as libvirt names it.
        offered: what its emulator offers: ``qemu``, ``kvm``.
        accelerator: what the user asked for.
    """
    check = "the host's emulator can run it"
    if not offered:
        text = f"{uri} has no emulator for {architecture}"
        fix = f"install {PACKAGES.get(architecture, 'its QEMU')} there"
        return outcome.error(check, subject, text, fix, "accelerator")
    if accelerator == "kvm" and "kvm" not in offered:
        fix = 'load the kvm module there, or set accelerator to "tcg" (slow)'
        return outcome.error(check, subject, f"{uri} offers no KVM", fix, "accelerator")
    return outcome.ok(check, subject, f"there is one for {architecture}")


def kvm(subject: str, host_architecture: str, architecture: str, *, offered: bool, works: bool | None) -> Finding:
    """Whether KVM is there, and runs a machine.

    Args:
        subject: the host.
        host_architecture: of its processors.
        architecture: of the nodes.
        offered: libvirt offers KVM for it.
        works: a machine's firmware ran under it; None when that was not tried.
    """
    check = "KVM runs a machine"
    slow = "nodes run emulated there, many times slower"
    if host_architecture and host_architecture != architecture:
        text = f"the processors are {host_architecture}, so {architecture} guests are emulated, many times slower"
        return outcome.warning(check, subject, text, f"use an {architecture} host for anything but tests")
    if not offered:
        fix = (
            "switch on virtualisation in the firmware setup (for a guest: nested virtualisation on its host), run "
            "`sudo modprobe kvm_intel` or `kvm_amd`, and restart libvirtd"
        )
        return outcome.warning(check, subject, f"the host offers no KVM; {slow}", fix)
    if works is None:
        return outcome.unknown(check, subject, f"KVM is offered for {architecture}; it was not tried")
    if not works:
        text = f"KVM is offered, but a machine started under it prints nothing; {slow}"
        fix = (
            "look at `dmesg` and /var/log/libvirt/qemu there; on a guest, switch on nested virtualisation on its host. "
            'accelerator "auto" takes emulation here by itself'
        )
        return outcome.warning(check, subject, text, fix)
    return outcome.ok(check, subject, "a machine's firmware ran under KVM")


def dotted(version: int) -> str:
    """A version of libvirt's counting: 9_000_000 is 9.0.0."""
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"
