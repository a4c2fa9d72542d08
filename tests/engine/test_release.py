"""A signed release by a mirror: resolved once, pinned, moved only on request; nothing unverified reaches the host."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import engine_host
import pytest
from engine_stack import Stack, summary
from release_server import ReleaseServer
from signers import Signer, make_signer, stop_agent

PROGRAM = """
import json, pathlib
import flatprov as fp
settings = json.loads(pathlib.Path("settings.json").read_text())
release = fp.Release("flatcar", **settings["release"])
fp.NodePool("rel", count=1, running=False, image=release, machine=fp.Machine(1, "1GiB", "4GiB"),
    platform=fp.libvirt.Platform(hosts=[fp.libvirt.Host(settings["uri"], name="local")],
        network=fp.libvirt.Network(cidr="10.44.0.0/24"), accelerator="tcg"))
"""
FILE = "flatcar_production_qemu_uefi_image.img"


@pytest.fixture(scope="module")
def signer() -> Iterator[Signer]:
    """The publisher of this test."""
    with tempfile.TemporaryDirectory(prefix="fp") as folder:
        home = Path(folder) / "k"
        yield make_signer(home, "publisher")
        stop_agent(home)


class Mirror:
    """A mirror with the publisher's paths."""

    def __init__(self, server: ReleaseServer, signer: Signer, folder: Path) -> None:
        self.server, self._signer, self._folder = server, signer, folder
        self._versions: dict[str, Any] = {}

    def publish(self, version: str, *, tampered: bool = False) -> None:
        """An image of that version, its signed digests, and a feed that names it as current."""
        path = self._folder / f"{version}.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "1G"], check=True)
        data = path.read_bytes() + version.encode()
        digests = f"# SHA512 HASH\n{hashlib.sha512(data).hexdigest()}  {FILE}\n".encode()
        base = f"/amd64-usr/{version}/{FILE}"
        self.server.serve(base, data[:-1] + b"!" if tampered else data)
        self.server.serve(f"{base}.DIGESTS.asc", self._signer.clearsigned(digests))
        entry = {
            "channel": "stable",
            "architectures": ["amd64"],
            "release_date": "2026-08-13 15:48:35 +0000",
            "major_software": {"ignition": ["2.24.0"], "kernel": ["6.12.102"]},
        }
        self._versions[version] = entry
        feed = {**self._versions, "current": entry | {"release_date": version}}
        self._versions[version]["release_date"] = version
        self.server.serve("/releases-json/releases-stable.json", json.dumps(feed).encode())


@pytest.fixture
def mirror(signer: Signer, tmp_path: Path) -> Iterator[Mirror]:
    """An empty mirror."""
    with ReleaseServer() as server:
        yield Mirror(server, signer, tmp_path)


@pytest.fixture
def stack(tmp_path: Path, pulumi_cli: Path, lab: Any, signer: Signer, mirror: Mirror) -> Iterator[Stack]:
    """A stack that runs the mirror's release; leaves the host as it was."""
    made = Stack(tmp_path / "stack", pulumi_cli, program=PROGRAM, project="release")
    key = tmp_path / "key.asc"
    key.write_bytes(signer.public)
    release = {"mirror": mirror.server.url, "key_file": str(key), "fingerprint": signer.fingerprint}
    made.settings = {"uri": lab.uri, "release": release}
    write(made)
    yield made
    made.destroy().ok()


def write(stack: Stack, **release: Any) -> None:
    """Renew the settings."""
    stack.settings["release"] |= release
    (stack.folder / "settings.json").write_text(json.dumps(stack.settings))


def pinned(stack: Stack) -> str:
    """The version in the state."""
    found = [entry for entry in stack.resources() if entry["type"] == "flatprov:index:Release"]
    return str(found[0]["outputs"]["resolvedVersion"])


def test_a_release_is_pinned_and_moves_only_when_asked(stack: Stack, mirror: Mirror, lab: Any) -> None:
    mirror.publish("4593.2.4")
    assert "4593.2.4" in stack.preview().ok().output
    stack.up().ok()
    assert pinned(stack) == "4593.2.4"
    mirror.publish("4593.2.5")
    again = stack.up("--refresh", "--diff").ok()
    assert summary(again).keys() == {"unchanged"}, again.output
    write(stack, upgrade="to the newest of November")
    moved = stack.up().ok()
    assert pinned(stack) == "4593.2.5"
    assert "making it anew: its image changed" in moved.output
    volumes = engine_host.look(lab).volumes
    assert any("4593.2.5" in name for name in volumes)
    assert not any("4593.2.4" in name for name in volumes)
    write(stack, version="4593.2.4", upgrade="")
    stack.up().ok()
    assert pinned(stack) == "4593.2.4"


def test_a_tampered_image_reaches_no_host(stack: Stack, mirror: Mirror, lab: Any) -> None:
    before = engine_host.look(lab)
    mirror.publish("4593.2.5", tampered=True)
    refused = stack.up().failed()
    assert "sha512" in refused.output.lower()
    assert FILE in refused.output
    assert engine_host.look(lab).volumes == before.volumes


def test_an_unknown_version_stops_the_preview_and_lists_what_exists(stack: Stack, mirror: Mirror) -> None:
    mirror.publish("4593.2.5")
    write(stack, version="4593.2.9")
    refused = stack.preview().failed()
    assert "4593.2.9" in refused.output
    assert "4593.2.5" in refused.output


def test_an_unreachable_mirror_is_named(stack: Stack) -> None:
    write(stack, mirror="http://127.0.0.1:9")
    refused = stack.preview().failed()
    assert "127.0.0.1:9" in refused.output
