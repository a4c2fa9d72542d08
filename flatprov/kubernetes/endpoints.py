"""Where the API of a cluster is reached: a virtual IP, a load balancer, or the only control plane itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Final

from flatprov.arguments import Arguments
from flatprov.errors import ConfigError
from flatprov.kubernetes.addresses import bracketed, check_host, parse_address
from flatprov.kubernetes.versions import KubernetesVersion

if TYPE_CHECKING:
    from pulumi import Input

API_PORT: Final = 6443
KUBE_VIP_IMAGE: Final = "ghcr.io/kube-vip/kube-vip:v1.2.3"
#: What a load balancer must ask before it sends anyone to a control plane. An open port says nothing: a joining API
#: server listens before its etcd has joined.
HEALTH_CHECK: Final[Mapping[str, str | int]] = {"protocol": "https", "path": "/readyz", "status": 200}


@dataclass(frozen=True)
class VirtualIP(Arguments):
    """An address that the control planes answer for in turn, by ARP or NDP (kube-vip).

    Args:
        address: a free address in the nodes' network, outside of the DHCP range.
        interface: the link it lives on; empty is that of the default route.
        image: kube-vip's image, with a digest where one is wanted (``...@sha256:...``).

    Raises:
        ConfigError: it is no address.
    """

    address: Input[str]
    _: KW_ONLY
    interface: str = ""
    image: str = KUBE_VIP_IMAGE

    def __post_init__(self) -> None:
        if isinstance(self.address, str):
            parse_address(self.address, "kubernetes.endpoint.address", "virtual IP")


@dataclass(frozen=True)
class LoadBalancer(Arguments):
    """A load balancer, or DNS name, in front of the control planes; made and run by somebody else.

    It has to ask ``/readyz`` over HTTPS (``flatprov.kubernetes.endpoints.HEALTH_CHECK``), not for an open port.

    Args:
        address: IP address or DNS name.
        port: its port, 6443 by default.

    Raises:
        ConfigError: the address or the port is none.
    """

    address: Input[str]
    _: KW_ONLY
    port: int = API_PORT

    def __post_init__(self) -> None:
        if isinstance(self.address, str):
            check_host(self.address, "kubernetes.endpoint.address", "load balancer")
        if type(self.port) is not int or not 0 < self.port < 65536:
            raise ConfigError(
                "load balancer", "its port is none", "take one from 1 to 65535", path="kubernetes.endpoint.port"
            )


def check_endpoint(endpoint: object, subject: str) -> None:
    """Refuse what is no endpoint.

    Raises:
        ConfigError: it is of another type.
    """
    if endpoint is not None and not isinstance(endpoint, (VirtualIP, LoadBalancer)):
        raise ConfigError(
            subject,
            "kubernetes.endpoint is of a wrong type",
            "give VirtualIP(...) or LoadBalancer(...)",
            path="kubernetes.endpoint",
        )


@dataclass(frozen=True)
class Endpoint:
    """Host and port of an API."""

    host: str
    port: int = API_PORT

    def __str__(self) -> str:
        return f"{bracketed(self.host)}:{self.port}"

    @property
    def url(self) -> str:
        """As kubeconfigs write it."""
        return f"https://{self}"

    @classmethod
    def parse(cls, text: str, subject: str = "endpoint") -> Endpoint:
        """Read ``10.0.0.1:6443``, ``[fd00::1]:6443`` or ``api.example:6443``.

        Raises:
            ConfigError: it is none of these.
        """
        host, colon, port = text.rpartition(":")
        host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not colon or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise ConfigError(subject, "it has no port", "write it like 10.17.3.10:6443", path="endpoint")
        return cls(check_host(host, "endpoint", subject), int(port))


def resolve_endpoint(
    wanted: VirtualIP | LoadBalancer | None, control_planes: int, first_address: str, subject: str
) -> Endpoint:
    """Where the API will be.

    Args:
        wanted: what the user set.
        control_planes: how many there are.
        first_address: the first one's address, for a cluster with one.
        subject: the cluster.

    Raises:
        ConfigError: several control planes have nothing in front of them.
    """
    if wanted is None and control_planes > 1:
        raise ConfigError(
            subject,
            "several control planes need one address in front of them",
            "set endpoint=VirtualIP(...) or endpoint=LoadBalancer(...)",
            path="kubernetes.endpoint",
        )
    if wanted is None:
        return Endpoint(check_host(first_address, "kubernetes.endpoint", subject))
    port = wanted.port if isinstance(wanted, LoadBalancer) else API_PORT
    return Endpoint(check_host(wanted.address, "kubernetes.endpoint.address", subject), port)


def kube_vip(settings: VirtualIP, version: KubernetesVersion, *, init: bool) -> dict[str, Any]:
    """kube-vip as a static pod.

    Args:
        settings: the virtual IP.
        version: the cluster's version: from 1.29 on the init node's admin.conf has no rights at first.
        init: for the node that begins the cluster.
    """
    address = check_host(settings.address, "kubernetes.endpoint.address", "virtual IP")
    kubeconfig = version.init_kubeconfig if init else "admin.conf"
    subnet = "128" if ":" in address else "32"
    environment = {
        "vip_arp": "true",
        "port": str(API_PORT),
        "vip_interface": settings.interface,
        "vip_subnet": subnet,
        "vip_cidr": subnet,  # its name before v1.0
        "cp_enable": "true",
        "cp_namespace": "kube-system",
        "svc_enable": "false",
        "vip_leaderelection": "true",
        "vip_leasename": "plndr-cp-lock",
        "vip_leaseduration": "15",
        "vip_renewdeadline": "10",
        "vip_retryperiod": "2",
        "address": address,
    }
    container = {
        "name": "kube-vip",
        "image": settings.image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["manager"],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "securityContext": {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}},
        "volumeMounts": [
            {"name": "kubeconfig", "mountPath": "/etc/kubernetes/admin.conf"},
            {"name": "hosts", "mountPath": "/etc/hosts"},
        ],
    }
    volumes = [
        {"name": "kubeconfig", "hostPath": {"path": f"/etc/kubernetes/{kubeconfig}", "type": "File"}},
        {"name": "hosts", "hostPath": {"path": KUBE_VIP_HOSTS, "type": "File"}},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "kube-vip", "namespace": "kube-system"},
        "spec": {"hostNetwork": True, "containers": [container], "volumes": volumes},
    }


#: kube-vip finds the API server of its own machine under the name "kubernetes".
KUBE_VIP_HOSTS: Final = "/etc/kube-vip.hosts"
