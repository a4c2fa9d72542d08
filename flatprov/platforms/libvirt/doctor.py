"""The doctor: every check of a libvirt host, one after the other, each with what was found and what to do.

It changes nothing on the host. One short-lived machine without disks is started, to see whether KVM works.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flatprov.errors import FlatprovError, UnreachableError
from flatprov.platforms.finding import Finding, Level
from flatprov.platforms.libvirt import accelerator, facts, here, reach
from flatprov.platforms.libvirt.addresses import Plan
from flatprov.platforms.libvirt.checks import (
    clock,
    connection,
    firmware,
    hypervisor,
    memory,
    network,
    nodes,
    outcome,
    storage,
)
from flatprov.platforms.libvirt.client import Client

_GUESTS_ASKED = 5  # for their clocks; an agent that hangs costs five seconds each


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is going to be made on the host.

    Args:
        pool: the storage pool.
        network: a network's name, or a range for a new one; empty for neither.
        memory_mib: of one node.
        disk_bytes: of one node.
        architecture: ``amd64`` or ``arm64``.
    """

    pool: str = "default"
    network: str = ""
    memory_mib: int = 2048
    disk_bytes: int = 20 << 30
    architecture: str = "amd64"


@dataclass(frozen=True)
class Examination:
    """What the doctor found."""

    uri: str
    findings: Sequence[Finding] = field(default_factory=tuple)

    @property
    def is_well(self) -> bool:
        """No error among the findings."""
        return all(one.level is not Level.ERROR for one in self.findings)

    @property
    def is_reached(self) -> bool:
        """The host answered."""
        return bool(self.findings) and self.findings[0].level is Level.OK

    def as_json(self) -> dict[str, Any]:
        """As JSON shows it."""
        found = [
            {"check": one.check, "level": one.level.value, "subject": one.subject, "text": one.text, "fix": one.fix}
            for one in self.findings
        ]
        return {"uri": self.uri, "ok": self.is_well, "findings": found}


def range_of(text: str) -> ipaddress.IPv4Network | None:
    """The range that a text means; None when it is a network's name.

    Raises:
        ConfigError: it is a range that flatprov can do nothing with.
    """
    return Plan.of(text).network if "/" in text else None


def examine(uri: str, wanted: Wanted | None = None, limit_seconds: float = connection.LIMIT_SECONDS) -> Examination:
    """Check a host.

    Args:
        uri: its connection URI.
        wanted: what is going to be made there.
        limit_seconds: time to connect.

    Raises:
        ConfigError: ``wanted`` names a range that is none.
    """
    wanted = wanted or Wanted()
    range_of(wanted.network)
    client, answer = connection.reachable(uri, limit_seconds)
    findings = [answer]
    if client is not None:
        host = _Host(client, wanted)
        for check in host.checks():
            findings += host.guarded(check)
            if host.lost:
                break
    return Examination(reach.without_password(uri), tuple(findings))


class _Host:
    """One host under examination; what several checks need is asked for once."""

    def __init__(self, client: Client, wanted: Wanted) -> None:
        self._client, self._wanted = client, wanted
        self._subject = reach.without_password(client.uri)
        self._architecture = hypervisor.KERNEL_NAMES.get(wanted.architecture, wanted.architecture)
        self._daemon = here.find(client.uri)
        self._kvm = self._may = False
        self.lost = False

    def checks(self) -> list[Callable[[], Iterable[Finding]]]:
        """All of them, in the order in which one builds on the other."""
        return [
            self._permission,
            self._emulator,
            self._versions,
            self._firmware,
            self._storage,
            self._network,
            self._memory,
            self._clock,
            self._nodes,
        ]

    def guarded(self, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
        """The findings of a check; an error on the way is one too."""
        findings: list[Finding] = []
        name = f"the check of {check.__name__.strip('_')}"
        try:
            findings.extend(check())
        except UnreachableError as error:
            self.lost = True
            findings.append(outcome.error(name, self._subject, error.problem, error.fix, raised_as=type(error)))
        except FlatprovError as error:
            findings.append(outcome.error(name, error.subject, error.problem, error.fix, raised_as=type(error)))
        return findings

    def _permission(self) -> Iterator[Finding]:
        found = connection.permission(self._client, self._subject, self._client.host_facts().architecture or "x86_64")
        self._may = found.level is not Level.ERROR
        yield found

    def _emulator(self) -> Iterator[Finding]:
        offered = self._client.domain_types(self._architecture)
        yield hypervisor.emulator(self._subject, self._client.uri, self._architecture, offered)
        if offered:
            has_kvm, works = "kvm" in offered, None
            if has_kvm and self._architecture == "x86_64":
                works = self._kvm = accelerator.use_kvm(self._client, "auto")
            about = self._client.host_facts()
            yield hypervisor.kvm(self._subject, about.architecture, self._architecture, offered=has_kvm, works=works)

    def _versions(self) -> Iterator[Finding]:
        about = self._client.host_facts()
        yield hypervisor.libvirt_version(self._subject, about.libvirt, kvm=self._kvm)
        yield hypervisor.qemu_version(self._subject, about.qemu)

    def _firmware(self) -> Iterator[Finding]:
        if not self._client.domain_types(self._architecture):
            return
        if not self._may:
            yield outcome.unknown(
                "UEFI firmware, TPM and shared folders", self._subject, "only managers may ask for them"
            )
            return
        installed = here.virtiofsd(self._daemon) if self._daemon else None
        kind = "kvm" if self._kvm else "qemu"
        yield from firmware.all_of(self._client, self._subject, self._architecture, kind, installed)

    def _storage(self) -> Iterator[Finding]:
        pools, uri = self._client.pools(), self._client.uri
        yield storage.there(uri, self._wanted.pool, pools)
        pool = storage.find(self._wanted.pool, pools)
        if pool is None:
            return
        yield storage.autostart(uri, pool)
        if pool.active:  # a stopped one does not know its room
            subject = f"storage pool {pool.name}"
            wanted = self._wanted.disk_bytes
            yield storage.room(subject, uri, pool.name, pool.free_bytes, wanted, storage.ROOMY_BYTES)
        session = reach.address(uri).path == "/session"
        yield from storage.place(pool, self._client.host_facts(), self._daemon, session)

    def _network(self) -> Iterator[Finding]:
        there = every = self._client.networks()
        routes = here.routes(self._daemon) if self._daemon else None
        interfaces = network.of_interfaces(self._client.interfaces())
        yield network.routes_seen(routes, interfaces, bool(reach.address(self._client.uri).host))
        bridges = network.bridges_of(there)  # a network's own bridge has a route too
        outside = [one for one in [*(routes or ()), *interfaces] if one.user not in bridges]
        wanted = range_of(self._wanted.network)
        if wanted is not None:
            yield network.free_range(f"network {wanted}", wanted, [*network.of_networks(there), *outside])
            return
        if self._wanted.network:
            named = next((one for one in there if one.name == self._wanted.network), None)
            yield from network.state(self._client, self._wanted.network, named)
            there = [named] if named else []
        for one in there:
            for own in facts.network_ranges(one.xml):
                used = [*network.of_networks(every, but=one.uuid), *outside]
                found = network.free_range(f"network {one.name}", own, used)
                # of a network nobody asked about it is good to know, no more
                minor = found.level is Level.ERROR and not self._wanted.network
                yield replace(found, level=Level.WARNING) if minor else found

    def _memory(self) -> Iterator[Finding]:
        total, available = self._client.memory_mib()
        yield memory.enough("a node", self._client.uri, self._wanted.memory_mib, total, available)
        yield memory.huge_pages(self._subject, self._client.host_facts().huge_pages)

    def _clock(self) -> Iterator[Finding]:
        newest = max((self._client.last_change_seconds(one.name) for one in self._client.pools()), default=0.0)
        same = self._daemon is not None
        yield clock.host(self._subject, time.time(), same_machine=same, newest_change=newest)
        differences = {}
        running = [node for node in nodes.own(self._client.domains()) if node.domain.active]
        for node in running[:_GUESTS_ASKED]:
            guest = self._client.guest_clock_seconds(node.domain.uuid)
            if guest is not None:
                differences[node.domain.name] = guest - time.time()
        yield clock.guests(self._subject, differences)

    def _nodes(self) -> Iterator[Finding]:
        domains = self._client.domains()
        own = nodes.own(domains)
        yield nodes.found(self._subject, own, len(domains) - len(own))
        yield nodes.stopped(self._subject, own)
        pool = storage.find(self._wanted.pool, self._client.pools())
        if pool is not None and pool.active:
            yield nodes.leftovers(self._subject, own, self._client.volumes(pool.name))
