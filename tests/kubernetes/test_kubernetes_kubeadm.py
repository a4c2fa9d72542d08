"""The real kubeadm takes every config that is rendered; and what is in them."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from kubernetes_cluster import (
    CASES,
    ENDPOINT,
    all_roles,
    files,
    kubeadm_documents,
    kubeadm_says,
    kubernetes,
    pki,
    text,
    token_text,
    trust,
)

from flatprov.errors import ConfigError
from flatprov.kubernetes import (
    AuditPolicy,
    Cilium,
    ControlPlane,
    Flannel,
    LoadBalancer,
    Pool,
    Taint,
    VirtualIP,
)
from flatprov.kubernetes.kubeconfig import bootstrap_kubeconfig
from flatprov.kubernetes.kubelet import FIELDS
from flatprov.kubernetes.roles import worker_role
from flatprov.kubernetes.trust import Join

CONFIG = "/etc/flatprov/kubernetes/kubeadm.yml"
DUAL = {"pods": ["10.244.0.0/16", "fd00:10::/56"], "services": ["10.96.0.0/16", "fd00:20::/112"]}
CLUSTERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "virtual-ip": {"endpoint": VirtualIP("10.17.3.10")},
    "load-balancer": {"endpoint": LoadBalancer("api.example.com", port=443)},
    "rsa": {"algorithm": "RSA-2048"},
    "dual-stack": DUAL,
    "ipv6": {"pods": "fd00:10::/56", "services": "fd00:20::/112"},
    "bare": {"encrypt_secrets": False, "audit": None, "network": None},
    "no-proxy": {"network": Cilium(kube_proxy_replacement=True)},
    "nftables": {"proxy_mode": "nftables", "feature_gates": {"SELinuxMount": True}},
    "everything": {
        "sans": ["api.demo.local", "10.17.3.99", "fd00::99"],
        "dns_domain": "demo.local",
        "image_repository": "registry.example/kubernetes",
        "image_mirror": "http://10.17.3.1:5000",
        "audit": AuditPolicy(rules=[{"level": "Metadata"}], days=7),
        "kubelet": {"maxPods": 200, "serverTLSBootstrap": True},
        "api_server_arguments": {"request-timeout": "2m"},
        "controller_manager_arguments": {"leader-elect-lease-duration": "60s"},
        "scheduler_arguments": {"leader-elect-lease-duration": "60s"},
        "etcd_arguments": {"heartbeat-interval": "500"},
        "patience_minutes": 30,
    },
}
PLANES = {
    "tainted": ControlPlane(count=3),
    "schedulable": ControlPlane(schedulable=True, labels={"example.com/rack": "a"}, kubelet={"maxPods": 250}),
}
POOL = Pool(
    labels={"tier": "app", "topology.kubernetes.io/zone": "a"},
    taints=[Taint("dedicated", "db"), Taint("slow", effect="PreferNoSchedule")],
    kubelet={"maxPods": 50},
)


@pytest.mark.oracle
@pytest.mark.parametrize(("cluster", "plane"), list(itertools.product(CLUSTERS, PLANES)))
def test_the_real_kubeadm_takes_every_config(cluster: str, plane: str, tmp_path: Path) -> None:
    addresses = ["fd00::11"] if cluster == "ipv6" else ["10.17.3.11", "fd00::11"][: 2 if cluster == "dual-stack" else 1]
    for pool in (Pool(), POOL):
        for role in all_roles(kubernetes(**CLUSTERS[cluster]), PLANES[plane], pool):
            config = text(role.node("node-0", addresses), CONFIG)
            assert kubeadm_says(config, tmp_path) == ""


@pytest.mark.oracle
@pytest.mark.parametrize("cluster", CLUSTERS)
def test_the_older_format_has_only_known_fields(cluster: str, tmp_path: Path) -> None:
    """The kubeadm at hand reads v1beta3 too, but deploys no version that wants it: so only the version is exchanged."""
    settings = {**CLUSTERS[cluster]}
    if settings.get("proxy_mode"):
        settings["proxy_mode"] = "iptables"
    addresses = ["fd00::11"] if cluster == "ipv6" else ["10.17.3.11"]
    for role in all_roles(kubernetes("1.30.14", **settings), PLANES["schedulable"], POOL):
        config = text(role.node("node-0", addresses), CONFIG)
        assert '"kubeadm.k8s.io/v1beta3"' in config
        assert "v1beta4" not in config
        assert kubeadm_says(config.replace('"v1.30.14"', '"v1.36.3"'), tmp_path) == ""


@pytest.mark.oracle
def test_the_real_kubeadm_is_strict(tmp_path: Path) -> None:
    """Else the tests above would prove little."""
    config = text(all_roles(kubernetes())[0].node("cp-0", ["10.17.3.11"]), CONFIG)
    assert 'unknown field "clusterNam"' in kubeadm_says(config.replace('"clusterName"', '"clusterNam"'), tmp_path)
    assert 'unknown field "cgroupDrivers"' in kubeadm_says(config.replace("cgroupDriver", "cgroupDrivers"), tmp_path)
    old = text(all_roles(kubernetes("1.30.14"))[0].node("cp-0", ["10.17.3.11"]), CONFIG)
    mixed = old.replace("v1beta3", "v1beta4").replace('"v1.30.14"', '"v1.36.3"')
    assert "cannot unmarshal" in kubeadm_says(mixed, tmp_path)


@pytest.mark.oracle
def test_a_pool_of_another_cluster(tmp_path: Path) -> None:
    token = trust().join.token
    assert token is not None
    kubeconfig = bootstrap_kubeconfig(pki().ca.certificate, ENDPOINT, token, cluster="elsewhere")
    role = worker_role(kubernetes(), Join(endpoint=ENDPOINT, kubeconfig=kubeconfig), Pool())
    config = role.config("w-0", ["10.17.3.21"])
    discovery = kubeadm_documents(config)["JoinConfiguration"]["discovery"]
    path = discovery["file"]["kubeConfigPath"]
    assert files(config)[path]["mode"] == 0o600
    here = tmp_path / "discovery.json"  # kubeadm looks whether it is there
    here.write_text(text(config, path))
    assert kubeadm_says(text(config, CONFIG).replace(path, str(here)), tmp_path) == ""
    assert json.loads(text(config, path))["users"][0]["user"] == {"token": token.text}
    assert token.text not in text(config, CONFIG)


@pytest.mark.oracle
def test_machines_of_a_clouds_group_share_one_config(tmp_path: Path) -> None:
    """They are named by the cloud, so nothing of their own can be in it."""
    config = all_roles(kubernetes())[2].config("")
    assert kubeadm_says(text(config, CONFIG), tmp_path) == ""
    assert "/etc/hostname" not in {file["path"] for file in config["storage"]["files"]}
    assert "name" not in kubeadm_documents(config)["JoinConfiguration"]["nodeRegistration"]


@pytest.mark.oracle
def test_the_known_kubelet_fields_are_the_kubelets(tmp_path: Path) -> None:
    """The strict decoder knows each name: null is a value of every type but durations."""
    durations = re.compile("(?:Frequency|Period|PeriodCriticalPods|Age|Timeout|Interval)$")
    other = {"evictionMaxPodGracePeriod", "evictionSoftGracePeriod"}  # a number and a map
    values = {name: "1s" if durations.search(name) and name not in other else None for name in FIELDS}
    plain = text(all_roles(kubernetes())[0].node("cp-0", ["10.17.3.11"]), CONFIG)
    config = plain.replace('"cgroupDriver": "systemd"', json.dumps(values)[1:-1])
    assert kubeadm_says(config, tmp_path) == ""
    assert 'unknown field "maxPod"' in kubeadm_says(config.replace('"maxPods"', '"maxPod"'), tmp_path)


@pytest.mark.parametrize("version", ["1.22.0", "1.30.14", "1.31.0", "1.36.3"])
def test_arguments_are_lists_from_v1beta4_on(version: str) -> None:
    for role in all_roles(kubernetes(version)):
        documents = kubeadm_documents(role.node("n-0", ["10.17.3.11"]))
        (part,) = [one for kind, one in documents.items() if kind in ("InitConfiguration", "JoinConfiguration")]
        new = version >= "1.31"
        assert part["apiVersion"] == f"kubeadm.k8s.io/{'v1beta4' if new else 'v1beta3'}"
        given = part["nodeRegistration"]["kubeletExtraArgs"]
        assert given == ([{"name": "node-ip", "value": "10.17.3.11"}] if new else {"node-ip": "10.17.3.11"})
        assert ("timeouts" in part) == new


def test_every_wait_of_kubeadm_is_long() -> None:
    """The one for kubernetesAPICall is the one init waits under; it is one minute otherwise."""
    for role in all_roles(kubernetes(patience_minutes=25)):
        documents = kubeadm_documents(role.node("n-0", ["10.17.3.11"]))
        (waits,) = [part["timeouts"] for part in documents.values() if "timeouts" in part]
        assert set(waits.values()) == {"25m0s"}
        assert {"kubernetesAPICall", "controlPlaneComponentHealthCheck", "discovery", "tlsBootstrap"} <= set(waits)
    old = all_roles(kubernetes("1.30.0", patience_minutes=25))
    init, join = (kubeadm_documents(role.node("n-0", ["10.17.3.11"])) for role in old[:2])
    assert init["ClusterConfiguration"]["apiServer"]["timeoutForControlPlane"] == "25m0s"
    assert join["JoinConfiguration"]["discovery"]["timeout"] == "25m0s"


def test_secrets_at_rest_and_audit_are_on_unless_said_otherwise() -> None:
    config = all_roles(kubernetes())[0].config("cp-0", ["10.17.3.11"])
    server = kubeadm_documents(config)["ClusterConfiguration"]["apiServer"]
    arguments = {one["name"]: one["value"] for one in server["extraArgs"]}
    mounts = {one["mountPath"]: one["readOnly"] for one in server["extraVolumes"]}
    for argument in ("encryption-provider-config", "audit-policy-file"):
        folder, _, name = arguments[argument].rpartition("/")
        assert mounts[folder] is True
        staged = f"/etc/flatprov/kubernetes/stage{folder.removeprefix('/etc/kubernetes')}/{name}"
        assert json.loads(text(config, staged))["kind"] in ("EncryptionConfiguration", "Policy")
    assert mounts[arguments["audit-log-path"].rpartition("/")[0]] is False


def test_a_taint_free_control_plane_says_so() -> None:
    """An empty list is no taint; no list is Kubernetes' own taint."""
    for plane, wanted in ((ControlPlane(), None), (ControlPlane(schedulable=True), [])):
        for role in all_roles(kubernetes(), plane)[:2]:
            documents = kubeadm_documents(role.node("cp-0", ["10.17.3.11"]))
            (node,) = [part["nodeRegistration"] for part in documents.values() if "nodeRegistration" in part]
            assert node.get("taints") == wanted


def test_both_addresses_of_a_dual_stack_node_are_its_own() -> None:
    node = all_roles(kubernetes(**DUAL))[2].node("w-0", ["10.17.3.21", "fd00::21"])
    registration = kubeadm_documents(node)["JoinConfiguration"]["nodeRegistration"]
    assert registration["kubeletExtraArgs"] == [{"name": "node-ip", "value": "10.17.3.21,fd00::21"}]


def test_what_follows_from_other_settings_cannot_be_set_beside_them() -> None:
    settings = kubernetes(api_server_arguments={"audit-log-path": "-"})
    with pytest.raises(ConfigError) as caught:
        all_roles(settings)[0].node("cp-0", ["10.17.3.11"])
    assert caught.value.path == "kubernetes.api_server_arguments.audit-log-path"


def test_kube_proxy_is_left_out_in_both_formats() -> None:
    network = Cilium(kube_proxy_replacement=True)
    new, old = (
        kubeadm_documents(all_roles(kubernetes(version, network=network))[0].node("cp-0", ["10.17.3.11"]))
        for version in ("1.36.3", "1.30.0")
    )
    assert new["ClusterConfiguration"]["proxy"] == {"disabled": True}
    assert old["InitConfiguration"]["skipPhases"] == ["addon/kube-proxy"]
    assert Flannel().replaces_kube_proxy is False


def test_golden_files() -> None:
    """What a plain cluster's nodes get, as a file to read; secrets are replaced."""
    wanted = json.loads((CASES / "kubeadm.json").read_text())
    for role, name in zip(all_roles(kubernetes(), pool=POOL), ("cp-0", "cp-1", "w-0"), strict=True):
        found = json.dumps(kubeadm_documents(role.node(name, ["10.17.3.11"])))
        found = found.replace(token_text(), "TOKEN").replace(pki().ca_hash, "HASH")
        assert json.loads(found) == wanted[role.kind], role.kind
