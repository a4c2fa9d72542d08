"""A program that takes everything from settings, the settings themselves, and the way into the nodes it makes."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def build(settings):
    """The platform, the image and every pool."""
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


build(settings)
'''

#: The same for many settings, each of which must be refused by flatprov's own error: {name: settings} in settings.json.
MANY = PROGRAM.replace(
    "\nbuild(settings)\n",
    """
for name, one in settings.items():
    try:
        build(one)
    except fp.errors.FlatprovError as error:
        pulumi.log.error(f"<{name}> {error}")
    else:
        pulumi.log.error(f"<{name}> was accepted")
raise pulumi.RunError("that was the last one")
""",
)


@dataclass(frozen=True)
class KeyPair:
    """An ssh key pair: the private key's file and the public key's line."""

    private: Path
    public: str


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
            "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=5",
            "-o", "BatchMode=yes",
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
