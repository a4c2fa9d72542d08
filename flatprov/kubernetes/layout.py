"""Where everything of a Kubernetes node lies on the machine."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Layout:
    """The paths that scripts, units and files share; the defaults are the product's, tests take others.

    What Ignition writes waits in ``stage`` and is copied into ``kubernetes`` before each try, because
    ``kubeadm reset`` empties that folder. Stage and ``config`` hold secrets and go when the node has joined.

    Attributes:
        kubernetes: kubeadm's own folder.
        stage: what is copied into it.
        config: kubeadm's config file.
        discovery: a bootstrap kubeconfig, where there is one in place of a token.
        node: name and address of this node, for the script.
        script: what makes the machine a node.
        started: there from the first try on.
        done: there when the machine is a node: no unit condition but this one decides.
        host_name: where the kernel says the host name.
        socket: containerd's socket.
    """

    kubernetes: str = "/etc/kubernetes"
    stage: str = "/etc/flatprov/kubernetes/stage"
    config: str = "/etc/flatprov/kubernetes/kubeadm.yml"
    discovery: str = "/etc/flatprov/kubernetes/discovery.json"
    node: str = "/etc/flatprov/kubernetes/node.env"
    script: str = "/opt/flatprov/kubeadm"
    started: str = "/var/lib/flatprov/kubeadm.started"
    done: str = "/var/lib/flatprov/kubeadm.done"
    host_name: str = "/proc/sys/kernel/hostname"
    socket: str = "/run/containerd/containerd.sock"

    def values(self) -> dict[str, str]:
        """The paths by name, for templates."""
        return asdict(self)


LAYOUT = Layout()

#: The unit that runs ``script``.
UNIT = "flatprov-kubeadm.service"
