"""Pod networks as data: what each needs of the cluster, and what is applied to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from flatprov.arguments import Arguments
from flatprov.errors import ConfigError
from flatprov.kubernetes.addresses import Range
from flatprov.kubernetes.flannel import flannel_objects

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
        return flannel_objects(
            pods,
            backend=self.backend,
            image=f"{self.registry}/flannel:{self.version}",
            plugin_image=f"{self.registry}/flannel-cni-plugin:{self.cni_plugin}",
        )


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
