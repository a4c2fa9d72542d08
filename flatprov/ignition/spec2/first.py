"""From spec 1 to spec 2.0."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote


def to_second(old: dict[str, Any]) -> dict[str, Any]:
    """Give the config of spec 2.0 that says the same. Files move out of their file system and name it instead."""
    storage = old.get("storage") or {}
    filesystems, files = [], []
    for number, one in enumerate(storage.get("filesystems") or []):
        name = f"_translate-filesystem-{number}"
        mount = {key: one[key] for key in ("device", "format", "create") if one.get(key) is not None}
        filesystems.append({"name": name, "mount": mount})
        files += [_file(file, name) for file in one.get("files") or []]
    kept = {key: storage[key] for key in ("disks", "raid") if storage.get(key)}
    config: dict[str, Any] = {key: old[key] for key in ("systemd", "networkd", "passwd") if old.get(key)}
    config["storage"] = {**kept, "filesystems": filesystems, "files": files}
    config["ignition"] = {"version": "2.0.0"}
    return config


def _file(old: dict[str, Any], filesystem: str) -> dict[str, Any]:
    source = "data:," + quote((old.get("contents") or "").encode(), safe="!*'()")
    return {
        "filesystem": filesystem,
        "path": old.get("path") or "",
        "mode": old.get("mode") or 0,
        "user": {"id": old.get("uid") or 0},
        "group": {"id": old.get("gid") or 0},
        "contents": {"source": source},
    }
