"""The only module that talks to libvirt: connections, and the few calls the platform needs, in plain data.

Blocking; libvirt releases the interpreter while it waits. One connection per URI and process, at most
:data:`CALLS_AT_ONCE` operations on it at a time. libvirt-python is imported when the first connection is opened.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple, TypeVar
from xml.etree import ElementTree

from flatprov.errors import MissingDependencyError, PlatformError
from flatprov.platforms.libvirt import console, facts, faults, transfer

T = TypeVar("T")

CALLS_AT_ONCE = 4
_POOL_BUSY_SECONDS = 60.0
_CELLS = 64  # more NUMA cells than a host has
_MACS_LAST_SECONDS = 30.0
_KEEPALIVE_SECONDS, _KEEPALIVE_MISSES = 5, 3
_UPDATE_DELETE, _UPDATE_ADD_LAST, _SECTION_DHCP_HOST = 2, 3, 4
_LIVE, _CONFIG, _INACTIVE_NETWORK = 1, 2, 1
_UNDEFINE_FLAGS = (1 | 2 | 4, 1 | 2)  # managed save, snapshot metadata, NVRAM; drivers without NVRAM refuse the first


@dataclass(frozen=True)
class Volume:
    """A volume. ``size_bytes`` is the virtual size, ``file_bytes`` what the file reaches to."""

    name: str
    path: str
    size_bytes: int
    file_bytes: int
    backing_path: str


@dataclass(frozen=True)
class Domain:
    """A domain as the host knows it."""

    name: str
    uuid: str
    active: bool
    autostart: bool
    xml: str  #: the persistent definition


@dataclass(frozen=True)
class Network:
    """A network as the host knows it."""

    name: str
    uuid: str
    active: bool
    xml: str


class Reservation(NamedTuple):
    """One DHCP reservation."""

    mac: str
    name: str
    address: str

    def clashes_with(self, other: Reservation) -> bool:
        """Whether the DHCP server could not hold both."""
        return self.mac == other.mac or self.name == other.name or self.address == other.address


def _reservations(xml: str) -> list[Reservation]:
    root = ElementTree.fromstring(xml)  # noqa: S314 - the daemon's own XML
    return [
        Reservation(str(host.get("mac")), str(host.get("name")), str(host.get("ip")))
        for host in root.iterfind("ip/dhcp/host")
    ]


def _volume(volume: Any) -> Volume:
    root = ElementTree.fromstring(volume.XMLDesc(0))  # noqa: S314 - the daemon's own XML
    return Volume(
        name=root.findtext("name", ""),
        path=root.findtext("target/path", ""),
        size_bytes=int(root.findtext("capacity", "0")),
        file_bytes=int(root.findtext("physical", "0")),
        backing_path=root.findtext("backingStore/path", ""),
    )


def _network(network: Any) -> Network:
    return Network(network.name(), network.UUIDString(), bool(network.isActive()), network.XMLDesc(0))


def _domain(domain: Any) -> Domain:
    inactive_xml = 2
    flags = inactive_xml if domain.isPersistent() else 0
    return Domain(
        domain.name(), domain.UUIDString(), bool(domain.isActive()), bool(domain.autostart()), domain.XMLDesc(flags)
    )


_lock = threading.Lock()
_clients: dict[str, Client] = {}


def libvirt_module(subject: str) -> ModuleType:
    """The libvirt package, its event loop running.

    Raises:
        MissingDependencyError: libvirt-python is not installed beside flatprov.
    """
    os.environ.setdefault("LIBVIRT_LOG_OUTPUTS", f"4:file:{os.devnull}")  # else it prints warnings about our errors
    try:
        import libvirt
    except ImportError as error:
        raise MissingDependencyError(
            subject,
            "the Python package libvirt-python is not installed",
            "run `apt-get install libvirt-dev pkg-config gcc python3-dev && pip install 'flatprov[libvirt]'`",
        ) from error
    console.start_event_loop(libvirt)
    return libvirt  # type: ignore[no-any-return]


def connect(uri: str, subject: str) -> Client:
    """The client for a URI; the same one for every caller of this process."""
    with _lock:
        client = _clients.setdefault(uri, Client(uri))
    client.ensure(subject)
    return client


class Client:
    """One libvirt daemon."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.slots = threading.BoundedSemaphore(CALLS_AT_ONCE)
        self._lock = threading.Lock()
        self._connection: Any = None
        self._libvirt: Any = None
        self._host_name = ""
        self._types: dict[str, set[str]] = {}
        self._macs: dict[str, tuple[str, str]] = {}
        self._macs_read = float("-inf")

    def ensure(self, subject: str) -> None:
        """Connect, or connect again after the daemon was restarted."""
        with self._lock:
            self._libvirt = libvirt_module(subject)
            if self._connection is not None and self._connection.isAlive():
                return
            with self._calls(subject):
                self._connection = self._libvirt.open(self.uri)
                self._connection.setKeepAlive(_KEEPALIVE_SECONDS, _KEEPALIVE_MISSES)

    @contextmanager
    def _calls(self, subject: str) -> Iterator[None]:
        try:
            yield
        except self._libvirt.libvirtError as error:
            raise faults.translate(error.get_error_code(), str(error), subject, self.uri) from error

    def _found(self, lookup: Callable[[], Any], subject: str) -> Any:
        """What a lookup finds; None only when the daemon itself says that there is no such object."""
        try:
            return lookup()
        except self._libvirt.libvirtError as error:
            if error.get_error_code() in faults.GONE:
                return None
            raise faults.translate(error.get_error_code(), str(error), subject, self.uri) from error

    def _each(self, found: Iterable[Any], read: Callable[[Any], T], subject: str) -> list[T]:
        """The listed objects in plain data; one that went between listing and reading is left out."""
        read_all = (self._found(functools.partial(read, one), subject) for one in found)
        return [one for one in read_all if one is not None]

    # --- the host ----------------------------------------------------------------------------------------------------

    def host_name(self) -> str:
        """The host's own name."""
        if not self._host_name:
            with self._calls("host"):
                self._host_name = str(self._connection.getHostname())
        return self._host_name

    def memory_mib(self) -> tuple[int, int]:
        """Memory in all, and what machines could use now: free, buffers and page cache."""
        all_cells = -1
        with self._calls("host"):
            stats = self._connection.getMemoryStats(all_cells, 0)
        kib = {name: int(value) for name, value in stats.items()}
        return kib["total"] >> 10, (kib["free"] + kib.get("buffers", 0) + kib.get("cached", 0)) >> 10

    def domain_types(self, arch: str) -> set[str]:
        """``kvm``, ``qemu``: what the host's emulator for an architecture offers. Offered is not yet usable."""
        if arch in self._types:
            return self._types[arch]
        with self._calls("host"):
            root = ElementTree.fromstring(self._connection.getCapabilities())  # noqa: S314 - the daemon's own XML
        found = self._types[arch] = set()
        for guest in root.iter("guest"):
            node = guest.find("arch")
            if node is not None and node.get("name") == arch:
                found |= {str(domain.get("type")) for domain in node.iter("domain")}
        return found

    def host_facts(self) -> facts.HostFacts:
        """Versions, confinement and huge pages."""
        with self._calls("host"):
            capabilities = self._connection.getCapabilities()
            library, hypervisor = int(self._connection.getLibVersion()), int(self._connection.getVersion())
        free: dict[int, int] = {}
        with contextlib.suppress(self._libvirt.libvirtError):  # drivers without it
            sizes = facts.page_sizes(capabilities)
            for cell in self._connection.getFreePages(sizes, 0, _CELLS).values() if sizes else ():
                free = {size: free.get(size, 0) + int(count) for size, count in cell.items()}
        return facts.host(capabilities, library, hypervisor, free)

    def refusal(self, xml: str) -> str:
        """Why the host could not run a definition; empty when it could. Nothing is defined or started.

        The daemon works out QEMU's command line, firmware files and devices included, and throws it away.

        Raises:
            DeniedError: this connection may not manage machines.
        """
        unsupported = {3, 35, 67, 84}  # NO_SUPPORT, XML_DETAIL, CONFIG_UNSUPPORTED, OPERATION_UNSUPPORTED
        failed = {1, 9, 38}  # INTERNAL_ERROR, OPERATION_FAILED, SYSTEM_ERROR (a firmware file that is not there)
        try:
            self._connection.domainXMLToNative("qemu-argv", xml, 0)
        except self._libvirt.libvirtError as error:
            if error.get_error_code() in unsupported | failed and self._connection.isAlive():
                return " ".join(str(error).split())
            raise faults.translate(error.get_error_code(), str(error), "host", self.uri) from error
        return ""

    def interfaces(self) -> list[tuple[str, str]]:
        """Name and XML of the host's own interfaces; with addresses only where libvirt is built with netcf."""
        try:
            found = self._connection.listAllInterfaces(0)
        except self._libvirt.libvirtError:  # a daemon without the interface driver
            return []
        return self._each(found, lambda one: (str(one.name()), str(one.XMLDesc(0))), "interfaces")

    # --- storage -----------------------------------------------------------------------------------------------------

    def pools(self) -> list[facts.Pool]:
        """Every storage pool of the host, started or not."""

        def read(one: Any) -> facts.Pool:
            return facts.pool(one.XMLDesc(0), active=bool(one.isActive()), autostart=bool(one.autostart()))

        with self._calls("storage pools"):
            found = self._connection.listAllStoragePools(0)
        return self._each(found, read, "storage pools")

    def last_change_seconds(self, pool: str) -> float:
        """When the newest file of a running pool was changed, by the host's clock; 0 when there is none."""
        where = self._found(lambda: self._connection.storagePoolLookupByName(pool), f"storage pool {pool}")
        with self._calls(f"storage pool {pool}"):
            found = where.listAllVolumes(0) if where is not None and where.isActive() else []
        times = self._each(found, lambda one: facts.changed_seconds(one.XMLDesc(0)), f"storage pool {pool}")
        return max(times, default=0.0)

    def _pool(self, pool: str) -> Any:
        found = self._found(lambda: self._connection.storagePoolLookupByName(pool), f"storage pool {pool}")
        if found is None:
            raise PlatformError(
                f"storage pool {pool}",
                f"there is none of that name on {self.uri}",
                f"make it with `virsh -c {self.uri} pool-define-as {pool} dir --target /var/lib/libvirt/images` and "
                f"`virsh -c {self.uri} pool-start {pool}`, or name another one",
                host=self.uri,
                path="storagePool",
            )
        with self._calls(f"storage pool {pool}"):
            if not found.isActive():
                found.create(0)
        return found

    def pool_free_bytes(self, pool: str) -> int:
        """Room left in a storage pool."""
        where = self._pool(pool)
        with self._calls(f"storage pool {pool}"):
            return int(where.info()[3])

    def refresh_pool(self, pool: str) -> None:
        """Let the daemon look at the pool again. It refuses while a volume is being made, so this waits a little."""
        where, end = self._pool(pool), time.monotonic() + _POOL_BUSY_SECONDS
        while True:
            try:
                where.refresh(0)
            except self._libvirt.libvirtError as error:
                if "asynchronous jobs" not in str(error) or time.monotonic() > end:
                    raise faults.translate(
                        error.get_error_code(), str(error), f"storage pool {pool}", self.uri
                    ) from error
                time.sleep(0.1)
            else:
                return

    def find_volume(self, pool: str, name: str) -> Volume | None:
        """A volume by name."""
        where = self._pool(pool)
        found: Volume | None = self._found(lambda: _volume(where.storageVolLookupByName(name)), f"volume {name}")
        return found

    def find_volume_path(self, path: str) -> tuple[str, Volume] | None:
        """A volume by its path, with the name of its pool."""

        def look() -> tuple[str, Volume]:
            volume = self._connection.storageVolLookupByPath(path)
            return volume.storagePoolLookupByVolume().name(), _volume(volume)

        found: tuple[str, Volume] | None = self._found(look, f"volume {path}")
        return found

    def volumes(self, pool: str) -> list[Volume]:
        """Every volume of a pool."""
        where = self._pool(pool)
        with self._calls(f"storage pool {pool}"):
            found = where.listAllVolumes(0)
        return self._each(found, _volume, f"storage pool {pool}")

    def create_volume(self, pool: str, name: str, xml: str) -> Volume:
        """Make a volume."""
        where = self._pool(pool)
        with self._calls(f"volume {name}"):
            return _volume(where.createXML(xml, 0))

    def upload(self, pool: str, name: str, source: transfer.Source, ctx: transfer.Progress) -> None:
        """Fill a volume; it may be half full when this raises."""
        where = self._pool(pool)
        with self._calls(f"volume {name}"):
            transfer.upload(self._connection, where.storageVolLookupByName(name), source, ctx)

    def delete_volume(self, pool: str, name: str) -> bool:
        """Delete a volume; False when there was none."""
        where = self._found(lambda: self._connection.storagePoolLookupByName(pool), f"storage pool {pool}")
        volume = where and self._found(lambda: where.storageVolLookupByName(name), f"volume {name}")
        if volume is None:
            return False
        return self._found(lambda: volume.delete(0) == 0, f"volume {name}") is not None

    # --- networks ----------------------------------------------------------------------------------------------------

    def networks(self) -> list[Network]:
        """Every network of the host."""
        with self._calls("networks"):
            found = self._connection.listAllNetworks(0)
        return self._each(found, _network, "networks")

    def find_network(self, name: str) -> Network | None:
        """A network by name."""
        found: Network | None = self._found(
            lambda: _network(self._connection.networkLookupByName(name)), f"network {name}"
        )
        return found

    def find_network_uuid(self, uuid: str) -> Network | None:
        """A network by UUID."""
        found: Network | None = self._found(
            lambda: _network(self._connection.networkLookupByUUIDString(uuid)), f"network {uuid}"
        )
        return found

    def network_autostarts(self, name: str) -> bool:
        """Whether a network starts with its host."""
        with self._calls(f"network {name}"):
            return bool(self._connection.networkLookupByName(name).autostart())

    def define_network(self, name: str, xml: str) -> None:
        """Define a network, or redefine the one of the same UUID."""
        with self._calls(f"network {name}"):
            self._connection.networkDefineXML(xml)

    def start_network(self, name: str) -> None:
        """Start a network now and with the host."""
        with self._calls(f"network {name}"):
            network = self._connection.networkLookupByName(name)
            network.setAutostart(1)
            if not network.isActive():
                network.create()

    def delete_network(self, uuid: str) -> None:
        """Stop and undefine a network; no error when it is gone."""
        network = self._found(lambda: self._connection.networkLookupByUUIDString(uuid), f"network {uuid}")
        if network is None:
            return
        with self._calls(f"network {network.name()}"):
            if network.isActive():  # first stop: otherwise bridge and dnsmasq stay behind
                network.destroy()
            network.undefine()

    def reservations(self, network: str) -> list[Reservation]:
        """The DHCP reservations in a network's persistent definition."""
        return _reservations(self._network_xml(network, _INACTIVE_NETWORK))

    def reserve(self, network: str, mac: str, name: str, address: str) -> None:
        """Reserve an address, now and for good; what contradicts it and is not reserved for good gives way."""
        wanted = Reservation(mac, name, address)
        for xml_flag, flag in ((0, _LIVE), (_INACTIVE_NETWORK, _CONFIG)):
            found = _reservations(self._network_xml(network, xml_flag))
            if wanted in found or (flag == _LIVE and not self._is_active(network)):
                continue
            lasting = self.reservations(network)
            for other in found:
                if other.mac == mac or (flag == _LIVE and other.clashes_with(wanted) and other not in lasting):
                    self._update_reservation(network, _UPDATE_DELETE, other, flag)
            self._update_reservation(network, _UPDATE_ADD_LAST, wanted, flag)

    def release(self, network: str, mac: str) -> None:
        """Drop the reservation of a MAC for good.

        The running DHCP server keeps it until the network restarts or another node needs the address: each live change
        makes libvirt write all firewall rules anew (0.4 s, one after the other), and nobody has that MAC any more.
        """
        if self.find_network(network) is None:
            return
        for entry in self.reservations(network):
            if entry.mac == mac:
                self._update_reservation(network, _UPDATE_DELETE, entry, _CONFIG)

    def _network_xml(self, network: str, flag: int) -> str:
        with self._calls(f"network {network}"):
            return str(self._connection.networkLookupByName(network).XMLDesc(flag))

    def _is_active(self, network: str) -> bool:
        found = self.find_network(network)
        return found is not None and found.active

    def _update_reservation(self, network: str, command: int, entry: Reservation, flag: int) -> None:
        xml = ElementTree.tostring(
            ElementTree.Element("host", mac=entry.mac, name=entry.name, ip=entry.address), "unicode"
        )
        with self._calls(f"network {network}"):
            self._connection.networkLookupByName(network).update(command, _SECTION_DHCP_HOST, -1, xml, flag)

    # --- machines ----------------------------------------------------------------------------------------------------

    def domains(self) -> list[Domain]:
        """Every domain of the host."""
        with self._calls("domains"):
            found = self._connection.listAllDomains(0)
        return self._each(found, _domain, "domains")

    def mac_owners(self) -> dict[str, tuple[str, str]]:
        """Every MAC address on the host, with the UUID and name of its domain; read once in a while, not per node."""
        if time.monotonic() - self._macs_read > _MACS_LAST_SECONDS:
            owners = {}
            for found in self.domains():
                root = ElementTree.fromstring(found.xml)  # noqa: S314 - the daemon's own XML
                for mac in root.iterfind("devices/interface/mac"):
                    owners[str(mac.get("address")).lower()] = (found.uuid, found.name)
            self._macs, self._macs_read = owners, time.monotonic()
        return self._macs

    def find_domain(self, uuid: str) -> Domain | None:
        """A domain by UUID."""
        found: Domain | None = self._found(lambda: _domain(self._connection.lookupByUUIDString(uuid)), f"domain {uuid}")
        return found

    def find_domain_name(self, name: str) -> Domain | None:
        """A domain by name."""
        found: Domain | None = self._found(lambda: _domain(self._connection.lookupByName(name)), f"domain {name}")
        return found

    def define_domain(self, name: str, xml: str) -> None:
        """Define a domain, or redefine the one of the same UUID; a running one keeps running."""
        with self._calls(name):
            self._connection.defineXML(xml)

    def start_domain(self, uuid: str, name: str) -> console.Console:
        """Power on; the console is attached before the first instruction runs."""
        paused, force = 1, 1
        with self._calls(name):
            domain = self._connection.lookupByUUIDString(uuid)
            domain.createWithFlags(paused)
            attached = console.Console(self._libvirt, self._connection, domain, force)
            domain.resume()
        return attached

    def attach_console(self, uuid: str, name: str) -> console.Console:
        """The console of a running domain, from now on."""
        with self._calls(name):
            return console.Console(self._libvirt, self._connection, self._connection.lookupByUUIDString(uuid), 1)

    def watch_console(self, uuid: str, name: str, *, take_over: bool) -> console.Console:
        """The console of a running domain, to look at.

        Args:
            uuid: the domain.
            name: what to call it in an error.
            take_over: end the session of another program that has it; without this such a one is an error.
        """
        with self._calls(name):
            domain = self._connection.lookupByUUIDString(uuid)
            return console.Console(self._libvirt, self._connection, domain, int(take_over))

    def firmware_prints(self, xml: str, limit_seconds: float) -> bool:
        """Run a transient machine until its firmware prints; False when it does not start or stays silent."""
        paused, gone_with_us, force = 1, 2, 1
        try:
            domain = self._connection.createXML(xml, paused | gone_with_us)
        except self._libvirt.libvirtError:
            return False
        try:
            attached = console.Console(self._libvirt, self._connection, domain, force)
            domain.resume()
            return bool(attached.read(limit_seconds))
        except self._libvirt.libvirtError:
            return False
        finally:
            with contextlib.suppress(self._libvirt.libvirtError):
                domain.destroy()

    def is_running(self, uuid: str, name: str) -> bool:
        """Whether the domain's processors run: not off, not crashed, not stopped by an error of the hypervisor."""
        running, blocked = 1, 2
        domain = self._found(lambda: self._connection.lookupByUUIDString(uuid), name)
        if domain is None:
            return False
        with self._calls(name):
            return domain.state(0)[0] in (running, blocked)

    def set_autostart(self, uuid: str, name: str, autostart: bool) -> None:
        """Whether the domain starts with its host."""
        with self._calls(name):
            self._connection.lookupByUUIDString(uuid).setAutostart(int(autostart))

    def power_button(self, uuid: str, name: str) -> None:
        """Ask the guest to shut down; no error when it went off meanwhile."""
        with self._calls(name):
            domain = self._connection.lookupByUUIDString(uuid)
            try:
                domain.shutdown()
            except self._libvirt.libvirtError:
                if domain.isActive():
                    raise

    def stop_domain(self, uuid: str, name: str) -> None:
        """Power off at once; no error when it is off or gone."""
        domain = self._found(lambda: self._connection.lookupByUUIDString(uuid), name)
        if domain is None:
            return
        with self._calls(name):
            if domain.isActive():
                domain.destroy()

    def delete_domain(self, uuid: str, name: str) -> None:
        """Power off and undefine, with everything libvirt keeps of it; no error when it is gone."""
        self.stop_domain(uuid, name)
        domain = self._found(lambda: self._connection.lookupByUUIDString(uuid), name)
        if domain is None:
            return
        full, small = _UNDEFINE_FLAGS
        try:
            domain.undefineFlags(full)
        except self._libvirt.libvirtError:
            with self._calls(name):
                domain.undefineFlags(small)

    def resize_disk(self, uuid: str, name: str, device: str, size_bytes: int) -> None:
        """Grow a disk of a running domain."""
        bytes_flag = 1
        with self._calls(name):
            self._connection.lookupByUUIDString(uuid).blockResize(device, size_bytes, bytes_flag)

    def resize_volume(self, pool: str, name: str, size_bytes: int) -> None:
        """Grow a volume that no running domain uses."""
        where = self._pool(pool)
        with self._calls(f"volume {name}"):
            where.storageVolLookupByName(name).resize(size_bytes, 0)

    def guest_clock_seconds(self, uuid: str) -> float | None:
        """The guest's clock (Unix time) by the guest agent; None when it does not answer."""
        try:
            found = self._connection.lookupByUUIDString(uuid).getTime(0)
        except self._libvirt.libvirtError:
            return None
        return float(found["seconds"]) + float(found["nseconds"]) / 1e9

    def read_guest_file(self, uuid: str, path: str) -> bytes | None:
        """A small file of the guest by the guest agent; None when the agent or the file does not answer."""
        try:
            return console.read_guest_file(self._libvirt, self._connection.lookupByUUIDString(uuid), path)
        except self._libvirt.libvirtError:  # no agent yet, no file yet, no domain: the caller asks again
            return None


__all__: Sequence[str] = ("CALLS_AT_ONCE", "Client", "Domain", "Network", "Volume", "connect", "libvirt_module")
