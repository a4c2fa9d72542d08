"""kubeadm's config files: v1beta4, and v1beta3 for Kubernetes before 1.31."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flatprov.errors import ConfigError
from flatprov.kubernetes import audit, encryption
from flatprov.kubernetes.addresses import parse_ranges
from flatprov.kubernetes.endpoints import API_PORT, Endpoint
from flatprov.kubernetes.kubelet import kubelet_document
from flatprov.kubernetes.layout import LAYOUT
from flatprov.kubernetes.names import Taint
from flatprov.kubernetes.settings import Kubernetes
from flatprov.kubernetes.tokens import GROUP, BootstrapToken
from flatprov.kubernetes.trust import Join
from flatprov.kubernetes.versions import KubernetesVersion

#: Where patches of a pool's own kubelet settings lie once they are in place.
PATCHES: Final = "/etc/kubernetes/patches"
_OWN_FILES: Final = "/etc/kubernetes/flatprov"


@dataclass(frozen=True, kw_only=True)
class Registration:
    """How one node makes itself known.

    Attributes:
        name: its name; empty for a machine of a cloud's group, which takes its host name.
        addresses: its addresses, one of each IP family; empty lets the kubelet choose.
        labels: labels it gives itself.
        taints: taints it begins with; None is Kubernetes' own choice for the role.
        patched: there are kubelet settings of its pool.
    """

    name: str = ""
    addresses: tuple[str, ...] = ()
    labels: Mapping[str, str] | None = None
    taints: Sequence[Taint] | None = None
    patched: bool = False


def init_documents(
    name: str,
    kubernetes: Kubernetes,
    endpoint: Endpoint,
    node: Registration,
    token: BootstrapToken,
    *,
    encrypted: bool,
) -> list[dict[str, Any]]:
    """What begins a cluster.

    Args:
        name: the cluster's.
        kubernetes: its settings.
        endpoint: where its API will be.
        node: the first control plane.
        token: what the others join with.
        encrypted: there are keys for secrets at rest.
    """
    version = kubernetes.exact_version
    init = {
        **_kind(version, "InitConfiguration"),
        "bootstrapTokens": [
            {
                "token": token.text,
                # not "expires": kubeadm always adds a ttl, and then refuses both
                "ttl": token.ttl,
                "usages": ["signing", "authentication"],
                "groups": [GROUP],
            }
        ],
        "nodeRegistration": _registration(node, version),
        "localAPIEndpoint": _local(node),
        **_patches(node),
        **_timeouts(kubernetes),
    }
    if not kubernetes.proxied and not version.argument_lists:
        init["skipPhases"] = ["addon/kube-proxy"]
    parts = [init, _cluster(name, kubernetes, endpoint, encrypted=encrypted), _kubelet(kubernetes)]
    proxy: dict[str, Any] = {"mode": kubernetes.proxy_mode} if kubernetes.proxy_mode else {}
    if kubernetes.feature_gates:
        proxy["featureGates"] = dict(kubernetes.feature_gates)
    if kubernetes.proxied and proxy:
        parts.append({"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", **proxy})
    return parts


def join_documents(
    kubernetes: Kubernetes, join: Join, node: Registration, *, control_plane: bool
) -> list[dict[str, Any]]:
    """What joins a cluster.

    Args:
        kubernetes: its settings.
        join: how it is recognized, and how the node proves itself.
        node: the node.
        control_plane: it becomes another control plane.
    """
    version = kubernetes.exact_version
    discovery: dict[str, Any]
    if join.token is not None:
        discovery = {
            "bootstrapToken": {
                "apiServerEndpoint": str(join.endpoint),
                "token": join.token.text,
                "caCertHashes": list(join.ca_hashes),
            }
        }
    else:
        discovery = {"file": {"kubeConfigPath": LAYOUT.discovery}}
    if not version.argument_lists:
        discovery["timeout"] = _minutes(kubernetes.patience_minutes)
    part: dict[str, Any] = {
        **_kind(version, "JoinConfiguration"),
        "discovery": discovery,
        "nodeRegistration": _registration(node, version),
        **_patches(node),
        **_timeouts(kubernetes),
    }
    if control_plane:
        part["controlPlane"] = {"localAPIEndpoint": _local(node)}
    return [part]


def _kind(version: KubernetesVersion, kind: str) -> dict[str, Any]:
    return {"apiVersion": version.kubeadm_api, "kind": kind}


def _minutes(minutes: int) -> str:
    return f"{minutes}m0s"


def _timeouts(kubernetes: Kubernetes) -> dict[str, Any]:
    """All of kubeadm's waits.

    ``kubernetesAPICall`` too: since 1.36 init waits for the API under it, and its default is one minute.
    """
    if not kubernetes.exact_version.argument_lists:
        return {}
    names = (
        "controlPlaneComponentHealthCheck",
        "discovery",
        "etcdAPICall",
        "kubeletHealthCheck",
        "kubernetesAPICall",
        "tlsBootstrap",
    )
    return {"timeouts": dict.fromkeys(names, _minutes(kubernetes.patience_minutes))}


def _patches(node: Registration) -> dict[str, Any]:
    return {"patches": {"directory": PATCHES}} if node.patched else {}


def _local(node: Registration) -> dict[str, Any]:
    found: dict[str, Any] = {"bindPort": API_PORT}
    return {"advertiseAddress": node.addresses[0], **found} if node.addresses else found


def _registration(node: Registration, version: KubernetesVersion) -> dict[str, Any]:
    arguments: dict[str, str] = {}
    if node.addresses:
        arguments["node-ip"] = ",".join(node.addresses)
    if node.labels:
        arguments["node-labels"] = ",".join(f"{key}={value}" for key, value in sorted(node.labels.items()))
    found: dict[str, Any] = {"criSocket": f"unix://{LAYOUT.socket}"}
    if node.name:
        found["name"] = node.name
    if arguments:
        found["kubeletExtraArgs"] = _arguments(arguments, version)
    if node.taints is not None:
        found["taints"] = [taint.document() for taint in node.taints]  # an empty list is not the same as none
    return found


def _arguments(arguments: Mapping[str, str], version: KubernetesVersion) -> Any:
    if not version.argument_lists:
        return dict(arguments)
    return [{"name": name, "value": value} for name, value in arguments.items()]


def _cluster(name: str, kubernetes: Kubernetes, endpoint: Endpoint, *, encrypted: bool) -> dict[str, Any]:
    version = kubernetes.exact_version
    pods, services = (
        ",".join(map(str, parse_ranges(given, path, name)))
        for given, path in ((kubernetes.pods, "kubernetes.pods"), (kubernetes.services, "kubernetes.services"))
    )
    found: dict[str, Any] = {
        **_kind(version, "ClusterConfiguration"),
        "clusterName": name,
        "kubernetesVersion": str(version),
        "controlPlaneEndpoint": str(endpoint),
        "networking": {"podSubnet": pods, "serviceSubnet": services, "dnsDomain": kubernetes.dns_domain},
        "apiServer": _api_server(kubernetes, endpoint, encrypted=encrypted),
    }
    gates = _gates(kubernetes)
    components = {
        "controllerManager": _joined(gates, kubernetes.controller_manager_arguments, "controller_manager_arguments"),
        "scheduler": _joined(gates, kubernetes.scheduler_arguments, "scheduler_arguments"),
    }
    for component, arguments in components.items():
        if arguments:
            found[component] = {"extraArgs": _arguments(arguments, version)}
    if kubernetes.etcd_arguments:
        found["etcd"] = {"local": {"extraArgs": _arguments(kubernetes.etcd_arguments, version)}}
        found["etcd"]["local"]["dataDir"] = "/var/lib/etcd"
    if kubernetes.image_repository:
        found["imageRepository"] = kubernetes.image_repository
    if version.argument_lists:
        found["encryptionAlgorithm"] = kubernetes.algorithm
        if not kubernetes.proxied:
            found["proxy"] = {"disabled": True}
    return found


def _api_server(kubernetes: Kubernetes, endpoint: Endpoint, *, encrypted: bool) -> dict[str, Any]:
    version = kubernetes.exact_version
    ours = _gates(kubernetes)
    volumes: list[dict[str, Any]] = []
    if encrypted:
        ours["encryption-provider-config"] = f"/etc/kubernetes/{encryption.FILE}"
    if kubernetes.audit is not None:
        ours |= kubernetes.audit.arguments()
        volumes.append(_volume("flatprov-audit-log", audit.LOG_FOLDER, writable=True))
    if encrypted or kubernetes.audit is not None:
        volumes.append(_volume("flatprov", _OWN_FILES, writable=False))
    arguments = _joined(ours, kubernetes.api_server_arguments, "api_server_arguments")
    found: dict[str, Any] = {"certSANs": list(dict.fromkeys([endpoint.host, *kubernetes.sans]))}
    if arguments:
        found["extraArgs"] = _arguments(arguments, version)
    if volumes:
        found["extraVolumes"] = volumes
    if not version.argument_lists:
        found["timeoutForControlPlane"] = _minutes(kubernetes.patience_minutes)
    return found


def _volume(name: str, path: str, *, writable: bool) -> dict[str, Any]:
    kind = "DirectoryOrCreate" if writable else "Directory"
    return {"name": name, "hostPath": path, "mountPath": path, "readOnly": not writable, "pathType": kind}


def _gates(kubernetes: Kubernetes) -> dict[str, str]:
    gates = kubernetes.feature_gates
    text = ",".join(f"{name}={str(on).lower()}" for name, on in sorted(gates.items()))
    return {"feature-gates": text} if text else {}


def _joined(ours: Mapping[str, str], users: Mapping[str, str], path: str) -> dict[str, str]:
    both = sorted(set(ours) & set(users))
    if both:
        raise ConfigError(
            "kubernetes",
            f"{path} sets {both[0]}, which follows from other settings",
            "change audit, encrypt_secrets or feature_gates instead",
            path=f"kubernetes.{path}.{both[0]}",
        )
    return {**ours, **users}


def _kubelet(kubernetes: Kubernetes) -> dict[str, Any]:
    settings = {"cgroupDriver": "systemd", **kubernetes.kubelet}
    if kubernetes.feature_gates:
        settings["featureGates"] = dict(kubernetes.feature_gates)
    return kubelet_document(settings)
