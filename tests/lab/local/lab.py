"""A private libvirtd for tests (lab.sh), from Python."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .console import LabError
from .folder import HERE


class Lab:
    """A running private libvirtd: its own network, mounts and processes (``tests/lab/lab.sh``)."""

    def __init__(self, root: Path, *, hide_kvm: bool = True) -> None:
        self.root = root
        self._env = {**os.environ, "LAB": str(root), "HIDE_KVM": "1" if hide_kvm else "0"}

    def script(self, *arguments: str, timeout: float = 150) -> subprocess.CompletedProcess[str]:
        """Run lab.sh for this lab."""
        return subprocess.run(
            [str(HERE / "lab.sh"), *arguments],
            env=self._env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def up(self) -> None:
        """Start the daemon, or start it again after ``down``: what was defined is still there."""
        done = self.script("up")
        if done.returncode:
            raise LabError(f"the private libvirtd did not start: {done.stderr.strip()}")
        self.uri = self.script("uri").stdout.strip()

    def down(self) -> None:
        """End the daemon and its guests; the folder stays."""
        self.script("down").check_returncode()

    def purge(self) -> None:
        """End the daemon and delete the folder."""
        self.script("purge").check_returncode()

    def enter(
        self, command: Sequence[str], *, timeout: float = 60, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside, where the guests' addresses can be reached."""
        done = self.script("exec", *command, timeout=timeout)
        if check and done.returncode:
            raise AssertionError(f"{list(command)} ended with status {done.returncode}:\n{done.stdout}{done.stderr}")
        return done
