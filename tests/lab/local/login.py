"""The way into a node: a key of this checkout's own and an ssh_config that works from outside."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

from .console import LabError
from .folder import HOME, private_file, private_folder
from .hypervisor import Hypervisor, output


def public_key() -> str:
    """The public key of this checkout's own pair."""
    path = private_folder(HOME / "ssh") / "id_ed25519"
    if not path.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "flatprov", "-f", str(path)], check=True)
    return path.with_suffix(".pub").read_text().strip()


def write_config(nodes: list[dict[str, Any]], host: Hypervisor) -> Path:
    """One entry a node. A rebuilt node has new host keys at its old address, so they are not remembered."""
    entries = [
        f"Host {node['name']}\n  HostName {node['address']}\n"
        + "".join(
            f"  {option}\n"
            for option in (
                "User core",
                f'IdentityFile "{HOME / "ssh" / "id_ed25519"}"',
                "IdentitiesOnly yes",
                "StrictHostKeyChecking no",
                "UserKnownHostsFile /dev/null",
                "LogLevel ERROR",
                *([f"ProxyCommand {host.proxy}"] if host.proxy else []),
            )
        )
        for node in nodes
    ]
    return private_file(HOME / "ssh_config", "\n".join(entries))


def command(name: str) -> list[str]:
    return ["ssh", "-F", str(HOME / "ssh_config"), name]


def try_ssh(node: dict[str, Any], seconds: float = 120) -> None:
    """The printed command is a promise: log in once. An emulated sshd may need a while to make its first key."""
    end = time.monotonic() + seconds
    while (answer := output(*command(node["name"]), "true", timeout=seconds)).returncode:
        if time.monotonic() > end:
            why = answer.stderr.strip() or "no answer"
            raise LabError(f"{node['name']} is up but ssh to {node['address']} failed for {seconds:g} s: {why}")
        time.sleep(0.5)


def known() -> list[str]:
    """The names of the nodes of the last ``up``."""
    config = HOME / "ssh_config"
    text = config.read_text() if config.exists() else ""
    return [row.split()[1] for row in text.splitlines() if row.startswith("Host ")]


def enter(node: str, *words: str) -> None:
    """Become ssh."""
    if not known():
        raise LabError("no node is up: run make up first")
    if node not in known():
        raise LabError(f"there is no node {node!r}: make ssh NODE=one of {', '.join(known())}")
    os.execvp("ssh", [*command(node), *words])
