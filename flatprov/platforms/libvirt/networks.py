"""The network of a stack on one host: NAT with DHCP, addresses planned beforehand and reserved."""

from __future__ import annotations

import contextlib
import ipaddress
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from typing import Any

from flatprov.errors import ConfigError, FlatprovError, ForeignObjectError
from flatprov.platforms.libvirt import client as libvirt
from flatprov.platforms.libvirt import identity, ranges
from flatprov.platforms.libvirt.addresses import Plan
from flatprov.platforms.libvirt.checks.network import of_networks
from flatprov.platforms.libvirt.settings import NETWORK_TOKEN, NetworkInputs, NetworkState
from flatprov.provider.context import Context
from flatprov.provider.resource import Created, Failure, Found, Resource


class NetworkResource(Resource[NetworkInputs, NetworkState]):
    """A NAT network with DHCP on a libvirt host. Nodes add their reservations to it while it runs."""

    token = NETWORK_TOKEN
    inputs = NetworkInputs
    state = NetworkState
    replaces = ("uri", "name", "cidr")  # libvirt changes a range only by a restart that cuts running guests off
    refresh_before_update = True

    def validate(self, inputs: NetworkInputs) -> Iterable[Failure]:
        """The range must be a usable one."""
        Plan.of(inputs.cidr)
        return ()

    def plan(self, ctx: Context, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Name and gateway follow from the inputs; a foreign or overlapping network stops the preview."""
        if not all(isinstance(inputs.get(key), str) for key in ("uri", "name", "cidr")):
            return {}
        client = libvirt.connect(inputs["uri"], ctx.name)
        _refuse_conflicts(client, ctx.owner, inputs["name"], inputs["cidr"])
        return {"network": inputs["name"], "gateway": Plan.of(inputs["cidr"]).gateway}

    def create(self, ctx: Context, inputs: NetworkInputs) -> Created:
        """Define and start it; one of ours that an interrupted run left is taken over."""
        client = libvirt.connect(inputs.uri, ctx.name)
        uuid = identity.network_uuid(ctx.owner, inputs.name)
        state = NetworkState(uuid=uuid, network=inputs.name, gateway=Plan.of(inputs.cidr).gateway)
        with ctx.slot(client.slots):
            _refuse_conflicts(client, ctx.owner, inputs.name, inputs.cidr)
            there = client.find_network_uuid(uuid)
            is_new = there is None or _cidr(there.xml) != inputs.cidr
            if is_new:
                if there is not None:
                    client.delete_network(uuid)
                client.define_network(inputs.name, render(inputs.name, uuid, ctx.owner, inputs.cidr))
            try:
                client.start_network(inputs.name)
            except Exception as error:
                if is_new:  # a network that cannot start must not block the next run
                    with contextlib.suppress(FlatprovError):
                        client.delete_network(uuid)
                if "already in use" in str(error):
                    raise _overlap(client, inputs.name, inputs.cidr, str(error).partition("says: ")[2]) from error
                raise
        return Created(identity.node_id(inputs.uri, uuid), state)

    def read(self, ctx: Context, id_: str, inputs: NetworkInputs | None, state: NetworkState | None) -> Found | None:
        """What the host has; a stopped one is started again by the next update of anything in it."""
        uri, uuid = identity.split_id(id_)
        there = libvirt.connect(uri, ctx.name).find_network_uuid(uuid)
        if there is None:
            return None
        cidr = _cidr(there.xml)
        found = NetworkInputs(uri=uri, name=there.name, cidr=cidr)
        return Found(id_, NetworkState(uuid=uuid, network=there.name, gateway=Plan.of(cidr).gateway), found)

    def delete(self, ctx: Context, id_: str, inputs: NetworkInputs | None, state: NetworkState) -> None:
        """Stop and undefine it."""
        uri, uuid = identity.split_id(id_)
        client = libvirt.connect(uri, ctx.name)
        with ctx.slot(client.slots):
            client.delete_network(uuid)


def render(name: str, uuid: str, owner: str, cidr: str) -> str:
    """The network's XML."""
    plan = Plan.of(cidr)
    root = ET.Element("network")
    ET.SubElement(root, "name").text = name
    ET.SubElement(root, "uuid").text = uuid
    ET.SubElement(root, "forward", mode="nat")
    ET.SubElement(root, "bridge", name=identity.bridge_name(owner, name), stp="on", delay="0")
    own = ET.SubElement(root, "ip", address=plan.gateway, netmask=str(plan.network.netmask))
    first, last = plan.dynamic_range
    ET.SubElement(ET.SubElement(own, "dhcp"), "range", start=first, end=last)
    return ET.tostring(root, "unicode")


def _cidr(xml: str) -> str:
    own = ET.fromstring(xml).find("ip")  # noqa: S314 - libvirt's own XML
    if own is None:
        return ""
    size = own.get("netmask") or own.get("prefix") or "32"
    return str(ipaddress.ip_network(f"{own.get('address')}/{size}", strict=False))


def _refuse_conflicts(client: libvirt.Client, owner: str, name: str, cidr: str) -> None:
    """Another network of that name or in that range is somebody else's and stays untouched."""
    wanted = ipaddress.ip_network(cidr)
    for other in client.networks():
        if other.uuid == identity.network_uuid(owner, name):
            continue
        if other.name == name:
            raise ForeignObjectError(
                f"network {name}",
                f"{client.uri} has a network of this name that was not made by stack {owner}; it was left alone",
                "give this stack's network another name",
                host=client.uri,
                path="name",
            )
        taken = _cidr(other.xml)
        if taken and ipaddress.ip_network(taken).overlaps(wanted):
            raise _overlap(client, name, cidr, f"network {other.name} has {taken}")


def _overlap(client: libvirt.Client, name: str, cidr: str, why: str) -> ConfigError:
    other = ranges.free(ipaddress.IPv4Network(cidr), of_networks(client.networks()))
    return ConfigError(
        f"network {name}",
        f"its range {cidr} is in use on {client.uri}: {why}",
        f"choose a free one, for example {other}" if other else "take a smaller range",
        path="cidr",
    )
