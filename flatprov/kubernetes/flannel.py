"""The objects of flannel. Plain data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from flatprov.kubernetes.addresses import Range


def flannel_objects(pods: Sequence[Range], *, backend: str, image: str, plugin_image: str) -> list[dict[str, Any]]:
    """What makes flannel run on each node.

    Args:
        pods: the pods' range, or two.
        backend: how packets travel.
        image: flannel's.
        plugin_image: that of its CNI plugin.
    """
    by_family = {one.version: str(one) for one in pods}
    settings: dict[str, Any] = {"EnableNFTables": False, "Backend": {"Type": backend}}
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
                "template": {"metadata": {"labels": {"app": "flannel"}}, "spec": _pod(image, plugin_image)},
            },
        },
    ]


def _pod(image: str, plugin_image: str) -> dict[str, Any]:
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
                "image": plugin_image,
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
