"""Everything about a cluster that can be judged before anything exists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flatprov.errors import ConfigError
from flatprov.kubernetes.addresses import check_host, check_ranges, check_virtual_ip, parse_address, parse_ranges
from flatprov.kubernetes.endpoints import VirtualIP
from flatprov.kubernetes.names import check_node_names
from flatprov.kubernetes.settings import ControlPlane, Kubernetes
from flatprov.kubernetes.versions import check_flatcar


def check_cluster(
    name: str,
    kubernetes: Kubernetes,
    control_plane: ControlPlane,
    *,
    nodes: Mapping[str, str],
    networks: Sequence[str] = (),
    dynamic: tuple[str, str] | None = None,
    gateway: str = "",
    flatcar: str = "",
) -> None:
    """Judge a cluster as a whole; its parts judged themselves when they were made.

    Args:
        name: the cluster's.
        kubernetes: its settings.
        control_plane: its control planes.
        nodes: the names of all its nodes and their addresses, ``""`` where not known yet.
        networks: the ranges of the networks the nodes are in; empty where not known.
        dynamic: first and last address DHCP gives to anyone.
        gateway: the network's gateway.
        flatcar: the release the nodes run; empty where not known.

    Raises:
        ConfigError: something does not fit; the message says which property.
    """
    subject = f"cluster {name}"
    check_node_names(nodes)
    homes = [one for text in networks for one in parse_ranges(text, "network", subject)]
    check_ranges(
        parse_ranges(kubernetes.pods, "kubernetes.pods", subject),
        parse_ranges(kubernetes.services, "kubernetes.services", subject),
        homes,
        node_count=len(nodes),
        subject=subject,
    )
    addresses = [address for address in nodes.values() if address]
    for node, address in nodes.items():
        if address and homes and not any(parse_address(address, "address", node) in one for one in homes):
            raise ConfigError(
                node, f"its address {address} is in none of the nodes' networks", "correct it", path="address"
            )
    if kubernetes.endpoint is None and control_plane.count > 1:
        raise ConfigError(
            subject,
            "several control planes need one address in front of them",
            "set endpoint=VirtualIP(...) or endpoint=LoadBalancer(...)",
            path="kubernetes.endpoint",
        )
    if isinstance(kubernetes.endpoint, VirtualIP):
        check_virtual_ip(
            check_host(kubernetes.endpoint.address, "kubernetes.endpoint.address", subject),
            nodes=homes,
            node_addresses=addresses,
            dynamic=dynamic,
            gateway=gateway,
            subject=subject,
        )
    check_flatcar(kubernetes.exact_version, flatcar, subject)
