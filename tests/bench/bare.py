"""The floor: the same objects made by bare libvirt calls, as few as it takes."""

from __future__ import annotations

import io
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libvirt

from flatprov.platforms.libvirt import console, domain, identity, networks
from flatprov.platforms.libvirt.domain import Machine, Mark

OWNER = "bench/bare"
GIB = 1 << 30


def connect(uri: str) -> Any:
    """A connection with libvirt's event loop running."""
    console.start_event_loop(libvirt)
    return libvirt.open(uri)


@dataclass
class Bare:
    """Ten nodes by hand."""

    connection: Any
    image: Path
    virtual_bytes: int
    ignition: bytes
    cidr: str = "10.99.0.0/24"
    network: str = "bench-bare"

    @property
    def pool(self) -> Any:
        return self.connection.storagePoolLookupByName("default")

    def _upload(self, xml: str, file: Any) -> Any:
        volume = self.pool.createXML(xml)
        stream = self.connection.newStream(0)
        volume.upload(stream, 0, 0, 0)
        stream.sendAll(lambda _stream, count, _opaque: file.read(min(count, 262144)), None)
        stream.finish()
        return volume

    def create(self, count: int, memory_mib: int = 1024) -> None:
        """Image, network, and per node two volumes, a reservation and a domain."""
        with self.image.open("rb", buffering=0) as file:
            base = self._upload(domain.volume_xml("bare-base.qcow2", "qcow2", self.virtual_bytes, mode="0644"), file)
        uuid = identity.network_uuid(OWNER, self.network)
        net = self.connection.networkDefineXML(networks.render(self.network, uuid, OWNER, self.cidr))
        net.create()
        for index in range(count):
            name = f"bare-{index}"
            backing = (base.path(), "qcow2")
            disk = self.pool.createXML(domain.volume_xml(f"{name}.qcow2", "qcow2", 10 * GIB, backing=backing))
            xml = domain.volume_xml(f"{name}.ign", "raw", len(self.ignition))
            ignition = self._upload(xml, io.BytesIO(self.ignition))
            mac = identity.mac_address(OWNER, name)
            net.update(3, 4, -1, f"<host mac='{mac}' name='{name}' ip='10.99.0.{index + 20}'/>", 3)
            self.connection.defineXML(domain.render(self._machine(name, mac, disk, ignition, memory_mib)))

    def _machine(self, name: str, mac: str, disk: Any, ignition: Any, memory_mib: int) -> Machine:
        mark = Mark(owner=OWNER, pool="bare", config="", phase="booting", version="", address="")
        return Machine(
            name=name,
            uuid=identity.domain_uuid(OWNER, name),
            mac=mac,
            vcpus=1,
            memory_mib=memory_mib,
            kvm=False,
            disk_path=disk.path(),
            network=self.network,
            ignition_path=ignition.path(),
            mark=mark,
        )

    def look(self, count: int) -> None:
        """What a check for drift has to read: each domain and disk, the network, the image."""
        self.connection.networkLookupByName(self.network).XMLDesc(0)
        self.pool.storageVolLookupByName("bare-base.qcow2").XMLDesc(0)
        for index in range(count):
            self.connection.lookupByName(f"bare-{index}").XMLDesc(2)
            self.pool.storageVolLookupByName(f"bare-{index}.qcow2").XMLDesc(0)

    def start(self, name: str, marker: bytes, limit_seconds: float = 600) -> float:
        """Power on; seconds until the marker stands on the console."""
        found = self.connection.lookupByName(name)
        seen, arrived = bytearray(), threading.Event()
        stream = self.connection.newStream(1)
        began = time.monotonic()
        found.createWithFlags(1)
        found.openConsole(None, stream, 1)

        def read(stream: Any, _events: int, _opaque: Any) -> None:
            data = stream.recv(65536)
            if isinstance(data, bytes):
                seen.extend(data)
            if marker in seen:
                arrived.set()

        stream.eventAddCallback(1, read, None)
        found.resume()
        if not arrived.wait(limit_seconds):
            sys.exit(f"bench: {name} printed no {marker!r} within {limit_seconds:.0f} s")
        seconds = time.monotonic() - began
        stream.eventRemoveCallback()
        stream.abort()
        return seconds

    def destroy(self, count: int) -> None:
        """Everything again."""
        for index in range(count):
            found = self.connection.lookupByName(f"bare-{index}")
            if found.isActive():
                found.destroy()
            found.undefineFlags(7)
            for suffix in ("qcow2", "ign"):
                self.pool.storageVolLookupByName(f"bare-{index}.{suffix}").delete()
        net = self.connection.networkLookupByName(self.network)
        net.destroy()
        net.undefine()
        self.pool.storageVolLookupByName("bare-base.qcow2").delete()


Timed = Callable[[Callable[[], object]], float]
