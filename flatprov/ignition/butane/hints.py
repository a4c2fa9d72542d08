"""What to do about a key that Butane does not know: the nearest name, or what does the work of an old one."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final

from flatprov.ignition.butane.fields import Table, snake
from flatprov.ignition.recognize import OLD_SECTIONS

#: Keys of Container Linux Configs and of Butane's other variants, by the object they stand in.
_OLD: Final = {
    ("file", "filesystem"): "remove it, and give the path from the root on",
    ("directory", "filesystem"): "remove it, and give the path from the root on",
    ("link", "filesystem"): "remove it, and give the path from the root on",
    ("file", "contents_local"): "write contents: {local: FILE}",
    ("resource", "remote"): "move the url up and call it source",
    ("resource", "url"): "call it source",
    ("filesystem", "mount"): "move what is in it up: device, format, label, wipe_filesystem, options",
    ("filesystem", "name"): "remove it: a file system is known by its path",
    ("filesystem", "create"): "write wipe_filesystem: true",
    ("partition", "size"): "write size_mib",
    ("partition", "start"): "write start_mib",
    ("unit", "enable"): "write enabled",
    ("user", "create"): "move what is in it up",
    ("user", "coreos_ssh_import_github"): "write the keys out, or in a file for ssh_authorized_keys_local",
    ("ignition", "version"): "remove it: the version at the top decides",
    ("luks", "cex"): "remove it: the variant flatcar has none",
    ("config", "boot_device"): "describe the disks in storage: the variant flatcar has none",
    ("config", "grub"): "write a file /oem/grub.cfg: the variant flatcar has none",
}


def hint(table: Table, name: str) -> str:
    """Say what to do about an unknown key."""
    if table.name == "config" and name in OLD_SECTIONS:
        return f"use {OLD_SECTIONS[name]}"
    known = _OLD.get((table.name, name))
    if known:
        return known
    if snake(name) in table.keys:
        return f"write {snake(name)}"
    near = get_close_matches(name, table.keys, n=1)
    return f"did you mean {near[0]}?" if near else "remove it: it has no effect"
