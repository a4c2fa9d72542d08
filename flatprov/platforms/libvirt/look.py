"""A node of flatprov on a host, by its name, for commands that only look."""

from __future__ import annotations

from flatprov.errors import ForeignObjectError, PlatformError
from flatprov.platforms.libvirt import reach
from flatprov.platforms.libvirt.checks import nodes
from flatprov.platforms.libvirt.client import Client, Domain
from flatprov.platforms.libvirt.console import Console
from flatprov.platforms.libvirt.domain import parse

_BUSY = "console session exists"


def node(client: Client, name: str) -> Domain:
    """The domain of a node.

    Raises:
        PlatformError: the host has none of that name; its nodes are named.
        ForeignObjectError: the domain was not made by flatprov.
    """
    host = reach.without_password(client.uri)
    found = client.find_domain_name(name)
    if found is None:
        others = ", ".join(own.domain.name for own in nodes.own(client.domains())) or "none at all"
        raise PlatformError(
            name, f"{host} has no machine of this name; nodes of flatprov there: {others}", "check name and --uri"
        )
    if parse(found.xml) is None:
        raise ForeignObjectError(
            name, f"this domain on {host} was not made by flatprov", "use `virsh console` for it", host=host
        )
    return found


def console(client: Client, name: str, *, take_over: bool) -> Console:
    """The serial console of a running node.

    Raises:
        PlatformError: it does not run, or another program has its console.
    """
    found = node(client, name)
    if not found.active:
        raise PlatformError(
            name, "it does not run, so its console says nothing", f"see `flatprov logs {name}`, or run `pulumi up`"
        )
    try:
        return client.watch_console(found.uuid, name, take_over=take_over)
    except PlatformError as error:
        if _BUSY not in error.problem:
            raise
        raise PlatformError(
            name,
            "another program has its console: a `pulumi up` that waits for its first boot, or `virsh console`",
            f"see `flatprov logs {name}`, end the other one, or give --take-over (a waiting `pulumi up` goes blind)",
        ) from error
