"""What this machine's kernel says about a libvirt daemon on it, which the daemon itself does not tell.

The daemon may live in another network namespace (a container, a test bed). So its process is asked for, by the socket
it listens on, and its view of the network is read. A daemon on another machine shows nothing of this.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from flatprov.platforms.libvirt import reach
from flatprov.platforms.libvirt.facts import Range

_ANSWER_SECONDS = 2.0
_SYSTEM = ("/run/libvirt/libvirt-sock", "/var/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock")
_VIRTIOFSD = ("/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/lib/virtiofsd", "/usr/bin/virtiofsd")
_SECURITY = Path("/sys/kernel/security/lsm")


@dataclass(frozen=True)
class Daemon:
    """A daemon on this machine."""

    pid: int

    @property
    def root(self) -> Path:
        """Its view of the file system."""
        return Path(f"/proc/{self.pid}/root")


def find(uri: str) -> Daemon | None:
    """The daemon behind a URI, when it runs on this machine."""
    there = reach.address(uri)
    if there.transport != "unix" or there.host:
        return None
    for path in _sockets(there):
        pid = _listener(path)
        if pid:
            return Daemon(pid)
    return None


def _sockets(there: reach.Address) -> list[str]:
    if there.socket:
        return [there.socket]
    if there.path == "/session":
        base = os.environ.get("XDG_RUNTIME_DIR", "")
        return [f"{base}/libvirt/{name}-sock" for name in ("libvirt", "virtqemud")] if base else []
    return list(_SYSTEM)


def _listener(path: str) -> int:
    """The process that listens on a socket; 0 when there is none, or it belongs to another machine or container."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(_ANSWER_SECONDS)
        try:
            line.connect(path)
            found = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        except OSError:
            return 0
    return int(struct.unpack("3i", found)[0])


def routes(daemon: Daemon) -> list[Range] | None:
    """The IPv4 routes where a daemon runs, without the default one; None when they cannot be read."""
    try:
        return parse_routes((Path("/proc") / str(daemon.pid) / "net" / "route").read_text())
    except OSError:
        return None


def parse_routes(table: str) -> list[Range]:
    """The routes of ``/proc/PID/net/route``: addresses are in the machine's byte order, hexadecimal."""
    found = []
    for line in table.splitlines()[1:]:
        words = line.split()
        if len(words) < 8 or not int(words[3], 16) & 1:  # RTF_UP
            continue
        mask = ipaddress.IPv4Address(struct.pack("=I", int(words[7], 16)))
        destination = ipaddress.IPv4Address(struct.pack("=I", int(words[1], 16)))
        network = ipaddress.IPv4Network(f"{destination}/{mask}", strict=False)
        if network.prefixlen:
            found.append(Range(network, f"a route by {words[0]}"))
    return found


def virtiofsd(daemon: Daemon) -> bool | None:
    """Whether virtiofsd is installed where a daemon runs; None when its files cannot be seen."""
    try:
        if not (daemon.root / "usr").is_dir():
            return None
    except OSError:
        return None
    return any((daemon.root / path.lstrip("/")).exists() for path in _VIRTIOFSD)


def closed_folder(daemon: Daemon, path: str, user: int, group: int) -> str | None:
    """The first folder on the way to a path that a user may not go through; empty when it may go all the way.

    None when it cannot be seen. Supplementary groups are not known, so a folder that only they open counts as closed.
    """
    if user == 0:
        return ""
    here = Path(path)
    for folder in [*reversed(here.parents), here]:
        try:
            found = (daemon.root / str(folder).lstrip("/")).stat()
        except OSError:
            return None
        mode = found.st_mode
        may = mode & 0o100 if found.st_uid == user else mode & 0o010 if found.st_gid == group else mode & 0o001
        if not may:
            return str(folder)
    return ""


def confinement() -> tuple[str, ...] | None:
    """The security modules of this machine's kernel; None when they cannot be read."""
    try:
        return tuple(_SECURITY.read_text().strip().split(","))
    except OSError:
        return None
