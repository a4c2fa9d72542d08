"""Ignition configs: typed, exact, mergeable. Pure: no I/O, and Pulumi is not needed."""

from __future__ import annotations

from flatprov.ignition.config import Ignition
from flatprov.ignition.contents import Remote
from flatprov.ignition.diffing import diff
from flatprov.ignition.disks import Disk, Filesystem, Partition, Raid
from flatprov.ignition.luks import Clevis, ClevisCustom, Luks, Tang
from flatprov.ignition.merging import merge
from flatprov.ignition.nodes import Directory, File, Link, Owner
from flatprov.ignition.passwd import Group, User
from flatprov.ignition.render import render
from flatprov.ignition.root import KernelArguments, Proxy, Timeouts
from flatprov.ignition.secrets import Redactor, is_sensitive, secret_leaves
from flatprov.ignition.systemd import DropIn, Unit
from flatprov.ignition.transport import dumps, pack, pack_bytes, unpack, unpack_bytes
from flatprov.ignition.versions import lowest_version

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
    "KernelArguments",
    "Link",
    "Luks",
    "Owner",
    "Partition",
    "Proxy",
    "Raid",
    "Redactor",
    "Remote",
    "Tang",
    "Timeouts",
    "Unit",
    "User",
    "diff",
    "dumps",
    "is_sensitive",
    "lowest_version",
    "merge",
    "pack",
    "pack_bytes",
    "render",
    "secret_leaves",
    "unpack",
    "unpack_bytes",
]
