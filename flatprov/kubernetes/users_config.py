"""What a user's own Ignition config must leave alone on a Kubernetes node."""

from __future__ import annotations

from typing import Any, Final

from flatprov.errors import ConfigError
from flatprov.kubernetes.layout import LAYOUT, UNIT
from flatprov.kubernetes.networkd import check_networkd_files

#: Paths below which flatprov or kubeadm write what nobody else may.
_OURS: Final = (
    LAYOUT.config.rpartition("/")[0],
    LAYOUT.script,
    LAYOUT.started,
    LAYOUT.done,
    "/etc/extensions/kubernetes.raw",
    "/opt/extensions/kubernetes",
    "/etc/kubernetes/pki",
    "/etc/kubernetes/admin.conf",
    "/etc/kubernetes/kubelet.conf",
    "/etc/kubernetes/bootstrap-kubelet.conf",
    "/var/lib/etcd",
    "/var/lib/kubelet",
)
#: Drop-ins that hide those of the extension or of flatprov, because of two with one name only one is read.
_DROP_INS: Final = {
    "kubelet.service": ("10-kubeadm.conf", "20-flatprov.conf"),
    "multi-user.target": ("10-kubelet-service.conf",),
    "containerd.service": ("10-flatprov-registry.conf",),
    "systemd-sysupdate.service": ("10-flatprov-kubernetes.conf",),
}


def check_users_config(config: dict[str, Any], subject: str) -> None:
    """Refuse what would take the place of a part of Kubernetes: it would win when both configs are merged.

    Args:
        config: the user's Ignition config, rendered.
        subject: the pool.

    Raises:
        ConfigError: a file, unit or drop-in does; its name is in the message.
    """
    storage = config.get("storage") or {}
    for kind in ("files", "links", "directories"):
        for one in storage.get(kind) or ():
            path = str(one.get("path"))
            if any(path == ours or path.startswith(f"{ours}/") for ours in _OURS):
                raise ConfigError(
                    subject,
                    f"{path} belongs to Kubernetes on this node",
                    "leave it out; settings of the cluster say what is in it",
                    path=f"ignition.storage.{kind}[{path}]",
                )
    for one in (config.get("systemd") or {}).get("units") or ():
        _check_unit(one, subject)
    check_networkd_files(config, subject)


def _check_unit(unit: dict[str, Any], subject: str) -> None:
    name = str(unit.get("name"))
    path = f"ignition.systemd.units[{name}]"
    if name == UNIT or (name in ("kubelet.service", "containerd.service") and unit.get("mask")):
        what = "is flatprov's own" if name == UNIT else "is masked, and no node runs without it"
        raise ConfigError(subject, f"the unit {name} {what}", "leave it out", path=path)
    for one in unit.get("dropins") or ():
        if one.get("name") in _DROP_INS.get(name, ()):
            raise ConfigError(
                subject,
                f"the drop-in {one['name']} of {name} would hide another one of the same name",
                "give it another name",
                path=f"{path}.dropins[{one['name']}]",
            )
