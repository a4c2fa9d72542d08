"""The steps that make a node's machine on its host, each of which may be the last one before a crash.

A machine that is not running is always made again from nothing: volumes have names that follow from the node, so what
an interrupted run left is found and replaced, never added to.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass, replace

from flatprov.errors import FlatprovError
from flatprov.ignition import unpack_bytes
from flatprov.platforms.libvirt import config, domain, identity
from flatprov.platforms.libvirt.client import Client
from flatprov.platforms.libvirt.console import Console
from flatprov.platforms.libvirt.domain import Machine, Mark
from flatprov.platforms.libvirt.settings import HostChoice, NodeInputs
from flatprov.provider.context import Context


@dataclass(frozen=True)
class Build:
    """What is to be made: a node on a host."""

    client: Client
    owner: str
    inputs: NodeInputs
    host: HostChoice
    kvm: bool
    uuid: str
    mac: str

    @property
    def root_volume(self) -> str:
        """The system disk's volume."""
        return identity.root_volume(self.inputs.name, self.uuid)

    @property
    def ignition_volume(self) -> str:
        """The config's volume."""
        return identity.ignition_volume(self.inputs.name, self.uuid)

    def mark(self, phase: str, boot_seconds: float = 0.0, release: str = "") -> Mark:
        """What is noted in the domain."""
        return Mark(
            owner=self.owner,
            pool=self.inputs.pool,
            config=config_digest(self.inputs.ignition),
            phase=phase,
            version=self.inputs.version,
            address=self.inputs.address,
            boot_seconds=boot_seconds,
            release=release,
        )

    def machine(self, disk_path: str, ignition_path: str, mark: Mark) -> Machine:
        """The domain's typed values."""
        return Machine(
            name=self.inputs.name,
            uuid=self.uuid,
            mac=self.mac,
            vcpus=self.inputs.vcpus,
            memory_mib=self.inputs.memory_mib,
            kvm=self.kvm,
            disk_path=disk_path,
            network=self.host.network,
            ignition_path=ignition_path,
            mark=mark,
        )


class _Upload:
    """Progress of an upload as a status line; Cancel and time limits end it."""

    def __init__(self, ctx: Context, what: str) -> None:
        self._ctx, self._what, self._shown = ctx, what, -1

    def sent(self, done_bytes: int, total_bytes: int) -> None:
        self._ctx.check()
        tenth = done_bytes * 10 // max(1, total_bytes)
        if tenth != self._shown:
            self._shown = tenth
            self._ctx.status(f"{self._what}: {done_bytes >> 20} of {total_bytes >> 20} MiB")


def upload_progress(ctx: Context, what: str) -> _Upload:
    """A receiver of upload progress."""
    return _Upload(ctx, what)


def config_digest(ignition: str) -> str:
    """sha256 of a packed config's bytes; an imported node's config is known by this alone."""
    if ignition.startswith("sha256:"):
        return ignition.removeprefix("sha256:")
    return hashlib.sha256(unpack_bytes(ignition)).hexdigest()


def make(ctx: Context, build: Build) -> None:
    """Volumes, reservation and definition, in place of whatever of this node was there."""
    remove(build.client, build.inputs.name, build.uuid, build.host, build.mac)
    try:
        ctx.status("making its disk")
        disk = make_root_volume(build)
        ctx.status("handing over its Ignition config")
        ignition = make_ignition_volume(ctx, build)
        ctx.status(f"reserving {build.inputs.address}")
        build.client.reserve(build.host.network, build.mac, build.inputs.name, build.inputs.address)
        ctx.status("defining the machine")
        define(build, build.machine(disk, ignition, build.mark(domain.PHASE_BOOTING)))
    except FlatprovError:
        with contextlib.suppress(FlatprovError):  # the first error is the one to tell
            remove(build.client, build.inputs.name, build.uuid, build.host, build.mac)
        raise


def make_root_volume(build: Build) -> str:
    """The system disk: an overlay on the host's base image. Returns its path."""
    backing = (build.host.image_path, build.host.image_format)
    xml = domain.volume_xml(build.root_volume, "qcow2", build.inputs.disk_bytes, backing=backing)
    return build.client.create_volume(build.host.storage_pool, build.root_volume, xml).path


def make_ignition_volume(ctx: Context, build: Build) -> str:
    """The config as a volume that only the hypervisor's user can read. Returns its path."""
    data = config.for_node(build.inputs.ignition, build.inputs.name)
    xml = domain.volume_xml(build.ignition_volume, "raw", len(data), mode="0600")
    path = build.client.create_volume(build.host.storage_pool, build.ignition_volume, xml).path
    build.client.upload(build.host.storage_pool, build.ignition_volume, data, upload_progress(ctx, "Ignition config"))
    return path


def define(build: Build, machine: Machine) -> None:
    """Define the domain, or redefine it while it runs."""
    build.client.define_domain(machine.name, domain.render(machine))


def start(build: Build) -> Console:
    """Power on, with the console attached from the first instruction."""
    build.client.set_autostart(build.uuid, build.inputs.name, build.inputs.autostart)
    return build.client.start_domain(build.uuid, build.inputs.name)


def finish(build: Build, there: Machine, boot_seconds: float, release: str) -> None:
    """After a good first boot: the config leaves the definition, then the host."""
    define(build, replace(there, ignition_path="", mark=build.mark(domain.PHASE_READY, boot_seconds, release)))
    build.client.delete_volume(build.host.storage_pool, build.ignition_volume)


def remove(client: Client, name: str, uuid: str, host: HostChoice, mac: str) -> None:
    """Everything of a node; nothing of it being there is no error."""
    there = client.find_domain(uuid)
    found = domain.parse(there.xml) if there else None
    if there is not None:
        client.delete_domain(uuid, name)
    client.delete_volume(host.storage_pool, identity.ignition_volume(name, uuid))
    client.delete_volume(host.storage_pool, identity.root_volume(name, uuid))
    client.release(found.network if found else host.network, found.mac if found else mac)
