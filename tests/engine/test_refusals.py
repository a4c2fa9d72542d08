"""Bad input gets a clear error before anything is created: which resource and property, what is wrong, what to do."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from engine_host import look, virsh
from engine_program import MANY, PROGRAM, merged, write_settings
from engine_stack import Stack

MAC = "52:54:00:aa:bb:cc"
Settings = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def stack(lab: Any, pulumi_cli: Path, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """One stack; nothing of it ever comes to be."""
    return Stack(tmp_path_factory.mktemp("refusals"), pulumi_cli, program=PROGRAM, project="refused")


def refuse(stack: Stack, lab: Any, settings: dict[str, Any], *words: str) -> str:
    """A preview fails with all these words and leaves the host as it is."""
    before = look(lab)
    write_settings(stack, settings)
    output = stack.preview().failed().output
    flat = " ".join(output.split())
    missing = [word for word in words if word not in flat]
    assert not missing, f"{missing} is not in:\n{output}"
    assert look(lab) == before
    return flat


def pool(**changes: Any) -> dict[str, Any]:
    """Changes of the pool ``web``."""
    return {"pools": {"web": changes}}


#: name: (changes of the settings, what the error must say); each in a preview of its own
PLAIN: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "two nodes of a pool with one MAC address": (
        pool(count=2, overrides={"web-0": {"mac": MAC}, "web-1": {"mac": MAC.upper()}}),
        ("web-1", f"its mac {MAC} belongs to web-0 already", "Give one of the two another mac"),
    ),
    "two nodes of a pool with one address": (
        pool(count=2, overrides={"web-0": {"address": "10.41.0.50"}, "web-1": {"address": "10.41.0.50"}}),
        ("web-1", "its address 10.41.0.50 belongs to web-0 already", "Give one of the two another address"),
    ),
    "two pools with one address": (
        {"pools": {"web": {"first_address": "10.41.0.50"}, "db": {"first_address": "10.41.0.50", "running": False}}},
        ("db-0", "its address 10.41.0.50 belongs to web-0 already", "first_address"),
    ),
    "an address that another pool's plan has": (
        {
            "pools": {
                "web": {"overrides": {"web-0": {"address": "10.41.0.50"}}},
                "db": {"first_address": "10.41.0.50", "running": False},
            }
        },
        ("db-0", "its address 10.41.0.50 belongs to web-0 already"),
    ),
    "two pools with one MAC address": (
        {
            "pools": {
                "web": {"overrides": {"web-0": {"mac": MAC}}},
                "db": {"running": False, "overrides": {"db-0": {"mac": MAC}}},
            }
        },
        ("db-0", f"its mac {MAC} belongs to web-0 already", "Give one of the two another mac"),
    ),
    "a node's address outside the network": (
        pool(overrides={"web-0": {"address": "10.42.0.9"}}),
        ("web-0", "the address 10.42.0.9 is not usable in 10.41.0.0/24", "Take one between 10.41.0.2 and 10.41.0.254"),
    ),
    "memory below what Flatcar needs": (
        pool(machine={"memory": "512MiB"}),
        ("pool web", "memory is 512 MiB and Flatcar needs 1024 MiB", 'Write memory="2GiB" or more'),
    ),
    "a disk smaller than the image": (
        pool(machine={"disk": "512MiB"}),
        ("pool web", "disk is 0.5 GiB and the image own needs 0.7 GiB", "Make the disk larger"),
    ),
    "an image with another digest": (
        {"image": {"sha512": "0" * 128}},
        ("image own", "standin.qcow2 has sha512", "was given", "sha512sum"),
    ),
    "a qcow2 declared raw": (
        {"image": {"format": "raw"}},
        ("standin.qcow2", "qcow2", "raw"),
    ),
    "an accelerator that is none": (
        {"platform": {"accelerator": "hax"}},
        ("web-0", "accelerator", "'hax'", "it is one of auto, kvm, tcg"),
    ),
    "a misspelt setting of the machine": (
        pool(machine={"memroy": "2GiB"}),
        ("Machine", "memroy", "Did you mean memory"),
    ),
}  # fmt: skip

#: the same, all in one preview: nothing but the program judges them
ODD: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "a pool's address outside the network": (
        pool(first_address="10.42.0.9"),
        ("pool web", "the address 10.42.0.9 is not usable in 10.41.0.0/24", "Take one between"),
    ),
    "the gateway's address": (
        pool(first_address="10.41.0.1"),
        ("pool web", "the address 10.41.0.1 is not usable", "Take one between"),
    ),
    "an address that is none": (
        pool(first_address="10.41.0.300"),
        ("pool web", "'10.41.0.300' is not an IPv4 address", "Write it like"),
    ),
    "a MAC address that is none": (
        pool(overrides={"web-0": {"mac": "52:54:00:12:34"}}),
        ("web-0", "'52:54:00:12:34' is no unicast MAC address", "Write it like 52:54:00:12:34:56"),
    ),
    "a multicast MAC address": (
        pool(overrides={"web-0": {"mac": "01:00:5e:00:00:01"}}),
        ("web-0", "is no unicast MAC address", "Write it like"),
    ),
    "overrides of a node that is none": (
        pool(overrides={"web-7": {"mac": MAC}}),
        ("pool web", "overrides names web-7", "Its nodes are web-0"),
    ),
    "memory in units that are not what they seem": (
        pool(machine={"memory": "2GB"}),
        ("pool web", "machine.memory", "is '2GB', which is not understood", 'Write "4GiB"'),
    ),
    "memory below nothing": (pool(machine={"memory": -1}), ("pool web", "machine.memory is -1", 'Write "4GiB"')),
    "no processor": (pool(machine={"vcpus": 0}), ("pool web", "vcpus is 0", "Give a whole number from 1")),
    "an image with a digest that is none": (
        {"image": {"sha512": "abc"}},
        ("image own", "its sha512 is no digest", "Give the 128 hex digits"),
    ),
    "an image without a digest": (
        {"image": {"sha512": None}},
        ("image own", "it is unsigned and has no sha512", "sha512sum"),
    ),
    "an image that is no file": (
        {"image": {"path": "/nowhere/flatcar.qcow2"}},
        ("image own", "there is no file /nowhere/flatcar.qcow2", "Check the path"),
    ),
    "an image without its version of Ignition": (
        {"image": {"ignition": ""}},
        ("image own", "it does not say which Ignition is in it", "Give ignition="),
    ),
    "a pool without a name": (
        {"pools": {"web": None, "": {"running": False}}},
        ("pool ''", "cannot be a host name", "Use lower-case letters, digits and inner hyphens"),
    ),
    "a pool whose name no host can have": (
        {"pools": {"web": None, "Wéb_1": {"running": False}}},
        ("Wéb_1", "cannot be a host name", "Use lower-case letters, digits and inner hyphens"),
    ),
    "a pool whose name is too long": (
        {"pools": {"web": None, "w" * 62: {"running": False}}},
        ("w" * 62, "cannot be a host name", "at most 63"),
    ),
    "a count below nothing": (pool(count=-1), ("pool web", "count is -1", "Give a whole number from 0")),
    "a count that is no number": (pool(count="2"), ("pool web", "count is '2'", "Give a whole number from 0")),
    "more nodes than the range has addresses": (
        pool(count=300),
        ("the range 10.41.0.0/24 ends before its address", "Take a larger range"),
    ),
    "a network without a prefix length": (
        {"network": {"cidr": "10.41.0.0"}},
        ("network range 10.41.0.0", "it has no prefix length", "Write it like 10.41.0.0/24"),
    ),
    "a network that is none": (
        {"network": {"cidr": "ten"}},
        ("network range 'ten'", "it is not a network", "Write it like 10.17.3.0/24"),
    ),
    "a network address with host bits": (
        {"network": {"cidr": "10.41.0.7/24"}},
        ("network range '10.41.0.7/24'", "has host bits set", "Write it like 10.41.0.0/24"),
    ),
    "a network too small": (
        {"network": {"cidr": "10.41.0.0/30"}},
        ("network range 10.41.0.0/30", "it has too few addresses", "Take a /28 or larger"),
    ),
    "an ssh key that is none": (
        pool(ignition={"users": [{"name": "core", "ssh_keys": ["ssh-rsa garbage"]}]}),
        ("users[core].ssh_keys[0]", "Give the text of the .pub file"),
    ),
    "a file with a relative path": (
        pool(ignition={"files": [{"path": "etc/motd", "contents": "hello"}]}),
        ("files[etc/motd].path", "the path is not absolute"),
    ),
    "a mode in decimal": (
        pool(ignition={"files": [{"path": "/etc/motd", "contents": "hello", "mode": 640}]}),
        ("files[/etc/motd].mode", "is decimal 640", "Write 0o640"),
    ),
    "a unit without a suffix": (
        pool(ignition={"units": [{"name": "app", "contents": "[Service]"}]}),
        ("units[app].name", "is no name of a systemd unit"),
    ),
    "a time limit that is none": (
        pool(timeouts={"boot": "soon"}),
        ("pool web", "timeouts.boot", "is 'soon', which is not understood", 'Write "20m"'),
    ),
    "a misspelt setting of the pool": (pool(cuont=2), ("NodePool", "cuont", "Did you mean count")),
    "a misspelt setting of a file": (
        pool(ignition={"files": [{"path": "/etc/motd", "contens": "hello"}]}),
        ("File", "contens", "Did you mean contents"),
    ),
    "a host of another hypervisor": (
        {"hosts": [{"uri": "xen:///system"}]},
        ("libvirt platform", "'xen:///system' is no address of QEMU", "Write it like qemu:///system"),
    ),
    "a host without an address": (
        {"hosts": [{"uri": ""}]},
        ("libvirt platform", "'' is no address of QEMU", "Write it like qemu:///system"),
    ),
    "no host": ({"hosts": []}, ("libvirt platform", "it has no host", "Give hosts=")),
    "an image whose version leaves the folder": (
        {"image": {"version": "../../etc"}},
        ("image own", "its version '../../etc' cannot be part of a file's name", "Use letters, digits"),
    ),
    "a version of Ignition that is none": (
        {"image": {"ignition": "new"}},
        ("image own", "'new' is no version of Ignition", 'Write it like "2.24.0"'),
    ),
    "a digest that is a number": ({"image": {"sha512": 5}}, ("Image", "sha512 is of type int", "Give text")),
    "a network name with a slash": (
        {"network": {"name": "x/y"}},
        ("libvirt platform", "'x/y' cannot be a network's name", "Use letters"),
    ),
    "a range of all addresses": (
        {"network": {"cidr": "0.0.0.0/0"}},
        ("network range 0.0.0.0/0", "more addresses than libvirt's DHCP serves", "Take a /16 or smaller"),
    ),
    "a range of multicast addresses": (
        {"network": {"cidr": "224.0.0.0/24"}},
        ("network range 224.0.0.0/24", "no machine can have an address in it", "Take a private range"),
    ),
    "a range of IPv6": (
        {"network": {"cidr": "fd00::/64"}},
        ("network range fd00::/64", "it is IPv6", "Give an IPv4 range"),
    ),
    "a range that is a number": ({"network": {"cidr": 10}}, ("Network", "cidr is of type int", "Give text")),
    "a storage pool without a name": (
        {"hosts": [{"uri": "qemu:///system", "pool": ""}]},
        ("libvirt platform", "qemu:///system has no storage pool", "Name one"),
    ),
    "a prefix that no host name can have": (
        {"platform": {"prefix": "B_"}},
        ("'B_web-0' cannot be a host name", "Use lower-case letters, digits and inner hyphens"),
    ),
    "a prefix that is a number": ({"platform": {"prefix": 5}}, ("Platform", "prefix is of type int", "Give text")),
    "a MAC address that is a number": (
        pool(overrides={"web-0": {"mac": 5}}),
        ("NodeOverride", "mac is of type int", "Give text"),
    ),
    "a rollout in words": (
        pool(rollout={"max_unavailable": "all"}),
        ("Rollout", "max_unavailable is of type str", "Give a whole number"),
    ),
    "a rollout of nothing": (
        pool(rollout={"max_unavailable": 0}),
        ("pool web", "max_unavailable is less than 1", "Give 1 or more"),
    ),
    "memory in pieces": (pool(machine={"memory": 1500.5}), ("pool web", "machine.memory is 1500.5", 'Write "4GiB"')),
    "no time at all": (pool(timeouts={"boot": "0m"}), ("pool web", "timeouts.boot is '0m'", 'Write "20m"')),
}  # fmt: skip


@pytest.mark.parametrize("case", PLAIN)
def test_preview_refuses(case: str, stack: Stack, lab: Any, settings: Settings) -> None:
    changes, words = PLAIN[case]
    found = merged(settings(lab.uri), changes)
    refuse(stack, lab, found, *words)


def test_preview_refuses_odd_input_with_an_error_of_ours(stack: Stack, lab: Any, settings: Settings) -> None:
    before = look(lab)
    stack.program(MANY)
    try:
        write_settings(stack, {name: merged(settings(lab.uri), changes) for name, (changes, _) in ODD.items()})
        output = stack.preview().failed().output
    finally:
        stack.program(PROGRAM)
    answers = dict(re.findall(r"<([^<>]+)> (.*)", output))
    wrong = {name: answers.get(name) for name, (_, words) in ODD.items() if not said(answers.get(name, ""), words)}
    assert not wrong
    assert look(lab) == before


def said(answer: str, words: Iterable[str]) -> bool:
    """Whether an error says all of this."""
    return all(word in answer for word in words)


@contextmanager
def foreign_domain(lab: Any, folder: Path, name: str, mac: str = "52:54:00:01:02:03") -> Iterator[str]:
    """Somebody else's machine, switched on; it must be the same one afterwards. Gives its name."""
    xml = f"""<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os><devices><interface type='user'><mac address='{mac}'/></interface>
</devices></domain>"""
    file = folder / "foreign.xml"
    file.write_text(xml)
    virsh(lab.uri, "define", str(file))
    virsh(lab.uri, "start", name, "--paused")
    before = virsh(lab.uri, "dumpxml", name), virsh(lab.uri, "dumpxml", "--inactive", name)
    try:
        yield name
        assert (virsh(lab.uri, "dumpxml", name), virsh(lab.uri, "dumpxml", "--inactive", name)) == before
    finally:
        virsh(lab.uri, "destroy", name)
        virsh(lab.uri, "undefine", name)


@contextmanager
def foreign_network(lab: Any, folder: Path, name: str, address: str) -> Iterator[None]:
    """Somebody else's network, not started."""
    file = folder / "network.xml"
    file.write_text(
        f"<network><name>{name}</name><forward mode='nat'/><ip address='{address}' netmask='255.255.255.0'/></network>"
    )
    virsh(lab.uri, "net-define", str(file))
    before = virsh(lab.uri, "net-dumpxml", name)
    try:
        yield
        assert virsh(lab.uri, "net-dumpxml", name) == before
    finally:
        virsh(lab.uri, "net-undefine", name)


def test_a_mac_address_of_another_machine_is_refused(
    stack: Stack, lab: Any, settings: Settings, tmp_path: Path
) -> None:
    found = settings(lab.uri, pool(overrides={"web-0": {"mac": MAC}}))
    with foreign_domain(lab, tmp_path, "theirs", MAC):
        refuse(
            stack, lab, found,
            "web-0", f"its MAC address {MAC} belongs to the domain theirs on {lab.uri}",
            "Give one of the two another mac",
        )  # fmt: skip


def test_a_machine_of_that_name_that_is_not_ours_is_never_touched(
    stack: Stack, lab: Any, settings: Settings, tmp_path: Path
) -> None:
    words = (
        f"web-0: {lab.uri} has a domain of this name that was not made by flatprov; it was left alone",
        "Give this pool another name, set the platform's prefix, or remove that domain by hand",
    )
    with foreign_domain(lab, tmp_path, "web-0"):
        before = look(lab)
        refuse(stack, lab, settings(lab.uri), *words)
        # it came after the preview: the creation itself looks again
        done = stack.up("--skip-preview").failed()
        assert all(word in " ".join(done.output.split()) for word in words), done.output
        stack.destroy().ok()
        assert look(lab) == before


def test_an_address_that_is_reserved_for_another_machine_is_refused(stack: Stack, lab: Any, settings: Settings) -> None:
    before = look(lab)
    write_settings(stack, settings(lab.uri, pool(count=0)))
    stack.up("--skip-preview").ok()
    entry = f"<host mac='{MAC}' name='printer' ip='10.41.0.50'/>"
    virsh(lab.uri, "net-update", "refused-dev", "add", "ip-dhcp-host", entry, "--live", "--config")
    found = settings(lab.uri, pool(first_address="10.41.0.50"))
    try:
        refuse(
            stack, lab, found,
            "web-0", f"its address 10.41.0.50 is reserved for printer ({MAC})", "Give the pool another first_address",
        )  # fmt: skip
        assert "printer" in virsh(lab.uri, "net-dumpxml", "refused-dev")
    finally:
        stack.destroy().ok()
    assert look(lab) == before


def test_a_network_range_of_another_network_is_refused(
    stack: Stack, lab: Any, settings: Settings, tmp_path: Path
) -> None:
    with foreign_network(lab, tmp_path, "theirs", "10.41.0.1"):
        refuse(
            stack, lab, settings(lab.uri, {"network": {"cidr": "10.41.0.128/25"}}),
            "network refused-dev", f"its range 10.41.0.128/25 is in use on {lab.uri}: network theirs has 10.41.0.0/24",
            "Choose a free one, for example",
        )  # fmt: skip


def test_a_network_name_of_another_network_is_refused(
    stack: Stack, lab: Any, settings: Settings, tmp_path: Path
) -> None:
    with foreign_network(lab, tmp_path, "refused-dev", "10.99.0.1"):
        refuse(
            stack, lab, settings(lab.uri),
            f"network refused-dev: {lab.uri} has a network of this name that was not made by stack refused/dev",
            "it was left alone", "Give this stack's network another name",
        )  # fmt: skip


def test_a_network_range_of_the_host_itself_is_refused_and_leaves_nothing(
    stack: Stack, lab: Any, settings: Settings
) -> None:
    """Only the start of the network can tell; what was made until then goes with destroy."""
    before = look(lab)
    lab.enter(["ip", "link", "add", "lan0", "type", "bridge"])
    lab.enter(["ip", "address", "add", "10.41.0.5/24", "dev", "lan0"])
    lab.enter(["ip", "link", "set", "lan0", "up"])
    try:
        write_settings(stack, settings(lab.uri))
        output = " ".join(stack.up("--skip-preview").failed().output.split())
        assert f"network refused-dev: its range 10.41.0.0/24 is in use on {lab.uri}" in output
        assert "Choose a free one, for example" in output
        assert not look(lab).networks - before.networks
        stack.destroy().ok()
    finally:
        lab.enter(["ip", "link", "delete", "lan0"])
    assert look(lab) == before


def test_a_storage_pool_that_does_not_exist_is_refused(stack: Stack, lab: Any, settings: Settings) -> None:
    hosts = [{"uri": lab.uri, "name": "local", "pool": "fast"}]
    refuse(
        stack, lab, settings(lab.uri, {"hosts": hosts}),
        f"storage pool fast: there is none of that name on {lab.uri}", "pool-define-as fast", "or name another one",
    )  # fmt: skip


def test_a_storage_pool_without_room_is_refused(stack: Stack, lab: Any, settings: Settings) -> None:
    small = Path(lab.root) / "small"
    lab.enter(["sh", "-c", f"mkdir {small} && mount -t tmpfs -o size=16m tmpfs {small}"])
    virsh(lab.uri, "pool-define-as", "small", "dir", "--target", str(small))
    virsh(lab.uri, "pool-start", "small")
    try:
        hosts = [{"uri": lab.uri, "name": "local", "pool": "small"}]
        refuse(
            stack, lab, settings(lab.uri, {"hosts": hosts}),
            f"storage pool small on {lab.uri} has 16 MiB left", "Free some space there, or name another pool",
        )  # fmt: skip
        assert virsh(lab.uri, "vol-list", "small").strip() == ""
    finally:
        virsh(lab.uri, "pool-destroy", "small")
        virsh(lab.uri, "pool-undefine", "small")
        lab.enter(["umount", str(small)])
        small.rmdir()


def test_more_memory_than_the_host_has_is_refused(stack: Stack, lab: Any, settings: Settings) -> None:
    refuse(
        stack, lab, settings(lab.uri, pool(machine={"memory": "64TiB"})),
        "web-0", f"it wants {64 << 20} MiB of memory and {lab.uri} has", "Ask for less, or use another host",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("qemu+unix:///system?socket=/nowhere/libvirt-sock", ("Check that the daemon behind this socket still runs",)),
        ("qemu+ssh://root@127.0.0.1:1/system", ("Try `ssh` to that host by hand",)),
        ("qemu+tcp://127.0.0.1:1/system", ("Connection refused",)),
    ],
)
def test_a_host_that_does_not_answer_is_named_with_what_to_try(
    uri: str, words: tuple[str, ...], stack: Stack, lab: Any, settings: Settings
) -> None:
    refuse(stack, lab, settings(uri), f"libvirt at {uri} does not answer", *words)


def test_a_missing_libvirt_python_is_named_with_the_line_that_installs_it(
    lab: Any, pulumi_cli: Path, settings: Settings, tmp_path: Path
) -> None:
    plugin = tmp_path / "plugin" / "pulumi-resource-flatprov"
    plugin.parent.mkdir()
    plugin.write_text(
        f"#!{sys.executable}\nimport sys\n\nsys.modules['libvirt'] = None\n"
        "from flatprov.provider.main import main\n\nmain()\n"
    )
    plugin.chmod(0o755)
    stack = Stack(tmp_path / "stack", pulumi_cli, program=PROGRAM, project="refused", plugin=plugin.parent)
    refuse(
        stack, lab, settings(lab.uri),
        "the Python package libvirt-python is not installed", "apt-get install libvirt-dev",
        "pip install 'flatprov[libvirt]'",
    )  # fmt: skip


def test_two_pools_of_one_name_are_refused(stack: Stack, lab: Any, settings: Settings) -> None:
    program = PROGRAM.replace("fp.NodePool(name,", "fp.NodePool('web',")
    stack.program(program)
    try:
        found = settings(lab.uri, {"pools": {"db": {"running": False}}})
        refuse(
            stack, lab, found, "Duplicate resource URN", "flatprov:index:NodePool::web", "try giving it a unique name"
        )
    finally:
        stack.program(PROGRAM)
