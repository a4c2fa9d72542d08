"""The Ignition config one node gets: the pool's config with what flatprov adds below it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flatprov.errors import ConfigError
from flatprov.flatcar.report import report_fragment
from flatprov.ignition import dumps, merge, unpack, unpack_bytes
from flatprov.ignition.dataurl import encode


def for_node(packed: str, name: str) -> bytes:
    """The bytes a node reads. The user's config wins wherever both say something."""
    try:
        own = unpack(packed)
    except ConfigError:
        return unpack_bytes(packed)  # not ours to understand; the guest's Ignition says what is wrong
    own = _replace_as_merge(own)
    return dumps(merge(merge(report_fragment(enabled_units(own)), _hostname(name)), own)).encode()


def enabled_units(config: Mapping[str, Any]) -> list[str]:
    """Names of the units that a config enables."""
    return [str(unit["name"]) for unit in config.get("systemd", {}).get("units", ()) if unit.get("enabled")]


def units(packed: str) -> list[str]:
    """Names of all units of a packed config: those whose failure fails the node."""
    try:
        config = unpack(packed)
    except ConfigError:
        return []
    return [str(unit["name"]) for unit in config.get("systemd", {}).get("units", ())]


def _hostname(name: str) -> dict[str, Any]:
    source, compression = encode(f"{name}\n".encode())
    contents = {"source": source, "compression": compression}
    file = {"path": "/etc/hostname", "mode": 0o644, "overwrite": True, "contents": contents}
    return {"ignition": {"version": "3.3.0"}, "storage": {"files": [file]}}


def _replace_as_merge(config: dict[str, Any]) -> dict[str, Any]:
    """A config that only points to another one would wipe ours out when it is replaced; merged, it still wins."""
    target = config.get("ignition", {}).get("config", {}).get("replace")
    if not target or not target.get("source"):
        return config
    pointer: dict[str, Any] = json.loads(json.dumps(config))
    section = pointer["ignition"]["config"]
    del section["replace"]
    # what stands beside a replace is ignored by Ignition, its own network settings excepted
    section["merge"] = [target]
    return {"ignition": pointer["ignition"]}
