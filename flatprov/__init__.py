"""flatprov: Flatcar Container Linux nodes and clusters anywhere, from one typed API on Pulumi.

Everything public is here and is loaded when first used::

    import flatprov as fp

    lab = fp.libvirt.Platform()
    web = fp.NodePool("web", platform=lab, image=fp.Release("flatcar"), count=2)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flatprov import errors
    from flatprov.flatcar.updates import Updates
    from flatprov.ignition import (
        Clevis,
        ClevisCustom,
        Directory,
        Disk,
        DropIn,
        File,
        Filesystem,
        Group,
        Ignition,
        KernelArguments,
        Link,
        Luks,
        Owner,
        Partition,
        Proxy,
        Raid,
        Remote,
        Tang,
        Unit,
        User,
    )
    from flatprov.platforms import libvirt
    from flatprov.platforms.base import Machine, Node, NodeOverride, Rollout, Timeouts
    from flatprov.platforms.image import Image, Release
    from flatprov.pool import NodePool

__version__ = "0.1.0"

_IGNITION = (
    "Clevis ClevisCustom Directory Disk DropIn File Filesystem Group Ignition KernelArguments Link Luks Owner "
    "Partition Proxy Raid Remote Tang Unit User"
)
_PLACES = {
    **dict.fromkeys(_IGNITION.split(), "flatprov.ignition"),
    **dict.fromkeys(("Machine", "Node", "NodeOverride", "Rollout", "Timeouts"), "flatprov.platforms.base"),
    **dict.fromkeys(("Image", "Release"), "flatprov.platforms.image"),
    "NodePool": "flatprov.pool",
    "Updates": "flatprov.flatcar.updates",
}
_MODULES = {"errors": "flatprov.errors", "libvirt": "flatprov.platforms.libvirt"}

__all__ = [
    "Clevis",
    "ClevisCustom",
    "Directory",
    "Disk",
    "DropIn",
    "File",
    "Filesystem",
    "Group",
    "Ignition",
    "Image",
    "KernelArguments",
    "Link",
    "Luks",
    "Machine",
    "Node",
    "NodeOverride",
    "NodePool",
    "Owner",
    "Partition",
    "Proxy",
    "Raid",
    "Release",
    "Remote",
    "Rollout",
    "Tang",
    "Timeouts",
    "Unit",
    "Updates",
    "User",
    "errors",
    "libvirt",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'flatprov' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
