"""The address plan of a network: which node gets which address, known before anything exists. Pure.

The range is cut into 16 slots. The first holds the gateway and is kept free for addresses chosen by hand (a virtual
IP), the last serves guests that flatprov does not know. A pool begins at the slot its name hashes to, or at the next
free one in the order in which pools are declared. So adding, growing or removing another pool moves no node, unless
both names hash to one slot: then the later one moves when the earlier one goes, which ``first_address`` prevents.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flatprov.errors import ConfigError, DuplicateError

_SLOTS = 16
_LARGEST_PREFIX = 16
_SMALLEST_PREFIX = 28  # 16 addresses: one per slot


@dataclass(frozen=True)
class Plan:
    """One network's range, cut into slots."""

    network: ipaddress.IPv4Network

    @classmethod
    def of(cls, cidr: str) -> Plan:
        """The plan of a range.

        Raises:
            ConfigError: it is no IPv4 network, or too small.
        """
        try:
            network = ipaddress.ip_network(cidr)
        except ValueError as error:
            raise ConfigError(
                f"network range {cidr!r}", f"it is not a network ({error})", f"write it like {_like(cidr)}", path="cidr"
            ) from None
        if not isinstance(network, ipaddress.IPv4Network):
            raise ConfigError(f"network range {cidr}", "it is IPv6", "give an IPv4 range", path="cidr")
        if "/" not in cidr:
            raise ConfigError(
                f"network range {cidr}", "it has no prefix length", f"write it like {_like(cidr)}", path="cidr"
            )
        if network.prefixlen > _SMALLEST_PREFIX:
            raise ConfigError(
                f"network range {cidr}",
                "it has too few addresses",
                f"take a /{_SMALLEST_PREFIX} or larger",
                path="cidr",
            )
        if network.prefixlen < _LARGEST_PREFIX:
            raise ConfigError(
                f"network range {cidr}",
                "it has more addresses than libvirt's DHCP serves",
                f"take a /{_LARGEST_PREFIX} or smaller",
                path="cidr",
            )
        if network.is_multicast or network.is_loopback or network.is_reserved or network[0].packed[0] == 0:
            raise ConfigError(
                f"network range {cidr}",
                "no machine can have an address in it",
                "take a private range, for example 10.17.3.0/24",
                path="cidr",
            )
        return cls(network)

    @property
    def gateway(self) -> str:
        """The host's own address."""
        return str(self.network[1])

    @property
    def dynamic_range(self) -> tuple[str, str]:
        """First and last address for guests without a reservation."""
        return str(self.network[-self._slot_size]), str(self.network[-2])

    @property
    def _slot_size(self) -> int:
        return max(2, self.network.num_addresses // _SLOTS)

    def first_of(self, pool: str, taken: set[int]) -> int:
        """The index in the range at which a pool begins."""
        usable = max(1, self.network.num_addresses // self._slot_size - 2)
        start = int.from_bytes(hashlib.sha256(pool.encode()).digest()[:4], "big") % usable
        for step in range(usable):
            first = (1 + (start + step) % usable) * self._slot_size
            if first not in taken:
                return first
        raise ConfigError(
            f"pool {pool}",
            f"no free part of {self.network} is left for it",
            "take a larger range, or give the pool a first_address",
            path="network.cidr",
        )

    def index_of(self, address: str, what: str) -> int:
        """The place of an address in the range.

        Raises:
            ConfigError: it lies outside, or is reserved for the network itself.
        """
        try:
            found = ipaddress.IPv4Address(address)
        except ValueError:
            raise ConfigError(
                what, f"{address!r} is not an IPv4 address", "write it like 10.17.3.20", path="address"
            ) from None
        if found not in self.network or found in (self.network[0], self.network[1], self.network[-1]):
            raise ConfigError(
                what,
                f"the address {address} is not usable in {self.network}",
                f"take one between {self.network[2]} and {self.network[-2]}",
                path="address",
            )
        return int(found) - int(self.network.network_address)


def _like(cidr: str) -> str:
    """The nearest right way to write a range."""
    try:
        return str(ipaddress.IPv4Network(cidr if "/" in cidr else f"{cidr}/24", strict=False))
    except ValueError:
        return "10.17.3.0/24"


class Allocation:
    """The addresses given out in one network by one program."""

    def __init__(self, cidr: str) -> None:
        self.plan = Plan.of(cidr)
        self._starts: set[int] = set()
        self._given: dict[int, str] = {}

    def pool(
        self, pool: str, names: Sequence[str], first_address: str | None = None, own: Mapping[str, str] | None = None
    ) -> list[str]:
        """One address per node, in order.

        Args:
            pool: the pool.
            names: its nodes.
            first_address: where it begins; None lets the plan choose.
            own: addresses chosen by hand, by node.

        Raises:
            DuplicateError: another node of this network has one of them already.
        """
        by_hand = {name: self.plan.index_of(address, name) for name, address in (own or {}).items()}
        if first_address is None:
            first = self.plan.first_of(pool, self._starts)
        else:
            first = self.plan.index_of(first_address, f"pool {pool}")
        self._starts.add(first)
        return [self._give(by_hand.get(name, first + offset), name) for offset, name in enumerate(names)]

    def _give(self, index: int, name: str) -> str:
        if index >= self.plan.network.num_addresses - 1:
            raise ConfigError(
                name,
                f"the range {self.plan.network} ends before its address",
                "take a larger range, or give the pool a lower first_address",
                path="network.cidr",
            )
        address = str(self.plan.network[index])
        if index in self._given:
            raise DuplicateError(
                name,
                f"its address {address} belongs to {self._given[index]} already",
                "give one of the two another address, or its pool a first_address further away",
                path="address",
            )
        self._given[index] = name
        return address
