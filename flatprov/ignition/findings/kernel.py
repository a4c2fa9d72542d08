"""Kernel arguments that cost more than they seem to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flatprov.ignition.findings.codes import entry
from flatprov.ignition.findings.view import View
from flatprov.ignition.report import Entry

#: Arguments that take from a virtual machine what libvirt drives it by, and what is lost.
_FIGHTS: Final = {
    "acpi=off": "without ACPI it neither shuts down nor restarts on request, and may not find its Ignition config",
    "acpi=ht": "without ACPI it neither shuts down nor restarts on request, and may not find its Ignition config",
    "noacpi": "without ACPI it neither shuts down nor restarts on request",
    "pci=noacpi": "without ACPI's routing its virtual devices may get no interrupts",
    "pci=off": "without PCI it has no virtual disk and no virtual network card",
    "noapic": "without the I/O APIC its virtual devices may get no interrupts",
    "nolapic": "without the local APIC it has one processor, whatever it was given",
}
_HYPERVISORS: Final = frozenset({"", "qemu"})  # "" is a target that is not known


def find(view: View) -> Iterator[Entry]:
    """Find arguments that reboot the machine once more, fight the hypervisor, or cannot be set at all."""
    present = {part for one in view.target.boot_arguments for part in one.split()}
    changes = [path for path, one in view.arguments if one not in present]
    changes += [path for path, one in view.removed_arguments if not view.target.boot_arguments or one in present]
    if changes and view.target.platform == "pxe":
        message = "a machine that boots from the network has no place to keep kernel arguments: the first boot fails"
        fix = "put them on the kernel line of the boot script"
        yield entry("kernel-arguments-pxe", changes[0][:2], message, fix)
    elif changes:
        message = "changed kernel arguments cost one more start: Ignition writes them, reboots, and begins again"
        fix = "nothing, if the time does not matter; otherwise put them into the image"
        yield entry("kernel-arguments-reboot", changes[0][:2], message, fix)
    if view.target.platform in _HYPERVISORS:
        for path, argument in view.arguments:
            if argument in _FIGHTS:
                message = f"{argument} on a virtual machine: {_FIGHTS[argument]}"
                yield entry("kernel-argument-libvirt", path, message, "leave it out")
