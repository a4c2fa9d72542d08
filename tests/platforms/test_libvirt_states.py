"""Nodes, networks and images on a host in memory: what an interrupted run leaves is continued, and nothing is left."""

from __future__ import annotations

import fcntl
import inspect
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from libvirt_goals import ID, IMAGES, NETWORK, NETWORKS, NODES, OWNER, URI, UUID, choice, config, image, node, prepare

from flatprov.errors import (
    BootError,
    ConfigError,
    DuplicateError,
    FlatprovError,
    ForeignObjectError,
    OutOfSpaceError,
    PlatformError,
    UnreachableError,
)
from flatprov.flatcar.boot import BootMonitor
from flatprov.ignition import pack, unpack
from flatprov.platforms.libvirt import change, domain, faults, firstboot, identity, images
from flatprov.platforms.libvirt.client import Client
from flatprov.provider import resource
from flatprov.provider.gate import Gates
from flatprov.provider.resource import encode
from flatprov.testing import FakeLibvirt, Killed, boot_report, operation

WHEN = ("before", "after")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(change, "_LOOK_EVERY_SECONDS", 0.001)
    wait = firstboot.wait  # its seconds stand in the domain, and domains are compared
    monkeypatch.setattr(firstboot, "wait", lambda *given, **named: replace(wait(*given, **named), seconds=3.0))


@pytest.fixture
def host() -> Iterator[FakeLibvirt]:
    with FakeLibvirt(URI) as found:
        yield prepare(found)


@pytest.fixture
def qcow2(tmp_path: Path) -> Path:
    path = tmp_path / "image.qcow2"
    header = struct.pack(">4sIQIIQI", b"QFI\xfb", 3, 0, 0, 16, 4 << 30, 0)
    path.write_bytes(header.ljust(104, b"\0") + b"x" * 300_000)
    return path


def test_the_fake_has_the_clients_methods_and_signatures() -> None:
    def public(kind: type) -> dict[str, list]:
        return {
            name: [(part.name, part.kind, part.default) for part in inspect.signature(found).parameters.values()]
            for name, found in vars(kind).items()
            if inspect.isfunction(found) and not name.startswith("_")
        }

    real, fake = public(Client), public(FakeLibvirt)
    assert {name: fake.get(name) for name in real} == real


# --- a life ----------------------------------------------------------------------------------------------------------


def test_a_node_from_create_to_delete(host: FakeLibvirt) -> None:
    before = host.everything()
    made = NODES().create(operation(), node())
    assert (made.id, made.state.phase, made.state.ready, made.state.release) == (ID, "ready", True, "4593.2.5")
    assert host.machines() == {"web-0"}
    assert host.reservations("proj-dev") == [(made.state.mac_address, "web-0", "10.17.3.20")]
    assert "/etc/motd" in str(unpack_bytes(host.ignition["web-0"]))
    assert not any(name.endswith(".ign") for name in host.volume_names())  # the carrier is gone after the boot
    there = domain.parse(host.find_domain(UUID).xml)
    assert (there.ignition_path, there.mark.phase, there.mark.owner) == ("", "ready", OWNER)

    found = NODES().read(operation(), ID, node(), made.state)
    assert found.state == made.state
    assert changes(node(), found.inputs, made.state) == []

    NODES().delete(operation(), ID, node(), made.state)
    assert host.everything() == before
    NODES().delete(operation(), ID, node(), made.state)  # twice is no error
    assert NODES().read(operation(), ID, node(), made.state) is None


def unpack_bytes(data: bytes):
    import json

    return json.loads(data)


def changes(wanted, recorded, state) -> list:
    return resource.diff(NODES(), encode(recorded), encode(wanted), encode(state))


def test_an_imported_node_has_no_difference(host: FakeLibvirt) -> None:
    made = NODES().create(operation(), node())
    found = NODES().read(operation(), ID, None, None)
    assert changes(node(), found.inputs, found.state) == []
    assert msgspec.structs.replace(found.state) == made.state


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("what", ["killed", "refused"])
def test_a_create_that_ends_at_any_call_converges(what: str, when: str) -> None:
    index, hits = 0, 0
    with FakeLibvirt(URI) as whole:
        prepare(whole)
        NODES().create(operation(), node())
        goal = whole.everything()
    while True:
        with FakeLibvirt(URI) as host:
            before = prepare(host).everything()
            fault(host, what, index, when)
            try:
                made = NODES().create(operation(), node())
            except (Killed, FlatprovError):
                hits += 1
                host.revive()
                made = NODES().create(operation(), node())
            done = not host.was_hit
            host.revive()
            assert made.state.ready, (index, when)
            assert host.everything() == goal, (index, when)
            NODES().delete(operation(), made.id, node(), made.state)
            assert host.everything() == before, (index, when)
        if done:
            break
        index += 1
    assert hits > 15


def fault(host: FakeLibvirt, what: str, index: int, when: str) -> None:
    if what == "killed":
        host.kill(index, when)
    else:
        host.fail(index, UnreachableError("host", "lost"), when)


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("what", ["ignition", "image", "memory", "mac", "address", "disk", "off"])
def test_an_update_that_ends_at_any_call_converges(what: str, when: str) -> None:
    goals = {
        "ignition": node(ignition=config("other")),
        "image": node(hosts=[choice(image="newer.qcow2")]),
        "memory": node(memory_mib=4096),
        "mac": node(mac="52:54:00:00:00:07"),
        "address": node(address="10.17.3.77"),
        "disk": node(disk_bytes=40 << 30),
        "off": node(running=False),
    }
    new = goals[what]
    with FakeLibvirt(URI) as whole:
        prepare(whole)
        made = NODES().create(operation(), node())
        NODES().update(operation(), ID, node(), new, made.state)
        goal = whole.everything()
    index = 0
    while True:
        with FakeLibvirt(URI) as host:
            before = prepare(host).everything()
            made = NODES().create(operation(), node())
            host.kill(index, when)
            state, ctx = made.state, operation()
            try:
                state = NODES().update(ctx, ID, node(), new, state)
            except Killed:
                host.revive()  # nothing was recorded: the engine still has the old inputs and the old state
                found = NODES().read(operation(), ID, node(), state)
                if found is None:  # a refresh took it out of the state
                    state = NODES().create(operation(), new).state
                else:
                    state = NODES().update(operation(), ID, found.inputs, new, found.state)
            done = not host.was_hit
            host.revive()
            assert host.everything() == goal, (index, when)
            NODES().delete(operation(), ID, new, state)
            assert host.everything() == before, (index, when)
        if done:
            return
        index += 1


@pytest.mark.parametrize("when", WHEN)
def test_a_delete_that_ends_at_any_call_converges(when: str) -> None:
    index = 0
    while True:
        with FakeLibvirt(URI) as host:
            before = prepare(host).everything()
            made = NODES().create(operation(), node())
            host.kill(index, when)
            try:
                NODES().delete(operation(), ID, node(), made.state)
            except Killed:
                host.revive()
                NODES().delete(operation(), ID, node(), made.state)
            done = not host.was_hit
            host.revive()
            assert host.everything() == before, (index, when)
        if done:
            return
        index += 1


@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_an_image_that_ends_at_any_call_converges(monkeypatch: pytest.MonkeyPatch, qcow2: Path, when: str) -> None:
    monkeypatch.setattr(images, "_STALLED_SECONDS", 0.02)
    monkeypatch.setattr(images, "_POLL_SECONDS", 0.01)
    index, ended = 0, 0
    while True:
        with FakeLibvirt(URI) as host:
            before = host.everything()
            host.kill(index, when)
            try:
                made = IMAGES().create(operation("own.local", token=IMAGES.token), image(qcow2))
            except Killed:
                ended += 1
                host.revive()
                made = IMAGES().create(operation("own.local", token=IMAGES.token), image(qcow2))
            done = not host.was_hit
            host.revive()
            (volume,) = host.volumes("default")
            assert (volume.file_bytes, volume.name) == (qcow2.stat().st_size, made.state.volume)
            assert volume.size_bytes == made.state.virtual_bytes == 4 << 30
            found = IMAGES().read(operation(), made.id, image(qcow2), made.state)
            assert (found.state, found.inputs) == (made.state, image(qcow2))
            IMAGES().delete(operation(), made.id, image(qcow2), made.state)
            assert host.everything() == before
        if done:
            break
        index += 1
    assert ended


@pytest.mark.parametrize("when", WHEN)
def test_a_network_that_ends_at_any_call_converges(when: str) -> None:
    index = 0
    while True:
        with FakeLibvirt(URI) as host:
            host.kill(index, when)
            ctx = operation("network.local", token=NETWORKS.token)
            try:
                made = NETWORKS().create(ctx, NETWORK)
            except Killed:
                host.revive()
                made = NETWORKS().create(ctx, NETWORK)
            done = not host.was_hit
            host.revive()
            (network,) = host.networks()
            assert network.active
            assert NETWORKS().read(ctx, made.id, NETWORK, made.state) == (made.id, made.state, NETWORK)
            NETWORKS().delete(ctx, made.id, NETWORK, made.state)
            NETWORKS().delete(ctx, made.id, NETWORK, made.state)
            assert host.networks() == []
        if done:
            return
        index += 1


def test_a_running_network_of_ours_survives_an_error_at_its_start(host: FakeLibvirt) -> None:
    host.refuses["start_network"] = UnreachableError("host", "lost")
    with pytest.raises(UnreachableError):
        NETWORKS().create(operation("network"), NETWORK)
    assert [found.active for found in host.networks()] == [True]  # guests are attached to it


def test_the_first_error_is_told_also_when_tidying_up_fails_too(monkeypatch, qcow2: Path) -> None:
    with FakeLibvirt(URI) as host:
        host.refuses["upload"] = OutOfSpaceError("volume", "full")
        host.refuses["delete_volume"] = UnreachableError("host", "lost")
        with pytest.raises(OutOfSpaceError):
            IMAGES().create(operation(), image(qcow2))
        host.refuses.clear()
        prepare(host)

        def refuse(name: str, xml: str) -> None:
            host.refuses["delete_volume"] = UnreachableError("host", "lost")
            raise PlatformError("web-0", "no")

        monkeypatch.setattr(host, "define_domain", refuse)
        with pytest.raises(PlatformError, match=r"^web-0: no$"):
            NODES().create(operation(), node())
        host.refuses["start_network"] = PlatformError("network", "no")
        host.refuses["delete_network"] = UnreachableError("host", "lost")
        other = msgspec.structs.replace(NETWORK, name="second", cidr="10.18.0.0/24")
        with pytest.raises(PlatformError, match=r"^network: no$"):
            NETWORKS().create(operation("network"), other)


# --- what is gone and what is not ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code", [code for code in (1, 5, 9, 26, 38, 39, 40, 45, 55, 68, 86, 88) if code not in faults.GONE]
)
@pytest.mark.parametrize("kind", ["node", "network", "image"])
def test_no_error_of_a_host_means_gone(host: FakeLibvirt, qcow2: Path, kind: str, code: int) -> None:
    """D03: a host that is down, or says no, has not lost its machines."""
    made = {
        "node": lambda: (NODES(), NODES().create(operation(), node()), node()),
        "network": lambda: (NETWORKS(), NETWORKS().create(operation(), NETWORK), NETWORK),
        "image": lambda: (IMAGES(), IMAGES().create(operation(), image(qcow2)), image(qcow2)),
    }[kind]()
    there = host.everything()
    host.refuses["*"] = faults.translate(code, "said the host", "web-0", URI)
    with pytest.raises(PlatformError):
        made[0].read(operation(), made[1].id, made[2], made[1].state)
    with pytest.raises(PlatformError):
        made[0].delete(operation(), made[1].id, made[2], made[1].state)
    host.refuses.clear()
    assert host.everything() == there


def test_an_undefined_machine_is_made_again_and_leaves_nothing(host: FakeLibvirt) -> None:
    before = host.everything()
    made = NODES().create(operation(), node())
    host.vanish("web-0")
    assert NODES().read(operation(), ID, node(), made.state) is None
    again = NODES().create(operation(), node())
    assert again.state == made.state
    host.vanish("web-0")
    NODES().delete(operation(), ID, node(), made.state)
    assert host.everything() == before


def test_a_node_is_deleted_from_its_state_alone(host: FakeLibvirt) -> None:
    before = host.everything()
    made = NODES().create(operation(), node())
    NODES().delete(operation(), ID, None, made.state)  # no inputs: a state of another version
    assert host.everything() == before
    made = NODES().create(operation(), node())
    NODES().delete(operation(), ID, node(hosts=[choice("qemu+ssh://other/system")]), made.state)
    assert host.everything() == before


# --- own and foreign -------------------------------------------------------------------------------------------------


def foreign(host: FakeLibvirt, name: str, uuid: str, mac: str = "52:54:00:00:00:01") -> None:
    host.define_domain(
        name,
        f"<domain><name>{name}</name><uuid>{uuid}</uuid><devices><interface><mac address='{mac}'/>"
        "</interface></devices></domain>",
    )


def test_a_foreign_domain_is_never_touched(host: FakeLibvirt) -> None:
    foreign(host, "web-0", "11111111-2222-3333-4444-555555555555")
    there = host.everything()
    with pytest.raises(ForeignObjectError, match="was not made by flatprov; it was left alone"):
        NODES().create(operation(), node())
    with pytest.raises(ForeignObjectError):
        NODES().plan(operation(), encode(node()))
    assert host.everything() == there


@pytest.mark.parametrize("call", ["create", "read", "update", "delete"])
def test_a_domain_of_our_uuid_without_our_mark_is_never_touched(host: FakeLibvirt, call: str) -> None:
    made = NODES().create(operation(), node())
    host.vanish("web-0")
    foreign(host, "else", UUID)
    there = host.everything()
    calls = {
        "create": lambda: NODES().create(operation(), node()),
        "read": lambda: NODES().read(operation(), ID, node(), made.state),
        "update": lambda: NODES().update(operation(), ID, node(), node(memory_mib=4096), made.state),
        "delete": lambda: NODES().delete(operation(), ID, node(), made.state),
    }
    with pytest.raises(ForeignObjectError):
        calls[call]()
    assert host.everything() == there


def test_two_stacks_on_one_host(host: FakeLibvirt) -> None:
    first = NODES().create(operation(), node())
    mine = host.everything()
    with pytest.raises(ForeignObjectError, match="belongs to the stack proj/dev"):
        NODES().create(operation(stack="prod"), node())
    other = node("db-0", address="10.17.3.30")
    second = NODES().create(operation(stack="prod"), other)
    NODES().delete(operation(stack="prod"), second.id, other, second.state)
    assert host.everything() == mine
    assert first.id != second.id


def test_a_foreign_network_of_the_name_or_in_the_range_is_refused() -> None:
    with FakeLibvirt(URI) as host:
        host.define_network(
            "proj-dev", "<network><name>proj-dev</name><uuid>1</uuid><ip address='1.2.3.4' prefix='24'/></network>"
        )
        with pytest.raises(ForeignObjectError):
            NETWORKS().create(operation("network"), NETWORK)
        other = msgspec.structs.replace(NETWORK, name="other", cidr="1.2.3.0/25")
        with pytest.raises(ConfigError, match=r"network proj-dev has 1\.2\.3\.0/24.*for example 10\.17\.0\.0/25"):
            NETWORKS().create(operation("network"), other)


def test_a_range_that_is_proposed_is_free(host: FakeLibvirt) -> None:
    """What is proposed may be in use too: of a whole block only the last range is free here."""
    taken = [f"192.168.{third}.1" for third in range(255)]
    for number, address in enumerate(taken):
        host.define_network(
            f"n{number}",
            f"<network><name>n{number}</name><uuid>{number}</uuid><ip address='{address}' prefix='24'/></network>",
        )
    wanted = msgspec.structs.replace(NETWORK, name="other", cidr="192.168.7.0/24")
    with pytest.raises(ConfigError, match=r"for example 192\.168\.255\.0/24"):
        NETWORKS().create(operation("network"), wanted)


def test_an_image_with_users_stays_and_says_whose(host: FakeLibvirt, qcow2: Path) -> None:
    """C04: image, disk and domain on one host, in any order of deletion."""
    made = IMAGES().create(operation(), image(qcow2))
    where = choice(image=made.state.volume, image_path=made.state.path)
    on_it = NODES().create(operation(), node(hosts=[where]))
    ctx = operation()
    IMAGES().delete(ctx, made.id, image(qcow2), made.state)
    assert made.state.volume in host.volume_names()
    assert any("web-0" in text and severity == "warning" for severity, text in ctx.lines)
    NODES().delete(operation(), ID, node(hosts=[where]), on_it.state)
    IMAGES().delete(operation(), made.id, image(qcow2), made.state)
    assert made.state.volume not in host.volume_names()


def test_a_file_is_held_while_it_is_uploaded(host: FakeLibvirt, qcow2: Path, monkeypatch) -> None:
    """Making room in the store takes no file that another process holds."""

    def is_held() -> bool:
        with qcow2.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    held = []
    real = FakeLibvirt.upload
    monkeypatch.setattr(FakeLibvirt, "upload", lambda *given: (held.append(is_held()), real(*given)))
    IMAGES().create(operation(), image(qcow2))
    assert held == [True]
    assert not is_held()


def test_an_image_is_uploaded_once_by_many(host: FakeLibvirt, qcow2: Path) -> None:
    for _ in range(3):
        IMAGES().create(operation(), image(qcow2))
    assert host.calls.count("upload") == 1


def test_an_imported_image_has_no_difference(host: FakeLibvirt, qcow2: Path) -> None:
    made = IMAGES().create(operation(), image(qcow2))
    found = IMAGES().read(operation(), made.id, None, None)
    state, recorded = encode(found.state), encode(found.inputs)
    assert resource.diff(IMAGES(), recorded, encode(image(qcow2)), state) == []
    other = msgspec.structs.replace(image(qcow2), sha512="0" * 128)
    assert [change.replace for change in resource.diff(IMAGES(), recorded, encode(other), state)] == [True]
    release = {"uri": URI, "version": "4593.2.5", "channel": "stable"}
    bare = {"uri": URI, "version": "4593.2.5"}
    assert resource.diff(IMAGES(), bare, release, {}) == []


# --- boots -----------------------------------------------------------------------------------------------------------


def test_a_failed_first_boot_is_recorded_and_made_anew(host: FakeLibvirt) -> None:
    failed = {"unit": "app.service", "result": "exit-code", "code": 1, "status": 3, "journal": ""}
    host.boot = lambda name: boot_report(name, state="degraded", failed=[failed])
    ctx = operation()
    units = [{"name": "app.service", "enabled": True}]
    broken = node(ignition=pack({**unpack(config()), "systemd": {"units": units}}))
    with pytest.raises(BootError) as caught:
        NODES().create(ctx, broken)
    assert "app.service" in str(caught.value)
    id_, state = ctx.partial
    assert (id_, state.phase, state.ready) == (ID, "failed", False)
    found = NODES().read(operation(), ID, broken, state)
    assert resource.diff(NODES(), encode(found.inputs), encode(broken), encode(found.state))  # a plain up tries again
    host.boot = boot_report
    assert NODES().update(operation(), ID, broken, broken, state).ready
    assert host.ignition["web-0"]


def test_a_machine_that_stops_during_its_first_boot_is_told(host: FakeLibvirt, monkeypatch) -> None:
    monkeypatch.setattr(firstboot, "_ALIVE_EVERY_SECONDS", 0.05)

    def boot(name: str) -> bytes:
        return b"Booting\n"

    host.boot = boot
    ctx = operation()
    monkeypatch.setattr(FakeLibvirt, "is_running", lambda self, uuid, name: False)
    with pytest.raises(BootError, match="the machine stopped during its first boot"):
        NODES().create(ctx, node())
    assert ctx.partial[1].phase == "failed"


class SlowConsole:
    """Gives one piece a read, and then nothing."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    def read(self, seconds: float) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""


def test_the_reason_of_a_failure_may_come_late(monkeypatch) -> None:
    """systemd's own lines overtake Ignition's, which go through journal and kernel."""
    late = b"[   25.6] ignition[238]: error at line 1 col 2: invalid character 'o'\n"
    late += b"[   25.7] ignition[238]: Ignition failed: config is not valid\n"
    boot = BootMonitor()
    boot.feed(b"[  OK  ] Reached target emergency.target - Emergency Mode.\n")
    assert (boot.ended, boot.explained) == (True, False)
    console = SlowConsole(b"", b"", b"[  OK  ] Stopped target swap.target.\n", late, b"never read\n")
    firstboot._hear_out(boot, console)
    assert boot.explained
    assert "it is not JSON" in boot.state.reason
    assert console.pieces == [b"never read\n"]


def test_a_reason_that_never_comes_is_not_waited_for_long(monkeypatch) -> None:
    monkeypatch.setattr(firstboot, "_REASON_SECONDS", 0.05)
    boot = BootMonitor()
    boot.feed(b"[  OK  ] Reached target emergency.target - Emergency Mode.\n")
    firstboot._hear_out(boot, SlowConsole())
    assert "emergency mode" in boot.state.reason


_NO_TICK = b"[    0.028000] Kernel panic - not syncing: IO-APIC + timer doesn't work!  Boot with apic=debug.\n"


@pytest.mark.parametrize(("panics", "starts"), [(1, 2), (2, 3), (3, 3)])
def test_a_kernel_that_the_host_was_too_busy_for_is_started_again(host: FakeLibvirt, panics: int, starts: int) -> None:
    consoles = iter([_NO_TICK] * panics)
    host.boot = lambda name: next(consoles, boot_report(name))
    ctx = operation()
    if panics < 3:
        assert NODES().create(ctx, node()).state.ready
    else:
        with pytest.raises(BootError, match=r"no timer tick.*Run `pulumi up` again when the host has less to do"):
            NODES().create(ctx, node())
        assert ctx.partial[1].phase == "failed"
    assert host.calls.count("start_domain") == starts
    assert host.calls.count("create_volume") == 2  # the machine itself is kept: nothing has run in it


def test_a_boot_that_never_reports_ends_in_time_and_the_next_run_waits_on(host: FakeLibvirt) -> None:
    host.boot = lambda name: b"nothing to say\n"
    silent = node(boot_timeout_seconds=1)
    ctx = operation()
    with pytest.raises(BootError, match="did not finish in 1 s"):
        NODES().create(ctx, silent)
    assert ctx.partial[1].phase == "booting"
    assert NODES().read(operation(), ID, silent, ctx.partial[1]).state.phase == "booting"
    starts = host.calls.count("start_domain")
    host.boot = boot_report  # by now its report lies in the guest
    assert NODES().update(operation(), ID, silent, silent, ctx.partial[1]).ready
    assert host.calls.count("start_domain") == starts  # found and continued, not made twice


def test_a_secret_config_left_by_a_killed_run_is_removed(host: FakeLibvirt) -> None:
    host.kill(host_calls_until(host, "delete_volume", last=True))
    with pytest.raises(Killed):
        NODES().create(operation(), node())
    host.revive()
    assert any(name.endswith(".ign") for name in host.volume_names())
    NODES().create(operation(), node())
    assert not any(name.endswith(".ign") for name in host.volume_names())


def host_calls_until(host: FakeLibvirt, name: str, *, last: bool) -> int:
    with FakeLibvirt(URI) as other:
        prepare(other)
        NODES().create(operation(), node())
        found = [index for index, call in enumerate(other.calls) if call == name]
    type(host).__enter__(host)
    return found[-1 if last else 0]


def test_wait_none_and_off(host: FakeLibvirt) -> None:
    assert NODES().create(operation(), node(wait="none")).state.phase == "booting"
    off = node("db-0", address="10.17.3.30", running=False)
    made = NODES().create(operation("db-0"), off)
    assert made.state.phase == "defined"
    assert NODES().read(operation("db-0"), made.id, off, made.state).inputs == off


# --- the smallest step -----------------------------------------------------------------------------------------------

KEPT = {"create_volume", "upload", "delete_domain", "delete_volume"}


@pytest.mark.parametrize(
    ("wanted", "rebuilt", "restarted"),
    [
        ({"max_unavailable": 3}, False, False),
        ({"autostart": True}, False, False),
        ({"disk_bytes": 40 << 30}, False, False),
        ({"memory_mib": 4096}, False, True),
        ({"vcpus": 4}, False, True),
        ({"address": "10.17.3.99"}, False, True),
        ({"mac": "52:54:00:00:00:09"}, False, True),
        ({"ignition": config("other")}, True, True),
        ({"hosts": [choice(image="newer.qcow2")]}, True, True),
    ],
)
def test_an_update_does_no_more_than_it_must(host: FakeLibvirt, wanted, rebuilt: bool, restarted: bool) -> None:
    host.boot = lambda name: boot_report(name, version="4593.2.9")
    made = NODES().create(operation(), node())
    host.calls.clear()
    new = node(**wanted)
    state = NODES().update(operation(), ID, node(), new, made.state)
    assert ("create_volume" in host.calls) == rebuilt
    assert ("start_domain" in host.calls) == restarted
    assert state.ready
    assert state.release == "4593.2.9"  # what it reported, not what was asked for
    found = NODES().read(operation(), ID, new, state)
    assert found.state == state
    assert changes(new, found.inputs, state) == []


def test_a_rebuild_that_fails_halfway_is_in_the_state(host: FakeLibvirt) -> None:
    """The old machine is gone by then: a plain error would leave a state that says it is ready."""
    made = NODES().create(operation(), node())
    new, ctx = node(ignition=config("other")), operation()
    host.refuses["create_volume"] = OutOfSpaceError("volume", "full")
    with pytest.raises(OutOfSpaceError):
        NODES().update(ctx, ID, node(), new, made.state)
    assert ctx.partial is not None
    assert (ctx.partial[0], ctx.partial[1].ready) == (ID, False)


def test_a_host_that_is_no_longer_listed_is_an_error(host: FakeLibvirt) -> None:
    made = NODES().create(operation(), node())
    with pytest.raises(PlatformError, match="which the platform no longer lists"):
        NODES().update(operation(), ID, node(), node(hosts=[choice("qemu+ssh://b/system")]), made.state)


# --- several hosts ---------------------------------------------------------------------------------------------------


def test_a_node_is_placed_once_and_found_again_on_its_host() -> None:
    far = "qemu+ssh://nas/system"
    hosts = [choice(), choice(far)]
    with FakeLibvirt(URI, memory_mib=(16384, 16000)) as near, FakeLibvirt(far, memory_mib=(64000, 60000)) as nas:
        prepare(near)
        prepare(nas)
        made = NODES().create(operation(), node(hosts=hosts))
        assert made.state.host == far
        nas._memory = (64000, 1000)
        assert NODES().create(operation(), node(hosts=hosts)).state.host == far


@pytest.mark.parametrize("when", WHEN)
def test_a_create_on_several_hosts_leaves_nothing_on_the_other(when: str) -> None:
    """Between the two runs the other host has become the better one."""
    far, index = "qemu+ssh://nas/system", 0
    hosts = [choice(), choice(far)]
    while True:
        with FakeLibvirt(URI, memory_mib=(16384, 1000)) as near, FakeLibvirt(far, memory_mib=(64000, 60000)) as nas:
            before = [prepare(near).everything(), prepare(nas).everything()]
            nas.kill(index, when)
            try:
                made = NODES().create(operation(), node(hosts=hosts))
            except Killed:
                nas.revive()
                near._memory, nas._memory = (999000, 999000), (64000, 1000)
                made = NODES().create(operation(), node(hosts=hosts))
            done = not nas.was_hit
            nas.revive()
            assert len(near.machines()) + len(nas.machines()) == 1
            NODES().delete(operation(), made.id, node(hosts=hosts), made.state)
            assert [near.everything(), nas.everything()] == before, (index, when)
        if done:
            return
        index += 1


# --- preflight -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "error", "path", "text"),
    [
        ({"mac": "52:54:00:00:00:01"}, DuplicateError, "mac", "belongs to the domain other"),
        ({"address": "10.17.3.50"}, DuplicateError, "address", "is reserved for guest"),
        ({"memory_mib": 99999}, OutOfSpaceError, "memoryMib", "has 16384 MiB in all"),
        ({"accelerator": "kvm"}, PlatformError, "accelerator", "offers no KVM"),
        ({"hosts": [choice(storage_pool="none")]}, PlatformError, "", "there is none of that name"),
    ],
)
def test_what_the_host_holds_against_a_node_stops_preview_and_create(host, wanted, error, path, text) -> None:
    foreign(host, "other", "11111111-2222-3333-4444-555555555555")
    host.reserve("proj-dev", "52:54:00:00:00:02", "guest", "10.17.3.50")
    there = host.everything()
    for call in (
        lambda: NODES().create(operation(), node(**wanted)),
        lambda: NODES().plan(operation(), encode(node(**wanted))),
    ):
        with pytest.raises(error) as caught:
            call()
        assert text in str(caught.value)
        assert caught.value.path == path
        assert host.everything() == there


def test_no_room_in_the_pool() -> None:
    with FakeLibvirt(URI, free_bytes=1 << 20) as host:
        prepare(host)
        with pytest.raises(OutOfSpaceError, match="storage pool default on qemu:///system has 1 MiB left"):
            NODES().create(operation(), node())


def test_little_memory_is_a_warning_only(host: FakeLibvirt) -> None:
    ctx = operation()
    NODES().create(ctx, node(memory_mib=10000))
    assert [text for severity, text in ctx.lines if severity == "warning"] == [
        "it wants 10000 MiB of memory and qemu:///system has 8192 MiB available now. "
        "stop something there, or expect it to swap"
    ]


def test_kvm_is_used_where_it_works() -> None:
    with FakeLibvirt(URI, kvm=True) as host:
        prepare(host)
        assert NODES().create(operation(), node()).state.acceleration == "kvm"
    assert identity.split_id(ID) == (URI, UUID)


# --- many at once ----------------------------------------------------------------------------------------------------


def test_twelve_nodes_at_once_and_four_calls_on_a_host(host: FakeLibvirt, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, inside, seen = threading.Lock(), [0], []
    real = FakeLibvirt.create_volume

    def slow(self, pool: str, name: str, xml: str):
        with lock:
            inside[0] += 1
            seen.append(inside[0])
        time.sleep(0.01)
        with lock:
            inside[0] -= 1
        return real(self, pool, name, xml)

    monkeypatch.setattr(FakeLibvirt, "create_volume", slow)
    names = [f"web-{index}" for index in range(12)]
    wanted = [node(name, address=f"10.17.3.{20 + index}") for index, name in enumerate(names)]
    with ThreadPoolExecutor(12) as threads:
        made = list(threads.map(lambda goal: NODES().create(operation(goal.name), goal), wanted))
    assert all(found.state.ready for found in made)
    assert host.machines() == set(names)
    assert max(seen) == 4


def test_a_changed_config_goes_through_the_pools_gate(host: FakeLibvirt) -> None:
    """The canary fails: the others stay as they are, and the next run takes them all."""
    gates, names = Gates(), ["web-0", "web-1", "web-2"]
    goals = {name: node(name, address=f"10.17.3.{20 + index}") for index, name in enumerate(names)}
    made = {name: NODES().create(operation(name), goal) for name, goal in goals.items()}
    new = {name: msgspec.structs.replace(goal, ignition=config("other")) for name, goal in goals.items()}
    host.boot = lambda name: boot_report(name, state="maintenance")

    def update(name: str) -> object:
        ctx = operation(name, gates=gates)
        try:
            return NODES().update(ctx, made[name].id, goals[name], new[name], made[name].state)
        except FlatprovError as error:
            return str(error)

    first, *others = [update(name) for name in names]
    assert "the machine is in emergency mode" in first
    assert all("not started, because web-0 did not come back healthy" in text for text in others)
    assert [host.find_domain(identity.domain_uuid(OWNER, name)).active for name in names] == [True] * 3
    gates, host.boot = Gates(), boot_report
    assert [update(name).ready for name in names] == [True] * 3
