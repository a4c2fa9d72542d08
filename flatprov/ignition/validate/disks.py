"""The rules for disks, partitions, arrays and filesystems."""

from __future__ import annotations

import re
from typing import Any, Final

from flatprov.ignition.gotext import length
from flatprov.ignition.validate.findings import Findings, Path, Rule
from flatprov.ignition.validate.paths import problem

_GUID: Final = re.compile(r"(?:[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12})?")
_LEVELS: Final = frozenset(
    "linear raid0 0 stripe raid1 1 mirror raid4 4 raid5 5 raid6 6 raid10 10".split()  # noqa: SIM905 - one word each
)
_NO_SPARES: Final = frozenset(("linear", "raid0", "0", "stripe"))
_FORMATS: Final = frozenset(("ext4", "btrfs", "xfs", "swap", "vfat"))
_LABEL_BYTES: Final = {"ext4": 16, "btrfs": 256, "xfs": 12, "swap": 15, "vfat": 11}
_FORMAT_NEEDED: Final = (
    "format cannot be empty when path, label, uuid, wipeFilesystem, options, or mountOptions is specified"
)
_FEW: Final = 500  #: so many partitions are compared one by one


def _disk(value: dict[str, Any], path: Path, found: Findings) -> None:
    device = value.get("device")
    if not device:
        found.error((*path, "device"), "disk device is required")
        return
    found.error((*path, "device"), problem(device))
    partitions = [item or {} for item in value.get("partitions") or ()]
    if not partitions:
        return
    where = (*path, "partitions")
    _second(partitions, "number", (*path, "partitions"), "partition numbers collide", found)
    hit = _overlap(partitions)
    if hit is not None:
        found.error((*where, hit), "partitions overlap")
    if any(one.get("shouldExist") is False for one in partitions) and any(not one.get("number") for one in partitions):
        found.error(where, "shouldExist is false for a partition and other partition(s) has start or size 0")
    _second(partitions, "label", where, "cannot use the same partition label twice", found)


def _second(partitions: list[dict[str, Any]], name: str, where: Path, message: str, found: Findings) -> None:
    """Find the first partition whose number or label an earlier one has; number 0 stands for the next free one."""
    seen = set()
    for number, partition in enumerate(partitions):
        value = partition.get(name)
        if value is None or (name == "number" and not value):
            continue
        if value in seen:
            found.error((*where, number), message)
            return
        seen.add(value)


def _overlap(partitions: list[dict[str, Any]]) -> int | None:
    """Give the first partition that an earlier one meets, of those that say where they begin and how large they are."""
    spans = []
    for number, one in enumerate(partitions):
        start, size = one.get("startMiB"), one.get("sizeMiB")
        if start and size is not None:
            spans.append((start, _wrapped(_wrapped(start + size) - 1) if size else start, number))
    if len(spans) > _FEW and not _any_overlap(spans):
        return None
    for start, end, number in spans:
        for other_start, other_end, other in spans:
            if number != other and (
                other_start <= start <= other_end
                or other_start <= end <= other_end
                or (start < other_start and end > other_end)
            ):
                return other
    return None


def _wrapped(number: int) -> int:
    """Give what 64 bits make of a sum."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def _any_overlap(spans: list[tuple[int, int, int]]) -> bool:
    last: int | None = None
    for start, end, _ in sorted(spans):
        if last is not None and start <= last:
            return True
        last = end if last is None else max(last, end)
    return False


def _partition(value: dict[str, Any], path: Path, found: Findings) -> None:
    label = value.get("label")
    if value.get("shouldExist") is False and (
        any(value.get(name) is not None for name in ("label", "startMiB", "sizeMiB"))
        or value.get("typeGuid")
        or value.get("guid")
    ):
        found.error(path, "shouldExist specified false with other options also specified")
    if not value.get("number") and label is None:
        found.error(path, "a partition number >= 1 or a label must be specified")
    if label is not None and length(label) > 36:
        found.error((*path, "label"), "partition labels may not exceed 36 characters")
    elif label is not None and ":" in label:
        found.error((*path, "label"), "partition label will be truncated to text before the colon")
    for name in ("guid", "typeGuid"):
        guid = value.get(name)
        if guid is not None and not _GUID.fullmatch(guid):
            found.error((*path, name), 'doesn\'t match the form "01234567-89AB-CDEF-EDCB-A98765432101"')


def _raid(value: dict[str, Any], path: Path, found: Findings) -> None:
    level = value.get("level") or ""
    if not level and found.spec >= "3.3.0":
        found.error((*path, "level"), "raid level is required")
    elif level not in _LEVELS:
        found.error((*path, "level"), "unrecognized raid level")
    elif level in _NO_SPARES and value.get("spares"):
        found.error((*path, "level"), "spares unsupported for linear and raid0 arrays")
    devices = value.get("devices")
    if not devices:
        found.error((*path, "devices"), "raid devices required")
        return
    for number, device in enumerate(devices):
        found.error((*path, "devices", number), problem(device or ""))


def _filesystem(value: dict[str, Any], path: Path, found: Findings) -> None:
    if value.get("path"):
        found.error((*path, "path"), problem(value["path"]))
    found.error((*path, "device"), problem(value.get("device") or ""))
    kind, label = value.get("format") or "", value.get("label") or ""
    if not kind:
        if any(value.get(name) for name in ("path", "label", "uuid", "wipeFilesystem", "mountOptions", "options")):
            found.error((*path, "format"), _FORMAT_NEEDED)
    elif kind not in _FORMATS and not (kind == "none" and found.spec >= "3.3.0"):
        found.error((*path, "format"), "invalid filesystem format")
    if not label:
        return
    most = _LABEL_BYTES.get(kind)
    if not kind:
        found.error((*path, "label"), "filesystem must specify format if label is specified")
    elif most and length(label) > most:
        message = f"filesystem labels cannot be longer than {most} characters when using {kind}"
        found.error((*path, "label"), message)


RULES: Final[dict[str, Rule]] = {
    "Disk": _disk,
    "Partition": _partition,
    "Raid": _raid,
    "Filesystem": _filesystem,
}
