"""Ignition configs: typed, exact, mergeable. Pure: no I/O, and Pulumi is not needed.

Names load when first used: the plugin reads packed configs and needs none of the typed model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flatprov.ignition.config import Ignition
    from flatprov.ignition.contents import Remote
    from flatprov.ignition.diffing import diff
    from flatprov.ignition.disks import Disk, Filesystem, Partition, Raid
    from flatprov.ignition.luks import Clevis, ClevisCustom, Luks, Tang
    from flatprov.ignition.merging import merge
    from flatprov.ignition.nodes import Directory, File, Link, Owner
    from flatprov.ignition.passwd import Group, User
    from flatprov.ignition.rendering import render, render_many
    from flatprov.ignition.report import Entry, Report
    from flatprov.ignition.root import KernelArguments, Proxy, Timeouts
    from flatprov.ignition.secrets import Redactor, is_sensitive, secret_leaves
    from flatprov.ignition.systemd import DropIn, Unit
    from flatprov.ignition.target import Target
    from flatprov.ignition.transport import dumps, pack, pack_bytes, unpack, unpack_bytes
    from flatprov.ignition.versions import check_target, lowest_version, needs

_PLACES = {
    **dict.fromkeys(("Ignition",), "flatprov.ignition.config"),
    **dict.fromkeys(("Remote",), "flatprov.ignition.contents"),
    **dict.fromkeys(("diff",), "flatprov.ignition.diffing"),
    **dict.fromkeys(("Disk", "Filesystem", "Partition", "Raid"), "flatprov.ignition.disks"),
    **dict.fromkeys(("Clevis", "ClevisCustom", "Luks", "Tang"), "flatprov.ignition.luks"),
    **dict.fromkeys(("merge",), "flatprov.ignition.merging"),
    **dict.fromkeys(("Directory", "File", "Link", "Owner"), "flatprov.ignition.nodes"),
    **dict.fromkeys(("Group", "User"), "flatprov.ignition.passwd"),
    **dict.fromkeys(("render", "render_many"), "flatprov.ignition.rendering"),
    **dict.fromkeys(("Entry", "Report"), "flatprov.ignition.report"),
    **dict.fromkeys(("KernelArguments", "Proxy", "Timeouts"), "flatprov.ignition.root"),
    **dict.fromkeys(("Redactor", "is_sensitive", "secret_leaves"), "flatprov.ignition.secrets"),
    **dict.fromkeys(("DropIn", "Unit"), "flatprov.ignition.systemd"),
    **dict.fromkeys(("Target",), "flatprov.ignition.target"),
    **dict.fromkeys(("dumps", "pack", "pack_bytes", "unpack", "unpack_bytes"), "flatprov.ignition.transport"),
    **dict.fromkeys(("check_target", "lowest_version", "needs"), "flatprov.ignition.versions"),
}

__all__ = [
    "Clevis",
    "ClevisCustom",
    "Directory",
    "Disk",
    "DropIn",
    "Entry",
    "File",
    "Filesystem",
    "Group",
    "Ignition",
    "KernelArguments",
    "Link",
    "Luks",
    "Owner",
    "Partition",
    "Proxy",
    "Raid",
    "Redactor",
    "Remote",
    "Report",
    "Tang",
    "Target",
    "Timeouts",
    "Unit",
    "User",
    "check_target",
    "diff",
    "dumps",
    "is_sensitive",
    "lowest_version",
    "merge",
    "needs",
    "pack",
    "pack_bytes",
    "render",
    "render_many",
    "secret_leaves",
    "unpack",
    "unpack_bytes",
]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
