"""From spec 2 to spec 3.1, by the rules of Flatcar's own translator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from posixpath import join, normpath
from typing import Any, Final
from urllib.parse import quote

from flatprov.errors import ConfigError
from flatprov.ignition.merging import merge
from flatprov.ignition.parsing import check_form
from flatprov.ignition.spec2.first import to_second
from flatprov.ignition.spec2.rules import refuse
from flatprov.ignition.spec2.shapes import FIRST, ONE, SECOND, VERSIONS
from flatprov.ignition.validate import validate

_CREATED: Final = "uid gecos homeDir noCreateHome primaryGroup groups noUserGroup noLogInit shell system"
_NETWORK: Final = "/etc/systemd/network"


def upgrade(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give the config of spec 3.1 that Flatcar makes of one of spec 1 or 2.

    Files of spec 2 overwrite unless they say otherwise, networkd units become files, units of one name are merged, and
    a file system other than ``root`` is mounted below ``/tmp`` while its files are written.

    Raises:
        ConfigError: Flatcar cannot translate it; ``path`` says where.
    """
    version = (config.get("ignition") or {}).get("version")
    if not version:
        if config["ignitionVersion"] != 1 or isinstance(config["ignitionVersion"], bool):
            raise ConfigError("ignitionVersion", "is not 1", "write spec 3", path="ignitionVersion")
        check_form(ONE, config, "", FIRST)
        return upgrade(to_second(dict(config)))
    if version not in VERSIONS:
        fix = f"use one of {', '.join(VERSIONS)}, or spec 3"
        raise ConfigError("ignition.version", "is no version of spec 2", fix, path="ignition.version")
    check_form(SECOND, config, "", version)
    refuse(dict(config), version)
    upgraded = _Upgrade(dict(config), version).config()
    errors = validate(upgraded).errors
    if errors:
        where = errors[0].where()
        problem = f"translated to spec 3.1, it is invalid at {where}: {errors[0].message}"
        raise ConfigError("config", problem, "correct it, or write spec 3", path=where.removeprefix("$."))
    return upgraded


class _Upgrade:
    def __init__(self, old: dict[str, Any], version: str) -> None:
        self.old = old
        self.version = version
        self.storage = old.get("storage") or {}
        self.mounts = {"root": "/"}
        made = 0
        for one in self.storage.get("filesystems") or []:
            name = one.get("name") or ""
            if name not in self.mounts:
                made += 1
                if name:
                    self.mounts[name] = "/oem" if name == "oem" else f"/tmp/{name}-ign{made}"  # noqa: S108 - Flatcar's

    def config(self) -> dict[str, Any]:
        passwd, storage = self.old.get("passwd") or {}, self.storage
        files = [self._file(one) for one in _all(storage, "files")]
        found = {
            "ignition": _ignition(self.old.get("ignition") or {}),
            "passwd": {
                "users": [self._user(one) for one in _all(passwd, "users")],
                "groups": [_said(one, "name gid passwordHash system") for one in _all(passwd, "groups")],
            },
            "storage": {
                "disks": [_disk(one) for one in _all(storage, "disks")],
                "raid": [_raid(one) for one in _all(storage, "raid")],
                "filesystems": [
                    self._filesystem(one) for one in _all(storage, "filesystems") if one.get("name") != "root"
                ],
                "files": [*files, *_networkd(_all(self.old.get("networkd") or {}, "units"))],
                "directories": [self._directory(one) for one in _all(storage, "directories")],
                "links": [self._link(one) for one in _all(storage, "links")],
            },
            "systemd": {"units": _units(_all(self.old.get("systemd") or {}, "units"))},
        }
        return {name: value for name, value in _pruned(found).items() if value}

    def _node(self, old: dict[str, Any]) -> dict[str, Any]:
        path = normpath(join(self.mounts.get(old["filesystem"], ""), old["path"].lstrip("/")))
        found: dict[str, Any] = {"path": path if path.startswith("/") else f"/{path}"}
        for name in ("user", "group"):
            owner = old.get(name) or {}
            number = owner.get("id", 0 if self.version == "2.0.0" else None)
            found[name] = {"id": number, "name": owner.get("name") or None}
        if old.get("overwrite") is not None:
            found["overwrite"] = old["overwrite"]
        return found

    def _mode(self, old: dict[str, Any]) -> int | None:
        mode: int | None = old.get("mode")
        return 0 if mode is None and self.version < "2.2.0" else mode

    def _file(self, old: dict[str, Any]) -> dict[str, Any]:
        found = self._node(old)
        found.setdefault("overwrite", True)
        contents = _resource({"source": "", **_given(old.get("contents") or {})})
        if old.get("append"):
            found |= {"overwrite": False, "append": [contents]}
        else:
            found["contents"] = contents
        return {**found, "mode": self._mode(old)}

    def _user(self, old: dict[str, Any]) -> dict[str, Any]:
        created, password = _given(old["create"]) if "create" in old else old, old.get("passwordHash")
        return {
            "name": old.get("name") or "",
            "passwordHash": password or None if self.version == "2.0.0" else password,
            "sshAuthorizedKeys": old.get("sshAuthorizedKeys"),
            **_said(created, _CREATED),
        }

    def _directory(self, old: dict[str, Any]) -> dict[str, Any]:
        return {**self._node(old), "mode": self._mode(old)}

    def _link(self, old: dict[str, Any]) -> dict[str, Any]:
        return {**self._node(old), "target": old.get("target") or "", "hard": old.get("hard") or None}

    def _filesystem(self, old: dict[str, Any]) -> dict[str, Any]:
        mount, name = old.get("mount") or {}, old.get("name") or ""
        create = mount.get("create")
        wipe = mount.get("wipeFilesystem") if create is None else create.get("force")
        found = {
            "device": mount.get("device") or "",
            "format": mount.get("format"),
            "wipeFilesystem": wipe or None,
            "label": mount.get("label"),
            "uuid": mount.get("uuid"),
            "options": [*(mount.get("options") or []), *((create or {}).get("options") or [])],
            "path": self.mounts.get(name) if name else None,
        }
        if name.lower() == "oem" and not wipe:
            found["format"] = "btrfs"
        return found


def _all(parent: dict[str, Any], name: str) -> Iterable[dict[str, Any]]:
    return (_given(one) for one in parent.get(name) or [])


def _given(old: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in old.items() if value is not None}


def _said(old: dict[str, Any], names: str) -> dict[str, Any]:
    """Take over properties; an empty text and ``false`` say nothing in spec 2, a number always does."""
    return {name: old[name] for name in names.split() if old.get(name) or type(old.get(name)) is int}


def _ignition(old: dict[str, Any]) -> dict[str, Any]:
    config, tls = old.get("config") or {}, (old.get("security") or {}).get("tls") or {}
    return {
        "version": "3.1.0",
        "config": {
            "merge": [_resource(one) for one in _all(config, "append")],
            "replace": _resource(_given(config["replace"])) if config.get("replace") else None,
        },
        "security": {
            "tls": {"certificateAuthorities": [_resource(one) for one in _all(tls, "certificateAuthorities")]}
        },
        "timeouts": _said(old.get("timeouts") or {}, "httpResponseHeaders httpTotal"),
        "proxy": _said(old.get("proxy") or {}, "httpProxy httpsProxy noProxy"),
    }


def _resource(old: dict[str, Any]) -> dict[str, Any]:
    headers = [{"name": one["name"], "value": one.get("value") or None} for one in _all(old, "httpHeaders")]
    return {
        "source": old.get("source") or "",
        "compression": old.get("compression") or None,
        "httpHeaders": headers,
        "verification": old.get("verification") or {},
    }


def _disk(old: dict[str, Any]) -> dict[str, Any]:
    partitions = [
        {
            **_said(one, "number sizeMiB startMiB typeGuid guid wipePartitionEntry"),
            "label": one.get("label"),
            "shouldExist": one.get("shouldExist"),
        }
        for one in _all(old, "partitions")
    ]
    return {"device": old.get("device") or "", "wipeTable": old.get("wipeTable") or None, "partitions": partitions}


def _raid(old: dict[str, Any]) -> dict[str, Any]:
    return {**_said(old, "name level devices options"), "spares": old.get("spares") or None}


def _units(old: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Translate units; a later one of the same name is merged onto the earlier."""
    found: dict[str, dict[str, Any]] = {}
    for one in old:
        enabled = one.get("enabled")
        unit = {
            **_said(one, "name contents mask"),
            "enabled": True if enabled is None and one.get("enable") else enabled,
            "dropins": [_said(dropin, "name contents") for dropin in _all(one, "dropins")],
        }
        unit, name = _given(unit), one.get("name") or ""
        if name in found:
            sides = [{"systemd": {"units": [side]}} for side in (found[name], unit)]
            unit = merge(*sides)["systemd"]["units"][0]
        found[name] = unit
    return list(found.values())


def _networkd(units: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    for unit in units:
        name = unit["name"]
        if unit.get("contents"):
            yield _network_file(name, unit["contents"])
        for dropin in _all(unit, "dropins"):
            yield _network_file(f"{name}.d/{dropin['name']}", dropin.get("contents") or "")


def _network_file(name: str, text: str) -> dict[str, Any]:
    source = "data:," + quote(text, safe="$&+=:@")
    return {"path": f"{_NETWORK}/{name}", "overwrite": True, "mode": 0o644, "contents": {"source": source}}


def _pruned(value: Any) -> Any:
    """Take out what says nothing."""
    if isinstance(value, dict):
        found = {name: _pruned(inner) for name, inner in value.items()}
        return {name: inner for name, inner in found.items() if inner is not None and inner not in ({}, [])}
    return [_pruned(inner) for inner in value] if isinstance(value, list) else value
