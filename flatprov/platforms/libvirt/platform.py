"""The libvirt platform as users construct it: hosts, their network, and the resources they become."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi

from flatprov.arguments import Arguments
from flatprov.errors import ConfigError, DuplicateError
from flatprov.platforms import units
from flatprov.platforms.base import Node, PoolSpec
from flatprov.platforms.capability import require
from flatprov.platforms.image import Image, Release, flatcar_version, require_platform
from flatprov.platforms.libvirt.addresses import Allocation, Plan
from flatprov.platforms.libvirt.capabilities import CAPABILITIES
from flatprov.platforms.libvirt.settings import (
    GIB,
    IMAGE_TOKEN,
    MIB,
    MINIMUM_MEMORY_MIB,
    NETWORK_TOKEN,
    NODE_TOKEN,
    Accelerator,
    ImageState,
    NetworkState,
    NodeState,
)
from flatprov.provider.outputs import map_model
from flatprov.provider.program import PluginResource

_MAC = re.compile(
    r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}", re.IGNORECASE
)  # the second digit even: not a multicast address
_QEMU = re.compile(r"qemu(\+[a-z0-9]+)?://|[^:/]+$")  # or an alias of libvirt.conf
_NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_AUTHORITY = re.compile(r"^[a-z0-9+]+://(?:[^@/]*@)?([^:/?]*)")


@dataclass(frozen=True)
class Host(Arguments):
    """A machine with libvirt.

    Args:
        uri: its connection URI: ``qemu:///system``, ``qemu+ssh://root@nas/system``.
        pool: the storage pool for images and disks, ``default`` by default.
        name: what it is called in resource names; from the URI when absent.
    """

    uri: str
    pool: str = "default"
    name: str = ""

    @property
    def label(self) -> str:
        """What it is called in resource names."""
        if self.name:
            return self.name
        match = _AUTHORITY.match(self.uri)
        return (match.group(1) if match else "") or "local"


@dataclass(frozen=True, kw_only=True)
class Network(Arguments):
    """A NAT network of the stack's own, with DHCP reservations.

    Args:
        cidr: its range, ``10.17.3.0/24`` by default; the first address is the host's.
        name: its name on the host; ``PROJECT-STACK`` when absent.
    """

    cidr: str = "10.17.3.0/24"
    name: str = ""


@dataclass(kw_only=True)
class Platform(Arguments):
    """libvirt hosts, as a place for node pools.

    Args:
        hosts: one or more; a node is placed once, when it is created.
        network: the network its nodes are attached to, made on each host.
        accelerator: ``kvm``, ``tcg`` (emulation) or ``auto``: KVM where the host offers it.
        prefix: put before every node's name, so that two stacks can use one host.
        autostart: nodes start with their host.

    Raises:
        ConfigError: no host, two hosts of one name, or an unusable network range.
    """

    hosts: Sequence[Host] = field(default_factory=lambda: [Host("qemu:///system")])
    network: Network = field(default_factory=Network)
    accelerator: Accelerator = "auto"
    prefix: str = ""
    autostart: bool = False

    @property
    def flatcar_platform(self) -> str:
        """Flatcar's name of what its nodes run on."""
        return "qemu"

    def __post_init__(self) -> None:
        if not self.hosts:
            raise ConfigError("libvirt platform", "it has no host", 'give hosts=[Host("qemu:///system")]', path="hosts")
        for host in self.hosts:
            if not _QEMU.match(host.uri):
                raise ConfigError(
                    "libvirt platform",
                    f"{host.uri!r} is no address of QEMU by libvirt",
                    "write it like qemu:///system or qemu+ssh://root@nas/system",
                    path="hosts",
                )
            if not host.pool:
                raise ConfigError("libvirt platform", f"{host.uri} has no storage pool", "name one", path="hosts")
        if self.network.name and not _NETWORK.fullmatch(self.network.name):
            raise ConfigError(
                "libvirt platform",
                f"{self.network.name!r} cannot be a network's name",
                "use letters, digits, dots, hyphens and underscores",
                path="network.name",
            )
        labels = [host.label for host in self.hosts]
        twice = {label for label in labels if labels.count(label) > 1}
        if twice:
            raise DuplicateError(
                "libvirt platform", f"two hosts are called {min(twice)}", "give each a name=", path="hosts"
            )
        Plan.of(self.network.cidr)
        self._allocation = Allocation(self.network.cidr)
        self._macs_given: dict[str, str] = {}
        self._networks: dict[str, PluginResource] = {}
        self._images: dict[tuple[str, str], PluginResource] = {}

    @property
    def network_name(self) -> str:
        """The network's name on each host."""
        return self.network.name or f"{pulumi.get_project()}-{pulumi.get_stack()}"

    # --- what a pool asks for ----------------------------------------------------------------------------------------

    def plan_nodes(self, pool: PoolSpec) -> Callable[[pulumi.Resource], list[Node]]:
        """Judge the pool and give out its addresses; the answer registers it."""
        require_platform(pool.image, "libvirt", f"pool {pool.name}")
        if isinstance(pool.image, Release) and pool.image.board_architecture == "arm64":
            require(CAPABILITIES, "arm64", f"pool {pool.name}")
        addresses = self._addresses(pool)
        macs = self._macs(pool)
        hardware = map_model(pool.machine, lambda machine: _hardware(pool, machine))
        return lambda parent: self._register(pool, parent, addresses, macs, hardware)

    def _register(
        self, pool: PoolSpec, parent: pulumi.Resource, addresses: list[str], macs: list[str | None], hardware: Any
    ) -> list[Node]:
        """Network and image once per host, and one resource per node."""
        hosts = [self._host(host, pool) for host in self.hosts]
        opts = pulumi.ResourceOptions(parent=parent, custom_timeouts=pool.custom_timeouts)
        return [
            _node(
                PluginResource(
                    NODE_TOKEN,
                    NodeState,
                    name.removeprefix(self.prefix),
                    {
                        "name": name,
                        "pool": pool.name,
                        "hosts": hosts,
                        "vcpus": _part(hardware, "vcpus"),
                        "memoryMib": _part(hardware, "memoryMib"),
                        "diskBytes": _part(hardware, "diskBytes"),
                        "ignition": pool.ignition,
                        "address": address,
                        "mac": mac,
                        "version": flatcar_version(pool.image),
                        "accelerator": self.accelerator,
                        "running": pool.running,
                        "autostart": self.autostart,
                        "wait": pool.wait,
                        "bootTimeoutSeconds": pool.boot_seconds,
                        "maxUnavailable": pool.rollout.max_unavailable,
                    },
                    opts,
                ),
                name,
            )
            for name, address, mac in zip(pool.nodes, addresses, macs, strict=True)
        ]

    def _addresses(self, pool: PoolSpec) -> list[str]:
        own = {name: override.address for name, override in pool.overrides.items() if override.address}
        return self._allocation.pool(pool.name, pool.nodes, pool.first_address, own)

    def _macs(self, pool: PoolSpec) -> list[str | None]:
        own = {name: override.mac.lower() for name, override in pool.overrides.items() if override.mac}
        for name, mac in own.items():
            if not _MAC.fullmatch(mac):
                raise ConfigError(
                    name, f"{mac!r} is no unicast MAC address", "write it like 52:54:00:12:34:56", path="mac"
                )
        for name, mac in own.items():
            owner = self._macs_given.setdefault(mac, name)
            if owner != name:
                raise DuplicateError(
                    name, f"its mac {mac} belongs to {owner} already", "give one of the two another mac", path="mac"
                )
        return [own.get(name) for name in pool.nodes]

    def _host(self, host: Host, pool: PoolSpec) -> dict[str, Any]:
        image = self._image(host, pool.image)
        return {
            "uri": host.uri,
            "storagePool": host.pool,
            "network": self._network(host).output("network"),
            "image": image.output("volume"),
            "imagePath": image.output("path"),
            "imageFormat": image.output("format"),
            "imageBytes": image.output("virtualBytes"),
        }

    def _network(self, host: Host) -> PluginResource:
        if host.uri not in self._networks:
            inputs = {"uri": host.uri, "name": self.network_name, "cidr": self.network.cidr}
            self._networks[host.uri] = PluginResource(NETWORK_TOKEN, NetworkState, f"network.{host.label}", inputs)
        return self._networks[host.uri]

    def _image(self, host: Host, image: Image | Release) -> PluginResource:
        name = image.name if isinstance(image, Image) else image.label
        key = (host.uri, name)
        if key not in self._images:
            inputs = {"uri": host.uri, "storagePool": host.pool, **_source(image)}
            self._images[key] = PluginResource(IMAGE_TOKEN, ImageState, f"{name}.{host.label}", inputs)
        return self._images[key]


def _source(image: Image | Release) -> dict[str, Any]:
    if isinstance(image, Image):
        return {
            "version": image.version,
            "source": image.source,
            "sha512": image.sha512,
            "unsigned": image.unsigned,
            "declaredFormat": image.format,
            "keyFile": image.key_file,
            "fingerprint": image.fingerprint,
            "mirror": image.mirror,
        }
    return {
        "version": image.flatcar_version,
        "channel": image.output("resolvedChannel"),
        "architecture": image.board_architecture,
        "mirror": image.mirror_url,
        "keyFile": image.key_file,
        "fingerprint": image.fingerprint,
        "releaseBefore": image.output("releaseBefore"),
    }


def _hardware(pool: PoolSpec, machine: Any) -> dict[str, int]:
    """The machine in numbers, judged.

    Raises:
        ConfigError: not enough memory for Flatcar, or a disk smaller than the image.
    """
    what = f"pool {pool.name}"
    memory = units.mebibytes(machine.memory, "machine.memory", what)
    disk = units.mebibytes(machine.disk, "machine.disk", what) * MIB
    if isinstance(machine.vcpus, bool) or not isinstance(machine.vcpus, int) or machine.vcpus < 1:
        raise ConfigError(what, f"vcpus is {machine.vcpus!r}", "give a whole number from 1", path="machine.vcpus")
    if memory < MINIMUM_MEMORY_MIB:
        raise ConfigError(
            what,
            f"memory is {memory} MiB and Flatcar needs {MINIMUM_MEMORY_MIB} MiB",
            'write memory="2GiB" or more',
            path="machine.memory",
        )
    needed = pool.image.virtual_bytes if isinstance(pool.image, Image) else 0
    if disk < needed:
        raise ConfigError(
            what,
            f"disk is {disk / GIB:.1f} GiB and the image {pool.image.name if isinstance(pool.image, Image) else ''} "
            f"needs {math.ceil(needed / GIB * 10) / 10} GiB",  # rounded up: a disk of this size is large enough
            "make the disk larger",
            path="machine.disk",
        )
    return {"vcpus": machine.vcpus, "memoryMib": memory, "diskBytes": disk}


def _part(hardware: Any, name: str) -> Any:
    return hardware.apply(lambda found: found[name]) if isinstance(hardware, pulumi.Output) else hardware[name]


def _node(resource: PluginResource, name: str) -> Node:
    return Node(
        name=name,
        address=resource.output("nodeAddress"),
        host=resource.output("hostName"),
        version=resource.output("release"),
        boot_seconds=resource.output("bootSeconds"),
        ready=resource.output("ready"),
        accelerator=resource.output("acceleration"),
    )
