"""Parts of Ignition configs, as plain data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from flatprov.ignition import dataurl

SPEC: Final = "3.3.0"


def file(path: str, data: str | bytes, mode: int = 0o644) -> dict[str, Any]:
    """A file with its contents inside."""
    source, compression = dataurl.encode(data.encode() if isinstance(data, str) else data)
    contents = {"source": source, "compression": compression}
    return {"path": path, "mode": mode, "overwrite": True, "contents": contents}


def remote_file(path: str, url: str, digest: str) -> dict[str, Any]:
    """A file that the machine fetches at first boot.

    Args:
        path: where it goes.
        url: where it comes from.
        digest: ``sha512-HEX`` or ``sha256-HEX``; nothing unverified boots.
    """
    contents = {"source": url, "verification": {"hash": digest}}
    return {"path": path, "mode": 0o644, "overwrite": True, "contents": contents}


def link(path: str, target: str) -> dict[str, Any]:
    """A symbolic link."""
    return {"path": path, "target": target, "hard": False, "overwrite": True}


def folder(path: str, mode: int) -> dict[str, Any]:
    """A directory."""
    return {"path": path, "mode": mode}


def unit(name: str, contents: str = "", *, enabled: bool | None = None) -> dict[str, Any]:
    """A unit, or with no contents the wish that an existing one is enabled."""
    found: dict[str, Any] = {"name": name}
    if contents:
        found["contents"] = contents
    if enabled is not None:
        found["enabled"] = enabled
    return found


def drop_in(unit_name: str, name: str, contents: str) -> dict[str, Any]:
    """A drop-in of somebody else's unit."""
    return {"name": unit_name, "dropins": [{"name": name, "contents": contents}]}


def config(
    *,
    files: Sequence[dict[str, Any]] = (),
    folders: Sequence[dict[str, Any]] = (),
    links: Sequence[dict[str, Any]] = (),
    units: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """An Ignition config of these parts."""
    storage = {"directories": list(folders), "files": list(files), "links": list(links)}
    found: dict[str, Any] = {"ignition": {"version": SPEC}}
    if any(storage.values()):
        found["storage"] = {name: parts for name, parts in storage.items() if parts}
    if units:
        found["systemd"] = {"units": list(units)}
    return found


def documents(parts: Iterable[dict[str, Any]]) -> str:
    """Several documents as one YAML file. JSON is YAML, needs no library and has no text that turns into a number."""
    return "".join(f"---\n{json.dumps(part, indent=1, sort_keys=True)}\n" for part in parts)
