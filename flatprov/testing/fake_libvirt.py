"""A libvirt host in memory, with the methods of ``flatprov.platforms.libvirt.client.Client``.

It keeps the rules of libvirt that flatprov relies on: a name belongs to one UUID, two reservations of a network share
neither MAC nor name nor address, a volume is not made twice, and a machine starts only with its disk, its network and
the Ignition config it names. A started machine writes what ``boot`` says to its console.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from xml.etree import ElementTree

from flatprov.errors import PlatformError
from flatprov.platforms.libvirt import accelerator, client, facts, faults, transfer
from flatprov.platforms.libvirt.client import Domain, Network, Reservation, Volume
from flatprov.testing.faults import Faults, counted
from flatprov.testing.reports import boot_report

_QCOW2_HEADER_BYTES = 196_624  # what libvirt's qemu-img writes for an empty one
_UPLOAD_STEPS = 4


@dataclass
class FakeDomain:
    """A domain: its persistent definition, and what runs now."""

    name: str
    uuid: str
    xml: str
    active: bool = False
    autostart: bool = False
    console: FakeConsole | None = None


@dataclass
class FakeNetwork:
    """A network with its reservations."""

    name: str
    uuid: str
    xml: str
    active: bool = False
    reservations: list[Reservation] = field(default_factory=list)


class FakeConsole:
    """A console whose bytes are there already."""

    def __init__(self, data: bytes = b"") -> None:
        self.ended = threading.Event()
        self._queue: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        if data:
            self._queue.put(data)

    def read(self, wait_seconds: float) -> bytes:
        """What arrived."""
        try:
            return self._queue.get(timeout=min(wait_seconds, 0.01))
        except queue.Empty:
            return b""

    def close(self) -> None:
        """Detach."""
        self.ended.set()


class FakeLibvirt(Faults):
    """One host. As a context manager it stands where flatprov looks for the host of its URI.

    Args:
        uri: the connection URI it answers to.
        kvm: it has a KVM that works.
        memory_mib: memory in all, and available.
        free_bytes: room in each storage pool.
        pools: its storage pools.

    Attributes:
        boot: gives what a machine of that name writes when it starts; a good report by default.
        ignition: what each machine was booted with, by name.
        facts: what the host says about itself.
        storage: what it says about its storage pools, by name, where that is not the usual.
        host_interfaces: name and XML of its own interfaces.
        last_change: when the newest file of a pool was changed, by its clock.
        guest_clocks: the clocks of guests that have an agent, by name.
        stopped_at_boot: networks that do not start with the host.
        refuses_definition: why the host could not run a definition; empty when it could.
    """

    def __init__(
        self,
        uri: str = "qemu:///system",
        *,
        kvm: bool = False,
        memory_mib: tuple[int, int] = (16384, 8192),
        free_bytes: int = 100 << 30,
        pools: tuple[str, ...] = ("default",),
    ) -> None:
        super().__init__()
        self.uri = uri
        self.slots = threading.BoundedSemaphore(client.CALLS_AT_ONCE)
        self.boot: Callable[[str], bytes] = boot_report
        self.ignition: dict[str, bytes] = {}
        self.facts = facts.HostFacts(
            libvirt=9_000_000,
            qemu=7_002_022,
            architecture="x86_64",
            confinement=(),
            emulator_user="64055:64055",
            huge_pages=(facts.HugePages(2048, 0, 0),),
        )
        self.storage: dict[str, facts.Pool] = {}
        self.host_interfaces: list[tuple[str, str]] = []
        self.last_change: dict[str, float] = {}
        self.guest_clocks: dict[str, float] = {}
        self.stopped_at_boot: set[str] = set()
        self.refuses_definition: Callable[[str], str] = lambda _xml: ""
        self._kvm, self._memory, self._free = kvm, memory_mib, free_bytes
        self._pools: dict[str, dict[str, Volume]] = {name: {} for name in pools}
        self._contents: dict[str, bytes] = {}
        self._networks: dict[str, FakeNetwork] = {}
        self._domains: dict[str, FakeDomain] = {}
        self._lock = threading.RLock()
        self._before: Any = None

    def __enter__(self) -> FakeLibvirt:
        self._before = client._clients.get(self.uri)
        client._clients[self.uri] = self  # type: ignore[assignment]  # the same methods, and a test compares them
        accelerator._works.pop(self.uri, None)
        return self

    def __exit__(self, *_: object) -> None:
        client._clients.pop(self.uri, None)
        accelerator._works.pop(self.uri, None)
        if self._before is not None:
            client._clients[self.uri] = self._before

    # --- what a test looks at ----------------------------------------------------------------------------------------

    def machines(self) -> set[str]:
        """The names of the domains."""
        return {domain.name for domain in self._domains.values()}

    def volume_names(self) -> set[str]:
        """The names of the volumes of all pools."""
        return {name for pool in self._pools.values() for name in pool}

    def everything(self) -> dict[str, Any]:
        """All that is on the host, for comparing before and after."""
        return {
            "domains": {
                (found.name, found.uuid, found.xml, found.active, found.autostart) for found in self._domains.values()
            },
            "volumes": {(pool, volume) for pool, volumes in self._pools.items() for volume in volumes.values()},
            "networks": {
                (found.name, found.uuid, found.xml, found.active, *sorted(found.reservations))
                for found in self._networks.values()
            },
        }

    def vanish(self, name: str) -> None:
        """Somebody undefines a domain by hand; its volumes stay."""
        self._domains = {uuid: found for uuid, found in self._domains.items() if found.name != name}

    def power_off(self, name: str) -> None:
        """Somebody pulls the plug of a machine."""
        next(found for found in self._domains.values() if found.name == name).active = False

    # --- the host ----------------------------------------------------------------------------------------------------

    @counted
    def ensure(self, subject: str) -> None:
        """Connect."""

    @counted
    def host_name(self) -> str:
        """The host's own name."""
        return "fake"

    @counted
    def memory_mib(self) -> tuple[int, int]:
        """Memory in all, and available."""
        return self._memory

    @counted
    def domain_types(self, arch: str) -> set[str]:
        """``qemu``, and ``kvm`` where the host has it."""
        return {"qemu", "kvm"} if self._kvm else {"qemu"}

    @counted
    def firmware_prints(self, xml: str, limit_seconds: float) -> bool:
        """Whether its KVM works."""
        return self._kvm

    @counted
    def host_facts(self) -> facts.HostFacts:
        """What ``facts`` says."""
        return self.facts

    @counted
    def refusal(self, xml: str) -> str:
        """What ``refuses_definition`` says."""
        return self.refuses_definition(xml)

    @counted
    def interfaces(self) -> list[tuple[str, str]]:
        """What ``host_interfaces`` says."""
        return self.host_interfaces

    # --- storage -----------------------------------------------------------------------------------------------------

    @counted
    def pools(self) -> list[facts.Pool]:
        """The pools, running, in the usual place."""
        return [self.storage.get(name) or self._usual(name) for name in self._pools]

    def _usual(self, name: str) -> facts.Pool:
        path = "/var/lib/libvirt/images"
        xml = f"<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>"
        return facts.Pool(
            name=name,
            kind="dir",
            active=True,
            autostart=True,
            capacity_bytes=2 * self._free,
            free_bytes=self._free,
            path=path,
            xml=xml,
        )

    @counted
    def last_change_seconds(self, pool: str) -> float:
        """What ``last_change`` says."""
        return self.last_change.get(pool, 0.0)

    def _pool(self, pool: str) -> dict[str, Volume]:
        if pool not in self._pools:
            raise PlatformError(f"storage pool {pool}", f"there is none of that name on {self.uri}", host=self.uri)
        return self._pools[pool]

    def _no(self, code: int, subject: str) -> PlatformError:
        return faults.translate(code, "the fake says no", subject, self.uri)

    @counted
    def pool_free_bytes(self, pool: str) -> int:
        """Room left."""
        self._pool(pool)
        return self._free

    @counted
    def refresh_pool(self, pool: str) -> None:
        """Look again."""
        self._pool(pool)

    @counted
    def find_volume(self, pool: str, name: str) -> Volume | None:
        """A volume by name."""
        return self._pool(pool).get(name)

    @counted
    def find_volume_path(self, path: str) -> tuple[str, Volume] | None:
        """A volume by path, with its pool."""
        for pool, volumes in self._pools.items():
            for volume in volumes.values():
                if volume.path == path:
                    return pool, volume
        return None

    @counted
    def volumes(self, pool: str) -> list[Volume]:
        """All of a pool."""
        return list(self._pool(pool).values())

    @counted
    def create_volume(self, pool: str, name: str, xml: str) -> Volume:
        """Make one."""
        root = ElementTree.fromstring(xml)  # noqa: S314 - flatprov's own XML
        with self._lock:
            if name in self._pool(pool) or root.findtext("name") != name:
                raise self._no(90, f"volume {name}")
            backing = root.findtext("backingStore/path", "")
            if backing and self.find_volume_path(backing) is None:
                raise self._no(1, f"volume {name}")
            kind = root.find("target/format")
            size = int(root.findtext("capacity", "0"))
            is_qcow2 = kind is not None and kind.get("type") == "qcow2"
            volume = Volume(
                name=name,
                path=f"/fake/{pool}/{name}",
                size_bytes=size,
                file_bytes=_QCOW2_HEADER_BYTES if is_qcow2 else size,
                backing_path=backing,
            )
            self._pools[pool][name] = volume
            return volume

    @counted
    def upload(self, pool: str, name: str, source: transfer.Source, ctx: transfer.Progress) -> None:
        """Fill one, in steps; it is half full when a step is stopped."""
        if name not in self._pool(pool):
            raise self._no(50, f"volume {name}")
        data = source if isinstance(source, bytes) else source.read_bytes()
        for step in range(1, _UPLOAD_STEPS + 1):
            part = data[: len(data) * step // _UPLOAD_STEPS]
            volume = self._pools[pool][name]
            self._pools[pool][name] = replace(volume, file_bytes=len(part))
            self._contents[volume.path] = part
            if step == _UPLOAD_STEPS // 2:
                self._due("during")
            ctx.sent(len(part), len(data))

    @counted
    def delete_volume(self, pool: str, name: str) -> bool:
        """Delete one; False when there was none."""
        volume = self._pools.get(pool, {}).pop(name, None)
        if volume is not None:
            self._contents.pop(volume.path, None)
        return volume is not None

    @counted
    def resize_volume(self, pool: str, name: str, size_bytes: int) -> None:
        """Grow one."""
        if name not in self._pool(pool):
            raise self._no(50, f"volume {name}")
        self._pools[pool][name] = replace(self._pools[pool][name], size_bytes=size_bytes)

    # --- networks ----------------------------------------------------------------------------------------------------

    def _network(self, found: FakeNetwork) -> Network:
        return Network(found.name, found.uuid, found.active, found.xml)

    def _named(self, network: str) -> FakeNetwork:
        for found in self._networks.values():
            if found.name == network:
                return found
        raise self._no(43, f"network {network}")

    @counted
    def networks(self) -> list[Network]:
        """All."""
        return [self._network(found) for found in self._networks.values()]

    @counted
    def find_network(self, name: str) -> Network | None:
        """By name."""
        return next((self._network(found) for found in self._networks.values() if found.name == name), None)

    @counted
    def find_network_uuid(self, uuid: str) -> Network | None:
        """By UUID."""
        found = self._networks.get(uuid)
        return None if found is None else self._network(found)

    @counted
    def network_autostarts(self, name: str) -> bool:
        """Unless ``stopped_at_boot`` says otherwise."""
        return self._named(name).name not in self.stopped_at_boot

    @counted
    def define_network(self, name: str, xml: str) -> None:
        """Define, or redefine."""
        root = ElementTree.fromstring(xml)  # noqa: S314 - flatprov's own XML
        uuid = root.findtext("uuid", "")
        if any(found.name == name and found.uuid != uuid for found in self._networks.values()):
            raise self._no(9, f"network {name}")
        there = self._networks.get(uuid)
        if there is None:
            self._networks[uuid] = FakeNetwork(root.findtext("name", ""), uuid, xml)
        else:
            there.xml = xml

    @counted
    def start_network(self, name: str) -> None:
        """Start."""
        self._named(name).active = True

    @counted
    def delete_network(self, uuid: str) -> None:
        """Stop and undefine; no error when it is gone."""
        self._networks.pop(uuid, None)

    @counted
    def reservations(self, network: str) -> list[Reservation]:
        """All of a network."""
        return list(self._named(network).reservations)

    @counted
    def reserve(self, network: str, mac: str, name: str, address: str) -> None:
        """Reserve; another machine's is not taken away."""
        where, wanted = self._named(network), Reservation(mac, name, address)
        with self._lock:
            others = [entry for entry in where.reservations if entry.mac != mac]
            if any(entry.clashes_with(wanted) for entry in others):
                raise self._no(55, f"network {network}")
            where.reservations = [*others, wanted]

    @counted
    def release(self, network: str, mac: str) -> None:
        """Drop the reservation of a MAC; no error when there is none."""
        for where in self._networks.values():
            if where.name == network:
                where.reservations = [entry for entry in where.reservations if entry.mac != mac]

    # --- machines ----------------------------------------------------------------------------------------------------

    def _domain(self, found: FakeDomain) -> Domain:
        return Domain(found.name, found.uuid, found.active, found.autostart, found.xml)

    def _there(self, uuid: str, name: str) -> FakeDomain:
        if uuid not in self._domains:
            raise self._no(42, name)
        return self._domains[uuid]

    @counted
    def domains(self) -> list[Domain]:
        """All."""
        return [self._domain(found) for found in self._domains.values()]

    @counted
    def mac_owners(self) -> dict[str, tuple[str, str]]:
        """Every MAC address, with the UUID and name of its domain."""
        return {
            str(mac.get("address")).lower(): (found.uuid, found.name)
            for found in self._domains.values()
            for mac in ElementTree.fromstring(found.xml).iterfind("devices/interface/mac")  # noqa: S314
        }

    @counted
    def find_domain(self, uuid: str) -> Domain | None:
        """By UUID."""
        found = self._domains.get(uuid)
        return None if found is None else self._domain(found)

    @counted
    def find_domain_name(self, name: str) -> Domain | None:
        """By name."""
        return next((self._domain(found) for found in self._domains.values() if found.name == name), None)

    @counted
    def define_domain(self, name: str, xml: str) -> None:
        """Define, or redefine; a running one keeps running."""
        root = ElementTree.fromstring(xml)  # noqa: S314 - flatprov's own XML
        uuid = root.findtext("uuid", "")
        with self._lock:
            if any(found.name == name and found.uuid != uuid for found in self._domains.values()):
                raise self._no(9, name)
            there = self._domains.setdefault(uuid, FakeDomain(name, uuid, xml))
            there.xml = xml

    @counted
    def start_domain(self, uuid: str, name: str) -> FakeConsole:
        """Power on: disk, network and Ignition config must be there."""
        found = self._there(uuid, name)
        root = ElementTree.fromstring(found.xml)  # noqa: S314 - flatprov's own XML
        if found.active:
            raise self._no(55, name)
        entry = root.find("sysinfo/entry")
        paths = [str(disk.get("file")) for disk in root.iterfind("devices/disk/source")]
        paths += [] if entry is None else [str(entry.get("file"))]
        for path in paths:
            if self.find_volume_path(path) is None:
                raise faults.translate(1, f"cannot access {path}: No such file or directory", name, self.uri)
        for source in root.iterfind("devices/interface/source"):
            if not self._named(str(source.get("network"))).active:
                raise self._no(55, name)
        if entry is not None:
            self.ignition[name] = self._contents.get(str(entry.get("file")), b"")
        found.active, found.console = True, FakeConsole(self.boot(name))
        return found.console

    @counted
    def attach_console(self, uuid: str, name: str) -> FakeConsole:
        """From now on; what was written before is gone."""
        if not self._there(uuid, name).active:
            raise self._no(55, name)
        return FakeConsole()

    @counted
    def watch_console(self, uuid: str, name: str, *, take_over: bool) -> FakeConsole:
        """The console it has; what was written and not read yet is still there."""
        found = self._there(uuid, name)
        if not found.active or found.console is None:
            raise self._no(55, name)
        return found.console

    @counted
    def is_running(self, uuid: str, name: str) -> bool:
        """Whether it runs."""
        return uuid in self._domains and self._domains[uuid].active

    @counted
    def set_autostart(self, uuid: str, name: str, autostart: bool) -> None:
        """Whether it starts with its host."""
        self._there(uuid, name).autostart = autostart

    @counted
    def power_button(self, uuid: str, name: str) -> None:
        """The guest obeys at once."""
        self._there(uuid, name).active = False

    @counted
    def stop_domain(self, uuid: str, name: str) -> None:
        """Power off; no error when it is off or gone."""
        if uuid in self._domains:
            self._domains[uuid].active = False

    @counted
    def delete_domain(self, uuid: str, name: str) -> None:
        """Power off and undefine; no error when it is gone."""
        self._domains.pop(uuid, None)

    @counted
    def resize_disk(self, uuid: str, name: str, device: str, size_bytes: int) -> None:
        """Grow a disk of a running one."""
        root = ElementTree.fromstring(self._there(uuid, name).xml)  # noqa: S314 - flatprov's own XML
        source = root.find("devices/disk/source")
        place = None if source is None else self.find_volume_path(str(source.get("file")))
        if place is None:
            raise self._no(50, name)
        self.resize_volume(place[0], place[1].name, size_bytes)

    @counted
    def guest_clock_seconds(self, uuid: str) -> float | None:
        """What ``guest_clocks`` says."""
        found = self._domains.get(uuid)
        return self.guest_clocks.get(found.name) if found is not None and found.active else None

    @counted
    def read_guest_file(self, uuid: str, path: str) -> bytes | None:
        """The boot report, once the machine runs and has one."""
        found = self._domains.get(uuid)
        return self.boot(found.name).strip() if found is not None and found.active else None
