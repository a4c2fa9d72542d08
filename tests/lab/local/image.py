"""The image: Flatcar stable where its server can be reached, else the stand-in."""

from __future__ import annotations

import os
import subprocess
import urllib.request
from typing import Any

from .console import LabError, line, step
from .folder import HERE, OUT

CURRENT = "https://stable.release.flatcar-linux.net/amd64-usr/current/version.txt"


def build(*parts: str) -> None:
    if subprocess.run([str(HERE / "build.sh"), *parts], stdin=subprocess.DEVNULL).returncode:
        raise LabError(f"could not build {' and '.join(parts)}: see the lines above")


def stable_release() -> str:
    """The version of Flatcar stable, or nothing when the release server cannot be reached."""
    wanted = os.environ.get("FLATCAR", "auto")
    if wanted == "standin":
        return ""
    try:
        with urllib.request.urlopen(CURRENT, timeout=5) as answer:
            for text in answer.read().decode().splitlines():
                if text.startswith("FLATCAR_VERSION="):
                    return str(text.partition("=")[2])
    except OSError as error:
        if wanted == "release":
            raise LabError(f"Flatcar's release server cannot be reached ({getattr(error, 'reason', error)})") from None
        line(
            "image",
            None,
            f"Flatcar's release server cannot be reached ({getattr(error, 'reason', error)}): the stand-in it is",
        )
    return ""


def choose() -> dict[str, Any] | None:
    """None for the release of the channel, else the stand-in as an own image."""
    with step("release") as result:
        version = stable_release()
        result.append(f"Flatcar stable {version}" if version else "the stand-in for Flatcar, made of Debian packages")
    if version:
        return None
    build("image")
    path = OUT / "standin.qcow2"
    return {
        "path": str(path.resolve()),
        "sha512": path.with_suffix(".qcow2.sha512").read_text().strip(),
        "version": os.environ.get("FLATCAR_VERSION", "4593.2.5"),
        "ignition": "2.24.0",
    }
