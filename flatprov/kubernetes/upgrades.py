"""An upgrade of Kubernetes as data: what has to happen, in which order. Nothing is done here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from flatprov.errors import ConfigError
from flatprov.kubernetes.versions import KubernetesVersion, check_skew


class Action(Enum):
    """What a step does."""

    SET_CLUSTER_VERSION = "set-cluster-version"  #: kubeadm-config says which version a joining control plane starts
    REPLACE_CONTROL_PLANE = "replace-control-plane"
    UPDATE_ADDONS = "update-addons"  #: kube-proxy and CoreDNS, which may not be newer than the API servers
    REPLACE_WORKER = "replace-worker"


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        action: what to do.
        node: with which node; empty for the cluster as a whole.
        version: what it has afterwards.
    """

    action: Action
    node: str
    version: KubernetesVersion

    def __str__(self) -> str:
        return f"{self.action.value}{f' {self.node}' if self.node else ''} -> {self.version}"


def plan_upgrade(
    control_planes: Mapping[str, KubernetesVersion],
    workers: Mapping[str, KubernetesVersion],
    target: KubernetesVersion,
) -> tuple[Step, ...]:
    """Plan the way to a version, also from half way: an interrupted upgrade is planned again and goes on.

    kubeadm of the new version that joins as a control plane starts what the cluster's own settings name. So these come
    first, else its kubelet would be newer than its API server. Workers come last, one at a time.

    Args:
        control_planes: control-plane nodes and the version each runs, in the order in which they are replaced.
        workers: the other nodes.
        target: the version all shall have.

    Returns:
        The steps; none when all nodes have it.

    Raises:
        ConfigError: it goes back, skips a minor, or a worker would be too old for the new API servers.
    """
    if not control_planes:
        raise ConfigError("cluster", "it has no control plane", "an upgrade needs one that answers")
    newest, oldest = max(control_planes.values()), min(control_planes.values())
    if newest > target:
        raise ConfigError(
            "cluster",
            f"the control planes run {newest}, and Kubernetes cannot go back to {target}",
            "restore an etcd snapshot into a new cluster, or stay",
            path="kubernetes.version",
        )
    if target.minor - oldest.minor > 1:
        raise ConfigError(
            "cluster",
            f"from {oldest} to {target} is more than one minor version",
            f"go to v{oldest.major}.{oldest.minor + 1} first",
            path="kubernetes.version",
        )
    for node, version in workers.items():
        check_skew(newest, version, node)  # as it is now
        check_skew(target, version, node)
    behind = [node for node, version in control_planes.items() if version != target]
    late = [node for node, version in workers.items() if version != target]
    steps = [Step(Action.REPLACE_CONTROL_PLANE, node, target) for node in behind]
    if behind:
        steps = [Step(Action.SET_CLUSTER_VERSION, "", target), *steps, Step(Action.UPDATE_ADDONS, "", target)]
    elif late:  # the run before may have ended just here; doing it twice changes nothing
        steps = [Step(Action.UPDATE_ADDONS, "", target)]
    return (*steps, *(Step(Action.REPLACE_WORKER, node, target) for node in late))
