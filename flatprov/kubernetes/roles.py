"""The roles of nodes as Ignition configs: what all nodes of a role share, made once, and each node's small own part."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flatprov.errors import ConfigError
from flatprov.ignition import merge
from flatprov.kubernetes import audit, encryption, fragments
from flatprov.kubernetes.addresses import bracketed, parse_address
from flatprov.kubernetes.base import base_fragment
from flatprov.kubernetes.endpoints import KUBE_VIP_HOSTS, Endpoint, VirtualIP, kube_vip
from flatprov.kubernetes.kubeadm import PATCHES, Registration, init_documents, join_documents
from flatprov.kubernetes.kubelet import kubelet_document
from flatprov.kubernetes.layout import LAYOUT
from flatprov.kubernetes.names import check_node_name
from flatprov.kubernetes.settings import ControlPlane, Kubernetes, Pool
from flatprov.kubernetes.trust import ControlPlaneTrust, Join

_Documents = Callable[[Registration], list[dict[str, Any]]]
_PEER_PORT = 2380
_FIRST_KUBELET_PATCH = 25


@dataclass(frozen=True)
class Role:
    """One role, rendered.

    Attributes:
        kind: ``init``, ``control-plane`` or ``worker``.
        common: the Ignition config all its nodes share.
    """

    kind: str
    common: dict[str, Any]
    _registration: Registration
    _documents: _Documents

    def node(self, name: str, addresses: Sequence[str] = ()) -> dict[str, Any]:
        """The small config that one node has besides; it holds the bootstrap token.

        Args:
            name: the node's name: the machine's own, and unique in the cluster. Empty for machines of a cloud's group,
                which take their host name; then there are no addresses either.
            addresses: its addresses, the first is the one that others use; at most one of each IP family.

        Raises:
            ConfigError: the name is unusable, or a control plane has no name or address.
        """
        subject = f"node {name}" if name else self.kind
        if name:
            check_node_name(name)
        elif self.kind != "worker":
            raise ConfigError(subject, "a control plane needs a name", "give one", path="name")
        found = [parse_address(one, "address", subject) for one in addresses]
        if len({one.version for one in found}) != len(found):
            raise ConfigError(subject, "two addresses are of one IP family", "give one of each", path="address")
        if self.kind != "worker" and not found:
            raise ConfigError(subject, "a control plane needs a known address", "give one", path="address")
        own = Registration(
            name=name,
            addresses=tuple(str(one) for one in found),
            labels=self._registration.labels,
            taints=self._registration.taints,
            patched=self._registration.patched,
        )
        environment = {"NODE_NAME": name}
        if self.kind != "worker":
            environment["NODE_ETCD_PEER"] = f"https://{bracketed(own.addresses[0])}:{_PEER_PORT}"
        files = [
            fragments.file(LAYOUT.config, fragments.documents(self._documents(own)), 0o600),
            fragments.file(LAYOUT.node, "".join(f"{key}={value}\n" for key, value in environment.items())),
        ]
        if name:
            files.append(fragments.file("/etc/hostname", f"{name}\n"))
        return fragments.config(files=files)

    def config(self, name: str, addresses: Sequence[str] = ()) -> dict[str, Any]:
        """Both parts in one, for one node."""
        return merge(self.common, self.node(name, addresses))


def begins(index: int, *, bootstrapped: bool) -> bool:
    """Tell whether a control plane has the role ``init``: only the first, and only until the cluster is there.

    Whatever replaces it later joins: a second ``init`` would be a second cluster.
    """
    return index == 0 and not bootstrapped


def init_role(
    name: str,
    kubernetes: Kubernetes,
    endpoint: Endpoint,
    trust: ControlPlaneTrust,
    control_plane: ControlPlane,
    *,
    architecture: str = "amd64",
) -> Role:
    """The node that begins a cluster.

    Args:
        name: the cluster's.
        kubernetes: its settings.
        endpoint: where its API will be.
        trust: its secrets; the join part has a token.
        control_plane: settings of its control planes.
        architecture: ``amd64`` or ``arm64``.
    """
    token = trust.join.token
    if token is None:
        raise ConfigError(f"cluster {name}", "its first node makes the bootstrap token, and there is none", "make one")
    documents = _documents_of_init(name, kubernetes, endpoint, trust)
    common = merge(base_fragment(kubernetes, "init", architecture), _control_plane(kubernetes, trust, init=True))
    return Role("init", _with_patch(common, control_plane.kubelet, kubernetes), _registration(control_plane), documents)


def control_plane_role(
    kubernetes: Kubernetes, trust: ControlPlaneTrust, control_plane: ControlPlane, *, architecture: str = "amd64"
) -> Role:
    """A further control plane, or one that takes another's place. The arguments are those of ``init_role``."""

    def documents(node: Registration) -> list[dict[str, Any]]:
        return join_documents(kubernetes, trust.join, node, control_plane=True)

    common = merge(
        base_fragment(kubernetes, "control-plane", architecture), _control_plane(kubernetes, trust, init=False)
    )
    common = merge(common, _discovery(trust.join))
    return Role(
        "control-plane", _with_patch(common, control_plane.kubelet, kubernetes), _registration(control_plane), documents
    )


def worker_role(kubernetes: Kubernetes, join: Join, pool: Pool, *, architecture: str = "amd64") -> Role:
    """A worker of a pool, also of a cluster made elsewhere.

    It gets a ``Join``, in which there is no CA key; nor is there a ca.crt in what it gets: kubeadm refuses to join
    where one is, and writes it itself.

    Args:
        kubernetes: the cluster's settings.
        join: how to join.
        pool: its pool.
        architecture: ``amd64`` or ``arm64``.
    """

    def documents(node: Registration) -> list[dict[str, Any]]:
        return join_documents(kubernetes, join, node, control_plane=False)

    common = merge(base_fragment(kubernetes, "worker", architecture), _discovery(join))
    registration = Registration(labels=pool.labels, taints=pool.taints or None, patched=bool(pool.kubelet))
    return Role("worker", _with_patch(common, pool.kubelet, kubernetes), registration, documents)


def _documents_of_init(name: str, kubernetes: Kubernetes, endpoint: Endpoint, trust: ControlPlaneTrust) -> _Documents:
    def documents(node: Registration) -> list[dict[str, Any]]:
        if trust.join.token is None:  # init_role has seen to it
            return []
        encrypted = trust.encryption is not None
        return init_documents(name, kubernetes, endpoint, node, trust.join.token, encrypted=encrypted)

    return documents


def _registration(control_plane: ControlPlane) -> Registration:
    return Registration(
        labels=control_plane.labels,
        taints=() if control_plane.schedulable else None,
        patched=bool(control_plane.kubelet),
    )


def _with_patch(common: dict[str, Any], settings: Mapping[str, Any], kubernetes: Kubernetes) -> dict[str, Any]:
    if not settings:
        return common
    if kubernetes.exact_version.minor < _FIRST_KUBELET_PATCH:
        raise ConfigError(
            "kubernetes",
            f"kubeadm {kubernetes.exact_version} cannot give a pool kubelet settings of its own",
            f"set kubernetes.kubelet for all nodes, or take 1.{_FIRST_KUBELET_PATCH} or newer",
            path="kubelet",
        )
    path = f"{LAYOUT.stage}/{PATCHES.rpartition('/')[2]}/kubeletconfiguration0+strategic.json"
    patch = json.dumps(kubelet_document(settings), indent=1, sort_keys=True) + "\n"
    return merge(common, fragments.config(files=[fragments.file(path, patch)]))


def _discovery(join: Join) -> dict[str, Any]:
    if join.kubeconfig is None:
        return fragments.config()
    return fragments.config(files=[fragments.file(LAYOUT.discovery, join.kubeconfig, 0o600)])


def _control_plane(kubernetes: Kubernetes, trust: ControlPlaneTrust, *, init: bool) -> dict[str, Any]:
    """What only control planes have, staged: keys, what the API server reads, and kube-vip."""
    pki, stage = trust.pki, LAYOUT.stage
    pairs = {"ca": pki.ca, "etcd/ca": pki.etcd_ca, "front-proxy-ca": pki.front_proxy_ca}
    files = [
        fragments.file(f"{stage}/pki/sa.pub", pki.service_account_public),
        fragments.file(f"{stage}/pki/sa.key", pki.service_account_key, 0o600),
    ]
    for name, pair in pairs.items():
        files.append(fragments.file(f"{stage}/pki/{name}.crt", pair.certificate))
        files.append(fragments.file(f"{stage}/pki/{name}.key", pair.key, 0o600))
    if trust.encryption is not None:
        text = json.dumps(trust.encryption.document(), indent=1) + "\n"
        files.append(fragments.file(f"{stage}/{encryption.FILE}", text, 0o600))
    if kubernetes.audit is not None:
        text = json.dumps(kubernetes.audit.document(), indent=1) + "\n"
        files.append(fragments.file(f"{stage}/{audit.FILE}", text))
    if isinstance(kubernetes.endpoint, VirtualIP):
        pod = json.dumps(kube_vip(kubernetes.endpoint, kubernetes.exact_version, init=init), indent=1) + "\n"
        files.append(fragments.file(f"{stage}/manifests/kube-vip.yaml", pod))
        files.append(fragments.file(KUBE_VIP_HOSTS, "127.0.0.1 localhost kubernetes\n"))
    return fragments.config(files=files)
