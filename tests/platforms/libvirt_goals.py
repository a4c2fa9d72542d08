"""Inputs of nodes, networks and images on a fake host."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from flatprov.ignition import pack
from flatprov.platforms.libvirt import identity
from flatprov.platforms.libvirt.images import ImageResource
from flatprov.platforms.libvirt.networks import NetworkResource
from flatprov.platforms.libvirt.nodes import NodeResource
from flatprov.platforms.libvirt.settings import GIB, HostChoice, ImageInputs, NetworkInputs, NodeInputs
from flatprov.provider.resource import decode, encode
from flatprov.testing import FakeLibvirt, operation

URI = "qemu:///system"
OWNER = "proj/dev"
NETWORK = NetworkInputs(uri=URI, name="proj-dev", cidr="10.17.3.0/24")
UUID = identity.domain_uuid(OWNER, "web-0")
ID = identity.node_id(URI, UUID)


def config(text: str = "hello") -> str:
    return pack(
        {
            "ignition": {"version": "3.3.0"},
            "storage": {"files": [{"path": "/etc/motd", "contents": {"source": f"data:,{text}"}}]},
        }
    )


def prepare(host: FakeLibvirt, pools: tuple[str, ...] = ("default",)) -> FakeLibvirt:
    """A network and a base image, as they are there before a node is made."""
    for pool in pools:
        for name in ("base.qcow2", "newer.qcow2"):
            host.create_volume(pool, name, volume(name))
    NetworkResource().create(
        operation("network", token=NetworkResource.token),
        NetworkInputs(uri=host.uri, name="proj-dev", cidr=NETWORK.cidr),
    )
    host.calls.clear()
    return host


def volume(name: str) -> str:
    from flatprov.platforms.libvirt.domain import volume_xml

    return volume_xml(name, "qcow2", 4 * GIB)


def choice(uri: str = URI, image: str = "base.qcow2", **other: Any) -> HostChoice:
    fields: dict[str, Any] = {
        "uri": uri,
        "storage_pool": "default",
        "network": "proj-dev",
        "image": image,
        "image_path": f"/fake/default/{image}",
        "image_format": "qcow2",
        "image_bytes": 4 * GIB,
    }
    return HostChoice(**{**fields, **other})


def node(name: str = "web-0", **other: Any) -> NodeInputs:
    fields: dict[str, Any] = {
        "name": name,
        "pool": "web",
        "hosts": [choice()],
        "ignition": config(),
        "address": "10.17.3.20",
        "version": "4593.2.5",
    }
    return NodeInputs(**{**fields, **other})


def image(path: Path, **other: Any) -> ImageInputs:
    """An own image: the file's bytes, with its digest."""
    digest = hashlib.sha512(path.read_bytes()).hexdigest()
    fields: dict[str, Any] = {"uri": URI, "version": "own", "source": str(path), "sha512": digest, "unsigned": True}
    return ImageInputs(**{**fields, **other})


def again(kind: Any, inputs: Any, made: Any) -> tuple[Any, Any]:
    """Inputs and state as the engine would hand them back: through the wire form."""
    return decode(kind.inputs, encode(inputs)), decode(kind.state, encode(made.state))


NODES, IMAGES, NETWORKS = NodeResource, ImageResource, NetworkResource
