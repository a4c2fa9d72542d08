"""Configs compared as far as they matter to a node that has joined."""

from __future__ import annotations

import json
from typing import Any

from flatprov.ignition import dataurl
from flatprov.kubernetes.layout import LAYOUT


def without_token(config: dict[str, Any]) -> dict[str, Any]:
    """Give a node's Ignition config without what it needed only to join: token, its end, bootstrap kubeconfig.

    Two configs that are equal after this differ in nothing that a joined node has: it needs no rebuild.
    """
    storage = config.get("storage") or {}
    files = [_without(file) for file in storage.get("files") or () if file.get("path") != LAYOUT.discovery]
    return {**config, "storage": {**storage, "files": files}}


def _without(file: dict[str, Any]) -> dict[str, Any]:
    if file.get("path") != LAYOUT.config:
        return file
    contents = file["contents"]
    text = dataurl.decode(contents["source"], contents.get("compression")).decode()
    parts = [json.loads(part) for part in text.split("---\n") if part.strip()]
    for part in parts:
        part.pop("bootstrapTokens", None)
        part.get("discovery", {}).get("bootstrapToken", {}).pop("token", None)
    return {**file, "contents": parts}
