"""The doctor, console, logs and support bundle on a real libvirtd. Guests here are a boot sector: no system boots."""

from __future__ import annotations

import ipaddress
import json
import os
import pty
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_faults import boot_sector, reporting_text
from engine_host import look, virsh

from flatprov.ignition import pack
from flatprov.platforms.finding import Finding, Level
from flatprov.platforms.libvirt import client, doctor, domain, here
from flatprov.platforms.libvirt.networks import NetworkResource
from flatprov.platforms.libvirt.nodes import NodeResource
from flatprov.platforms.libvirt.settings import HostChoice, NetworkInputs, NodeInputs
from flatprov.testing import operation

SECRET = "correct-horse-battery-staple"
DISK_BYTES = 1 << 20


def of(found: doctor.Examination, check: str) -> Finding:
    return next(one for one in found.findings if one.check == check)


def flatprov(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flatprov.cli", *words], capture_output=True, text=True, timeout=120, check=False
    )


def test_it_agrees_with_the_machine_and_changes_nothing(lab: Any, accelerator: str) -> None:
    before = look(lab)
    done = flatprov("doctor", "libvirt", lab.uri, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    level = {one["check"]: one["level"] for one in json.loads(done.stdout)["findings"]}
    assert level["KVM runs a machine"] == ("ok" if accelerator == "kvm" else "warning")
    assert level["a virtual TPM can be had"] == ("ok" if shutil.which("swtpm") else "warning")
    uefi = "ok" if list(Path("/usr/share/qemu/firmware").glob("*edk2-x86_64.json")) else "warning"
    assert level["UEFI firmware without secure boot"] == uefi
    assert {level[check] for check in ("the storage pool is there", "this user may manage machines")} == {"ok"}
    assert look(lab) == before


def test_the_hosts_routes_are_those_where_the_daemon_runs(lab: Any) -> None:
    lab.enter(["ip", "link", "add", "doctor0", "type", "bridge"])
    lab.enter(["ip", "addr", "add", "10.77.5.1/24", "dev", "doctor0"])
    lab.enter(["ip", "link", "set", "doctor0", "up"])
    try:
        lab.enter(["ip", "route", "add", "10.78.0.0/15", "via", "10.77.5.9"])
        daemon = here.find(lab.uri)
        assert daemon is not None
        told = json.loads(lab.enter(["ip", "-4", "-json", "route"]).stdout)
        routes = here.routes(daemon)
        assert routes is not None
        expected = {(str(ipaddress.ip_network(one["dst"])), f"a route by {one['dev']}") for one in told}
        assert {(str(one.network), one.user) for one in routes} == expected
        for wanted in ("10.77.5.128/25", "10.78.3.0/24"):
            found = of(doctor.examine(lab.uri, doctor.Wanted(network=wanted)), "the network's range is free")
            assert found.level is Level.ERROR
            assert "a route by doctor0" in found.text
            free = ipaddress.ip_network(found.fix.rsplit(" ", 1)[1])
            assert not any(one.network.overlaps(free) for one in routes)  # type: ignore[arg-type]
    finally:
        lab.enter(["ip", "link", "delete", "doctor0"])


def test_a_read_only_socket_is_an_error(lab: Any) -> None:
    done = flatprov("doctor", "libvirt", f"{lab.uri}-ro")
    assert done.returncode == 1
    assert "this is a read-only connection" in done.stdout


def test_pools_and_networks_that_are_stopped_or_not_there_at_boot(lab: Any, tmp_path: Path) -> None:
    virsh(lab.uri, "pool-define-as", "doctor", "dir", "--target", str(tmp_path))
    network = tmp_path / "network.xml"
    network.write_text(
        "<network><name>doctor</name><bridge name='doctor1'/><ip address='10.79.1.1' prefix='24'/></network>"
    )
    virsh(lab.uri, "net-define", str(network))
    try:
        found = doctor.examine(lab.uri, doctor.Wanted(pool="doctor", network="doctor"))
        assert of(found, "the storage pool is there").level is Level.WARNING
        assert of(found, "the storage pool starts with the host").level is Level.WARNING
        assert of(found, "the network is there").level is Level.ERROR
        assert "doctor" not in virsh(lab.uri, "pool-list", "--name").split()  # and it was not started to find out
        virsh(lab.uri, "pool-start", "doctor")
        virsh(lab.uri, "pool-autostart", "doctor")
        virsh(lab.uri, "net-start", "doctor")
        found = doctor.examine(lab.uri, doctor.Wanted(pool="doctor", network="doctor"))
        assert of(found, "the network starts with the host").level is Level.WARNING
        for check in ("the storage pool is there", "the storage pool starts with the host", "the network is there"):
            assert of(found, check).level is Level.OK
        assert of(found, "the network's range is free").level is Level.OK  # its own bridge's route is its own
    finally:
        for words in (("pool-destroy",), ("pool-undefine",), ("net-destroy",), ("net-undefine",)):
            subprocess.run(["virsh", "-q", "-c", lab.uri, *words, "doctor"], capture_output=True, check=False)


# --- a node ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def node(lab: Any) -> Iterator[str]:
    """A node that says its secret and then that it is up; its ID."""
    uri, name = lab.uri, "doc-0"
    host = client.connect(uri, "test")
    xml = domain.volume_xml("doctor.raw", "raw", DISK_BYTES)
    path = host.create_volume("default", "doctor.raw", xml).path
    text = f"\nhello from the sector\nleaked {SECRET} \n{reporting_text()}"
    host.upload("default", "doctor.raw", boot_sector(text).ljust(DISK_BYTES, b"\0"), Quiet())
    network = NetworkInputs(uri=uri, name="doctor-net", cidr="10.79.2.0/24")
    made = NetworkResource().create(operation("net", token=NetworkResource.token), network)
    user = {"name": "core", "passwordHash": SECRET}
    inputs = NodeInputs(
        name=name,
        pool="doc",
        hosts=[
            HostChoice(
                uri=uri,
                storage_pool="default",
                network="doctor-net",
                image="doctor.raw",
                image_path=path,
                image_format="raw",
                image_bytes=DISK_BYTES,
            )
        ],
        vcpus=1,
        memory_mib=1024,
        disk_bytes=DISK_BYTES,
        ignition=pack({"ignition": {"version": "3.3.0"}, "passwd": {"users": [user]}}),
        address="10.79.2.20",
        version="4593.2.5",
        boot_timeout_seconds=60,
    )
    created = NodeResource().create(operation(name), inputs)
    try:
        yield created.id
    finally:
        NodeResource().delete(operation(name), created.id, inputs, created.state)
        NetworkResource().delete(operation("net", token=NetworkResource.token), made.id, network, made.state)
        host.delete_volume("default", "doctor.raw")


class Quiet:
    """Progress that nobody looks at."""

    def sent(self, done_bytes: int, total_bytes: int) -> None: ...


def test_logs_show_the_first_boot_without_its_secret(lab: Any, node: str) -> None:
    done = flatprov("logs", "doc-0", "--uri", lab.uri)
    assert (done.returncode, done.stderr) == (0, "")
    assert "hello from the sector" in done.stdout
    assert "leaked" in done.stdout
    assert SECRET not in done.stdout
    found = of(doctor.examine(lab.uri), "nodes of flatprov")
    assert "1 of proj/dev" in found.text


def test_console_by_a_terminal_shows_what_the_machine_says_until_ctrl(lab: Any, node: str) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-m", "flatprov.cli", "console", "doc-0", "--uri", lab.uri])
    shown = read_until(terminal, b"Ctrl-] ends it")
    virsh(lab.uri, "reset", "doc-0")  # it starts again and says its words again
    shown += read_until(terminal, b"hello from the sector")
    busy = flatprov("console", "doc-0", "--uri", lab.uri)
    assert busy.returncode == 1
    assert "another program has its console" in busy.stderr
    os.write(terminal, b"\x1d")
    shown += read_until(terminal, None)
    assert os.waitpid(child, 0)[1] == 0
    os.close(terminal)
    assert b"\x1b[?25h" in shown


def read_until(terminal: int, words: bytes | None) -> bytes:
    """What a terminal shows until some words, or its end."""
    shown, end = b"", time.monotonic() + 60
    while words is None or words not in shown:
        assert time.monotonic() < end, shown
        try:
            part = os.read(terminal, 4096)
        except OSError:  # the other side is closed
            part = b""
        if not part:
            assert words is None, shown
            break
        shown += part
    return shown


def test_the_bundle_of_a_real_host_has_no_secret(lab: Any, node: str, tmp_path: Path) -> None:
    xml = virsh(lab.uri, "dumpxml", "--inactive", "doc-0")
    planted = xml.replace("<memory", f"<description>{SECRET}</description><memory", 1)
    planted = planted.replace("</devices>", f"<graphics type='vnc' port='-1' passwd='{SECRET[:8]}'/></devices>", 1)
    (tmp_path / "doc.xml").write_text(planted)
    virsh(lab.uri, "define", str(tmp_path / "doc.xml"))
    assert SECRET in virsh(lab.uri, "dumpxml", "--inactive", "--security-info", "doc-0")
    target = tmp_path / "bundle.tar.gz"
    done = flatprov("support", "libvirt", lab.uri, "doc-0", "--output", str(target))
    assert done.returncode == 0, done.stderr
    assert target.stat().st_mode & 0o777 == 0o600
    with tarfile.open(target) as archive:
        files = {entry.name: archive.extractfile(entry).read() for entry in archive.getmembers()}  # type: ignore[union-attr]
    assert {name.partition("/")[2] for name in files} >= {"domains/doc-0.xml", "console/doc-0-1.log", "doctor.json"}
    assert SECRET[:8].encode() not in b"".join(files.values())
    assert b"hello from the sector" in files["bundle/console/doc-0-1.log"]
