"""The parts of the libvirt platform that touch nothing."""

from __future__ import annotations

import ipaddress
import os
import uuid
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libvirt_goals import choice, config, node

from flatprov import errors
from flatprov.errors import ConfigError, DuplicateError
from flatprov.ignition import pack, pack_bytes, unpack
from flatprov.platforms import units
from flatprov.platforms.libvirt import change, domain, faults, identity, machine, networks, placement, transfer
from flatprov.platforms.libvirt import config as node_config
from flatprov.platforms.libvirt.addresses import Allocation, Plan
from flatprov.platforms.libvirt.domain import Machine, Mark
from flatprov.testing import FakeLibvirt, operation

SCHEMAS = Path("/usr/share/libvirt/schemas")

# what XML 1.0 can hold; libvirt refuses the rest itself
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"), max_size=20
)
NAME = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
MARKS = st.builds(
    Mark,
    owner=TEXT,
    pool=TEXT,
    config=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    phase=st.sampled_from([domain.PHASE_BOOTING, domain.PHASE_READY]),
    version=TEXT,
    address=st.ip_addresses(v=4).map(str),
    boot_seconds=st.integers(0, 9999).map(lambda tenths: tenths / 10),
)
PATHS = TEXT.map(lambda name: f"/var/lib/{name.replace('/', '')}")
MACHINES = st.builds(
    Machine,
    name=NAME,
    uuid=st.uuids().map(str),
    mac=st.from_regex(r"52:54:00(:[0-9a-f]{2}){3}", fullmatch=True),
    vcpus=st.integers(1, 512),
    memory_mib=st.integers(1024, 1 << 22),
    kvm=st.booleans(),
    disk_path=PATHS,
    network=NAME,
    ignition_path=st.just("") | PATHS,
    mark=MARKS,
)


def validate(xml: str, schema: str) -> None:
    """Against libvirt's own schema, where a tool of the distribution put it."""
    from lxml import etree

    path = SCHEMAS / f"{schema}.rng"
    if not path.exists():
        pytest.fail(f"{path} is missing; run tests/lab/bootstrap.sh (or apt-get install libvirt0)", pytrace=False)
    found = _schemas.setdefault(schema, None) or etree.RelaxNG(etree.parse(path))
    _schemas[schema] = found
    found.assertValid(etree.fromstring(xml))


_schemas: dict = {}


# --- XML -------------------------------------------------------------------------------------------------------------


@given(MACHINES)
@settings(max_examples=80, deadline=None)
def test_a_domain_is_read_back_as_it_was_written(there: Machine) -> None:
    assert domain.parse(domain.render(there)) == there


@given(MACHINES)
@settings(max_examples=15, deadline=None)
def test_a_domain_is_valid_by_libvirts_schema(there: Machine) -> None:
    validate(domain.render(there), "domain")


def test_the_config_goes_in_by_file_and_never_inline() -> None:
    there = _machine(ignition_path="/pool/web-0.ign")
    xml = domain.render(there)
    assert f'<entry name="opt/org.flatcar-linux/config" file="{there.ignition_path}" />' in xml
    assert "</entry>" not in xml
    assert "sysinfo" not in domain.render(_machine(ignition_path=""))


def test_a_domain_that_is_not_ours_is_none() -> None:
    assert domain.parse("<domain><name>web-0</name></domain>") is None
    assert domain.parse("<domain><metadata><x:node xmlns:x='urn:other' owner='proj/dev'/></metadata></domain>") is None


@pytest.mark.parametrize(
    ("written", "mib"),
    [
        ('<memory unit="MiB">2048</memory>', 2048),
        ('<memory unit="KiB">2097152</memory>', 2048),
        ("<memory>2097152</memory>", 2048),
        ('<memory unit="GiB">2</memory>', 2048),
        ('<memory unit="bytes">2147483648</memory>', 2048),
    ],
)
def test_memory_in_the_units_libvirt_answers_with(written: str, mib: int) -> None:
    xml = domain.render(_machine()).replace('<memory unit="MiB">2048</memory>', written)
    assert domain.parse(xml).memory_mib == mib


def _machine(**other) -> Machine:
    fields = {
        "name": "web-0",
        "uuid": str(uuid.UUID(int=1)),
        "mac": "52:54:00:00:00:01",
        "vcpus": 2,
        "memory_mib": 2048,
        "kvm": False,
        "disk_path": "/pool/web-0.qcow2",
        "network": "lab",
        "ignition_path": "",
        "mark": Mark(owner="p/s", pool="web", config="0" * 64, phase="ready", version="1", address="10.0.0.2"),
    }
    return Machine(**{**fields, **other})


@pytest.mark.parametrize("cidr", ["10.17.3.0/24", "192.168.0.0/28", "10.0.0.0/16"])
def test_a_network_is_valid_and_read_back(cidr: str) -> None:
    xml = networks.render("a & <b>", str(uuid.UUID(int=2)), "p/s", cidr)
    assert networks._cidr(xml) == cidr
    validate(xml.replace("a &amp; &lt;b&gt;", "ab"), "network")  # the schema forbids what escaping must survive


def test_a_network_without_range_has_none() -> None:
    assert networks._cidr("<network><name>bridged</name></network>") == ""


@pytest.mark.parametrize("backing", [None, ("/pool/base.qcow2", "qcow2"), ("/pool/a & <b>.raw", "raw")])
@pytest.mark.parametrize("kind", ["qcow2", "raw"])
def test_a_volume_is_valid(kind: str, backing) -> None:
    xml = domain.volume_xml("a & <b>.img", kind, 5 << 30, mode="0600", backing=backing)
    assert "a &amp; &lt;b&gt;.img" in xml
    assert "<mode>0600</mode>" in xml
    validate(xml, "storagevol")


# --- identity --------------------------------------------------------------------------------------------------------


def test_identities_are_these_for_ever() -> None:
    """A change here orphans every existing machine: nothing would find its domain, volume or reservation again."""
    own = identity.domain_uuid("proj/dev", "web-0")
    assert own == "8792c3cc-c76f-5a16-9ac3-69864724923c"
    assert identity.network_uuid("proj/dev", "lab") == "e4d6edf2-cffc-5b65-8941-75ce4cbe8064"
    assert identity.mac_address("proj/dev", "web-0") == "52:54:00:6e:09:ef"
    assert identity.mac_address("proj/dev", "web-0", 1) == "52:54:00:5b:69:11"
    assert identity.bridge_name("proj/dev", "lab") == "fp-67a5e6209d39"
    assert identity.root_volume("web-0", own) == "web-0.8792c3cc.root.qcow2"
    assert identity.ignition_volume("web-0", own) == "web-0.8792c3cc.ign"
    assert identity.base_volume("4593.2.5", "ab" * 64, "qcow2") == "flatcar-4593.2.5-abababababab.qcow2"


@given(TEXT, TEXT)
@settings(max_examples=60, deadline=None)
def test_a_mac_is_unicast_and_a_bridge_name_fits(owner: str, name: str) -> None:
    assert int(identity.mac_address(owner, name).split(":")[0], 16) & 1 == 0
    assert len(identity.bridge_name(owner, name)) <= 15


@pytest.mark.parametrize("uri", ["qemu:///system", "qemu+ssh://root@nas/system?a=b|c", "qemu+unix:///system?socket=/x"])
def test_an_id_is_split_as_it_was_made(uri: str) -> None:
    assert identity.split_id(identity.node_id(uri, "1-2")) == (uri, "1-2")


@pytest.mark.parametrize("id_", ["", "web-0", "|1", "qemu:///system|"])
def test_what_is_no_id(id_: str) -> None:
    with pytest.raises(ValueError):
        identity.split_id(id_)


# --- addresses -------------------------------------------------------------------------------------------------------

POOLS = st.lists(st.tuples(NAME, st.integers(0, 9)), min_size=1, max_size=8, unique_by=lambda pool: pool[0])


def plan(pools, cidr: str = "10.17.0.0/22") -> dict[str, list[str]]:
    allocation = Allocation(cidr)
    return {name: allocation.pool(name, [f"{name}-{index}" for index in range(count)]) for name, count in pools}


def test_addresses_are_these_for_ever() -> None:
    assert plan([("web", 2), ("db", 1), ("cache", 1)], "10.17.3.0/24") == {
        "web": ["10.17.3.176", "10.17.3.177"],
        "db": ["10.17.3.64"],
        "cache": ["10.17.3.208"],
    }


@given(POOLS, st.integers(0, 7), st.integers(0, 9))
@settings(max_examples=100, deadline=None)
def test_growing_a_pool_moves_nobody(pools, which: int, count: int) -> None:
    which %= len(pools)
    grown = [(name, count if index == which else before) for index, (name, before) in enumerate(pools)]
    first, second = plan(pools), plan(grown)
    for name in first:
        shorter = min(len(first[name]), len(second[name]))
        assert first[name][:shorter] == second[name][:shorter]


@given(POOLS, st.tuples(NAME, st.integers(0, 9)))
@settings(max_examples=100, deadline=None)
def test_a_pool_that_is_added_last_or_taken_away_last_moves_nobody(pools, other) -> None:
    if other[0] in dict(pools):
        return
    both = plan([*pools, other])
    del both[other[0]]
    assert both == plan(pools)


def test_two_names_of_one_slot_stand_in_the_order_of_the_program_and_first_address_pins() -> None:
    """The one case in which a pool that goes moves another: their names hash to one slot."""
    alone = {name: plan([(name, 1)])[name] for name in (f"p{index}" for index in range(40))}
    first, second = next((one, other) for one in alone for other in alone if one < other and alone[one] == alone[other])
    both = plan([(first, 1), (second, 1)])
    assert both[first] == alone[first]
    assert both[second] != alone[second]
    allocation = Allocation("10.17.0.0/22")
    assert allocation.pool(second, ["x"], both[second][0]) == both[second]


@given(POOLS)
@settings(max_examples=100, deadline=None)
def test_addresses_are_distinct_and_never_the_networks_own(pools) -> None:
    network = ipaddress.ip_network("10.17.0.0/22")
    dynamic = [ipaddress.ip_address(end) for end in Plan(network).dynamic_range]
    given = [ipaddress.ip_address(address) for found in plan(pools).values() for address in found]
    assert len(set(given)) == len(given)
    for address in given:
        assert address in network
        assert address not in (network[0], network[1], network[-1])
        assert not dynamic[0] <= address <= dynamic[1]


def test_what_an_allocation_refuses() -> None:
    def refused(error, text: str, *, first: str | None = None, count: int = 1, before: int = 0, cidr="10.17.3.0/24"):
        def allocate() -> None:
            allocation = Allocation(cidr)
            if before:
                allocation.pool("web", [f"web-{index}" for index in range(before)], "10.17.3.16")
            allocation.pool("db", [f"db-{index}" for index in range(count)], first)

        with pytest.raises(error, match=text) as caught:
            allocate()
        assert caught.value.path
        assert caught.value.fix

    refused(DuplicateError, "belongs to web-3 already", first="10.17.3.19", before=5)
    refused(ConfigError, "is not usable in", first="10.17.3.1")
    refused(ConfigError, "is not usable in", first="10.17.3.255")
    refused(ConfigError, "is not usable in", first="10.18.0.1")
    refused(ConfigError, "is not an IPv4 address", first="web")
    refused(ConfigError, "ends before its address", first="10.17.3.250", count=9)
    refused(ConfigError, "it has too few addresses", cidr="10.17.3.0/29")
    refused(ConfigError, "it is IPv6", cidr="fd00::/64")
    refused(ConfigError, "it is not a network", cidr="10.17.3.1/24")


def test_a_range_that_is_full_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match="no free part of"):
        plan([(f"p{index}", 1) for index in range(20)], "10.17.3.0/28")


def test_a_large_pool_does_not_run_into_the_dynamic_range_or_another_pool_unnoticed() -> None:
    allocation = Allocation("10.17.3.0/24")
    allocation.pool("web", ["web-0"], "10.17.3.200")
    with pytest.raises(ConfigError):
        allocation.pool("big", [f"big-{index}" for index in range(300)], "10.17.3.16")


# --- units -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "mib"), [("4GiB", 4096), ("512MiB", 512), ("1TiB", 1 << 20), ("1.5 GiB", 1536), (" 2GiB ", 2048), (7, 7)]
)
def test_sizes(text, mib: int) -> None:
    assert units.mebibytes(text, "p", "pool web") == mib


@pytest.mark.parametrize("text", ["4GB", "4G", "", "GiB", "0MiB", "-1GiB", "1.0001GiB", 0, -5, True, 1.5, None])
def test_what_is_no_size(text) -> None:
    with pytest.raises(ConfigError, match="is not understood") as caught:
        units.mebibytes(text, "machine.memory", "pool web")
    assert caught.value.path == "machine.memory"


@pytest.mark.parametrize(("text", "seconds"), [("20m", 1200), ("90s", 90), ("1h30m", 5400), ("1h 5s", 3605), (5, 5)])
def test_durations(text, seconds: int) -> None:
    assert units.seconds(text, "p", "pool web") == seconds


@pytest.mark.parametrize("text", ["20", "", "0s", "m", "30m1h", -1, 0, True, None, 1.5])
def test_what_is_no_duration(text) -> None:
    with pytest.raises(ConfigError, match="is not understood"):
        units.seconds(text, "timeouts.boot", "pool web")


# --- faults ----------------------------------------------------------------------------------------------------------

CLASSES = {
    errors.UnreachableError: (5, 26, 38, 39, 40),
    errors.DeniedError: (29, 45, 88),
    errors.ForeignObjectError: (28, 37, 90),
    errors.PlatformError: (1, 3, 9, 27, 35, 42, 43, 49, 50, 55, 67, 68, 74, 78, 80, 84, 86, 87, 92, 9999),
}


def test_only_four_codes_mean_gone() -> None:
    assert frozenset({42, 43, 49, 50}) == faults.GONE


@pytest.mark.parametrize(("error", "code"), [(kind, code) for kind, codes in CLASSES.items() for code in codes])
def test_each_code_has_its_error(error, code: int) -> None:
    found = faults.translate(code, "it said\n  so", "web-0", "qemu:///system")
    assert type(found) is error
    assert (found.subject, found.host) == ("web-0", "qemu:///system")
    assert "it said so" in found.problem


@pytest.mark.parametrize("text", ["No space left on device", "Cannot allocate memory", "Disk quota exceeded"])
def test_no_room_is_told_by_the_text(text: str) -> None:
    assert type(faults.translate(38, text, "x", "h")) is errors.OutOfSpaceError


def test_a_socket_that_may_not_be_opened_is_denied() -> None:
    text = "Failed to connect socket to '/run/libvirt/libvirt-sock': Permission denied"
    assert type(faults.translate(38, text, "x", "h")) is errors.DeniedError


@pytest.mark.parametrize(
    ("uri", "fix"),
    [
        ("qemu+ssh://nas/system", "try `ssh` to that host"),
        ("qemu+tls://nas/system", "libvirtd-tls.socket"),
        ("qemu+unix:///system?socket=/x", "daemon behind this socket"),
        ("qemu:///system", "systemctl start libvirtd"),
    ],
)
def test_what_to_try_for_each_transport(uri: str, fix: str) -> None:
    assert fix in faults.unreachable("x", "no", uri).fix


# --- configs ---------------------------------------------------------------------------------------------------------


def read(packed: str, name: str = "web-0") -> dict:
    import json

    return json.loads(node_config.for_node(packed, name))


def files(found: dict) -> dict[str, dict]:
    return {entry["path"]: entry for entry in found["storage"]["files"]}


def test_a_node_gets_its_name_and_the_report() -> None:
    found = read(config())
    assert files(found)["/etc/hostname"]["contents"]["source"] == "data:,web-0%0A"
    assert "/etc/motd" in files(found)
    assert "flatprov-report.service" in [unit["name"] for unit in found["systemd"]["units"]]


def test_what_the_user_says_wins() -> None:
    own = {"path": "/etc/hostname", "contents": {"source": "data:,mine"}}
    found = read(pack({"ignition": {"version": "3.3.0"}, "storage": {"files": [own]}}))
    assert files(found)["/etc/hostname"]["contents"]["source"] == "data:,mine"


def test_a_replace_becomes_a_merge_so_that_the_report_stays() -> None:
    target = {"source": "https://example.org/a.ign", "verification": {"hash": "sha512-" + "0" * 128}}
    found = read(pack({"ignition": {"version": "3.3.0", "config": {"replace": target}}}))
    assert found["ignition"]["config"]["merge"] == [target]
    assert "replace" not in found["ignition"]["config"]
    assert "flatprov-report.service" in [unit["name"] for unit in found["systemd"]["units"]]


def test_an_empty_replace_is_none() -> None:
    found = read(pack({"ignition": {"version": "3.3.0", "config": {"replace": {"source": None}}}}))
    assert "merge" not in found["ignition"].get("config", {})


@pytest.mark.parametrize("data", [b"#cloud-config\n", b"not { json", b"\xff\x00"])
def test_what_is_no_json_passes_through_as_it_is(data: bytes) -> None:
    assert node_config.for_node(pack_bytes(data), "web-0") == data
    assert node_config.units(pack_bytes(data)) == []


def test_the_units_of_a_config() -> None:
    named = [{"name": "a.service", "enabled": True}, {"name": "b.service"}]
    packed = pack({"ignition": {"version": "3.3.0"}, "systemd": {"units": named}})
    assert node_config.units(packed) == ["a.service", "b.service"]
    assert node_config.enabled_units(unpack(packed)) == ["a.service"]


def test_a_digest_is_known_by_its_text_too() -> None:
    digest = machine.config_digest(config())
    assert machine.config_digest(f"sha256:{digest}") == digest


# --- decisions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "phase", "running", "disk", "why"),
    [
        ({}, "ready", True, "base", ""),
        ({}, "ready", False, "base", ""),
        ({"config": "other"}, "ready", True, "base", "its Ignition config changed"),
        ({}, "ready", True, "none", "its disk is gone"),
        ({}, "ready", True, "newer", "its image changed"),
        ({"phase": "booting"}, "failed", True, "base", "its first boot failed"),
        ({"phase": "booting"}, "booting", False, "base", "it was stopped during its first boot"),
        ({"phase": "booting"}, "booting", True, "base", ""),
        ({"phase": "booting"}, "defined", False, "base", ""),
    ],
)
def test_when_a_node_is_made_anew(there, phase, running, disk, why) -> None:
    from flatprov.platforms.libvirt.machine import Build
    from flatprov.platforms.libvirt.settings import NodeState

    host = FakeLibvirt()
    build = Build(client=host, owner="p/s", inputs=node(), host=choice(), kvm=False, uuid="u", mac="m")  # type: ignore[arg-type]
    if disk != "none":
        for base in ("base.qcow2", "newer.qcow2"):
            host.create_volume("default", base, domain.volume_xml(base, "qcow2", 1))
        xml = domain.volume_xml(build.root_volume, "qcow2", 1, backing=(f"/fake/default/{disk}.qcow2", "qcow2"))
        host.create_volume("default", build.root_volume, xml)
    mark = build.mark(there.get("phase", "ready"))
    if "config" in there:
        mark = Mark(**{**vars(mark), "config": "0" * 64})
    found = build.machine("/d", "", mark)
    host.is_running = lambda uuid, name: running  # type: ignore[method-assign]
    assert change.reason_to_rebuild(build, found, NodeState(phase=phase)).startswith(why)
    assert bool(change.reason_to_rebuild(build, found, NodeState(phase=phase))) == bool(why)


def test_placement_spreads_over_what_is_left() -> None:
    hosts = [choice("fake://a"), choice("fake://b")]
    with FakeLibvirt("fake://a", memory_mib=(9000, 5000)), FakeLibvirt("fake://b", memory_mib=(9000, 4500)):
        chosen = [
            placement.choose(operation(), node(f"web-{index}", hosts=hosts, memory_mib=2048), f"u{index}").uri
            for index in range(4)
        ]
    assert chosen == ["fake://a", "fake://b", "fake://a", "fake://b"]
    assert placement.current(node(hosts=hosts), "fake://b") is hosts[1]
    assert placement.current(node(hosts=hosts), "fake://c") is None


# --- transfer --------------------------------------------------------------------------------------------------------


class Stream:
    """libvirt-python's stream: its loops, and what it got."""

    def __init__(self) -> None:
        self.data, self.ended = bytearray(), ""
        self.holes = 0

    def sendAll(self, handler, opaque) -> None:
        while data := handler(self, 262120, opaque):
            self.data += data

    def sparseSendAll(self, handler, hole, skip, opaque) -> None:
        while True:
            in_data, length = hole(self, opaque)
            if not in_data and length > 0:
                self.data += bytes(length)
                self.holes += length
                skip(self, length, opaque)
                continue
            data = handler(self, min(262120, length), opaque)
            if not data:
                return
            self.data += data

    def finish(self) -> None:
        self.ended += "finished"

    def abort(self) -> None:
        self.ended += "aborted"


class Wire:
    """Connection and volume."""

    def __init__(self) -> None:
        self.stream, self.asked = Stream(), ()

    def newStream(self, flags: int) -> Stream:
        return self.stream

    def upload(self, stream: Stream, *asked: int) -> None:
        self.asked = asked


class Seen:
    def __init__(self, stop_at: int | None = None) -> None:
        self.steps: list[tuple[int, int]] = []
        self.stop_at = stop_at

    def sent(self, done_bytes: int, total_bytes: int) -> None:
        self.steps.append((done_bytes, total_bytes))
        if self.stop_at is not None and done_bytes >= self.stop_at:
            raise errors.CancelledError("x", "cancelled")


BLOCK = 4096


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=6), st.integers(0, 1))
@settings(max_examples=40, deadline=None)
def test_a_sparse_file_arrives_byte_for_byte(tmp_path_factory, sections, odd: int) -> None:
    path = tmp_path_factory.mktemp("sparse") / "image"
    with path.open("wb") as file:
        for is_data, blocks in sections:
            if is_data:
                file.write(os.urandom(blocks * BLOCK + odd))
            else:
                file.seek(blocks * BLOCK, os.SEEK_CUR)
        file.truncate(file.tell())
    wire, seen = Wire(), Seen()
    transfer.upload(wire, wire, path, seen)
    assert bytes(wire.stream.data) == path.read_bytes()
    assert wire.stream.ended == "finished"
    if wire.stream.holes:
        assert wire.asked == (0, path.stat().st_size, 1)


def test_holes_are_sent_as_holes(tmp_path: Path) -> None:
    path = tmp_path / "image"
    with path.open("wb") as file:
        file.write(b"x" * BLOCK)
        file.seek(64 << 20)
        file.write(b"y")
    wire, seen = Wire(), Seen()
    transfer.upload(wire, wire, path, seen)
    assert wire.stream.holes > 60 << 20
    assert seen.steps[-1] == (path.stat().st_size, path.stat().st_size)


@pytest.mark.parametrize("data", [b"", b"x", b"x" * (3 * transfer.CHUNK_BYTES + 1)])
def test_bytes_arrive(data: bytes) -> None:
    wire, seen = Wire(), Seen()
    transfer.upload(wire, wire, data, seen)
    assert (bytes(wire.stream.data), wire.stream.ended) == (data, "finished")
    assert seen.steps[-1] == (len(data), len(data))


@pytest.mark.parametrize("sparse", [False, True])
def test_a_stop_aborts_the_stream(tmp_path: Path, sparse: bool) -> None:
    path = tmp_path / "image"
    with path.open("wb") as file:
        file.write(b"x" * (1 << 20))
        file.seek((1 << 20) if sparse else 0, os.SEEK_CUR)
        file.write(b"y" * (1 << 20))
    wire = Wire()
    with pytest.raises(errors.CancelledError):
        transfer.upload(wire, wire, path, Seen(stop_at=300_000))
    assert wire.stream.ended == "aborted"
