"""What users construct to describe a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any

from flatprov.arguments import Arguments
from flatprov.errors import ConfigError
from flatprov.kubernetes.addresses import check_host, parse_ranges
from flatprov.kubernetes.audit import AuditPolicy
from flatprov.kubernetes.endpoints import LoadBalancer, VirtualIP, check_endpoint
from flatprov.kubernetes.kubelet import check_kubelet_settings
from flatprov.kubernetes.members import check_count
from flatprov.kubernetes.names import Taint, check_labels
from flatprov.kubernetes.networks import Calico, Cilium, Flannel, check_network
from flatprov.kubernetes.registry import check_mirror
from flatprov.kubernetes.sysext import Extension
from flatprov.kubernetes.versions import KubernetesVersion

if TYPE_CHECKING:
    from flatprov.flatcar.updates import Updates
    from flatprov.ignition import Ignition
    from flatprov.kubernetes.trust import Algorithm
    from flatprov.platforms.base import Machine, Rollout, Timeouts

_PROXY_MODES = ("", "iptables", "nftables", "none")
_ALGORITHMS = ("ECDSA-P256", "RSA-2048")
_FIRST_NFTABLES = 31


@dataclass(frozen=True)
class Kubernetes(Arguments):
    """A cluster's Kubernetes.

    Args:
        version: exact: ``"1.36.3"``.
        endpoint: ``VirtualIP`` or ``LoadBalancer``; None for one control plane, whose own address it then is.
        network: ``Flannel()``, ``Cilium()``, ``Calico()``, or None where you install one yourself.
        pods: the pods' range; two for dual stack, IPv4 and IPv6.
        services: the services' range, of the same families in the same order.
        dns_domain: what names of services end in.
        sans: further names and addresses the API server's certificate is good for.
        extension: where the Kubernetes programs come from, with their digest.
        image_repository: in place of ``registry.k8s.io``.
        image_mirror: URL of a registry that containerd asks first, for all images.
        algorithm: of keys: ``ECDSA-P256``, or ``RSA-2048`` for old clients.
        encrypt_secrets: secrets are encrypted in etcd.
        audit: the audit policy; None writes no audit log.
        feature_gates: of API server, controller manager, scheduler, kubelet and kube-proxy.
        proxy_mode: of kube-proxy: ``iptables``, ``nftables``, ``none``; empty for Kubernetes' choice.
        kubelet: fields of KubeletConfiguration, for all nodes.
        api_server_arguments: further arguments of the API server.
        controller_manager_arguments: of the controller manager.
        scheduler_arguments: of the scheduler.
        etcd_arguments: of etcd.
        patience_minutes: how long kubeadm waits in each of its steps: for the API of other nodes, for its own.

    Raises:
        ConfigError: something of it cannot be; ``path`` names the property.
    """

    version: str
    _: KW_ONLY
    endpoint: VirtualIP | LoadBalancer | None = None
    network: Flannel | Cilium | Calico | None = field(default_factory=Flannel)
    pods: str | Sequence[str] = "10.244.0.0/16"
    services: str | Sequence[str] = "10.96.0.0/12"
    dns_domain: str = "cluster.local"
    sans: Sequence[str] = ()
    extension: Extension | None = None
    image_repository: str = ""
    image_mirror: str = ""
    algorithm: Algorithm = "ECDSA-P256"
    encrypt_secrets: bool = True
    audit: AuditPolicy | None = field(default_factory=AuditPolicy)
    feature_gates: Mapping[str, bool] = field(default_factory=dict)
    proxy_mode: str = ""
    kubelet: Mapping[str, Any] = field(default_factory=dict)
    api_server_arguments: Mapping[str, str] = field(default_factory=dict)
    controller_manager_arguments: Mapping[str, str] = field(default_factory=dict)
    scheduler_arguments: Mapping[str, str] = field(default_factory=dict)
    etcd_arguments: Mapping[str, str] = field(default_factory=dict)
    patience_minutes: int = 20

    def __post_init__(self) -> None:
        version, subject = KubernetesVersion.parse(self.version), "kubernetes"
        check_network(self.network, subject)
        check_endpoint(self.endpoint, subject)
        parse_ranges(self.pods, "kubernetes.pods", subject)
        parse_ranges(self.services, "kubernetes.services", subject)
        check_host(self.dns_domain, "kubernetes.dns_domain", subject)
        for number, name in enumerate(self.sans):
            check_host(name, f"kubernetes.sans[{number}]", subject)
        check_mirror(self.image_mirror, subject)
        check_kubelet_settings(self.kubelet, "kubernetes.kubelet", subject)
        if self.algorithm not in _ALGORITHMS:
            raise _unknown("algorithm", _ALGORITHMS)
        if self.proxy_mode not in _PROXY_MODES:
            raise _unknown("proxy_mode", _PROXY_MODES[1:])
        if self.proxy_mode == "nftables" and version.minor < _FIRST_NFTABLES:
            raise ConfigError(
                subject,
                f"kube-proxy of {version} has no usable nftables mode",
                f"take Kubernetes 1.{_FIRST_NFTABLES} or newer, or iptables",
                path="kubernetes.proxy_mode",
            )
        _check_gates(self.feature_gates, subject)
        if self.patience_minutes < 1:
            raise ConfigError(
                subject, "patience_minutes is below 1", "give 1 or more", path="kubernetes.patience_minutes"
            )

    @property
    def exact_version(self) -> KubernetesVersion:
        """The version as numbers."""
        return KubernetesVersion.parse(self.version)

    @property
    def proxied(self) -> bool:
        """kube-proxy is installed."""
        replaced = self.network is not None and self.network.replaces_kube_proxy
        return self.proxy_mode != "none" and not replaced


def _check_gates(gates: Mapping[str, object], subject: str) -> None:
    for name, on in gates.items():
        if not isinstance(on, bool):
            path = f"kubernetes.feature_gates[{name}]"
            raise ConfigError(subject, f"{path} is neither True nor False", "give one of them", path=path)


def _unknown(name: str, known: Sequence[str]) -> ConfigError:
    return ConfigError("kubernetes", f"{name} is unknown", f"take {', '.join(known)}", path=f"kubernetes.{name}")


@dataclass(frozen=True, kw_only=True)
class ControlPlane(Arguments):
    """The nodes that run the API and etcd.

    Args:
        count: 1, 3 or 5.
        machine: their hardware.
        ignition: what else they shall be at first boot.
        schedulable: ordinary pods run there too (no taint); for a cluster of one node.
        labels: labels of the nodes.
        kubelet: fields of KubeletConfiguration that differ from the cluster's.
        updates: how their operating system is updated.
        rollout: how they are rebuilt.
        timeouts: time limits.
    """

    count: int = 1
    machine: Machine | None = None
    ignition: Ignition | None = None
    schedulable: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    kubelet: Mapping[str, Any] = field(default_factory=dict)
    updates: Updates | None = None
    rollout: Rollout | None = None
    timeouts: Timeouts | None = None

    def __post_init__(self) -> None:
        check_count(self.count, "control plane")
        check_labels(self.labels, "control plane")
        check_kubelet_settings(self.kubelet, "control_plane.kubelet", "control plane")


@dataclass(frozen=True, kw_only=True)
class Pool(Arguments):
    """Equal workers of a cluster.

    Args:
        count: how many.
        machine: their hardware.
        ignition: what else they shall be at first boot.
        labels: labels of the nodes, of the kinds a kubelet may set.
        taints: taints of the nodes.
        kubelet: fields of KubeletConfiguration that differ from the cluster's.
        updates: how their operating system is updated.
        rollout: how they are rebuilt.
        timeouts: time limits.
    """

    count: int = 1
    machine: Machine | None = None
    ignition: Ignition | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Taint] = ()
    kubelet: Mapping[str, Any] = field(default_factory=dict)
    updates: Updates | None = None
    rollout: Rollout | None = None
    timeouts: Timeouts | None = None

    def __post_init__(self) -> None:
        if type(self.count) is not int or self.count < 0:
            raise ConfigError("pool", "count is no whole number from 0", "give one", path="count")
        check_labels(self.labels, "pool")
        check_kubelet_settings(self.kubelet, "kubelet", "pool")
        seen = set()
        for number, taint in enumerate(self.taints):
            if not isinstance(taint, Taint):
                raise ConfigError(
                    "pool", f"taints[{number}] is none", 'write Taint("dedicated", "db")', path=f"taints[{number}]"
                )
            if (taint.key, taint.effect) in seen:
                raise ConfigError(
                    "pool", f"the taint {taint.key} is there twice", "remove one", path=f"taints[{number}]"
                )
            seen.add((taint.key, taint.effect))
