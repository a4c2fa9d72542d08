"""What the engine tests share: the image as config, a key pair, a general program, and the way into a node."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from engine_stack import Stack

#: A platform team's own program: everything comes from settings.json beside it, in the words of flatprov's classes.
PROGRAM = '''
import json
import pathlib

import pulumi

import flatprov as fp

settings = json.loads(pathlib.Path("settings.json").read_text())


def ignition(config):
    """An Ignition config; keys are the properties', items become their classes."""
    kinds = {"users": fp.User, "files": fp.File, "units": fp.Unit}
    return fp.Ignition(**{name: [kinds[name](**item) for item in items] for name, items in config.items()})


platform = fp.libvirt.Platform(
    hosts=[fp.libvirt.Host(**host) for host in settings["hosts"]],
    network=fp.libvirt.Network(**settings["network"]),
    **settings["platform"],
)
image = fp.Image("own", **settings["image"])
for name, pool in settings["pools"].items():
    made = {
        "machine": lambda found: fp.Machine(**found),
        "ignition": ignition,
        "timeouts": lambda found: fp.Timeouts(**found),
        "rollout": lambda found: fp.Rollout(**found),
        "overrides": lambda found: {node: fp.NodeOverride(**own) for node, own in found.items()},
    }
    arguments = {key: made[key](value) if key in made else value for key, value in pool.items()}
    nodes = fp.NodePool(name, platform=platform, image=image, **arguments).nodes
    for node in nodes:
        pulumi.export(
            node.name,
            {
                "address": node.address,
                "host": node.host,
                "release": node.version,
                "accelerator": node.accelerator,
                "bootSeconds": node.boot_seconds,
                "ready": node.ready,
            },
        )
'''


@dataclass(frozen=True)
class KeyPair:
    """An ssh key pair: the private key's file and the public key's line."""

    private: Path
    public: str


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


def merged(below: Any, above: Any) -> Any:
    """Two settings as one; None above removes what is below."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    both = {**below, **{name: merged(below.get(name), value) for name, value in above.items()}}
    return {name: value for name, value in both.items() if value is not None}


def write_settings(stack: Stack, settings: dict[str, Any]) -> None:
    """What PROGRAM reads at its next run."""
    (stack.folder / "settings.json").write_text(json.dumps(settings))


@dataclass(frozen=True)
class Login:
    """The way into the nodes of a lab, as core."""

    lab: Any
    key: KeyPair

    def run(self, address: str, command: str, *, patience: float = 60, words: Sequence[str] = ()) -> str:
        """A command's output on a node. sshd may come up a little after the report: it is asked until it answers."""
        line = [
            "ssh", "-i", str(self.key.private), "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=5", "-o", "BatchMode=yes",
            *words, f"core@{address}", command,
        ]  # fmt: skip
        end = time.monotonic() + patience
        while True:
            done = self.lab.enter(line, timeout=patience + 60, check=False)
            if done.returncode != 255 or time.monotonic() > end:
                break
            time.sleep(0.5)
        assert done.returncode == 0, f"{command!r} on {address}: status {done.returncode}\n{done.stdout}{done.stderr}"
        return str(done.stdout)


@pytest.fixture(scope="session")
def login(lab: Any, key: KeyPair) -> Login:
    """The way into the nodes of ``lab``."""
    return Login(lab, key)
