"""The network: there and started, and its range used by nothing else on the host."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from flatprov.errors import ConfigError
from flatprov.platforms.finding import Finding
from flatprov.platforms.libvirt import facts, ranges
from flatprov.platforms.libvirt.checks import outcome
from flatprov.platforms.libvirt.client import Client, Network
from flatprov.platforms.libvirt.facts import Range


def of_networks(networks: Iterable[Network], but: str = "") -> list[Range]:
    """The ranges of the host's libvirt networks.

    Args:
        networks: them.
        but: the UUID or name of one to leave out.
    """
    return [
        Range(found, f"network {one.name}")
        for one in networks
        if but not in (one.uuid, one.name)
        for found in facts.network_ranges(one.xml)
    ]


def of_interfaces(interfaces: Iterable[tuple[str, str]]) -> list[Range]:
    """The ranges of the host's interfaces, where the daemon tells their addresses."""
    return [Range(found, f"interface {name}") for name, xml in interfaces for found in facts.network_ranges(xml)]


def bridges_of(networks: Iterable[Network]) -> set[str]:
    """How the routes of libvirt's own networks are called: by their bridges."""
    names = set()
    for one in networks:
        name = facts.bridge(one.xml)
        if name:
            names |= {f"a route by {name}", f"interface {name}"}
    return names


def free_range(subject: str, wanted: ipaddress.IPv4Network, used: Sequence[Range], where: str = "") -> Finding:
    """Whether a range is used by nothing on the host; if it is, a free one is proposed.

    Args:
        subject: the network.
        wanted: its range.
        used: what is in use there.
        where: the host, for the text.
    """
    check = "the network's range is free"
    taken = ranges.overlapping(wanted, used)
    if not taken:
        return outcome.ok(check, subject, f"{wanted} is used by nothing else")
    by = "; ".join(f"{one.user} has {one.network}" for one in taken)
    other = ranges.free(wanted, used)
    fix = f"choose a free one, for example {other}" if other else "take a smaller range"
    on = f" on {where}" if where else ""
    return outcome.error(check, subject, f"its range {wanted} is in use{on}: {by}", fix, "cidr", ConfigError)


def routes_seen(routes: Sequence[Range] | None, interfaces: Sequence[Range], remote: bool) -> Finding:
    """Whether the host's routes could be looked at."""
    check, subject = "the host's routes can be seen", "networks"
    if routes is not None:
        return outcome.ok(check, subject, f"{len(routes)} routes besides the default one")
    if interfaces:
        return outcome.ok(check, subject, f"the addresses of {len(interfaces)} interfaces; other routes are not told")
    why = "the daemon runs on another machine" if remote else "the daemon runs in a container"
    text = f"{why}, and libvirt does not tell its routes; overlaps with other libvirt networks are found all the same"
    return outcome.unknown(check, subject, text, "run `ip route` there and compare")


def state(client: Client, name: str, found: Network | None) -> list[Finding]:
    """Whether a network that the user named is there, started, and starts with the host."""
    check, subject = "the network is there", f"network {name}"
    if found is None:
        others = ", ".join(sorted(one.name for one in client.networks())) or "none at all"
        fix = "check the name; the network of a stack is made by its first `pulumi up`"
        return [outcome.error(check, subject, f"the host has no network of that name ({others})", fix, "network")]
    if not found.active:
        fix = f"run `virsh -c {client.uri} net-start {name}`"
        return [outcome.error(check, subject, "it is defined and stopped; no node on it can start", fix, "network")]
    findings = [outcome.ok(check, subject, "it is started")]
    check = "the network starts with the host"
    if client.network_autostarts(name):
        return [*findings, outcome.ok(check, subject, "it does")]
    fix = f"run `virsh -c {client.uri} net-autostart {name}`"
    text = "it does not; nodes on it cannot start after the host has started"
    return [*findings, outcome.warning(check, subject, text, fix)]
