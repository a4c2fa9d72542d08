"""The wire form of the libvirt resources: inputs and outputs, shared by the plugin and the program side.

Nothing heavy is imported here: a program needs these and none of the code that carries them out.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from flatprov.provider.resource import CONTROL, Inputs, State

MIB = 1 << 20
GIB = 1 << 30
MINIMUM_MEMORY_MIB = (
    1024  # below this Flatcar's initramfs and /usr leave no room for services (measured on the stand-in)
)

NODE_TOKEN = "flatprov:libvirt:Node"  # noqa: S105 - type tokens
IMAGE_TOKEN = "flatprov:libvirt:Image"  # noqa: S105
NETWORK_TOKEN = "flatprov:libvirt:Network"  # noqa: S105

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


class ImageInputs(Inputs, frozen=True, kw_only=True, rename="camel"):
    """An image and where it goes.

    Args:
        uri: the host, as a libvirt connection URI.
        storage_pool: the storage pool on it.
        version: the Flatcar version in it.
        channel: for a release of the publisher: its channel.
        architecture: ``amd64`` or ``arm64``.
        mirror: base URL that serves the publisher's paths; the environment's ``FLATPROV_MIRROR`` when absent.
        source: for an own image: a path on this machine or a URL.
        sha512: for an own image: its digest, 128 hex digits.
        unsigned: for an own image: it has no signature, the digest alone is checked.
        declared_format: for an own image: refuse it unless it is of this format.
        key_file: the signer's public key on this machine; the publisher's when absent.
        fingerprint: the signer's primary fingerprint; the publisher's when absent.
        release_before: for a release: when the one before it was published; an image signed earlier is refused.
    """

    uri: str
    storage_pool: str = "default"
    version: str
    channel: str | None = None
    architecture: str = "amd64"
    mirror: Annotated[str | None, CONTROL] = None
    source: Annotated[str | None, CONTROL] = None
    sha512: str | None = None
    unsigned: Annotated[bool, CONTROL] = False
    declared_format: Annotated[Literal["qcow2", "raw"] | None, CONTROL] = None
    key_file: Annotated[str | None, CONTROL] = None
    fingerprint: Annotated[str | None, CONTROL] = None
    release_before: Annotated[str, CONTROL] = ""


class ImageState(State, frozen=True, kw_only=True, rename="camel"):
    """An image on a host.

    Args:
        volume: its volume's name.
        path: its path on the host.
        format: ``qcow2`` or ``raw``.
        virtual_bytes: size of the guest's disk.
        digest: sha512 of the verified file as published, hex.
    """

    volume: str = ""
    path: str = ""
    format: str = ""
    virtual_bytes: int = 0
    digest: str = ""


class NetworkInputs(Inputs, frozen=True, kw_only=True, rename="camel"):
    """A NAT network.

    Args:
        uri: the host, as a libvirt connection URI.
        name: the network's name on the host.
        cidr: its range, IPv4, ``10.17.3.0/24``; the first address is the gateway.
    """

    uri: str
    name: str
    cidr: str


class NetworkState(State, frozen=True, kw_only=True, rename="camel"):
    """What was made.

    Args:
        uuid: the network's UUID.
        network: its name, for nodes to depend on.
        gateway: the host's own address in it.
    """

    uuid: str = ""
    network: str = ""
    gateway: str = ""
