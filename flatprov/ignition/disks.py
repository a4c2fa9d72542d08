"""Disks, RAID arrays and filesystems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Final

from flatprov.ignition.checks import Part, path_problem
from flatprov.ignition.schema import DISK, FILESYSTEM, PARTITION, RAID

if TYPE_CHECKING:
    from pulumi import Input

_DEVICE_FIX: Final = "write the device as a path, such as /dev/disk/by-id/NAME"
FORMATS: Final = ("ext4", "btrfs", "xfs", "swap", "vfat", "none", "")
LEVELS: Final = (
    "linear", "raid0", "0", "stripe", "raid1", "1", "mirror", "raid4", "4", "raid5", "5", "raid6", "6", "raid10", "10",
)  # fmt: skip


def check_device(part: Part, value: object, attribute: str = "device") -> None:
    """Check a device path that is known already."""
    problem = path_problem(value) if isinstance(value, str) else ""
    if problem:
        raise part.fail(attribute, problem, _DEVICE_FIX)


@dataclass(frozen=True, kw_only=True)
class Partition(Part, shape=PARTITION, place="partitions"):
    """A partition, known by its number, or by its label where the number is left out.

    Args:
        label: at most 36 bytes, without a colon.
        number: counted from 1.
        size_mib: MiB; 0 takes the space that is left.
        start_mib: MiB; 0 begins in the largest free block.
        type_guid: the GPT type; Linux data when left out.
        guid: the partition's own identity; a random one when left out.
        wipe_partition_entry: True replaces a partition that differs.
        resize: True resizes one that differs in size only.
        should_exist: False deletes it.

    Raises:
        ConfigError: neither number nor label is given, or the label is too long or has a colon.
    """

    label: Input[str] | None = None
    number: Input[int] | None = None
    size_mib: Input[int] | None = None
    start_mib: Input[int] | None = None
    type_guid: Input[str] | None = None
    guid: Input[str] | None = None
    wipe_partition_entry: Input[bool] | None = None
    resize: Input[bool] | None = None
    should_exist: Input[bool] | None = None

    def _check(self) -> None:
        if (self.number is None or (isinstance(self.number, int) and self.number == 0)) and self.label is None:
            raise self.fail("number", "is missing, and so is the label", "give one of them")
        if isinstance(self.label, str) and (len(self.label.encode()) > 36 or ":" in self.label):
            raise self.fail("label", "is longer than 36 bytes or has a colon", "shorten it")


@dataclass(frozen=True)
class Disk(Part, shape=DISK, place="disks"):
    """A disk and its GPT partitions.

    Args:
        device: its path.
        partitions: what shall be on it; others stay.
        wipe_table: True erases the partition table first.

    Raises:
        ConfigError: the device is no absolute path.
    """

    device: Input[str]
    _: KW_ONLY
    partitions: Sequence[Partition] = ()
    wipe_table: Input[bool] | None = None

    def _check(self) -> None:
        check_device(self, self.device)


@dataclass(frozen=True)
class Raid(Part, shape=RAID, place="raid"):
    """A software RAID array, ``/dev/md/NAME``.

    Args:
        name: its name.
        level: ``raid0``, ``raid1``, ``raid10`` and so on.
        devices: its members, spares last.
        spares: how many of them are spares.
        options: further arguments for mdadm.

    Raises:
        ConfigError: the level is unknown, or a device is no absolute path.
    """

    name: Input[str]
    _: KW_ONLY
    level: Input[str] | None = None
    devices: Input[Sequence[Input[str]]] = ()
    spares: Input[int] | None = None
    options: Input[Sequence[Input[str]]] = ()

    def _check(self) -> None:
        if isinstance(self.level, str) and self.level not in LEVELS:
            raise self.fail("level", "is no RAID level", "write raid0, raid1, raid4, raid5, raid6, raid10 or linear")
        if isinstance(self.devices, (list, tuple)):
            for number, device in enumerate(self.devices):
                check_device(self, device, f"devices[{number}]")


@dataclass(frozen=True)
class Filesystem(Part, shape=FILESYSTEM, place="filesystems"):
    """A filesystem to make, or to use again where format and label match.

    Args:
        device: its path.
        format: ``ext4``, ``btrfs``, ``xfs``, ``vfat``, ``swap`` or ``none``.
        path: where Ignition mounts it while it writes files; a mount unit is needed for later boots.
        label: its label; at most 16 bytes for ext4, 12 for xfs, 15 for swap, 11 for vfat, 256 for btrfs.
        uuid: its identity; a random one when left out.
        wipe_filesystem: True makes it anew even where one exists.
        options: further arguments for mkfs.
        mount_options: for Ignition's own mount only.

    Raises:
        ConfigError: the format is unknown, or device or path is not absolute.
    """

    device: Input[str]
    _: KW_ONLY
    format: Input[str] | None = None
    path: Input[str] | None = None
    label: Input[str] | None = None
    uuid: Input[str] | None = None
    wipe_filesystem: Input[bool] | None = None
    options: Input[Sequence[Input[str]]] = ()
    mount_options: Input[Sequence[Input[str]]] = ()

    def _check(self) -> None:
        check_device(self, self.device)
        if isinstance(self.format, str) and self.format not in FORMATS:
            raise self.fail("format", "is no filesystem Ignition makes", "write ext4, btrfs, xfs, vfat, swap or none")
        if isinstance(self.path, str) and self.path:
            check_device(self, self.path, "path")
