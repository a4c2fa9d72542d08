"""What the engine tests share: the image as config, settings, and a key pair with the way into the nodes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engine_program import KeyPair, Login, merged


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    """A key pair of this run."""
    private = tmp_path_factory.mktemp("key") / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(private)], check=True)
    return KeyPair(private, private.with_suffix(".pub").read_text().strip())


@pytest.fixture(scope="session")
def image(standin_image: Path) -> dict[str, Any]:
    """The stand-in, in the words of ``fp.Image``."""
    return {
        "path": str(standin_image.resolve()),
        "sha512": standin_image.with_name("standin.qcow2.sha512").read_text().strip(),
        "unsigned": True,
        "version": "4593.2.5",
        "ignition": "2.24.0",
    }


@pytest.fixture(scope="session")
def settings(image: dict[str, Any], accelerator: str) -> Callable[..., dict[str, Any]]:
    """Settings for PROGRAM: one pool of machines that stay off, with changes merged in."""

    def make(uri: str, changes: dict[str, Any] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = {
            "hosts": [{"uri": uri, "name": "local"}],
            "network": {"cidr": "10.41.0.0/24"},
            "platform": {"accelerator": accelerator},
            "image": dict(image),
            "pools": {"web": {"count": 1, "running": False, "machine": {"vcpus": 1, "memory": "1GiB", "disk": "4GiB"}}},
        }
        return merged(found, changes or {})

    return make


@pytest.fixture(scope="session")
def login(lab: Any, key: KeyPair) -> Login:
    """The way into the nodes of ``lab``."""
    return Login(lab, key)
