"""Pod networks as data: what each needs of the cluster, and what is applied to it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from flatprov.arguments import Arguments
from flatprov.errors import ConfigError
from flatprov.kubernetes.addresses import Range

_DIGEST = re.compile(r"sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{128})\Z")
_URL = re.compile(r"https?://\S+\Z")
_FLANNEL_PORTS: Final = {"vxlan": "udp/8472", "wireguard": "udp/51820", "host-gw": ""}


@dataclass(frozen=True, kw_only=True)
class Manifest(Arguments):
    """A file of Kubernetes objects.

    Args:
        url: where it is.
        digest: ``sha256-HEX`` or ``sha512-HEX`` of its bytes.

    Raises:
        ConfigError: one of them is malformed.
    """

    url: str
    digest: str

    def __post_init__(self) -> None:
        if not _URL.match(self.url):
            raise ConfigError("manifest", "its url is none", "give http:// or https://", path="network.manifest.url")
        if not _DIGEST.match(self.digest):
            raise ConfigError(
                "manifest",
                "its digest is malformed",
                "write sha512- and 128 hex digits, or sha256- and 64",
                path="network.manifest.digest",
            )


@dataclass(frozen=True, kw_only=True)
class Flannel(Arguments):
    """Flannel: an overlay and nothing else (no network policies).

    Its objects are made here. On Flatcar with SELinux enforcing it does not work (flatcar/Flatcar#779).

    Args:
        version: of flannel.
        cni_plugin: of its CNI plugin's image.
        backend: ``vxlan``, ``wireguard`` or ``host-gw`` (all nodes on one link).
        registry: where the images are; a mirror's host and path in its place.

    Raises:
        ConfigError: the backend is unknown.
    """

    TITLE: ClassVar[str] = "Flannel"
    NEEDS_POD_RANGES: ClassVar[bool] = True

    version: str = "v0.28.9"
    cni_plugin: str = "v1.9.1-flannel3"
    backend: str = "vxlan"
    registry: str = "ghcr.io/flannel-io"

    def __post_init__(self) -> None:
        if self.backend not in _FLANNEL_PORTS:
            raise ConfigError(
                "Flannel", "its backend is unknown", f"take {', '.join(_FLANNEL_PORTS)}", path="network.backend"
            )

    @property
    def replaces_kube_proxy(self) -> bool:
        """It does not."""
        return False

    @property
    def ports(self) -> tuple[str, ...]:
        """What nodes must reach of one another."""
        return tuple(port for port in (_FLANNEL_PORTS[self.backend],) if port)

    @property
    def manifest(self) -> Manifest | None:
        """None: ``objects`` has everything."""
        return None

    def objects(self, pods: Sequence[Range]) -> list[dict[str, Any]]:
        """The objects to apply.

        Args:
            pods: the pods' range, or two.
        """
        return _flannel(self, pods)


@dataclass(frozen=True, kw_only=True)
class _External(Arguments):
    """A pod network whose manifest somebody else publishes."""

    TITLE: ClassVar[str] = ""
    NEEDS_POD_RANGES: ClassVar[bool] = False
    PORTS: ClassVar[tuple[str, ...]] = ()

    manifest: Manifest | None = None

    @property
    def replaces_kube_proxy(self) -> bool:
        """It does not, unless told so."""
        return False

    @property
    def ports(self) -> tuple[str, ...]:
        """What nodes must reach of one another."""
        return self.PORTS

    def objects(self, pods: Sequence[Range]) -> list[dict[str, Any]]:
        """Nothing is made here: the manifest has it."""
        return []


@dataclass(frozen=True, kw_only=True)
class Cilium(_External):
    """Cilium, from a manifest (``cilium install --dry-run``, or ``helm template``) that you keep.

    Args:
        manifest: the file; None where you install it yourself.
        kube_proxy_replacement: it takes kube-proxy's place, which is then not installed.
    """

    TITLE: ClassVar[str] = "Cilium"
    PORTS: ClassVar[tuple[str, ...]] = ("udp/8472", "tcp/4240")

    kube_proxy_replacement: bool = False

    @property
    def replaces_kube_proxy(self) -> bool:
        """As set."""
        return self.kube_proxy_replacement


@dataclass(frozen=True, kw_only=True)
class Calico(_External):
    """Calico, from its published manifest.

    Args:
        manifest: the file; None where you install it yourself.
    """

    TITLE: ClassVar[str] = "Calico"
    NEEDS_POD_RANGES: ClassVar[bool] = False
    PORTS: ClassVar[tuple[str, ...]] = ("tcp/179", "udp/4789", "tcp/5473")


Network = Flannel | Cilium | Calico


def check_network(network: object, subject: str) -> None:
    """Refuse what is no pod network.

    Raises:
        ConfigError: it is none that is known here.
    """
    if network is not None and not isinstance(network, (Flannel, Cilium, Calico)):
        raise ConfigError(
            subject,
            "kubernetes.network is no known pod network",
            "take Flannel(), Cilium(), Calico(), or None to install one yourself",
            path="kubernetes.network",
        )


def _flannel(network: Flannel, pods: Sequence[Range]) -> list[dict[str, Any]]:
    by_family = {one.version: str(one) for one in pods}
    settings: dict[str, Any] = {"EnableNFTables": False, "Backend": {"Type": network.backend}}
    if 4 in by_family:
        settings["Network"] = by_family[4]
    else:
        settings["EnableIPv4"] = False
    if 6 in by_family:
        settings |= {"EnableIPv6": True, "IPv6Network": by_family[6]}
    chain = {
        "name": "cbr0",
        "cniVersion": "1.0.0",
        "plugins": [
            {"type": "flannel", "delegate": {"hairpinMode": True, "isDefaultGateway": True}},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
    place = {"name": "flannel", "namespace": "kube-flannel"}
    rbac = "rbac.authorization.k8s.io"
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            # it changes the machine's network, which the restricted levels forbid
            "metadata": {"name": "kube-flannel", "labels": {"pod-security.kubernetes.io/enforce": "privileged"}},
        },
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": place},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "flannel"},
            "rules": [
                {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
                {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]},
                {"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch"]},
            ],
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "flannel"},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "flannel"},
            "subjects": [{"kind": "ServiceAccount", **place}],
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": place,
            "data": {"net-conf.json": json.dumps(settings), "cni-conf.json": json.dumps(chain)},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": place,
            "spec": {
                "selector": {"matchLabels": {"app": "flannel"}},
                "template": {"metadata": {"labels": {"app": "flannel"}}, "spec": _flannel_pod(network)},
            },
        },
    ]


def _flannel_pod(network: Flannel) -> dict[str, Any]:
    image = f"{network.registry}/flannel:{network.version}"
    plugin = f"{network.registry}/flannel-cni-plugin:{network.cni_plugin}"
    folders = {"run": "/run/flannel", "cni-plugin": "/opt/cni/bin", "cni": "/etc/cni/net.d"}
    lock = {"name": "xtables-lock", "hostPath": {"path": "/run/xtables.lock", "type": "FileOrCreate"}}
    settings = {"name": "settings", "configMap": {"name": "flannel"}}
    field = {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace"}
    return {
        "hostNetwork": True,
        "serviceAccountName": "flannel",
        "priorityClassName": "system-node-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists", "effect": "NoSchedule"}],
        "initContainers": [
            {
                "name": "install-plugin",
                "image": plugin,
                "command": ["cp", "-f", "/flannel", "/opt/cni/bin/flannel"],
                "volumeMounts": [{"name": "cni-plugin", "mountPath": "/opt/cni/bin"}],
            },
            {
                "name": "install-config",
                "image": image,
                "command": ["cp", "-f", "/etc/kube-flannel/cni-conf.json", "/etc/cni/net.d/10-flannel.conflist"],
                "volumeMounts": [
                    {"name": "cni", "mountPath": "/etc/cni/net.d"},
                    {"name": "settings", "mountPath": "/etc/kube-flannel"},
                ],
            },
        ],
        "containers": [
            {
                "name": "flannel",
                "image": image,
                "command": ["/opt/bin/flanneld"],
                "args": ["--ip-masq", "--kube-subnet-mgr"],
                "resources": {"requests": {"cpu": "100m", "memory": "50Mi"}},
                "securityContext": {"privileged": False, "capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}},
                "env": [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in field.items()],
                "volumeMounts": [
                    {"name": "run", "mountPath": "/run/flannel"},
                    {"name": "settings", "mountPath": "/etc/kube-flannel"},
                    {"name": "xtables-lock", "mountPath": "/run/xtables.lock"},
                ],
            }
        ],
        "volumes": [
            *(
                {"name": name, "hostPath": {"path": path, "type": "DirectoryOrCreate"}}
                for name, path in folders.items()
            ),
            settings,
            lock,
        ],
    }
