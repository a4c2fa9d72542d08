"""The real Ignition: whether it accepts a config, and what it merges from two."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from flatprov.ignition import dataurl, dumps

ROOT = Path(__file__).resolve().parents[2]


@cache
def program(name: str) -> Path:
    folder = Path(os.environ.get("FLATPROV_LAB_BIN") or ROOT / "tests" / "lab" / "out" / "bin")
    path = folder / name
    if not path.exists():
        pytest.fail(f"{name} is missing; `make test` builds it", pytrace=False)
    return path


def _text(config: dict[str, Any] | str) -> str:
    """Write a config for 2.24, which knows spec 3.6 only under the name it had before it became stable."""
    text = config if isinstance(config, str) else dumps(config)
    return text.replace('"version":"3.6.0"', '"version":"3.6.0-experimental"')


def report(config: dict[str, Any] | str) -> list[str]:
    """Give what the real validator says about a config, one line per finding."""
    command = [str(program("ignition-validate")), "-"]
    done = subprocess.run(command, input=_text(config), capture_output=True, text=True, timeout=30)
    return (done.stdout + done.stderr).splitlines()


def errors(config: dict[str, Any] | str) -> list[str]:
    """Give what makes the config invalid; nothing for a valid one."""
    return [line for line in report(config) if not line.startswith(("warning", "info"))]


def merged(parent: dict[str, Any], child: dict[str, Any]) -> dict[str, Any] | None:
    """Let the real engine merge: run its fetch stage over a config that refers to the child inline.

    Neither may refer to other configs or authorities, as these would be fetched. Gives None where the result is
    invalid.
    """
    source, compression = dataurl.encode(_text(child).encode())
    reference = {"merge": [{"source": source, "compression": compression}]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = {**parent, "ignition": {**parent["ignition"], "config": reference}}
        (folder / "config.ign").write_text(_text(config))
        paths = {"config-cache": "cache.json", "state-file": "state", "neednet": "neednet", "root": "root"}
        done = subprocess.run(
            [str(program("ignition")), "-platform=file", "-stage=fetch", "-log-to-stdout"]
            + [f"-{option}={folder / path}" for option, path in paths.items()],
            env={
                "IGNITION_CONFIG_FILE": str(folder / "config.ign"),
                "IGNITION_SYSTEM_CONFIG_DIR": str(folder / "none"),
            },
            capture_output=True,
            text=True,
            timeout=30,
        )
        if done.returncode:
            assert "invalid" in done.stdout, done.stdout
            return None
        found = json.loads((folder / "cache.json").read_text())
    found["ignition"] = {key: value for key, value in found["ignition"].items() if key not in ("config", "version")}
    return pruned(found)


def pruned(value: Any) -> Any:
    """Take out the empty objects and lists that Go prints."""
    if isinstance(value, dict):
        found = {key: pruned(inner) for key, inner in value.items()}
        return {key: inner for key, inner in found.items() if inner not in ({}, [], None)}
    return [pruned(inner) for inner in value] if isinstance(value, list) else value
