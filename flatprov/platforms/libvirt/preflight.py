"""Named checks of a node against its host, before anything of it is made. They return findings and touch nothing."""

from __future__ import annotations

from collections.abc import Iterator

from flatprov.errors import DuplicateError, FlatprovError, ForeignObjectError, OutOfSpaceError, PlatformError
from flatprov.platforms.finding import Finding, Level
from flatprov.platforms.libvirt import domain
from flatprov.platforms.libvirt.client import Client
from flatprov.platforms.libvirt.settings import MIB, HostChoice, NodeInputs

_HEADROOM_BYTES = 256 * MIB  # an overlay grows with use; a pool with less than this left would fail during first boot


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


def _ok(check: str, inputs: NodeInputs) -> Finding:
    return Finding(check=check, level=Level.OK, subject=inputs.name, text="ok")


def _error(
    check: str, inputs: NodeInputs, text: str, fix: str, path: str, error: type[FlatprovError] = PlatformError
) -> Finding:
    return Finding(check=check, level=Level.ERROR, subject=inputs.name, text=text, fix=fix, path=path, error=error)


def _name(client: Client, inputs: NodeInputs, uuid: str) -> Finding:
    check = "the name is free, or ours"
    there = client.find_domain_name(inputs.name)
    if there is None or there.uuid == uuid:
        return _ok(check, inputs)
    marked = domain.parse(there.xml)
    whose = f"belongs to the stack {marked.mark.owner}" if marked else "was not made by flatprov"
    return _error(
        check,
        inputs,
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
        return _error(check, inputs, text, "give one of the two another mac", "mac", DuplicateError)
    return _ok(check, inputs)


def _address(client: Client, inputs: NodeInputs, host: HostChoice, mac: str) -> Finding:
    check = "no other machine has the address reserved"
    if client.find_network(host.network) is None:
        return _ok(check, inputs)  # a preview, before the network exists
    for other_mac, other_name, address in client.reservations(host.network):
        if address == inputs.address and other_mac.lower() != mac.lower():
            text = f"its address {address} is reserved for {other_name} ({other_mac}) in network {host.network}"
            return _error(check, inputs, text, "give the pool another first_address", "address", DuplicateError)
    return _ok(check, inputs)


def _memory(client: Client, inputs: NodeInputs) -> Finding:
    check = "the host has the memory"
    total, available = client.memory_mib()
    if inputs.memory_mib > total:
        text = f"it wants {inputs.memory_mib} MiB of memory and {client.uri} has {total} MiB in all"
        return _error(check, inputs, text, "ask for less, or use another host", "memoryMib", OutOfSpaceError)
    if inputs.memory_mib > available:
        return Finding(
            check=check,
            level=Level.WARNING,
            subject=inputs.name,
            text=f"it wants {inputs.memory_mib} MiB of memory and {client.uri} has {available} MiB available now",
            fix="stop something there, or expect it to swap",
        )
    return _ok(check, inputs)


def _space(client: Client, inputs: NodeInputs, host: HostChoice) -> Finding:
    check = "the storage pool has room"
    free = client.pool_free_bytes(host.storage_pool)
    if free < min(inputs.disk_bytes, _HEADROOM_BYTES):
        text = f"storage pool {host.storage_pool} on {client.uri} has {free // MIB} MiB left, too little for a boot"
        return _error(
            check, inputs, text, "free some space there, or name another pool", "storagePool", OutOfSpaceError
        )
    return _ok(check, inputs)


def _accelerator(client: Client, inputs: NodeInputs) -> Finding:
    check = "the host's emulator can run it"
    offered = client.domain_types("x86_64")
    if not offered:
        text, fix = f"{client.uri} has no emulator for x86_64", "install qemu-system-x86 there"
        return _error(check, inputs, text, fix, "accelerator")
    if inputs.accelerator == "kvm" and "kvm" not in offered:
        fix = 'load the kvm module there, or set accelerator to "tcg" (slow)'
        return _error(check, inputs, f"{client.uri} offers no KVM", fix, "accelerator")
    return _ok(check, inputs)
