"""The wire form of a node: its inputs and outputs, shared by the plugin and the program side."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from flatprov.provider.resource import CONTROL, Inputs, State

MIB = 1 << 20
GIB = 1 << 30
MINIMUM_MEMORY_MIB = (
    1024  # below this Flatcar's initramfs and /usr leave no room for services (measured on the stand-in)
)

Accelerator = Literal["auto", "kvm", "tcg"]
Wait = Literal["boot", "none"]
Phase = Literal["defined", "booting", "failed", "ready"]


class HostChoice(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One host a node may run on, and what it finds there.

    Args:
        uri: libvirt connection URI.
        storage_pool: where its volumes go.
        network: the network it is attached to.
        image: the base image's volume in the pool.
        image_path: the base image's path on the host.
        image_format: ``qcow2`` or ``raw``.
        image_bytes: the base image's virtual size.
    """

    uri: str
    storage_pool: str
    network: str
    image: str
    image_path: str
    image_format: str
    image_bytes: int


class NodeInputs(Inputs, frozen=True, kw_only=True, rename="camel"):
    """A node on libvirt.

    Args:
        name: host name and domain name.
        pool: the node pool it belongs to; its members pass one rolling gate.
        hosts: where it may run; chosen once, at creation.
        vcpus: virtual processors.
        memory_mib: memory in MiB, at least 1024.
        disk_bytes: size of the system disk; grows, never shrinks.
        ignition: the config, gzip and base64; what flatprov adds (host name, boot report) is merged below it.
        address: IPv4 address, reserved in the network.
        mac: MAC address; derived from stack and name when absent.
        version: the image's Flatcar version.
        accelerator: ``kvm``, ``tcg`` (emulation) or ``auto`` (KVM where the host offers it).
        running: false leaves it defined and off.
        autostart: starts with its host.
        wait: ``boot`` waits for the first boot's report, ``none`` for nothing.
        boot_timeout_seconds: how long a first boot may take.
        max_unavailable: nodes of the pool that may be rebuilt at once.
    """

    name: str
    pool: str
    hosts: Annotated[list[HostChoice], msgspec.Meta(min_length=1)]
    vcpus: Annotated[int, msgspec.Meta(ge=1)] = 2
    memory_mib: int = 2048
    disk_bytes: int = 20 * GIB
    ignition: str
    address: str
    mac: str | None = None
    version: str = ""
    accelerator: Accelerator = "auto"
    running: bool = True
    autostart: bool = False
    wait: Annotated[Wait, CONTROL] = "boot"
    boot_timeout_seconds: Annotated[int, CONTROL] = 600
    max_unavailable: Annotated[int, CONTROL] = 1


class NodeState(State, frozen=True, kw_only=True, rename="camel"):
    """A node as it is.

    Args:
        uuid: the domain's UUID.
        host: the connection URI of the host it runs on.
        host_name: that host's own name.
        mac_address: MAC address of its interface.
        node_address: its IPv4 address.
        config: sha256 of the config it was booted with, hex.
        image: the base image's volume.
        release: the Flatcar version that it reported, or that of its image.
        acceleration: ``kvm`` or ``tcg``.
        boot_seconds: from power-on to its report; 0 when nothing waited for it.
        phase: ``defined``, ``booting``, ``failed`` or ``ready``.
        ready: its first boot reported success.
    """

    uuid: str = ""
    host: str = ""
    host_name: str = ""
    mac_address: str = ""
    node_address: str = ""
    config: str = ""
    image: str = ""
    release: str = ""
    acceleration: str = ""
    boot_seconds: float = 0.0
    phase: Phase = "defined"
    ready: bool = False
