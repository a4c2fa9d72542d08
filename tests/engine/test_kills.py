"""Runs that are killed, interrupted or late: the next one converges, nothing is made twice, nothing stays behind.

Most guests here are one boot sector long: it writes the report of a good boot, or nothing. What is shown is the life of
resources, which knows no difference; the real first boot is in the last tests.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_faults import (
    Plugin,
    Victim,
    boot_sector,
    processes_in,
    reporting_text,
    wait_until,
)
from engine_host import Snapshot, look, made, virsh
from engine_stack import Done, Stack
from local.stack import release_dead_locks

PROGRAM = """
import json
import pathlib

import pulumi

import flatprov as fp

settings = json.loads(pathlib.Path("settings.json").read_text())
platform = fp.libvirt.Platform(
    hosts=[fp.libvirt.Host(settings["uri"], name="local")],
    network=fp.libvirt.Network(cidr=settings["cidr"]),
    accelerator=settings["accelerator"],
)
for name, pool in settings["pools"].items():
    given = settings["images"][pool["image"]]
    image = fp.Image(pool["image"], unsigned=True, version="own", ignition="2.24.0", **given)
    limits = pool.get("limits")
    opts = pulumi.ResourceOptions(
        transformations=[
            lambda found: pulumi.ResourceTransformationResult(
                found.props,
                pulumi.ResourceOptions.merge(
                    found.opts, pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(**limits))
                ),
            )
            if found.type_ == "flatprov:libvirt:Node"
            else None
        ]
        if limits
        else None
    )
    fp.NodePool(
        name,
        platform=platform,
        image=image,
        count=pool.get("count", 1),
        machine=fp.Machine(1, "1GiB", "4GiB"),
        ignition=fp.Ignition(files=[fp.File("/etc/greeting", "hello\\n")]),
        timeouts=fp.Timeouts(boot=pool.get("boot", "5m")),
        wait=pool.get("wait", "boot"),
        running=pool.get("running", True),
        opts=opts,
    )
"""
CANCEL_SECONDS = 10
WATCHDOG_SECONDS = 12


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Raw images of 1 MiB: one that reports, one that never says anything; and one that takes a while to upload."""
    folder = tmp_path_factory.mktemp("images")
    noise = random.Random(1).randbytes(24 << 20)  # no holes, so that each byte travels
    contents = {
        "reporting": boot_sector(reporting_text()).ljust(1 << 20, b"\0"),
        "silent": boot_sector().ljust(1 << 20, b"\0"),
        "large": boot_sector() + noise,
        "other": boot_sector("x").ljust(1 << 20, b"\0"),
    }
    found = {}
    for name, data in contents.items():
        (folder / f"{name}.raw").write_bytes(data)
        found[name] = {"path": str(folder / f"{name}.raw"), "sha512": hashlib.sha512(data).hexdigest()}
    return found


@dataclasses.dataclass
class Rig:
    """A stack whose plugin can be made to crash, on a lab."""

    lab: Any
    stack: Stack
    plugin: Plugin
    settings: dict[str, Any]

    def want(self, **pools: dict[str, Any]) -> None:
        """The node pools of the next run."""
        (self.stack.folder / "settings.json").write_text(json.dumps({**self.settings, "pools": pools}))

    def up(self, *words: str) -> Done:
        """``pulumi up`` without its preview."""
        return self.stack.up("--skip-preview", *words, timeout=200)

    def interrupted_up(self) -> Done:
        """An ``up`` that a fault ends; afterwards nothing of it lives on."""
        process = self.stack.start("up", "--yes", "--skip-preview")
        output, _ = process.communicate(timeout=100)
        wait_until(
            f"the processes of a killed run end: {processes_in(self.stack.folder)}",
            lambda: not processes_in(self.stack.folder),
            WATCHDOG_SECONDS,
        )
        return Done(process.returncode, output, 0.0)

    def runs(self) -> dict[str, tuple[str, str]]:
        """Each domain's UUID and the number of its run, which changes when it is made anew or started again."""
        names = virsh(self.lab.uri, "list", "--all", "--name").split()
        return {
            name: (virsh(self.lab.uri, "domuuid", name).strip(), virsh(self.lab.uri, "domid", name).strip())
            for name in names
        }

    def disks(self) -> dict[str, str]:
        """What changes of each domain's disk when it is made anew."""
        found = {}
        for name in virsh(self.lab.uri, "list", "--all", "--name").split():
            path = re.findall(r"<source file='([^']+root.qcow2)'", virsh(self.lab.uri, "dumpxml", "--inactive", name))
            found[name] = made(path[0])
        return found

    def running(self) -> int:
        """How many machines run."""
        return len(virsh(self.lab.uri, "list", "--name").split())

    def pending(self) -> list[Any]:
        """Operations that the state still holds as begun."""
        exported = json.loads(self.stack.run("stack", "export").ok().output)
        found: list[Any] = exported["deployment"].get("pending_operations", [])
        return found


def make_rig(
    name: str, lab: Any, pulumi: Path, folder: Path, images: dict[str, dict[str, str]], accelerator: str, cidr: str
) -> Rig:
    plugin = Plugin.make(folder / "plugin")
    stack = Stack(folder / "stack", pulumi, program=PROGRAM, project=name, plugin=plugin.folder)
    return Rig(lab, stack, plugin, {"uri": lab.uri, "cidr": cidr, "images": images, "accelerator": accelerator})


@pytest.fixture(scope="module")
def rig(
    lab: Any,
    pulumi_cli: Path,
    tmp_path_factory: pytest.TempPathFactory,
    images: dict[str, dict[str, str]],
    accelerator: str,
) -> Iterator[Rig]:
    """A stack with network and images; each test adds a node and removes it again."""
    before = look(lab)
    found = make_rig("kills", lab, pulumi_cli, tmp_path_factory.mktemp("kills"), images, accelerator, "10.72.0.0/24")
    found.want(**IDLE)
    found.up().ok()
    yield found
    found.stack.destroy().ok()
    assert look(lab) == before
    assert not processes_in(found.stack.folder)


@pytest.fixture
def idle(rig: Rig) -> Iterator[Snapshot]:
    """The host with no node on it; a test that failed midway does not make the next ones fail too."""
    before = look(rig.lab)
    yield before
    if look(rig.lab) != before:
        rig.stack.run("cancel", "--yes")
        rig.want(**IDLE)
        rig.up()


#: no node, but the images are there
IDLE = {"keep": {"count": 0, "image": "reporting"}, "still": {"count": 0, "image": "silent"}}


def node(rig: Rig, name: str) -> dict[str, Any]:
    """A node of the state, complete: an ID, all outputs, no error left from an earlier run."""
    found = rig.stack.nodes()[name]
    assert found["id"] == f"{rig.lab.uri}|{found['outputs']['uuid']}"
    assert "initErrors" not in found, found["initErrors"]
    return found


def forget_lock(rig: Rig) -> None:
    """A CLI that was killed leaves the file backend's lock. Pulumi names a command; `make up` takes it away itself."""
    said = rig.up().failed().output
    assert "pulumi cancel" in said, said
    assert len(release_dead_locks(rig.stack.state)) == 1


OFF = {"image": "reporting", "running": False}
#: step -> the pool in which it is reached
CASES = {
    "root volume": OFF,
    "ignition volume": OFF,
    "reservation": OFF,
    "defined": OFF,
    "started": {"image": "silent", "wait": "none"},
    "config gone from the definition": {"image": "reporting"},
}
_undisturbed: dict[str, tuple[dict[str, Any], list[str]]] = {}


def footprint(rig: Rig, name: str, idle: Snapshot) -> tuple[dict[str, Any], list[str]]:
    """What a node is: its outputs, and what lies on the host because of it, both without what no two nodes share."""
    found = node(rig, name)["outputs"]
    own = (found["uuid"], found["uuid"][:8], found["macAddress"], found["nodeAddress"], name)
    made = look(rig.lab)
    there = [
        *(made.domains - idle.domains),
        *(made.volumes - idle.volumes),
        *(made.networks - idle.networks),
        *(made.files - idle.files),
        *(made.bridges - idle.bridges),
        *(line for line in network_xml(rig).splitlines() if "<host " in line),
    ]
    outputs = {
        key: found[key] for key in ("config", "image", "release", "acceleration", "phase", "ready", "host", "hostName")
    }
    outputs["booted"] = found["bootSeconds"] > 0

    def plain(text: str) -> str:
        for word in own:
            text = text.replace(word, "X")
        return text.strip()

    return outputs, sorted(map(plain, there))


def network_xml(rig: Rig) -> str:
    return virsh(rig.lab.uri, "net-dumpxml", "--inactive", f"{rig.stack.project}-dev")


def undisturbed(rig: Rig, pool: dict[str, Any], idle: Snapshot) -> tuple[dict[str, Any], list[str]]:
    """The footprint of such a node when nothing goes wrong."""
    key = json.dumps(pool)
    if key not in _undisturbed:
        name = f"calm{len(_undisturbed)}"
        rig.want(**IDLE, **{name: pool})
        rig.up().ok()
        _undisturbed[key] = footprint(rig, f"{name}-0", idle)
        rig.want(**IDLE)
        rig.up().ok()
        assert look(rig.lab) == idle
    return _undisturbed[key]


@pytest.mark.parametrize(
    ("step", "victim"),
    [
        *((step, victim) for step in CASES for victim in ("plugin", "all")),
        *((step, "cli") for step in ("root volume", "defined", "started", "config gone from the definition")),
    ],
)
def test_killed_while_a_node_is_made(rig: Rig, idle: Snapshot, step: str, victim: Victim) -> None:
    expected = undisturbed(rig, CASES[step], idle)
    name = f"n{list(CASES).index(step)}{victim[0]}"
    rig.want(**IDLE, **{name: CASES[step]})
    rig.plugin.arm(step, victim)
    killed = rig.interrupted_up()
    assert killed.code != 0, killed.output
    assert rig.plugin.has_fired
    assert "Traceback" not in killed.output, killed.output
    left = rig.runs()
    if victim != "plugin":
        forget_lock(rig)

    rig.up().ok()
    assert footprint(rig, f"{name}-0", idle) == expected
    if step in ("started", "config gone from the definition"):  # it lives: continued with, never made twice
        assert rig.runs() == left
    rig.want(**IDLE)
    rig.up().ok()
    assert look(rig.lab) == idle
    assert "<host " not in network_xml(rig)


@pytest.mark.parametrize("victim", ["plugin", "all", "cli"])
def test_killed_while_an_image_is_uploaded(rig: Rig, idle: Snapshot, victim: Victim) -> None:
    rig.want(**IDLE, big={"count": 0, "image": "large"})
    rig.plugin.arm("image half uploaded", victim)
    assert rig.interrupted_up().code != 0
    assert rig.plugin.has_fired
    if victim != "plugin":
        forget_lock(rig)

    rig.up().ok()
    (volume,) = look(rig.lab).volumes - idle.volumes
    uploaded = (Path(rig.lab.root) / "pool" / volume).read_bytes()
    assert hashlib.sha512(uploaded).hexdigest() == rig.settings["images"]["large"]["sha512"]
    rig.want(**IDLE)
    rig.up().ok()
    assert look(rig.lab) == idle


@pytest.mark.parametrize("victim", ["plugin", "all"])
def test_killed_while_the_network_is_made(
    victim: Victim, lab: Any, pulumi_cli: Path, tmp_path: Path, images: dict[str, dict[str, str]], accelerator: str
) -> None:
    before = look(lab)
    rig = make_rig(f"net{victim}", lab, pulumi_cli, tmp_path, images, accelerator, "10.73.0.0/24")
    rig.want(web={"count": 0, "image": "other"})
    rig.plugin.arm("network defined", victim)
    assert rig.interrupted_up().code != 0
    assert rig.plugin.has_fired
    if victim == "all":
        forget_lock(rig)
    rig.up().ok()
    assert look(lab).networks - before.networks == {f"net{victim}-dev"}
    assert "Active:         yes" in virsh(lab.uri, "net-info", f"net{victim}-dev")
    rig.stack.destroy().ok()
    assert look(lab) == before


# --- Ctrl-C ----------------------------------------------------------------------------------------------------------
def interrupt(process: subprocess.Popen[str]) -> Done:
    """Ctrl-C once, as a terminal sends it: to the CLI's process group."""
    begin = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    return Done(process.returncode, output, time.monotonic() - begin).failed()


def test_cancelled_during_a_boot(rig: Rig, idle: Snapshot) -> None:
    rig.want(**IDLE, mute={"image": "silent", "count": 2})
    process = rig.stack.start("up", "--yes", "--skip-preview")
    wait_until("both machines run", lambda: rig.running() == 2, 60)
    time.sleep(1)  # the console is being watched by now
    done = interrupt(process)
    assert done.seconds < CANCEL_SECONDS, done
    assert "mute-0: cancelled during its first boot" in done.output, done.output
    assert "Run `pulumi up` again to continue" in " ".join(done.output.split()), done.output
    state, left = rig.stack.nodes(), rig.runs()
    assert {name: entry["outputs"]["phase"] for name, entry in state.items()} == {
        "mute-0": "booting",
        "mute-1": "booting",
    }
    assert not processes_in(rig.stack.folder)
    rig.want(**IDLE, mute={"image": "silent", "count": 2, "wait": "none"})
    rig.up().ok()
    assert rig.runs() == left
    assert {name: node(rig, name)["id"] for name in state} == {name: entry["id"] for name, entry in state.items()}
    rig.want(**IDLE)
    rig.up().ok()
    assert look(rig.lab) == idle


def test_cancelled_during_an_upload(rig: Rig, idle: Snapshot) -> None:
    rig.want(**IDLE, big={"count": 0, "image": "large"})
    rig.plugin.arm("image half uploaded", "none")
    process = rig.stack.start("up", "--yes", "--skip-preview")
    wait_until("the upload is half done", lambda: rig.plugin.has_fired, 60)
    done = interrupt(process)
    assert done.seconds < CANCEL_SECONDS, done
    assert "the run was cancelled" in done.output, done.output
    assert look(rig.lab) == idle
    rig.up().ok()
    assert len(look(rig.lab).volumes - idle.volumes) == 1
    rig.want(**IDLE)
    rig.up().ok()
    assert look(rig.lab) == idle


# --- time limits -----------------------------------------------------------------------------------------------------
def test_custom_timeouts(rig: Rig, idle: Snapshot) -> None:
    pool = {"image": "silent", "boot": "5m"}
    for limits in ({"create": "9s"}, {"update": "6s"}):  # making the machine takes its share of it
        rig.want(**IDLE, limited={**pool, "limits": limits})
        done = rig.up().failed()
        assert done.seconds < 60
        said = " ".join(done.output.split())
        assert re.search(r"limited-0: first boot did not finish in [1-9] s", said), said
        assert "raise its customTimeouts" in said, said
        assert rig.stack.nodes()["limited-0"]["outputs"]["phase"] == "booting"
        left = rig.runs()
    rig.want(**IDLE, limited={**pool, "wait": "none"})
    rig.up().ok()
    assert rig.runs() == left
    rig.want(**IDLE)
    rig.up().ok()
    assert look(rig.lab) == idle


# --- what a killed CLI leaves in the state ---------------------------------------------------------------------------
def test_a_plain_rerun_needs_no_edited_state(rig: Rig, idle: Snapshot) -> None:
    """A create that was begun stays noted in the state. It stands in nobody's way, and one command takes it out."""
    rig.want(**IDLE, noted={"image": "reporting", "running": False})
    rig.plugin.arm("root volume", "all")
    rig.interrupted_up()
    forget_lock(rig)
    urns = [entry["resource"]["urn"] for entry in rig.pending() if entry["type"] == "creating"]
    assert any(urn.endswith("::noted-0") for urn in urns), urns
    rig.stack.preview().ok()
    rig.stack.up().ok()  # with its preview, as users run it
    node(rig, "noted-0")
    unchanged = rig.stack.up("--expect-no-changes").ok().output
    assert "pending" not in unchanged, unchanged
    rig.stack.refresh("--clear-pending-creates").ok()
    assert not rig.pending()
    rig.stack.up("--expect-no-changes").ok()


# --- real first boots ------------------------------------------------------------------------------------------------
def test_a_boot_that_nobody_waited_for_is_found_again(
    lab: Any, pulumi_cli: Path, tmp_path: Path, standin_image: Path, accelerator: str
) -> None:
    """One create timed out, one was interrupted; both machines boot on alone, and the next run comes too late."""
    before = look(lab)
    digest = standin_image.with_name(f"{standin_image.name}.sha512").read_text().strip()
    images = {"standin": {"path": str(standin_image.resolve()), "sha512": digest}}
    rig = make_rig("late", lab, pulumi_cli, tmp_path, images, accelerator, "10.76.0.0/24")
    rig.want(impatient={"image": "standin", "boot": "4s"}, stopped={"image": "standin"})
    try:
        process = rig.stack.start("up", "--yes", "--skip-preview")
        wait_until("both machines run", lambda: rig.running() == 2, 60)
        time.sleep(8)  # the first has timed out by now
        done = interrupt(process)
        assert done.seconds < CANCEL_SECONDS, done
        said = " ".join(done.output.split())
        assert "impatient-0: first boot did not finish in 4 s" in said, said
        assert "stopped-0: cancelled during its first boot" in said, said
        phases = {name: entry["outputs"]["phase"] for name, entry in rig.stack.nodes().items()}
        assert phases == {"impatient-0": "booting", "stopped-0": "booting"}
        left, disks = rig.runs(), rig.disks()
        end = time.monotonic() + 400
        while not all(has_reported(lab, name) for name in phases):
            if time.monotonic() > end:
                pytest.fail(f"a machine did not come up by itself; a run that waits says: {rig.up().output}")
            time.sleep(2)

        rig.want(impatient={"image": "standin"}, stopped={"image": "standin"})
        late = rig.up().ok()
        assert late.seconds < 60, late
        assert {name: node(rig, name)["outputs"]["phase"] for name in phases} == dict.fromkeys(phases, "ready")
        assert (rig.runs(), rig.disks()) == (left, disks)  # never made twice: the same boots, the same disks
        assert not [volume for volume in look(lab).volumes if volume.endswith(".ign")]
        rig.stack.up("--skip-preview", "--expect-no-changes").ok()
    finally:
        gone = rig.stack.destroy()
    gone.ok()
    assert look(lab) == before


def has_reported(lab: Any, name: str) -> bool:
    """The guest has the file in which its report stays; asked by the guest agent, as flatprov does."""
    question = {"execute": "guest-file-open", "arguments": {"path": "/run/flatprov/report", "mode": "r"}}
    command = ["virsh", "-q", "qemu-agent-command", name, json.dumps(question)]
    return '"return"' in lab.enter(command, check=False).stdout
