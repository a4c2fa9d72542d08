"""What a hypervisor host holds, to compare before and after; and what flatprov made there."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


def virsh(uri: str, *words: str) -> str:
    """The output of a virsh command; fails the test with virsh's words."""
    done = subprocess.run(["virsh", "-q", "-c", uri, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"virsh {' '.join(words)}: {done.stderr}"
    return done.stdout


def made(path: str | Path) -> str:
    """What tells a file from one made later in its place: inodes are used again, but not at the same moment."""
    return subprocess.run(
        ["stat", "-c", "%i made %w", str(path)], capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()


@dataclass(frozen=True)
class Snapshot:
    """Names of everything on a host."""

    domains: frozenset[str]
    networks: frozenset[str]
    volumes: frozenset[str]
    files: frozenset[str]
    bridges: frozenset[str]


def look(lab: object) -> Snapshot:
    """A host's domains, networks, volumes, files below its pool, and bridges."""
    uri, root = lab.uri, Path(lab.root)  # type: ignore[attr-defined]
    links = lab.enter(["ip", "-br", "link", "show", "type", "bridge"]).stdout  # type: ignore[attr-defined]
    virsh(uri, "pool-refresh", "default")
    return Snapshot(
        domains=frozenset(virsh(uri, "list", "--all", "--name").split()),
        networks=frozenset(virsh(uri, "net-list", "--all", "--name").split()),
        volumes=frozenset(line.split()[0] for line in virsh(uri, "vol-list", "default").splitlines() if line.split()),
        files=frozenset(str(path.relative_to(root)) for path in (root / "pool").rglob("*")),
        bridges=frozenset(line.split()[0] for line in links.splitlines() if line.strip()),
    )
