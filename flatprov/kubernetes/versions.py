"""Kubernetes versions: which kubeadm format each reads, what fits together, and on which Flatcar."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from flatprov.errors import ConfigError
from flatprov.flatcar.versions import Version

_VERSION = re.compile(r"v?(\d{1,2})\.(\d{1,3})\.(\d{1,4})\Z")
#: The oldest and newest minor whose kubeadm format is known here.
OLDEST_MINOR: Final = 22
NEWEST_MINOR: Final = 36
_FIRST_V1BETA4 = 31
_FIRST_SUPER_ADMIN = 29
_FIRST_THREE_OLDER = 28
#: The first Flatcar with systemd-sysupdate and system extensions as the Kubernetes recipe needs them.
FIRST_FLATCAR: Final = Version(3510, 2, 0)


class KubernetesVersion(NamedTuple):
    """``MAJOR.MINOR.PATCH``, ordered as numbers."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"v{self.major}.{self.minor}.{self.patch}"

    @classmethod
    def parse(cls, text: object, subject: str = "kubernetes", path: str = "kubernetes.version") -> KubernetesVersion:
        """Read ``1.35.4`` or ``v1.35.4``.

        Raises:
            ConfigError: it is no exact version, or one whose kubeadm format is not known here.
        """
        found = _VERSION.match(text) if isinstance(text, str) else None
        if not found:
            raise ConfigError(
                subject,
                "the Kubernetes version is not exact",
                'write all three numbers, like "1.36.3": kubeadm asks the internet for the others',
                path=path,
            )
        version = cls(*(int(part) for part in found.groups()))
        if version.major != 1 or not OLDEST_MINOR <= version.minor <= NEWEST_MINOR:
            raise ConfigError(
                subject,
                f"Kubernetes {version} is not one whose kubeadm this version of flatprov knows",
                f"take one from v1.{OLDEST_MINOR} to v1.{NEWEST_MINOR}, or a newer flatprov",
                path=path,
            )
        return version

    @property
    def kubeadm_api(self) -> str:
        """The newest format that kubeadm of this version reads."""
        return f"kubeadm.k8s.io/{'v1beta4' if self.minor >= _FIRST_V1BETA4 else 'v1beta3'}"

    @property
    def argument_lists(self) -> bool:
        """Extra arguments are lists of name and value (v1beta4), not maps (v1beta3)."""
        return self.minor >= _FIRST_V1BETA4

    @property
    def init_kubeconfig(self) -> str:
        """What has all rights on the init node from the start: admin.conf gets its rights only later, from 1.29 on."""
        return "super-admin.conf" if self.minor >= _FIRST_SUPER_ADMIN else "admin.conf"


def check_flatcar(kubernetes: KubernetesVersion, flatcar: str, subject: str = "kubernetes") -> None:
    """Refuse a Flatcar release that cannot run the Kubernetes extension.

    Args:
        kubernetes: the version.
        flatcar: the release's version; empty where it is an own image of which this is not known.
        subject: the object an error names.

    Raises:
        ConfigError: the release is too old.
    """
    if flatcar and Version.parse(flatcar) < FIRST_FLATCAR:
        raise ConfigError(
            subject,
            f"Kubernetes {kubernetes} comes as a system extension, which Flatcar {flatcar} cannot update",
            f"take Flatcar {FIRST_FLATCAR} or newer",
            path="image",
        )


def oldest_kubelet_minor(api_server: KubernetesVersion) -> int:
    """The oldest minor a kubelet may have: three older from API server 1.28 on, two before (Kubernetes skew policy)."""
    return api_server.minor - (3 if api_server.minor >= _FIRST_THREE_OLDER else 2)


def check_skew(api_server: KubernetesVersion, kubelet: KubernetesVersion, node: str) -> None:
    """Refuse a kubelet that its API server does not support.

    Raises:
        ConfigError: the kubelet is newer than the API server, or too old for it; the node is named.
    """
    if kubelet > api_server and kubelet[:2] != api_server[:2]:
        raise ConfigError(
            node,
            f"its kubelet {kubelet} is newer than the API server {api_server}",
            "upgrade the control planes first",
            path="kubernetes.version",
        )
    if kubelet.minor < oldest_kubelet_minor(api_server):
        raise ConfigError(
            node,
            f"its kubelet {kubelet} is too old for the API server {api_server}",
            f"bring it to v1.{oldest_kubelet_minor(api_server)} or newer first",
            path="kubernetes.version",
        )
