"""What Flatcar's translator refuses in a config of spec 2, and spec 3 does not refuse by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flatprov.errors import ConfigError

_MIB = "give sizeMiB and startMiB and state version 2.4.0, or write spec 3"
_FORMATS = ("ext4", "btrfs", "xfs", "swap", "vfat")


def refuse(config: dict[str, Any], version: str) -> None:
    """Raise the first thing that keeps a config from being translated.

    Raises:
        ConfigError: with the path in the config.
    """
    storage = config.get("storage") or {}
    for number, disk in enumerate(storage.get("disks") or []):
        for position, partition in enumerate(disk.get("partitions") or []):
            _partition(partition, f"storage.disks[{number}].partitions[{position}]", version)
    for number, one in enumerate(storage.get("filesystems") or []):
        _filesystem(one, f"storage.filesystems[{number}]", version)
    for kind in ("files", "directories", "links"):
        for number, node in enumerate(storage.get(kind) or []):
            _node(node, f"storage.{kind}[{number}]")
    for number, user in enumerate((config.get("passwd") or {}).get("users") or []):
        _user(user, f"passwd.users[{number}]")
    for number, unit in enumerate((config.get("networkd") or {}).get("units") or []):
        _networkd(unit, f"networkd.units[{number}]")
    for path, found in resources(config):
        _resource(found, path)


def resources(config: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give everything that is fetched, with its path."""
    ignition = config.get("ignition") or {}
    references = ignition.get("config") or {}
    for number, one in enumerate(references.get("append") or []):
        yield f"ignition.config.append[{number}]", one
    if references.get("replace"):
        yield "ignition.config.replace", references["replace"]
    tls = (ignition.get("security") or {}).get("tls") or {}
    for number, one in enumerate(tls.get("certificateAuthorities") or []):
        yield f"ignition.security.tls.certificateAuthorities[{number}]", one
    for number, file in enumerate((config.get("storage") or {}).get("files") or []):
        yield f"storage.files[{number}].contents", file.get("contents") or {}


def _partition(partition: dict[str, Any], where: str, version: str) -> None:
    if version < "2.3.0":
        raise _error(
            where, f"partitions of spec {version[:3]} are in sectors, which Flatcar no longer translates", _MIB
        )
    for name in ("size", "start"):
        if partition.get(name) is not None:
            raise _error(f"{where}.{name}", "is in sectors, which Flatcar no longer translates", _MIB)
    said = [partition.get(name) for name in ("label", "typeGuid", "guid")]
    if partition.get("shouldExist") is False and (said[0] is not None or said[1] or said[2]):
        raise _error(where, "a partition that shall not exist has other options", "keep only its number")


def _filesystem(one: dict[str, Any], where: str, version: str) -> None:
    mount, path = one.get("mount"), one.get("path")
    if mount is None:
        if path is None:
            raise _error(where, "has neither mount nor path", "add mount, with device and format")
        raise _error(where, "has a path and no mount, on which Flatcar's translator crashes", "leave it out")
    if path is not None:
        raise _error(where, "has both mount and path", "keep mount")
    formats = _FORMATS if version >= "2.1.0" else _FORMATS[:3]
    if mount.get("format") not in formats:
        raise _error(f"{where}.mount.format", "is no format of that spec", f"use one of {', '.join(formats)}")
    create = mount.get("create")
    if create is None:
        return
    if mount.get("wipeFilesystem"):
        raise _error(f"{where}.mount", "has both create and wipeFilesystem", "keep wipeFilesystem")
    if mount.get("options"):
        raise _error(f"{where}.mount", "has both create and options", "keep options")
    if not create.get("force"):
        fix = "set force: true to wipe the device, or write spec 3 without wipeFilesystem"
        raise _error(f"{where}.mount.create.force", "is not set, and spec 3 cannot create without wiping", fix)


def _node(node: dict[str, Any], where: str) -> None:
    if not node.get("filesystem"):
        raise _error(f"{where}.filesystem", "is missing", "write root, or the name of a file system")
    if not (node.get("path") or "").startswith("/"):
        raise _error(f"{where}.path", "is not absolute", "begin it with a slash")
    if node.get("append") and node.get("overwrite"):
        raise _error(where, "has both append and overwrite", "keep one of them")
    for name in ("user", "group"):
        owner = node.get(name) or {}
        if owner.get("id") is not None and owner.get("name"):
            raise _error(f"{where}.{name}", "has both id and name", "keep one of them")


def _user(user: dict[str, Any], where: str) -> None:
    if user.get("create") is None:
        return
    for name in (
        "gecos",
        "groups",
        "homeDir",
        "noCreateHome",
        "noLogInit",
        "noUserGroup",
        "primaryGroup",
        "shell",
        "system",
    ):
        if user.get(name):
            raise _error(f"{where}.{name}", "stands beside create", "keep one of them")
    if user.get("uid") is not None:
        raise _error(f"{where}.uid", "stands beside create", "keep one of them")


def _networkd(unit: dict[str, Any], where: str) -> None:
    if not (unit.get("name") or "").endswith((".link", ".netdev", ".network")) or "/" in unit["name"]:
        raise _error(f"{where}.name", "is no name of a networkd file", "end it with .network, .netdev or .link")
    for number, dropin in enumerate(unit.get("dropins") or []):
        if not (dropin.get("name") or "").endswith(".conf") or "/" in dropin["name"]:
            raise _error(f"{where}.dropins[{number}].name", "does not end in .conf", "name it like 10-mtu.conf")


def _resource(found: dict[str, Any], where: str) -> None:
    hash_ = (found.get("verification") or {}).get("hash")
    if hash_ is not None and not hash_.startswith("sha512-"):
        raise _error(f"{where}.verification.hash", "spec 2 knows sha512 only", "write sha512- and 128 hex digits")
    names: set[str] = set()
    for number, header in enumerate(found.get("httpHeaders") or []):
        name = header.get("name") or ""
        if not name or name in names:
            raise _error(f"{where}.httpHeaders[{number}].name", "is missing, or given twice", "name each header once")
        names.add(name)


def _error(path: str, problem: str, fix: str) -> ConfigError:
    return ConfigError(path, problem, fix, path=path)
