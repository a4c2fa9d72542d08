"""Names of nodes, labels and taints: what Kubernetes takes, and what a kubelet may say of itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flatprov.arguments import Arguments
from flatprov.errors import ConfigError, DuplicateError

_NODE = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\Z")
_NAME = re.compile(r"(?=.{1,63}\Z)[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
_VALUE = re.compile(r"(?:(?=.{1,63}\Z)[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?\Z")
#: Labels of the kubernetes.io kind that the admission plugin NodeRestriction lets a kubelet set.
KUBELET_MAY_SET: Final = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/arch",
        "kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
    }
)
_OPEN_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")
_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")


@dataclass(frozen=True)
class Taint(Arguments):
    """A taint that each node of a pool has from its first moment on.

    Args:
        key: its name.
        value: its value, or nothing.
        effect: ``NoSchedule``, ``PreferNoSchedule`` or ``NoExecute``.

    Raises:
        ConfigError: a part is malformed.
    """

    key: str
    value: str = ""
    effect: str = "NoSchedule"

    def __post_init__(self) -> None:
        _check_key(self.key, "taints", "taint")
        if not _VALUE.match(self.value):
            raise ConfigError(f"taint {self.key}", "its value is malformed", _VALUE_FIX, path="taints")
        if self.effect not in _EFFECTS:
            words = self.effect.replace("_", "").lower()
            near = next((one for one in _EFFECTS if one.lower() == words), "")
            fix = f"write {near}" if near else f"take {', '.join(_EFFECTS)}"
            raise ConfigError(f"taint {self.key}", "it has an effect that Kubernetes does not know", fix, path="taints")

    def document(self) -> dict[str, str]:
        """The taint as Kubernetes writes it."""
        found = {"key": self.key, "effect": self.effect}
        return {**found, "value": self.value} if self.value else found


_VALUE_FIX = "use at most 63 letters, digits, dots, hyphens and underscores, the first and last a letter or digit"


def check_labels(labels: Mapping[str, Any], subject: str) -> None:
    """Judge the labels that the kubelets of a pool give to their own nodes.

    Raises:
        ConfigError: one is malformed, or of a kind that only the API may set: its kubelet would never join.
    """
    for key, value in labels.items():
        _check_key(key, "labels", "label")
        if not isinstance(value, str) or not _VALUE.match(value):
            raise ConfigError(subject, f"the value of label {key} is malformed", _VALUE_FIX, path=f"labels[{key}]")
        if not kubelet_may_set(key):
            raise ConfigError(
                subject,
                f"the label {key} is one that a kubelet may not set: it would not join",
                "use a name of your own domain, or set it through the API afterwards",
                path=f"labels[{key}]",
            )


def kubelet_may_set(key: str) -> bool:
    """Tell whether NodeRestriction lets a kubelet give this label to its node."""
    domain = key.rpartition("/")[0]
    if not any(domain == one or domain.endswith(f".{one}") for one in ("kubernetes.io", "k8s.io")):
        return True
    if any(domain == one or domain.endswith(f".{one}") for one in _OPEN_DOMAINS):
        return True
    return key in KUBELET_MAY_SET


def _check_key(key: object, path: str, kind: str) -> None:
    domain, slash, name = key.rpartition("/") if isinstance(key, str) else ("", "", "")
    if not _NAME.match(name) or (slash and not _NODE.match(domain)):
        raise ConfigError(kind, f"{key!r} is no name of a {kind}", "write it like tier or example.com/tier", path=path)


def check_node_name(name: str, subject: str = "") -> None:
    """Judge the name under which a node registers.

    Raises:
        ConfigError: Kubernetes does not take it, or it is localhost, which every machine is before it has its name.
    """
    if name.partition(".")[0].startswith("localhost"):
        raise ConfigError(
            subject or f"node {name!r}",
            "a node called localhost is one that did not get its host name",
            "give it a name of its own",
            path="name",
        )
    if not _NODE.match(name):
        raise ConfigError(
            subject or f"node {name!r}",
            "it cannot be the name of a Kubernetes node",
            "use lower-case letters, digits, inner hyphens and dots",
            path="name",
        )


def check_node_names(names: Iterable[str]) -> None:
    """Judge all node names of a cluster together.

    Raises:
        ConfigError: one is unusable.
        DuplicateError: two nodes share one.
    """
    seen: set[str] = set()
    for name in names:
        check_node_name(name)
        if name in seen:
            raise DuplicateError(
                f"node {name}", "two nodes of the cluster have this name", "rename one of the pools", path="name"
            )
        seen.add(name)
