"""What cannot work is refused offline: by name, with the path, what is wrong and what to do."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes_cluster import CASES, ENDPOINT, EXTENSION, NOW, all_roles, kubernetes

from flatprov.errors import ConfigError, DuplicateError
from flatprov.ignition import Directory, DropIn, File, Ignition, Link, Unit, render
from flatprov.kubernetes import (
    AuditPolicy,
    Calico,
    ControlPlane,
    Extension,
    Flannel,
    Kubernetes,
    LoadBalancer,
    Manifest,
    Pool,
    Taint,
    VirtualIP,
)
from flatprov.kubernetes.checks import check_cluster
from flatprov.kubernetes.endpoints import Endpoint, resolve_endpoint
from flatprov.kubernetes.names import check_node_names
from flatprov.kubernetes.nodes import node_problems
from flatprov.kubernetes.tokens import BootstrapToken
from flatprov.kubernetes.trust import Join
from flatprov.kubernetes.users_config import check_users_config

BAD = json.loads((CASES / "bad_input.json").read_text())
GOOD = json.loads((CASES / "good_input.json").read_text())


def build(case: dict[str, Any]) -> None:
    """Construct what a case describes on top of a cluster that is right, and check it as a whole."""
    if "extension" in case:
        Extension(case["extension"].pop("digest"), **case["extension"])
    if "join" in case:
        token = BootstrapToken(id="abcdef", secret="0123456789abcdef", expires=NOW)
        Join(endpoint=ENDPOINT, ca_hashes=tuple(case["join"]["ca_hashes"]), token=token)
    if "taint" in case:
        Taint(**case["taint"])
    pool = dict(case.get("pool", {}))
    if "taints" in pool:
        pool["taints"] = [Taint(*one) for one in pool["taints"]]
    Pool(**pool)
    described = {"version": "1.36.3", "extension": EXTENSION, **case.get("kubernetes", {})}
    endpoint = case.get("endpoint", {"load_balancer": "api.example.com"})
    if endpoint and "endpoint" not in described:
        kind, address = next(iter(endpoint.items()))
        described["endpoint"] = {"virtual_ip": VirtualIP, "load_balancer": LoadBalancer}[kind](address)
    check_cluster(
        "demo",
        Kubernetes(described.pop("version"), **described),
        ControlPlane(**case.get("control_plane", {})),
        nodes=case.get("nodes", {"cp-0": "10.17.3.11", "w-0": "10.17.3.21"}),
        networks=case.get("networks", ["10.17.3.0/24"]),
        dynamic=tuple(found) if (found := case.get("dynamic", ["10.17.3.240", "10.17.3.254"])) else None,
        gateway="10.17.3.1",
        flatcar=case.get("flatcar", "4593.2.5"),
    )


@pytest.mark.parametrize("title", GOOD)
def test_what_works_is_taken(title: str) -> None:
    build(GOOD[title])


@pytest.mark.parametrize("title", BAD)
def test_what_cannot_work_is_refused_by_name(title: str) -> None:
    case = json.loads(json.dumps(BAD[title]))
    path, says, fix = (case.pop(name, "") for name in ("path", "says", "fix"))
    with pytest.raises(ConfigError) as caught:
        build(case)
    error = caught.value
    assert error.path == path
    assert says in error.problem
    assert error.subject
    assert error.fix
    assert fix in error.fix


RANGES = st.builds(
    lambda bits, length: ipaddress.ip_network((bits >> (32 - length) << (32 - length), length)),
    st.integers(min_value=0, max_value=2**32 - 1),
    st.integers(min_value=8, max_value=24),
)


@given(RANGES, RANGES, RANGES)
@settings(max_examples=200, deadline=None)
def test_whatever_is_taken_does_not_overlap(pods: Any, services: Any, nodes: Any) -> None:
    case = {
        "kubernetes": {"pods": str(pods), "services": str(services)},
        "networks": [str(nodes)],
        "nodes": {"cp-0": ""},
    }
    try:
        build(case)
    except ConfigError:
        return
    assert not pods.overlaps(services)
    assert not pods.overlaps(nodes)
    assert not services.overlaps(nodes)
    assert 12 <= services.prefixlen <= 28


def test_two_nodes_never_share_a_name() -> None:
    check_node_names(["cp-0", "w-0"])
    with pytest.raises(DuplicateError, match="w-0"):
        check_node_names(["cp-0", "w-0", "w-0"])


def test_where_the_api_is() -> None:
    assert str(resolve_endpoint(None, 1, "10.17.3.11", "demo")) == "10.17.3.11:6443"
    assert str(resolve_endpoint(VirtualIP("fd00::10"), 3, "", "demo")) == "[fd00::10]:6443"
    assert (
        resolve_endpoint(LoadBalancer("api.example.com", port=443), 3, "", "demo").url == "https://api.example.com:443"
    )
    with pytest.raises(ConfigError, match="in front of them"):
        resolve_endpoint(None, 3, "10.17.3.11", "demo")


def test_an_address_that_is_not_known_yet_is_not_rendered_as_text() -> None:
    """Where a program's Output stands it has to be resolved first; its text would be a sentence about Outputs."""
    for unresolved in (VirtualIP(object()), LoadBalancer(object())):  # type: ignore[arg-type]
        with pytest.raises(ConfigError) as caught:
            resolve_endpoint(unresolved, 3, "", "demo")
        assert caught.value.path == "kubernetes.endpoint.address"


@pytest.mark.parametrize("text", ["10.17.3.10:6443", "[fd00::10]:6443", "api.example.com:443"])
def test_an_endpoint_is_read_as_it_is_written(text: str) -> None:
    assert str(Endpoint.parse(text)) == text


@pytest.mark.parametrize("text", ["10.17.3.10", "fd00::10", "https://x:6443", "x:", "x:0", "x:65536", ":6443", "x:６"])
def test_what_is_no_endpoint(text: str) -> None:
    with pytest.raises(ConfigError):
        Endpoint.parse(text)


@pytest.mark.parametrize("port", [0, 65536, -1])
def test_what_is_no_port(port: int) -> None:
    with pytest.raises(ConfigError) as caught:
        LoadBalancer("api.example.com", port=port)
    assert caught.value.path == "kubernetes.endpoint.port"


def test_a_join_needs_exactly_one_proof() -> None:
    token = BootstrapToken(id="abcdef", secret="0123456789abcdef", expires=NOW)
    for proofs in ({}, {"token": token, "kubeconfig": b"x"}):
        with pytest.raises(ConfigError, match="one of both"):
            Join(endpoint=ENDPOINT, ca_hashes=("sha256:" + "0" * 64,), **proofs)


def test_manifests_are_pinned() -> None:
    pinned = Manifest(url="https://example.com/calico.yaml", digest="sha512-" + "0" * 128)
    assert Calico(manifest=pinned).manifest == pinned
    for url, digest in (("calico.yaml", pinned.digest), (pinned.url, ""), (pinned.url, "sha512-0")):
        with pytest.raises(ConfigError):
            Manifest(url=url, digest=digest)
    with pytest.raises(ConfigError, match="backend"):
        Flannel(backend="udp")


@pytest.mark.parametrize("rules", [[], [{"verbs": ["get"]}], [{"level": "metadata"}]])
def test_audit_rules_need_a_level(rules: list[dict[str, Any]]) -> None:
    with pytest.raises(ConfigError):
        AuditPolicy(rules=rules)


def test_a_users_network_file_that_takes_links_of_pods_is_named() -> None:
    path = "/etc/systemd/network/10-all.network"
    good = Ignition(files=[File("/etc/systemd/network/10-eth.network", "[Match]\nName=eth*\n"), File("/etc/x", "y")])
    check_users_config(render(good), "pool w")
    bad = Ignition(files=[File(path, "[Match]\nName=*\n[Network]\nDHCP=yes\n" * 20)])
    with pytest.raises(ConfigError, match=r"10-all\.network") as caught:
        check_users_config(render(bad), "pool w")
    assert caught.value.path == f"ignition.storage.files[{path}]"


@pytest.mark.parametrize(
    ("config", "path"),
    [
        (
            Ignition(files=[File("/etc/kubernetes/pki/ca.crt", "x")]),
            "ignition.storage.files[/etc/kubernetes/pki/ca.crt]",
        ),
        (Ignition(directories=[Directory("/var/lib/etcd")]), "ignition.storage.directories[/var/lib/etcd]"),
        (
            Ignition(links=[Link("/etc/extensions/kubernetes.raw", "/opt/k8s.raw")]),
            "ignition.storage.links[/etc/extensions/kubernetes.raw]",
        ),
        (
            Ignition(units=[Unit("kubelet.service", dropins=[DropIn("10-kubeadm.conf", "[Service]\nNice=1\n")])]),
            "ignition.systemd.units[kubelet.service].dropins[10-kubeadm.conf]",
        ),
        (
            Ignition(units=[Unit("flatprov-kubeadm.service", contents="[Service]\nExecStart=/bin/true\n")]),
            "ignition.systemd.units[flatprov-kubeadm.service]",
        ),
        (Ignition(units=[Unit("containerd.service", mask=True)]), "ignition.systemd.units[containerd.service]"),
    ],
)
def test_what_would_take_a_part_of_kubernetes_away_is_refused(config: Ignition, path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_users_config(render(config), "pool w")
    assert caught.value.path == path


def test_a_users_own_parts_are_welcome() -> None:
    own = Ignition(
        files=[File("/etc/kubernetes/manifests/mine.yaml", "{}"), File("/etc/hosts", "127.0.0.1 localhost\n")],
        units=[Unit("kubelet.service", dropins=[DropIn("50-mine.conf", "[Service]\nNice=1\n")])],
    )
    check_users_config(render(own), "pool w")


def test_every_path_and_drop_in_of_ours_is_known_as_such() -> None:
    """What a role brings is refused in a user's config, but for files that a user may well have of his own."""
    shared = {
        "/etc/hosts",
        "/etc/hostname",
        "/etc/kube-vip.hosts",
        "/etc/containerd/config.toml",
        "/etc/containerd/certs.d/_default/hosts.toml",
        "/etc/sysctl.d/80-flatprov-kubernetes.conf",
        "/etc/modules-load.d/flatprov-kubernetes.conf",
        "/etc/systemd/network/05-flatprov-pods.network",
        "/etc/sysupdate.kubernetes.d/kubernetes-v1.36.conf",
        "/etc/sysupdate.d/noop.conf",
    }
    settings_of = kubernetes(
        endpoint=VirtualIP("10.17.3.10"),
        image_mirror="http://10.17.3.1:5000",
        extension=Extension("sha256-" + "0" * 64, patches=True),
    )
    for role in all_roles(settings_of, pool=Pool(kubelet={"maxPods": 50})):
        config = role.config("n-0", ["10.17.3.11"])
        for kind in ("files", "links", "directories"):
            for one in config["storage"].get(kind, ()):
                if one["path"] not in shared:
                    with pytest.raises(ConfigError, match="belongs to Kubernetes"):
                        check_users_config({"storage": {kind: [one]}}, "pool w")
        for one in config["systemd"]["units"]:
            if one.get("dropins") or one.get("contents"):
                with pytest.raises(ConfigError):
                    check_users_config({"systemd": {"units": [one]}}, "pool w")


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        ({"cp-0": True, "w-0": True}, []),
        ({"cp-0": True, "w-0": True, "other": False}, []),
        ({"cp-0": True}, ["w-0 has not joined"]),
        ({"cp-0": True, "w-0": False}, ["w-0 is not Ready"]),
        (
            {"cp-0": True, "localhost": True},
            ["w-0 has not joined", "registered as localhost: its kubelet started before"],
        ),
        ({"cp-0": True, "w-0": True, "localhost.localdomain": True}, ["registered as localhost.localdomain"]),
        (
            {"cp-0": True, "ip-10-0-0-7": True},
            ["w-0 has not joined", "registered as ip-10-0-0-7, which is the name of"],
        ),
    ],
)
def test_what_a_list_of_nodes_says(seen: dict[str, bool], says: list[str]) -> None:
    found = node_problems(["cp-0", "w-0"], seen)
    assert len(found) == len(says)
    assert all(part in sentence for part, sentence in zip(says, found, strict=True))
