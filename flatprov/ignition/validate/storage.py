"""The rules for files, directories and links, and for how they and the filesystems meet."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from flatprov.ignition.validate.findings import Findings, Path, Rule
from flatprov.ignition.validate.paths import clean, problem

_SPECIAL_BITS: Final = 0o7000
_SYSTEMD: Final = "/etc/systemd/system/"
_SPECIAL: Final = (
    "setuid/setgid/sticky bits are not supported or functional in spec versions older than 3.6.0",
    "setuid/setgid/sticky bits are not supported in spec versions older than 3.4.0",
)
_EMPTY: Final[dict[str, Any]] = {}


def _items(value: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Give the items of a list; an item that is null is empty."""
    items: list[dict[str, Any]] = value.get(name) or []
    return [item or _EMPTY for item in items] if None in items else items


def _root(value: dict[str, Any], path: Path, found: Findings) -> None:
    """Refuse what the units of the config would write as well."""
    if found.ignition < (2, 15):
        return
    written = set()
    for unit in _items(value.get("systemd") or _EMPTY, "units"):
        name = unit.get("name") or ""
        if unit.get("contents"):
            written.add(_SYSTEMD + name)
        for dropin in _items(unit, "dropins"):
            if dropin.get("contents"):
                written.add(f"{_SYSTEMD}{name}.d/{dropin.get('name') or ''}")
    storage = value.get("storage")
    if not written or not storage:
        return
    for kind in ("files", "directories", "links"):
        for number, node in enumerate(_items(storage, kind)):
            if node.get("path") in written:
                found.error(("storage", kind, number, "path"), "path conflicts with systemd unit or dropin")


def _storage(value: dict[str, Any], path: Path, found: Findings) -> None:
    links = _items(value, "links")
    if links:
        targets = Counter(link.get("path") or "" for link in links)
        for kind, one in (("directories", "directory"), ("files", "file")):
            for number, node in enumerate(_items(value, kind)):
                for _ in range(_links_above(node.get("path") or "", targets)):
                    found.error((*path, kind, number), f"{one} path includes link in config")
        _links(value, links, targets, path, found)
    if found.ignition >= (2, 15):
        _filesystems(value, path, found)


def _links_above(path: str, links: Counter[str]) -> int:
    """Count the links that a path leads through."""
    slashes = path.count("/")
    if slashes > len(links):
        return sum(count for link, count in links.items() if path.startswith(link + "/"))
    count, end = 0, path.find("/")
    while end >= 0:
        count += links.get(path[:end], 0)
        end = path.find("/", end + 1)
    return count


def _links(
    value: dict[str, Any], links: list[dict[str, Any]], targets: Counter[str], path: Path, found: Findings
) -> None:
    directories: Counter[str] | None = None
    for number, link in enumerate(links):
        where = (*path, "links", number)
        own = link.get("path") or ""
        for _ in range(_links_above(own, targets)):
            found.error(where, "link path includes link in config")
        target = link.get("target") or ""
        if not target and found.spec >= "3.3.0":
            found.error((*where, "target"), "link target is required")
            continue
        if not link.get("hard"):
            continue
        if directories is None:
            directories = Counter(node.get("path") or "" for node in _items(value, "directories"))
        for _ in range(directories.get(_linked(own, target), 0)):
            found.error(where, "hard link target is a directory")
        if found.ignition >= (2, 15):
            for owner in ("user", "group"):
                for name in ("id", "name"):
                    if (link.get(owner) or _EMPTY).get(name) is not None:
                        found.warn((*where, owner, name), "user/group ignored for hard link")


def _linked(own: str, target: str) -> str:
    """Give what a hard link points to; a relative target is joined to the link itself, not to where it lies."""
    simple = clean(target)
    if simple.startswith("/"):
        return simple
    joined = "/".join(part for part in (own, target) if part)
    return clean(joined) if joined else ""


def _filesystems(value: dict[str, Any], path: Path, found: Findings) -> None:
    if not value.get("disks") or not value.get("filesystems"):
        return
    disks = {disk.get("device") or "": disk for disk in _items(value, "disks")}
    for number, filesystem in enumerate(_items(value, "filesystems")):
        disk = disks.get(filesystem.get("device") or "")
        if disk is None:
            continue
        where = (*path, "filesystems", number, "device")
        if disk.get("partitions"):
            found.warn(where, "filesystem overwrites partitioned device")
        elif not filesystem.get("wipeFilesystem") and disk.get("wipeTable"):
            found.warn(where, "device matches disk with wipeTable enabled; filesystem will be wiped")


def _node(value: dict[str, Any], path: Path, found: Findings) -> None:
    wrong = problem(value.get("path") or "")
    if wrong:
        found.error((*path, "path"), wrong)


def _directory(value: dict[str, Any], path: Path, found: Findings) -> None:
    _node(value, path, found)
    mode = value.get("mode")
    if mode is None:
        return
    if not 0 <= mode <= 0o7777:
        found.error((*path, "mode"), "illegal file mode")
    if mode & _SPECIAL_BITS and found.spec < "3.6.0":
        new = found.ignition >= (2, 22)
        if new or found.spec < "3.4.0":
            found.warn((*path, "mode"), _SPECIAL[0 if new else 1])


def _file(value: dict[str, Any], path: Path, found: Findings) -> None:
    _directory(value, path, found)
    if value.get("overwrite") and (value.get("contents") or _EMPTY).get("source") is None:
        found.error((*path, "overwrite"), "overwrite must be false if source is unspecified")


def _owner(value: dict[str, Any], path: Path, found: Findings) -> None:
    if value.get("id") is not None and value.get("name"):
        found.error(path, "cannot set both id and name")


RULES: Final[dict[str, Rule]] = {
    "Config": _root,
    "Storage": _storage,
    "File": _file,
    "Directory": _directory,
    "Link": _node,
    "NodeUser": _owner,
    "NodeGroup": _owner,
}
