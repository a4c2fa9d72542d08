"""The tables of cases, and how their short forms are written out."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from flatprov.flatcar.contents import target_for
from flatprov.flatcar.releases import ReleaseInfo
from flatprov.ignition import dataurl
from flatprov.ignition.target import Target

TABLES = Path(__file__).resolve().parents[2] / "cases" / "ignition" / "findings"


def table(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((TABLES / f"{name}.json").read_text())
    return found


def expanded(value: Any) -> Any:
    """Write ``{"$text": TEXT}`` and ``{"$gzip": TEXT}`` out as the resource that carries the text."""
    if isinstance(value, list):
        return [expanded(one) for one in value]
    if not isinstance(value, dict):
        return value
    rest = {name: expanded(one) for name, one in value.items() if not name.startswith("$")}
    if "$text" in value:
        source, compression = dataurl.encode(value["$text"].encode())
        return {"source": source, "compression": compression, **rest}
    if "$gzip" in value:
        packed = base64.b64encode(dataurl.gzip_bytes(value["$gzip"].encode())).decode()
        return {"source": f"data:;base64,{packed}", "compression": "gzip", **rest}
    return rest


def config(case: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = expanded(case["config"])
    ignition = {"version": "3.3.0", **found.get("ignition", {})}
    return {**found, "ignition": ignition}


def target(case: dict[str, Any]) -> Target | None:
    """None, or what the newest or the named release ships, with what else the case says."""
    if "target" not in case:
        return None
    given = dict(case["target"])
    if "boot_arguments" in given:
        given["boot_arguments"] = tuple(given["boot_arguments"])
    version = given.get("release", "")
    info = (
        ReleaseInfo(
            version=version, channel="lts", architecture="amd64", architectures=("amd64",), release_date="",
            ignition="", kernel="", containerd="", docker="", systemd="", max_ignition_spec="",
        )
        if version
        else None
    )  # fmt: skip
    return replace(target_for(info), **given)
