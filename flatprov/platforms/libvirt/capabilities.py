"""What flatprov can and cannot do on libvirt hosts."""

from __future__ import annotations

from flatprov.platforms.capability import Capability

CAPABILITIES = (
    Capability(name="Flatcar", supported=True, reason="the publisher's qcow2 image boots as it is"),
    Capability(
        name="Ignition", supported=True, reason="by fw_cfg from a file; no hard limit, reading is slow above 1 MB"
    ),
    Capability(name="console", supported=True, reason="the serial console is a stream of the libvirt API"),
    Capability(name="rolling rebuild", supported=True, reason="in place, through the pool's gate in the plugin"),
    Capability(
        name="several hosts", supported=True, reason="a node is placed once, where the most memory is available"
    ),
    Capability(
        name="arm64",
        supported=False,
        reason="machines of type virt with UEFI firmware are not written yet, so no arm64 guest would boot",
        alternative='use architecture="amd64"',
    ),
    Capability(
        name="UEFI",
        supported=False,
        reason="guests boot by BIOS; the publisher's image can do both",
        alternative="leave it out: nothing in Flatcar needs it but secure boot",
    ),
)
