"""What every node of a cluster has, whatever its role."""

from __future__ import annotations

from typing import Any

from flatprov.errors import ConfigError
from flatprov.ignition import merge
from flatprov.kubernetes import fragments
from flatprov.kubernetes.addresses import parse_ranges
from flatprov.kubernetes.layout import LAYOUT, UNIT, Layout
from flatprov.kubernetes.registry import mirror_fragment
from flatprov.kubernetes.settings import Kubernetes
from flatprov.kubernetes.sysext import extension_fragment
from flatprov.kubernetes.texts import render_text

#: Named so that it stands beside the extension's own drop-ins: one of the same name would hide the other.
KUBELET_DROP_IN = "20-flatprov.conf"
_HOSTS = "127.0.0.1 localhost\n::1 localhost\n"


def base_fragment(kubernetes: Kubernetes, role: str, architecture: str) -> dict[str, Any]:
    """Programs, kernel settings, and the unit that makes the machine a node.

    Args:
        kubernetes: the cluster's settings.
        role: ``init``, ``control-plane`` or ``worker``.
        architecture: ``amd64`` or ``arm64``.

    Raises:
        ConfigError: the extension has no digest.
    """
    if kubernetes.extension is None:
        raise ConfigError(
            "kubernetes",
            "the digest of the Kubernetes extension is not known: nothing unverified boots",
            "set extension=Extension(digest)",
            path="kubernetes.extension",
        )
    families = {one.version for one in parse_ranges(kubernetes.pods, "kubernetes.pods", "kubernetes")}
    forwarding = {4: "net.ipv4.ip_forward=1\n", 6: "net.ipv6.conf.all.forwarding=1\n"}
    own = fragments.config(
        folders=[fragments.folder(LAYOUT.config.rpartition("/")[0], 0o700), fragments.folder(LAYOUT.stage, 0o700)],
        files=[
            fragments.file(
                "/etc/hosts", _HOSTS
            ),  # containerd copies it into each sandbox, and fails where there is none
            # kubeadm asks for ip_forward whatever the family
            fragments.file("/etc/sysctl.d/80-flatprov-kubernetes.conf", "".join(forwarding[n] for n in {4} | families)),
            fragments.file("/etc/modules-load.d/flatprov-kubernetes.conf", "br_netfilter\noverlay\n"),
            fragments.file("/etc/systemd/network/05-flatprov-pods.network", render_text("pods.network")),
            fragments.file(LAYOUT.script, script(), 0o755),
        ],
        units=[
            fragments.unit(UNIT, unit_text(role, kubernetes.patience_minutes), enabled=True),
            fragments.drop_in("kubelet.service", KUBELET_DROP_IN, render_text("kubelet-dropin.conf")),
        ],
    )
    found = merge(extension_fragment(kubernetes.extension, kubernetes.exact_version, architecture), own)
    return merge(mirror_fragment(kubernetes.image_mirror), found) if kubernetes.image_mirror else found


def script(layout: Layout = LAYOUT) -> str:
    """The script that makes a machine a node, the same for all roles."""
    return render_text("kubeadm.sh", **layout.values())


def unit_text(role: str, patience_minutes: int, layout: Layout = LAYOUT) -> str:
    """The unit that runs the script; it has time for each of kubeadm's waits, one after the other."""
    return render_text("flatprov-kubeadm.service", **layout.values(), role=role, timeout_minutes=3 * patience_minutes)
