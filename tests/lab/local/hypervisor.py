"""A hypervisor on this machine: the system's libvirtd if it answers, else a private one (lab.sh)."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .console import LabError, line
from .folder import HERE

SYSTEM = "qemu:///system"
ANSWER = 3.0  # seconds the system's daemon has to answer


def output(*command: str, timeout: float = 60, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run quietly; a program that is missing or hangs counts as failed."""
    try:
        return subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


@dataclass
class Hypervisor:
    """Where the nodes run. ``folder`` is the private daemon's; None means the system's daemon."""

    folder: Path | None
    hide_kvm: bool = True

    @property
    def name(self) -> str:
        return "a private libvirtd" if self.folder else "the system's libvirtd"

    @property
    def _env(self) -> dict[str, str]:
        return {**os.environ, "LAB": str(self.folder), "HIDE_KVM": "1" if self.hide_kvm else "0"}

    def _script(self, *arguments: str) -> str:
        done = output(str(HERE / "lab.sh"), *arguments, timeout=150, env=self._env)
        if done.returncode:
            raise LabError(done.stderr.strip() or f"lab.sh {arguments[0]} ended with status {done.returncode}")
        return done.stdout.strip()

    @property
    def uri(self) -> str:
        """What Pulumi connects to."""
        return self._script("uri") if self.folder else SYSTEM

    @property
    def proxy(self) -> str:
        """An ssh ProxyCommand to the guests, or nothing where they can be reached as they are."""
        return f"env LAB='{self.folder}' '{HERE}/lab.sh' connect %h %p" if self.folder else ""

    def start(self) -> None:
        """Have it running, with an active storage pool ``default``."""
        if self.folder:
            self._script("up")
        else:
            self._ensure_pool()

    def virsh(self, *arguments: str) -> list[str]:
        """The lines virsh prints."""
        done = output("virsh", "-q", "-c", self.uri, *arguments)
        if done.returncode:
            raise LabError(f"{self.name} refused 'virsh {' '.join(arguments)}': {done.stderr.strip()}")
        return [text.strip() for text in done.stdout.splitlines() if text.strip()]

    def _ensure_pool(self) -> None:
        """A fresh libvirtd has no pool: define the one every libvirt tool expects, and leave it there."""
        if "default" not in self.virsh("pool-list", "--all", "--name"):
            self.virsh("pool-define-as", "default", "dir", "--target", "/var/lib/libvirt/images")
            self.virsh("pool-autostart", "default")
            line("storage pool", None, "defined 'default' in /var/lib/libvirt/images, as libvirt's own tools would")
        if "default" not in self.virsh("pool-list", "--name"):
            self.virsh("pool-start", "default")

    def contents(self) -> set[str]:
        """Every domain, network and volume it holds."""
        found = {f"domain {name}" for name in self.virsh("list", "--all", "--name")}
        found |= {f"network {name}" for name in self.virsh("net-list", "--all", "--name")}
        found |= {f"volume {row.split()[0]}" for row in self.virsh("vol-list", "default")}
        return found

    def purge(self) -> None:
        """End the private daemon and delete its folder; the system's stays as it is."""
        if self.folder:
            self._script("purge")

    def traces(self) -> list[str]:
        """Processes, mounts and files of the private daemon; none after ``purge``."""
        if not self.folder:
            return []
        found = [
            f"mount {row.split()[4]}"
            for row in Path("/proc/self/mountinfo").read_text().splitlines()
            if str(self.folder) in row
        ]
        for process in Path("/proc").glob("[0-9]*"):
            words = _words(process)
            if str(self.folder).encode() in words:
                found.append(f"process {process.name} ({words.split(bytes(1))[0].decode(errors='replace')})")
        return found + ([f"folder {self.folder}"] if self.folder.exists() else [])


def _words(process: Path) -> bytes:
    """A process's command line and environment, as far as this user may read them; never this process's own."""
    if process.name == str(os.getpid()):
        return b""
    words = b""
    try:
        words = (process / "cmdline").read_bytes()
        return words + (process / "environ").read_bytes()
    except OSError:
        return words


def find(private_folder: Path, *, wanted: str, hide_kvm: bool) -> Hypervisor:
    """``wanted`` is auto, system or private."""
    if wanted not in ("auto", "system", "private"):
        raise LabError(f"HYPERVISOR={wanted} is not known: set it to auto, system or private")
    if wanted != "private":
        answer = output("virsh", "-c", SYSTEM, "version", timeout=ANSWER)
        if answer.returncode == 0:
            return Hypervisor(None)
        if wanted == "system":
            why = (answer.stderr.strip().splitlines() or ["no answer"])[-1]
            raise LabError(
                f"{SYSTEM} does not answer ({why}): start libvirtd, or join the group libvirt, or HYPERVISOR=private"
            )
    return Hypervisor(private_folder, hide_kvm)
