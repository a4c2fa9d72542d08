"""The doctor on a host in memory: what each check says of a good host and of a bad one."""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libvirt_goals import NODES, node, prepare

from flatprov.cli import main
from flatprov.errors import DeniedError, PlatformError, UnreachableError
from flatprov.platforms.finding import Finding, Level
from flatprov.platforms.libvirt import doctor, here, ranges, reach
from flatprov.platforms.libvirt.checks import hypervisor, storage
from flatprov.platforms.libvirt.facts import HugePages, Range
from flatprov.testing import FakeLibvirt, operation

CASES = Path(__file__).resolve().parents[1] / "cases" / "libvirt"
URI = "qemu:///system"
REMOTE = "qemu+ssh://root@nas/system"
READ_ONLY = {
    *("ensure", "host_name", "host_facts", "refusal", "domain_types", "firmware_prints", "pools", "networks"),
    *("interfaces", "memory_mib", "last_change_seconds", "domains", "volumes", "network_autostarts"),
    "guest_clock_seconds",
}


@pytest.fixture(autouse=True)
def _no_daemon_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether this machine has a libvirtd is no matter of these tests."""
    monkeypatch.setattr(here, "find", lambda _uri: None)


@pytest.fixture
def host() -> Iterator[FakeLibvirt]:
    with FakeLibvirt(URI, kvm=True) as found:
        yield prepare(found)


def of(found: doctor.Examination, check: str) -> Finding:
    return next(one for one in found.findings if one.check == check)


def storage_is(**changes: Any) -> Callable[[FakeLibvirt], None]:
    def change(host: FakeLibvirt) -> None:
        host.storage["default"] = replace(host._usual("default"), **changes)

    return change


def facts_are(**changes: Any) -> Callable[[FakeLibvirt], None]:
    def change(host: FakeLibvirt) -> None:
        host.facts = replace(host.facts, **changes)

    return change


def refuses(part: str, why: str = "unsupported configuration") -> Callable[[FakeLibvirt], None]:
    def change(host: FakeLibvirt) -> None:
        host.refuses_definition = lambda xml: why if part in xml else ""

    return change


def denied(host: FakeLibvirt) -> None:
    host.refuses["refusal"] = DeniedError("host", "read only access prevents virConnectDomainXMLToNative")


def no_kvm(host: FakeLibvirt) -> None:
    host._kvm = False


def broken_kvm(host: FakeLibvirt) -> None:
    host.firmware_prints = lambda _xml, _limit: False  # type: ignore[method-assign]


def stopped_network(host: FakeLibvirt) -> None:
    host._named("proj-dev").active = False


def not_at_boot(host: FakeLibvirt) -> None:
    host.stopped_at_boot.add("proj-dev")


def other_address(host: FakeLibvirt) -> None:
    host.host_interfaces = [
        ("eth1", "<interface name='eth1'><protocol><ip address='10.17.3.77' prefix='25'/></protocol></interface>")
    ]


def lost_volume(host: FakeLibvirt) -> None:
    name = "web-9.0123abcd.ign"
    host.create_volume("default", name, f"<volume><name>{name}</name><capacity>1</capacity></volume>")


def from_the_future(host: FakeLibvirt) -> None:
    host.last_change["default"] = time.time() + 600


WELL: dict[str, Level] = {
    "the host answers": Level.OK,
    "this user may manage machines": Level.OK,
    "the host's emulator can run it": Level.OK,
    "KVM runs a machine": Level.OK,
    "libvirt is new enough": Level.OK,
    "QEMU is new enough": Level.OK,
    "UEFI firmware without secure boot": Level.OK,
    "UEFI firmware with secure boot": Level.OK,
    "a virtual TPM can be had": Level.OK,
    "folders can be shared (virtiofs)": Level.UNKNOWN,  # a program on another machine cannot be seen
    "the storage pool is there": Level.OK,
    "the storage pool starts with the host": Level.OK,
    "the storage pool has room": Level.OK,
    "QEMU's user may enter the pool's folder": Level.OK,
    "confinement lets QEMU use the pool": Level.OK,
    "the host's routes can be seen": Level.UNKNOWN,
    "the network is there": Level.OK,
    "the network starts with the host": Level.OK,
    "the network's range is free": Level.OK,
    "the host has the memory": Level.OK,
    "huge pages": Level.OK,
    "the host's clock is right": Level.UNKNOWN,
    "the nodes' clocks are right": Level.UNKNOWN,
    "nodes of flatprov": Level.OK,
    "the nodes run": Level.OK,
    "no volume of a node is left over": Level.OK,
}


def test_a_good_host_has_each_check_once_and_no_complaint(host: FakeLibvirt) -> None:
    found = doctor.examine(URI, doctor.Wanted(network="proj-dev"))
    assert {one.check: one.level for one in found.findings} == WELL
    assert len(found.findings) == len(WELL)
    assert found.is_well


@pytest.mark.parametrize(
    ("check", "level", "text", "fix", "change"),
    [
        ("this user may manage machines", "error", "read-only connection", "not libvirt-sock-ro", denied),
        ("KVM runs a machine", "warning", "offers no KVM", "nested virtualisation", no_kvm),
        ("KVM runs a machine", "warning", "prints nothing", "dmesg", broken_kvm),
        ("libvirt is new enough", "error", "6.4.0 is older than", "upgrade", facts_are(libvirt=6_004_000)),
        ("libvirt is new enough", "warning", "UEFI firmware", "7.2.0", facts_are(libvirt=7_001_000)),
        ("QEMU is new enough", "error", "2.8.0 is older than 2.9.0", "upgrade", facts_are(qemu=2_008_000)),
        ("UEFI firmware without secure boot", "warning", "unsupported", "ovmf", refuses('enabled="no"')),
        ("UEFI firmware with secure boot", "warning", "unsupported", "ovmf", refuses('enabled="yes"')),
        ("a virtual TPM can be had", "warning", "no machine with a TPM", "swtpm-tools", refuses("<tpm")),
        ("folders can be shared (virtiofs)", "warning", "shared folder", "virtiofsd", refuses("virtiofs")),
        ("the storage pool is there", "warning", "stopped", "pool-start", storage_is(active=False)),
        ("the storage pool starts with the host", "warning", "does not", "autostart", storage_is(autostart=False)),
        ("the storage pool has room", "error", "1 MiB left, too little", "free some", storage_is(free_bytes=1 << 20)),
        ("the storage pool has room", "warning", "1024 MiB left", "free some", storage_is(free_bytes=1 << 30)),
        ("QEMU's user may enter the pool's folder", "warning", "usually closed", "o+x", storage_is(path="/home/a/p")),
        ("QEMU's user may enter the pool's folder", "unknown", "/srv/vm", "namei", storage_is(path="/srv/vm")),
        ("the network is there", "error", "stopped", "net-start", stopped_network),
        ("the network starts with the host", "warning", "cannot start", "net-autostart", not_at_boot),
        ("the network's range is free", "error", "interface eth1 has 10.17.3.0/25", "10.17.4.0/24", other_address),
        ("the host's clock is right", "warning", "ahead", "timedatectl", from_the_future),
        ("no volume of a node is left over", "warning", "web-9.0123abcd.ign", "by hand", lost_volume),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(
    host: FakeLibvirt, check: str, level: str, text: str, fix: str, change: Callable[[FakeLibvirt], None]
) -> None:
    change(host)
    found = doctor.examine(URI, doctor.Wanted(network="proj-dev"))
    one = of(found, check)
    assert (one.level.value, text in one.text, fix in one.fix) == (level, True, True), one
    assert found.is_well is (level != "error")


def test_emulation_needs_a_newer_libvirt_than_kvm_does(host: FakeLibvirt) -> None:
    host.facts = replace(host.facts, libvirt=7_006_000)
    assert of(doctor.examine(URI), "libvirt is new enough").level is Level.OK
    assert hypervisor.libvirt_version("host", 7_006_000, kvm=False).level is Level.ERROR
    assert hypervisor.libvirt_version("host", 8_000_000, kvm=False).level is Level.OK


@pytest.mark.parametrize(
    ("models", "path", "kind", "level", "words"),
    [
        ((), "/srv/vm", "dir", "ok", "neither SELinux nor AppArmor"),
        (("selinux",), "/var/lib/libvirt/images", "dir", "ok", "labelled"),
        (("selinux",), "/srv/vm", "dir", "warning", "no label"),
        (("selinux",), "/var/lib/libvirt/images", "netfs", "unknown", "boolean"),
        (("apparmor",), "/srv/vm", "dir", "ok", "adds each node's files"),
        (("apparmor",), "/usr/share/vm", "dir", "error", "nothing in /usr/share/vm"),
    ],
)
def test_where_the_pool_lies_meets_what_confines_qemu(
    host: FakeLibvirt, models: tuple[str, ...], path: str, kind: str, level: str, words: str
) -> None:
    facts_are(confinement=models)(host)
    storage_is(path=path, kind=kind)(host)
    one = of(doctor.examine(URI), "confinement lets QEMU use the pool")
    assert (one.level.value, words in one.text) == (level, True), one


def test_a_closed_folder_on_this_machine_is_named(host: FakeLibvirt, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "closed" / "pool").mkdir(parents=True)
    tmp_path.chmod(0o755)
    pool = replace(host._usual("default"), path=str(tmp_path / "closed" / "pool"))
    monkeypatch.setattr(here.Daemon, "root", Path("/"))

    def look() -> Finding:
        return next(iter(storage.place(pool, host.facts, here.Daemon(1), False)))

    (tmp_path / "closed").chmod(0o700)
    found = look()
    assert (found.level, "runs as user 64055, which may not enter /" in found.text) == (Level.ERROR, True)
    assert here.closed_folder(here.Daemon(1), str(tmp_path / "closed"), 0, 0) == ""
    assert here.closed_folder(here.Daemon(1), "/usr", 64055, 64055) == ""
    assert here.closed_folder(here.Daemon(1), "/no/such/folder", 64055, 64055) is None


def test_other_wishes_are_looked_at(host: FakeLibvirt) -> None:
    def level(check: str, **wanted: Any) -> tuple[str, str]:
        one = of(doctor.examine(URI, doctor.Wanted(**wanted)), check)
        return one.level.value, one.text + one.fix

    assert level("the storage pool is there", pool="fast")[0] == "error"
    assert level("the network is there", network="lan")[0] == "error"
    assert level("the host has the memory", memory_mib=1 << 20)[0] == "error"
    assert level("the host has the memory", memory_mib=10_000)[0] == "warning"
    assert level("the host's emulator can run it", architecture="arm64")[0] == "ok"  # the fake emulates anything
    assert level("KVM runs a machine", architecture="arm64") == (
        "warning",
        "the processors are x86_64, so aarch64 guests are emulated, many times slower"
        "use an aarch64 host for anything but tests",
    )
    assert level("the network's range is free", network="10.17.0.0/16")[0] == "error"
    assert level("the network's range is free", network="10.18.0.0/24")[0] == "ok"


def test_a_network_that_nobody_asked_about_is_no_error(host: FakeLibvirt) -> None:
    other_address(host)
    found = doctor.examine(URI)
    assert of(found, "the network's range is free").level is Level.WARNING
    assert found.is_well


def test_huge_pages_are_counted(host: FakeLibvirt) -> None:
    facts_are(huge_pages=(HugePages(2048, 512, 100), HugePages(1 << 20, 4, 4)))(host)
    assert of(doctor.examine(URI), "huge pages").text == "100 of 512 of 2 MiB free, 4 of 4 of 1 GiB free"


def test_nodes_are_found_and_their_clocks_compared(host: FakeLibvirt) -> None:
    NODES().create(operation(), node())
    found = doctor.examine(URI)
    assert of(found, "nodes of flatprov").text == "1 of proj/dev; and 0 other machines"
    assert of(found, "the nodes run").level is Level.OK
    assert of(found, "no volume of a node is left over").level is Level.OK
    host.guest_clocks["web-0"] = time.time() + 0.5
    assert of(doctor.examine(URI), "the nodes' clocks are right").level is Level.OK
    host.guest_clocks["web-0"] = time.time() - 3600
    one = of(doctor.examine(URI), "the nodes' clocks are right")
    assert (one.level, "web-0 is 3600 s behind" in one.text) == (Level.WARNING, True)
    host.power_off("web-0")
    assert "stopped: web-0" in of(doctor.examine(URI), "the nodes run").text


@pytest.mark.parametrize("error", [PlatformError("host", "something", "mend it"), UnreachableError("host", "gone")])
def test_it_never_raises_whatever_call_fails_and_changes_nothing(error: PlatformError) -> None:
    with FakeLibvirt(URI, kvm=True) as host:
        prepare(host)
        NODES().create(operation(), node())
        before, first = host.everything(), len(host.calls)
        doctor.examine(URI, doctor.Wanted(network="proj-dev"))
        calls = host.calls[first:]
        assert set(calls) <= READ_ONLY
        assert host.everything() == before
        for at in range(len(calls)):
            host.fail(at, error)
            found = doctor.examine(URI, doctor.Wanted(network="proj-dev"))
            assert not found.is_well, calls[at]
            assert host.everything() == before


# --- the words of a host that does not answer ------------------------------------------------------------------------


@pytest.mark.parametrize("case", json.loads((CASES / "reach.json").read_text()), ids=lambda case: case["name"])
def test_the_reason_behind_libvirts_words(case: dict[str, Any]) -> None:
    found = reach.explain(case["said"], case["uri"])
    assert case["problem"] in found.problem
    assert case["fix"] in found.fix
    assert found.denied is case["denied"]


def test_a_password_in_a_uri_is_not_shown() -> None:
    assert reach.without_password("qemu+ssh://me:hunter2@nas/system") == "qemu+ssh://me@nas/system"
    assert reach.without_password(REMOTE) == REMOTE


# --- ranges ----------------------------------------------------------------------------------------------------------


@st.composite
def blocks(draw: Any) -> ipaddress.IPv4Network:
    home = draw(st.sampled_from(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]))
    size = draw(st.integers(16, 28))
    base = ipaddress.IPv4Network(home)
    at = draw(st.integers(0, base.num_addresses - 1))
    return ipaddress.IPv4Network((int(base.network_address) + at, size), strict=False)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(blocks(), st.lists(blocks(), max_size=6))
def test_a_proposed_range_is_free_private_and_as_large(
    wanted: ipaddress.IPv4Network, taken: list[ipaddress.IPv4Network]
) -> None:
    used = [Range(one, "it") for one in [wanted, *taken]]
    found = ranges.free(wanted, used)
    assert found is not None
    assert found.is_private
    assert found.prefixlen == wanted.prefixlen
    assert not any(found.overlaps(one.network) for one in used)


def test_nothing_is_proposed_where_nothing_is_free() -> None:
    used = [Range(ipaddress.IPv4Network(one), "it") for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
    assert ranges.free(ipaddress.IPv4Network("10.17.3.0/24"), used) is None


# --- the command -----------------------------------------------------------------------------------------------------


def run(*words: str) -> int:
    try:
        main(["doctor", "libvirt", *words])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else -1  # a text is an error that was not foreseen
    return 0


def test_exit_status_and_json(host: FakeLibvirt, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(URI) == 0
    assert "0 errors" in capsys.readouterr().out
    no_kvm(host)
    assert run(URI, "--json") == 0  # warnings do not fail
    told = json.loads(capsys.readouterr().out)
    assert (told["uri"], told["ok"]) == (URI, True)
    assert {one["check"] for one in told["findings"]} >= {"KVM runs a machine", "the host answers"}
    assert run(URI, "--pool", "fast", "--json") == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


@pytest.mark.parametrize(
    "words",
    [
        (URI, "--memory", "4GB"),
        (URI, "--network", "10.17.3.0/99"),
        (URI, "--architecture", "sparc"),
        (URI, "--timeout", "soon"),
        ("vmware://x",),
        ("",),
        (),
    ],
)
def test_wrong_usage_is_status_2(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words) == 2
    assert "usage:" in capsys.readouterr().err
