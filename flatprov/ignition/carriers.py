"""What carries a config to a machine, and how many bytes it takes. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Encoding: TypeAlias = Literal["", "base64", "gzip+base64"]


@dataclass(frozen=True, kw_only=True)
class Carrier:
    """One way to hand a config over.

    Args:
        name: what users write: ``aws``, ``vmware``.
        title: what it is called there.
        limit: bytes it takes as it counts them; None where there is no limit.
        encoding: how the carrier wants the bytes; Ignition undoes it. What needs no gzip of its own is sent as it is.
        counts_base64: True where the limit is for the base64 of the bytes.
        part: bytes of one part where it is cut into parts; 0 where it is not.
        ascii: True where only ASCII gets through unharmed.
        smallest: True takes the smallest form even where a simpler one fits, because each part costs a call.
        slow_above: bytes from which the boot waits noticeably; 0 where size does not matter.
        note: what else to know, one sentence.
    """

    name: str
    title: str
    limit: int | None
    encoding: Encoding = ""
    counts_base64: bool = False
    part: int = 0
    ascii: bool = False
    smallest: bool = False
    slow_above: int = 0
    note: str = ""


_KVP_PART: Final = 900  # characters; an item of the host takes 1,024, libhvee cuts at 990
_KVP_PARTS: Final = 128  # one call of AddKvpItems takes no more

_ALL: Final = (
    Carrier(
        name="qemu",
        title="QEMU fw_cfg",
        limit=None,
        slow_above=1 << 20,
        note="reading takes quadratic time, so a large one delays the boot",
    ),
    Carrier(name="aws", title="EC2 user data", limit=16_384, note="the limit is for the bytes before base64"),
    Carrier(name="azure", title="Azure user data", limit=65_535, note="the limit is for the bytes before base64"),
    Carrier(
        name="azure-custom-data",
        title="Azure custom data",
        limit=65_535,
        note="can be set only when the machine is made",
    ),
    Carrier(
        name="gcp",
        title="Google Cloud metadata user-data",
        limit=262_144,
        note="all metadata of an instance together may have 512 KiB",
    ),
    Carrier(
        name="vmware",
        title="VMware guestinfo",
        limit=65_536,
        encoding="gzip+base64",
        note="all settings of the machine together may have about 1 MiB",
    ),
    Carrier(
        name="hyperv",
        title="Hyper-V key-value pairs",
        limit=_KVP_PART * _KVP_PARTS,
        part=_KVP_PART,
        ascii=True,
        smallest=True,
        note="the host keeps them readable, and has an undocumented limit for their number",
    ),
    Carrier(
        name="openstack", title="OpenStack user data", limit=65_535, counts_base64=True, note="the limit is for base64"
    ),
    Carrier(name="hetzner", title="Hetzner user data", limit=32_768),
    Carrier(name="digitalocean", title="DigitalOcean user data", limit=65_536),
    Carrier(name="proxmoxve", title="Proxmox VE cloud-init drive", limit=None),
    Carrier(name="virtualbox", title="VirtualBox guest property", limit=1_024, encoding="gzip+base64"),
    Carrier(name="metal", title="a file served by HTTP, or on the OEM partition", limit=None),
)

#: Every carrier by its name. The first of a platform has the platform's name.
CARRIERS: Final = {carrier.name: carrier for carrier in _ALL}
