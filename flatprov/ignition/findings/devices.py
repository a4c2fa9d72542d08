"""Devices and labels that nothing makes, or that two disks have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Final

from flatprov.ignition.findings.codes import Path, entry
from flatprov.ignition.findings.view import Item, View, items, texts
from flatprov.ignition.report import Entry

#: What every Flatcar disk has, by label of the partition and of the filesystem.
_PARTITIONS: Final = frozenset({"EFI-SYSTEM", "BIOS-BOOT", "USR-A", "USR-B", "OEM", "OEM-CONFIG", "ROOT"})
_LABELS: Final = frozenset({"EFI-SYSTEM", "OEM", "ROOT"})
#: Links that udev makes from what the config makes; the other kinds (by-id, by-path, plain disks) are hardware.
_BY: Final = re.compile(r"/dev/(disk/by-(?:partlabel|label|partuuid|uuid)|md|mapper)/(.+)\Z")
_DM: Final = "/dev/disk/by-id/dm-name-"
_MD_NAME: Final = "/dev/disk/by-id/md-name-"
_MD_NUMBER: Final = re.compile(r"/dev/md[0-9]+\Z")
_NUMBERED: Final = re.compile(
    r"(/dev/(?:[sv]d[a-z]+|xvd[a-z]+))([0-9]+)\Z|(/dev/nvme\d+n\d+|/dev/mmcblk\d+)p([0-9]+)\Z"
)
_WHAT: Final = re.compile(r"^[ \t]*What[ \t]*=[ \t]*(/dev/\S+)[ \t]*$", re.M)
_WHERE: Final = re.compile(r"^[ \t]*Where[ \t]*=[ \t]*(/[^\n]*?)[ \t]*$", re.M)
_SYSTEM_PLACES: Final = frozenset({"/", "/boot", "/oem", "/usr", "/usr/share/oem"})  # the system mounts these itself
_ESCAPE: Final = re.compile(r"\\x([0-9a-fA-F]{2})")


def find(view: View) -> Iterator[Entry]:
    """Find references to what nothing makes, one label on two disks, and two filesystems at one path."""
    if not (view.disks or view.raid or view.filesystems or view.luks):
        yield from _mounts(view, {})
        return
    made = _made(view)
    for path, device in _references(view):
        missing = _missing(view, made, device)
        if missing:
            near = get_close_matches(device, sorted(set().union(*made.values())), n=1)
            fix = f"did you mean {near[0]}?" if near else f"add {missing}, or make sure that the machine has it already"
            message = f"nothing in the config makes {device}: the first boot waits for it and fails if it is not there"
            yield entry("device-not-made", path, message, fix)
    yield from _twice(view)
    yield from _mounted(view)
    yield from _mounts(view, made)
    for one in view.filesystems:
        for path, option in texts(one.data, one.path, "options"):
            if option.startswith("/dev/") and option != one.text("device"):
                message = f"{option} is named only here: Ignition waits for {one.text('device')} and not for this one"
                fix = "name the device that appears last in device, or put a unit of your own in front"
                yield entry("second-device", path, message, fix)


def _made(view: View) -> dict[str, set[str]]:
    """Give the names that the config makes, by the folder of ``/dev`` in which they appear."""
    made: dict[str, set[str]] = {"disk/by-partlabel": set(), "disk/by-label": set(), "md": set(), "mapper": set()}
    made |= {"disk/by-partuuid": set(), "disk/by-uuid": set(), "number": set()}
    for disk in view.disks:
        for one in items(disk.data, disk.path, "partitions"):
            if one.data.get("shouldExist") is False:
                continue
            _add(made, "disk/by-partlabel", one.data.get("label"))
            _add(made, "disk/by-partuuid", one.data.get("guid"), lower=True)
            number, device = one.data.get("number"), disk.text("device")
            if type(number) is int and number > 0:
                made["number"].add(f"{device}{'p' if device[-1:].isdigit() else ''}{number}")
    for one in (*view.filesystems, *view.luks):
        _add(made, "disk/by-label", one.data.get("label"))
        _add(made, "disk/by-uuid", one.data.get("uuid"), lower=True)
    for one in view.raid:
        _add(made, "md", one.data.get("name"))
    for one in view.luks:
        _add(made, "mapper", one.data.get("name"))
    return made


def _add(made: dict[str, set[str]], folder: str, name: object, *, lower: bool = False) -> None:
    if isinstance(name, str) and name:
        made[folder].add(f"/dev/{folder}/{name.lower() if lower else name}")


def _references(view: View) -> Iterator[tuple[Path, str]]:
    for one in (*view.disks, *view.filesystems, *view.luks):
        if device := one.text("device"):
            yield (*one.path, "device"), device
    for one in view.raid:
        yield from texts(one.data, one.path, "devices")


def _missing(view: View, made: dict[str, set[str]], device: str) -> str:
    """Say what would have to be added for a device to exist, or ``""`` where it is made or may be hardware."""
    if device.startswith((_DM, _MD_NAME)):
        folder = "mapper" if device.startswith(_DM) else "md"
        device = f"/dev/{folder}/{device.removeprefix(_DM).removeprefix(_MD_NAME).rpartition(':')[2]}"
    match = _BY.match(device)
    if match is None:
        if _MD_NUMBER.match(device) and not view.raid:
            return "the array to storage.raid"
        return _numbered(view, made, device)
    folder, name = match[1], _ESCAPE.sub(lambda found: chr(int(found[1], 16)), match[2])
    known = f"/dev/{folder}/{name.lower() if folder.endswith('uuid') else name}"
    if known in made.get(folder, ()):
        return ""
    if folder == "disk/by-partlabel":
        return "" if name in _PARTITIONS else "a partition of that label to storage.disks"
    if folder == "disk/by-label":
        return "" if name in _LABELS else "a filesystem of that label to storage.filesystems"
    if folder == "mapper":
        return "" if name == "usr" else "the device to storage.luks"  # usr is the system's own, over dm-verity
    return "the array to storage.raid" if folder == "md" else "the uuid or guid to what makes it"


def _numbered(view: View, made: dict[str, set[str]], device: str) -> str:
    """A numbered partition of a disk whose table the config wipes exists only if the config makes it."""
    match = _NUMBERED.match(device)
    disk = (match[1] or match[3]) if match else ""
    if not disk or device in made["number"]:
        return ""
    for one in view.disks:
        if one.text("device") == disk and one.data.get("wipeTable") is True:
            parts = items(one.data, one.path, "partitions")
            return "the partition to storage.disks" if all(part.data.get("number") for part in parts) else ""
    return ""


def _twice(view: View) -> Iterator[Entry]:
    seen: dict[str, tuple[str, Item]] = {}
    for disk in view.disks:
        for one in items(disk.data, disk.path, "partitions"):
            label: Any = one.data.get("label")
            if not isinstance(label, str) or not label or one.data.get("shouldExist") is False:
                continue
            first = seen.setdefault(label, (disk.text("device"), one))
            if first[1].path[:3] != one.path[:3]:
                message = (
                    f"{disk.text('device')} and {first[0]} both have a partition {label}: "
                    f"/dev/disk/by-partlabel/{label} points to either of them"
                )
                fix = "give each its own label, and name both where they are used"
                yield entry("label-twice", (*one.path, "label"), message, fix)


def _mounted(view: View) -> Iterator[Entry]:
    seen: dict[str, str] = {}
    for one in view.filesystems:
        path = one.text("path")
        if path and one.data.get("format") != "swap":
            first = seen.setdefault(path, one.text("device"))
            if first != one.text("device"):
                message = f"{first} and {one.text('device')} are both mounted at {path}: the later hides the earlier"
                yield entry("mounted-twice", (*one.path, "path"), message, "give each its own path")


def _mounts(view: View, made: dict[str, set[str]]) -> Iterator[Entry]:
    """Mount units wait for their device at every boot; a disk that comes with its data is a good reason for one."""
    for path, name, text in view.unit_texts:
        if not name.endswith((".mount", ".swap")):
            continue
        found = _WHAT.search(text)
        device = found[1] if found else ""
        if _BY.match(device) and _missing(view, made or _made(view), device):
            message = f"{name} mounts {device}, which nothing in the config makes: each boot waits for it"
            fix = "make it, or add nofail to Options= where the machine may start without it"
            yield entry("mount-device-not-made", path, message, fix)


def find_unmounted(view: View) -> Iterator[Entry]:
    """Find filesystems that Ignition mounts for its own files only: what mounts them later is a unit."""
    if view.fetches_config or not view.filesystems:
        return
    places = set()
    for _, name, text in view.unit_texts:
        if name.endswith((".mount", ".automount")):
            places |= {found.rstrip("/") for found in _WHERE.findall(text)}
    table = (view.text_of("/etc/fstab") or "").split()
    for one in view.filesystems:
        path = one.text("path")
        if not path or path in _SYSTEM_PLACES or path in places or path in table or one.data.get("format") == "swap":
            continue
        if any(unit.startswith("/etc/systemd/system/") and unit.endswith(".mount") for unit in view.paths):
            continue
        message = f"no unit mounts {path}: Ignition mounts it only while it writes its own files"
        fix = "add a mount unit (with_mount_unit in Butane), unless something of your own mounts it"
        yield entry("not-mounted", (*one.path, "path"), message, fix)
