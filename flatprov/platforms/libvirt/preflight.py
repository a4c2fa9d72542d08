"""Named checks of a node against its host, before anything of it is made. They return findings and touch nothing."""

from __future__ import annotations

from collections.abc import Iterator

from flatprov.errors import DuplicateError, ForeignObjectError
from flatprov.platforms.finding import Finding
from flatprov.platforms.libvirt import domain
from flatprov.platforms.libvirt.checks import hypervisor, memory, outcome, storage
from flatprov.platforms.libvirt.client import Client
from flatprov.platforms.libvirt.settings import HostChoice, NodeInputs


def node(client: Client, inputs: NodeInputs, host: HostChoice, uuid: str, mac: str) -> Iterator[Finding]:
    """Every check of one node on the host it will run on.

    Args:
        client: that host.
        inputs: the node.
        host: the host's entry in it.
        uuid: the node's own UUID.
        mac: the node's own MAC address.
    """
    yield _name(client, inputs, uuid)
    yield _mac(client, inputs, uuid, mac)
    yield _address(client, inputs, host, mac)
    yield _memory(client, inputs)
    yield _space(client, inputs, host)
    yield _accelerator(client, inputs)


def _name(client: Client, inputs: NodeInputs, uuid: str) -> Finding:
    check = "the name is free, or ours"
    there = client.find_domain_name(inputs.name)
    if there is None or there.uuid == uuid:
        return outcome.ok(check, inputs.name)
    marked = domain.parse(there.xml)
    whose = f"belongs to the stack {marked.mark.owner}" if marked else "was not made by flatprov"
    return outcome.error(
        check,
        inputs.name,
        f"{client.uri} has a domain of this name that {whose}; it was left alone",
        "give this pool another name, set the platform's prefix, or remove that domain by hand",
        "name",
        ForeignObjectError,
    )


def _mac(client: Client, inputs: NodeInputs, uuid: str, mac: str) -> Finding:
    check = "no other machine has the MAC address"
    other_uuid, other_name = client.mac_owners().get(mac.lower(), (uuid, ""))
    if other_uuid != uuid:
        text = f"its MAC address {mac} belongs to the domain {other_name} on {client.uri}"
        return outcome.error(check, inputs.name, text, "give one of the two another mac", "mac", DuplicateError)
    return outcome.ok(check, inputs.name)


def _address(client: Client, inputs: NodeInputs, host: HostChoice, mac: str) -> Finding:
    check = "no other machine has the address reserved"
    if client.find_network(host.network) is None:
        return outcome.ok(check, inputs.name)  # a preview, before the network exists
    for other_mac, other_name, address in client.reservations(host.network):
        if address == inputs.address and other_mac.lower() != mac.lower():
            text = f"its address {address} is reserved for {other_name} ({other_mac}) in network {host.network}"
            return outcome.error(
                check, inputs.name, text, "give the pool another first_address", "address", DuplicateError
            )
    return outcome.ok(check, inputs.name)


def _memory(client: Client, inputs: NodeInputs) -> Finding:
    total, available = client.memory_mib()
    return memory.enough(inputs.name, client.uri, inputs.memory_mib, total, available)


def _space(client: Client, inputs: NodeInputs, host: HostChoice) -> Finding:
    free = client.pool_free_bytes(host.storage_pool)
    return storage.room(inputs.name, client.uri, host.storage_pool, free, inputs.disk_bytes)


def _accelerator(client: Client, inputs: NodeInputs) -> Finding:
    offered = client.domain_types("x86_64")
    return hypervisor.emulator(inputs.name, client.uri, "x86_64", offered, inputs.accelerator)
