"""Address ranges of a cluster: pods, services and nodes must not overlap, and have room. kubeadm checks no overlaps."""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from flatprov.errors import ConfigError

Range = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
#: How much of the pods' range each node gets, by IP version (kube-controller-manager's defaults).
NODE_MASK: Final = {4: 24, 6: 64}
_LARGEST_SERVICES = 20  # host bits, kubeadm's limit
_SMALLEST_SERVICES = 10  # addresses, kubeadm's limit
_LARGEST_POD_SPLIT = 16  # bits between the pods' range and a node's part of it, kubeadm's limit
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\Z")
_FAMILY = {4: "IPv4", 6: "IPv6"}


def parse_ranges(texts: str | Sequence[str], path: str, subject: str) -> tuple[Range, ...]:
    """Read one range, or an IPv4 and an IPv6 one for dual stack.

    Raises:
        ConfigError: one is malformed or has host bits, or there are two of one family.
    """
    given = [texts] if isinstance(texts, str) else list(texts)
    found: list[Range] = []
    for text in given:
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError:
            raise ConfigError(
                subject, f"{path} is no address range", "write it like 10.244.0.0/16 or fd00:10::/56", path=path
            ) from None
        if "/" not in str(text):
            raise ConfigError(subject, f"{path} has no prefix length", "write it like 10.244.0.0/16", path=path)
    if not 1 <= len(found) <= 2 or len({one.version for one in found}) != len(found):
        raise ConfigError(
            subject,
            f"{path} needs one range, or one of IPv4 and one of IPv6",
            "give one of each family for dual stack",
            path=path,
        )
    return tuple(found)


def check_ranges(
    pods: Sequence[Range], services: Sequence[Range], nodes: Sequence[Range], *, node_count: int, subject: str
) -> None:
    """Judge the three kinds of ranges together.

    Args:
        pods: the pods' range, or two.
        services: the services' range, or two.
        nodes: the networks the nodes are in; empty where unknown.
        node_count: how many nodes the cluster will have.
        subject: the cluster.

    Raises:
        ConfigError: two overlap, the families differ, or one is too small or too large.
    """
    if [one.version for one in pods] != [one.version for one in services]:
        raise ConfigError(
            subject,
            "kubernetes.pods and kubernetes.services are not of the same IP families in the same order",
            "give both IPv4, both IPv6, or both in the same order",
            path="kubernetes.services",
        )
    missing = {one.version for one in pods} - {one.version for one in nodes}
    if nodes and missing:
        raise ConfigError(
            subject,
            f"its nodes have no {_FAMILY[missing.pop()]} network, which pods and services need",
            "give the nodes addresses of that family, or leave it out",
            path="kubernetes.pods",
        )
    named: list[tuple[str, Range]] = [
        *(("kubernetes.pods", one) for one in pods),
        *(("kubernetes.services", one) for one in services),
        *(("the network of the nodes", one) for one in nodes),
    ]
    for (first, one), (second, other) in itertools.combinations(named, 2):
        if first != second and one.version == other.version and one.overlaps(other):
            path = first if first.startswith("kubernetes.") else second
            raise ConfigError(
                subject,
                f"{first} ({one}) overlaps {second} ({other})",
                "take a range that nothing else in reach uses",
                path=path,
            )
    for one in services:
        _check_services(one, subject)
    for one in pods:
        _check_pods(one, node_count, subject)


def _check_services(services: Range, subject: str) -> None:
    host_bits = services.max_prefixlen - services.prefixlen
    if host_bits > _LARGEST_SERVICES or services.num_addresses < _SMALLEST_SERVICES:
        raise ConfigError(
            subject,
            f"kubernetes.services ({services}) is too {'large' if host_bits > _LARGEST_SERVICES else 'small'}",
            f"take a prefix length from {services.max_prefixlen - _LARGEST_SERVICES} to {services.max_prefixlen - 4}",
            path="kubernetes.services",
        )


def _check_pods(pods: Range, node_count: int, subject: str) -> None:
    mask = NODE_MASK[pods.version]
    split = mask - pods.prefixlen
    if not 0 <= split <= _LARGEST_POD_SPLIT:
        raise ConfigError(
            subject,
            f"kubernetes.pods ({pods}) is too {'small' if split < 0 else 'large'}: each node gets a /{mask} of it",
            f"take a prefix length from {mask - _LARGEST_POD_SPLIT} to {mask}",
            path="kubernetes.pods",
        )
    if 1 << split < node_count:
        wanted = mask - (node_count - 1).bit_length()
        raise ConfigError(
            subject,
            f"kubernetes.pods ({pods}) has a /{mask} for each of {1 << split} nodes, and there are {node_count}",
            f"take a /{wanted} or larger",
            path="kubernetes.pods",
        )


def parse_address(text: str, path: str, subject: str) -> Address:
    """Read an IP address.

    Raises:
        ConfigError: it is none.
    """
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise ConfigError(subject, f"{path} is no IP address", "write it like 10.17.3.10", path=path) from None


def check_host(text: Any, path: str, subject: str) -> str:
    """Judge an IP address or a DNS name and give it back.

    Raises:
        ConfigError: it is neither.
    """
    try:
        ipaddress.ip_address(text)
    except ValueError:
        digits = isinstance(text, str) and text.replace(".", "").isdigit()  # an address with a typing error
        if not isinstance(text, str) or digits or not _HOST.match(text):
            raise ConfigError(
                subject, f"{path} is neither an IP address nor a DNS name", "leave out scheme and port", path=path
            ) from None
    return str(text)


def check_virtual_ip(
    text: str,
    *,
    nodes: Sequence[Range],
    node_addresses: Iterable[str],
    dynamic: tuple[str, str] | None,
    gateway: str = "",
    subject: str,
) -> None:
    """Judge where a virtual IP lies: in the nodes' own network, and where nothing else will ever have it.

    Args:
        text: the address.
        nodes: the nodes' networks; empty where unknown.
        node_addresses: the addresses of all nodes that are known.
        dynamic: first and last address that DHCP gives to anyone; None where there is none.
        gateway: the network's gateway.
        subject: the cluster.

    Raises:
        ConfigError: it is outside of the network, in the DHCP range, or taken.
    """
    path = "kubernetes.endpoint.address"
    address = parse_address(text, path, subject)
    home = next((one for one in nodes if address in one), None)
    if nodes and home is None:
        raise ConfigError(
            subject,
            f"the virtual IP {address} is outside of the nodes' network {', '.join(map(str, nodes))}",
            "take a free address in it: the nodes answer for it on their own link",
            path=path,
        )
    edges = (home[0], home[-1]) if home is not None and home.version == 4 else ()
    taken = {parse_address(one, path, subject) for one in (*node_addresses, *([gateway] if gateway else []))}
    if address in taken or address in edges:
        raise ConfigError(subject, f"the virtual IP {address} is taken already", "take a free address", path=path)
    if dynamic is not None:
        first, last = (parse_address(one, path, subject) for one in dynamic)
        if first.version == address.version and int(first) <= int(address) <= int(last):
            raise ConfigError(
                subject,
                f"the virtual IP {address} is in the DHCP range {first} to {last}",
                "take one outside of it: DHCP may give it to another machine",
                path=path,
            )


def bracketed(host: str) -> str:
    """A host as it stands before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host
