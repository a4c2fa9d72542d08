"""The Pulumi side: one stack, its state and its secrets in .flatprov."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

from .console import LabError
from .folder import HOME, OUT, ROOT, private_file, private_folder
from .hypervisor import output

NAME = "dev"
PROJECT = Path(os.environ.get("FLATPROV_STACK", ROOT / "stacks" / "homelab"))
TITLE = PROJECT.relative_to(ROOT) if PROJECT.is_relative_to(ROOT) else PROJECT


def environment() -> dict[str, str]:
    """What the CLI needs to work on this checkout alone; made on first use, and kept in .flatprov/env."""
    private_folder(HOME)
    private_folder(HOME / "state")
    passphrase = HOME / "passphrase"
    if not passphrase.exists():
        private_file(passphrase, secrets.token_urlsafe(32))
    ours = {
        "PULUMI_BACKEND_URL": f"file://{HOME / 'state'}",
        "PULUMI_HOME": str(private_folder(HOME / "pulumi")),
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_SUPPRESS_NEO_LINK": "true",
        "PULUMI_STACK": NAME,
    }
    exports = "".join(f"export {name}='{value}'\n" for name, value in ours.items())
    private_file(HOME / "env", f"{exports}export PATH='{OUT / 'bin'}':\"$PATH\"\n")
    return {**os.environ, **ours, "PATH": f"{OUT / 'bin'}:{os.environ['PATH']}"}


def run(*arguments: str) -> str:
    """Run a quiet command; its output."""
    done = output("pulumi", "-C", str(PROJECT), "--non-interactive", *arguments, timeout=120, env=environment())
    if done.returncode:
        raise LabError(f"pulumi {arguments[0]} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def release_dead_locks(state: Path) -> list[Path]:
    """Take away the locks of runs on this machine that died without doing so, and no other; gives what was taken."""
    dead = []
    for lock in sorted((state / ".pulumi" / "locks").rglob("*.json")):
        holder = json.loads(lock.read_text())
        if holder["hostname"] == socket.gethostname() and not Path(f"/proc/{int(holder['pid'])}").exists():
            lock.unlink(missing_ok=True)
            dead.append(lock)
    return dead


def run_shown(verb: str, *options: str) -> int:
    """Run ``up`` or ``destroy`` with its progress shown. Ctrl-C reaches Pulumi too, which ends in order."""
    quiet = ("--yes", "--skip-preview", "--suppress-outputs", "--suppress-permalink=true")
    release_dead_locks(HOME / "state")
    before = signal.signal(signal.SIGINT, lambda *_: None)  # a handler, unlike SIG_IGN, is not inherited by the child
    try:
        command = ["pulumi", "-C", str(PROJECT), verb, "--stack", NAME, *quiet, *options]
        return subprocess.run(command, env=environment(), stdin=subprocess.DEVNULL).returncode
    finally:
        signal.signal(signal.SIGINT, before)


def exists() -> bool:
    return any((HOME / "state" / ".pulumi" / "stacks").rglob(f"{NAME}.json"))


def configure(*, uri: str, accelerator: str, ssh_key: str, image: dict[str, Any] | None) -> None:
    """Set what depends on this machine; what a person has set stays."""
    if not exists():
        run("stack", "select", "--create", NAME)
    values: dict[str, Any] = {"uri": uri, "accelerator": accelerator, "sshKeys": [ssh_key]}
    if image:
        values["image"] = image
    else:
        run("config", "rm", "homelab:image")
    entries = {
        f"homelab:{name}": {"value": value if isinstance(value, str) else json.dumps(value), "secret": False}
        | ({} if isinstance(value, str) else {"objectValue": value})
        for name, value in values.items()
    }
    run("config", "set-all", "--json", json.dumps(entries))


def changes() -> dict[str, int]:
    """How many resources the last update made, changed and left alone."""
    history = json.loads(run("stack", "history", "--json", "--page-size", "1"))
    return dict(history[0].get("resourceChanges") or {}) if history else {}
