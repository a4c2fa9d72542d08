"""The nodes that flatprov made on a host, and volumes of nodes that are gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flatprov.platforms.finding import Finding
from flatprov.platforms.libvirt import identity
from flatprov.platforms.libvirt.checks import outcome
from flatprov.platforms.libvirt.client import Domain, Volume
from flatprov.platforms.libvirt.domain import PHASE_READY, Machine, parse


@dataclass(frozen=True)
class Own:
    """A domain with flatprov's mark."""

    domain: Domain
    machine: Machine


def own(domains: Iterable[Domain]) -> list[Own]:
    """The domains with flatprov's mark, by name."""
    read = ((one, parse(one.xml)) for one in domains)
    return sorted((Own(one, found) for one, found in read if found is not None), key=lambda node: node.domain.name)


def found(subject: str, nodes: Sequence[Own], others: int) -> Finding:
    """Which nodes of which stacks are there."""
    check = "nodes of flatprov"
    if not nodes:
        return outcome.ok(check, subject, f"none, and {others} other machines")
    stacks = Counter(node.machine.mark.owner for node in nodes)
    by_stack = ", ".join(f"{count} of {owner}" for owner, count in sorted(stacks.items()))
    return outcome.ok(check, subject, f"{by_stack}; and {others} other machines")


def stopped(subject: str, nodes: Sequence[Own]) -> Finding:
    """Nodes that do not run, and those whose first boot has not succeeded."""
    check = "the nodes run"
    down = [node.domain.name for node in nodes if not node.domain.active]
    booting = [node.domain.name for node in nodes if node.domain.active and node.machine.mark.phase != PHASE_READY]
    parts = [f"stopped: {', '.join(down)}"] if down else []
    parts += [f"not through their first boot: {', '.join(booting)}"] if booting else []
    if parts:
        fix = "run `pulumi up` in their stack, or look at `flatprov logs NODE`; running=False is no fault"
        return outcome.warning(check, subject, "; ".join(parts), fix)
    return outcome.ok(check, subject, f"all {len(nodes)} do" if nodes else "there are none")


def leftovers(subject: str, nodes: Sequence[Own], volumes: Sequence[Volume]) -> Finding:
    """Volumes that are named as those of a node, while the host has no such node."""
    check = "no volume of a node is left over"
    known = {
        name
        for node in nodes
        for name in (
            identity.root_volume(node.domain.name, node.domain.uuid),
            identity.ignition_volume(node.domain.name, node.domain.uuid),
        )
    }
    lost = sorted(one.name for one in volumes if identity.is_node_volume(one.name) and one.name not in known)
    if not lost:
        return outcome.ok(check, subject, "none is")
    fix = (
        "if their stack still lists the node, its next `pulumi up` takes them over; else delete them by hand: "
        "a .ign volume holds a config, secrets included"
    )
    return outcome.warning(check, subject, f"nodes that are not there have {', '.join(lost)}", fix)
