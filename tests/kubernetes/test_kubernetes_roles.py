"""Roles as Ignition: what ignition-validate says, who gets which secret, and what was found with a real kubeadm."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes_cluster import (
    CONFIG,
    ENDPOINT,
    NOW,
    ROOT,
    STAGE,
    all_roles,
    files,
    kubeadm_documents,
    kubernetes,
    pki,
    text,
    token_text,
    trust,
    unit,
)

from flatprov.errors import ConfigError
from flatprov.flatcar.updates import Updates
from flatprov.ignition import Ignition, diff, dumps, is_sensitive, lowest_version, merge, render, secret_leaves
from flatprov.kubernetes import (
    ControlPlane,
    Extension,
    Flannel,
    Kubernetes,
    Pool,
    Taint,
    VirtualIP,
)
from flatprov.kubernetes.comparing import without_token
from flatprov.kubernetes.encryption import with_new_key
from flatprov.kubernetes.endpoints import HEALTH_CHECK, LoadBalancer, kube_vip
from flatprov.kubernetes.layout import LAYOUT, UNIT
from flatprov.kubernetes.networkd import takes_pod_links
from flatprov.kubernetes.roles import Role, begins, control_plane_role, init_role, worker_role
from flatprov.kubernetes.tokens import new_token
from flatprov.kubernetes.trust import ControlPlaneTrust, Join

ADDRESS = ["10.17.3.11"]
CLUSTERS = {
    "plain": kubernetes(),
    "virtual-ip": kubernetes(endpoint=VirtualIP("10.17.3.10"), image_mirror="https://mirror.example:5000/v2"),
    "patches": kubernetes("1.30.14", extension=Extension("sha256-" + "cd" * 32, patches=True)),
    "dual-stack": kubernetes(pods=["10.244.0.0/16", "fd00:10::/56"], services=["10.96.0.0/16", "fd00:20::/112"]),
}
POOL = Pool(labels={"tier": "app"}, taints=[Taint("dedicated", "db")], kubelet={"maxPods": 50})


def configs(name: str) -> list[tuple[Role, dict[str, Any]]]:
    return [(role, role.config("n-0", ADDRESS)) for role in all_roles(CLUSTERS[name], pool=POOL)]


@pytest.mark.oracle
@pytest.mark.parametrize("name", CLUSTERS)
def test_the_real_validator_takes_every_config(name: str) -> None:
    program = ROOT / "tests" / "lab" / "out" / "bin" / "ignition-validate"
    if not program.exists():
        pytest.fail("ignition-validate is missing; run tests/lab/build.sh ignition", pytrace=False)
    for role, config in configs(name):
        for part in (config, role.common, role.node("n-0", ADDRESS)):
            done = subprocess.run([str(program), "-"], input=dumps(part), capture_output=True, text=True, timeout=30)
            assert (done.returncode, done.stdout + done.stderr) == (0, "")
            assert lowest_version(part) <= "3.3.0"


@pytest.mark.parametrize("name", CLUSTERS)
def test_it_is_what_the_typed_model_reads(name: str) -> None:
    for _, config in configs(name):
        assert diff(render(Ignition.from_json(dumps(config))), config) == []


# --- secrets ----------------------------------------------------------------------------------------------------------


def contents(config: dict[str, Any]) -> dict[str, str]:
    return {path: text(config, path) for path, file in files(config).items() if "verification" not in file["contents"]}


@pytest.mark.parametrize("name", CLUSTERS)
def test_no_ca_key_ever_gets_to_a_worker(name: str) -> None:
    found = trust()
    assert found.encryption is not None
    keys = [pki().ca.key, pki().etcd_ca.key, pki().front_proxy_ca.key, pki().service_account_key]
    secrets = [key.decode() for key in keys] + [key for _, key in found.encryption.keys]
    for role, config in configs(name):
        everything = "\n".join(contents(config).values())
        assert all((secret in everything) == (role.kind != "worker") for secret in secrets), role.kind
        assert ("PRIVATE KEY" in everything) == (role.kind != "worker")


@pytest.mark.parametrize("name", CLUSTERS)
def test_no_certificate_of_the_ca_for_workers(name: str) -> None:
    """kubeadm refuses to join where one is already."""
    config = configs(name)[2][1]
    assert not [path for path in files(config) if path.startswith(f"{STAGE}/pki") or path.endswith(".crt")]
    assert "BEGIN CERTIFICATE" not in "\n".join(contents(config).values())


@pytest.mark.parametrize("name", CLUSTERS)
def test_secrets_are_readable_by_root_only_and_known_as_such(name: str) -> None:
    marks = ("PRIVATE KEY", token_text(), "EncryptionConfiguration")
    for role, config in configs(name):
        assert is_sensitive(config)
        leaves = b"\n".join(secret_leaves(config, everything=False))
        for path, data in contents(config).items():
            secret = any(mark in data for mark in marks)
            assert (files(config)[path]["mode"] & 0o077 == 0) == secret, path
            if secret:
                assert data.encode() in leaves, path
        folders = {one["path"]: one["mode"] for one in config["storage"]["directories"]}
        assert folders[STAGE] == 0o700
        assert is_sensitive(role.common) == (role.kind != "worker")


def test_the_secret_of_any_key_is_known_as_such() -> None:
    """Base64 may begin with a slash, which looks like a path."""
    keys = trust().encryption
    assert keys is not None
    for _ in range(200):
        keys = with_new_key(keys)
    assert all(key[0] not in "/+" for _, key in keys.keys)


def test_every_control_plane_has_the_same_secrets() -> None:
    init, join = (configs("virtual-ip")[number][1] for number in (0, 1))
    staged = [{path: data for path, data in contents(one).items() if path.startswith(STAGE)} for one in (init, join)]
    pods = [one.pop(f"{STAGE}/manifests/kube-vip.yaml") for one in staged]
    assert staged[0] == staged[1]
    assert {f"{STAGE}/pki/{name}" for name in ("ca.crt", "ca.key", "sa.pub", "sa.key", "etcd/ca.key")} <= set(staged[0])
    # only the node that begins the cluster has super-admin.conf, and its admin.conf has no rights yet
    mounted = [json.loads(pod)["spec"]["volumes"][0]["hostPath"]["path"] for pod in pods]
    assert mounted == ["/etc/kubernetes/super-admin.conf", "/etc/kubernetes/admin.conf"]


def test_before_1_29_there_is_no_super_admin() -> None:
    pod = kube_vip(VirtualIP("10.17.3.10"), kubernetes("1.28.0").exact_version, init=True)
    assert pod["spec"]["volumes"][0]["hostPath"]["path"] == "/etc/kubernetes/admin.conf"


@pytest.mark.parametrize(("address", "subnet"), [("10.17.3.10", "32"), ("fd00::10", "128")])
def test_the_virtual_ip_has_its_own_address_only(address: str, subnet: str) -> None:
    pod = kube_vip(VirtualIP(address), kubernetes().exact_version, init=False)
    environment = {one["name"]: one["value"] for one in pod["spec"]["containers"][0]["env"]}
    assert (environment["address"], environment["vip_subnet"]) == (address, subnet)
    assert environment["vip_arp"] == environment["cp_enable"] == "true"
    mounts = {one["mountPath"]: one["name"] for one in pod["spec"]["containers"][0]["volumeMounts"]}
    volumes = {one["name"]: one["hostPath"]["path"] for one in pod["spec"]["volumes"]}
    assert volumes[mounts["/etc/hosts"]] in files(all_roles(CLUSTERS["virtual-ip"])[1].common)


def test_a_new_token_changes_no_joined_node() -> None:
    found = trust()
    other = new_token(NOW, create_timeout=found.join.token.life * 3)  # type: ignore[union-attr]
    join = Join(endpoint=ENDPOINT, ca_hashes=found.join.ca_hashes, token=other)
    new = ControlPlaneTrust(pki=found.pki, join=join, encryption=found.encryption)
    plane = ControlPlane()
    pairs = [
        (
            init_role("demo", kubernetes(), ENDPOINT, one, plane),
            control_plane_role(kubernetes(), one, plane),
            worker_role(kubernetes(), one.join, POOL),
        )
        for one in (found, new)
    ]
    for before, after in zip(*pairs, strict=True):
        old, changed = before.config("n-0", ADDRESS), after.config("n-0", ADDRESS)
        assert old != changed
        if before.kind == "init":  # also the life of the token is in there
            assert other.ttl in text(changed, CONFIG)
        assert without_token(old) == without_token(changed)
        assert without_token(old) != without_token(after.config("n-1", ADDRESS))
    relabelled = worker_role(kubernetes(), join, Pool(labels={"tier": "db"})).config("n-0", ADDRESS)
    assert without_token(relabelled) != without_token(pairs[0][2].config("n-0", ADDRESS))


# --- what was found with a real kubeadm -------------------------------------------------------------------------------


def test_the_api_is_asked_not_the_open_port() -> None:
    assert HEALTH_CHECK == {"protocol": "https", "path": "/readyz", "status": 200}
    assert "/readyz" in (LoadBalancer.__doc__ or "")


def test_links_of_pods_are_left_to_the_pod_network() -> None:
    for name in CLUSTERS:
        for _, config in configs(name):
            networks = {path: data for path, data in contents(config).items() if path.endswith(".network")}
            assert networks
            for data in networks.values():
                assert "Unmanaged=yes" in data
                assert not takes_pod_links(data)


@pytest.mark.parametrize(
    ("match", "takes"),
    [
        ("[Match]\nName=eth* en*\n[Network]\nDHCP=yes", False),
        ("[Match]\nName=*\n[Network]\nDHCP=yes", True),
        ("[Match]\nName=e* veth*\n", True),
        ("[Match]\nName=!veth* !lo\n", True),
        ("[Match]\nName=!veth* !cni* !flannel* !cilium* !lxc* !cali*\n", False),
        ("[Match]\nMACAddress=52:54:00:00:00:01\n", False),
        ("[Match]\nName=*\nType=ether\nDriver=virtio_net\n", False),
        ("[Network]\nDHCP=yes\n", True),
        ("[Match]\nName=veth*\n[Link]\nUnmanaged=true\n", False),
        ("# [Match]\n; Name=eth0\n", True),
    ],
)
def test_which_network_files_take_links_of_pods(match: str, takes: bool) -> None:
    assert takes_pod_links(match) == takes


def test_containerd_finds_etc_hosts() -> None:
    for _, config in configs("plain"):
        assert "127.0.0.1 localhost" in text(config, "/etc/hosts").splitlines()


def test_the_kernel_forwards_what_the_cluster_needs() -> None:
    path = "/etc/sysctl.d/80-flatprov-kubernetes.conf"
    assert text(configs("plain")[2][1], path) == "net.ipv4.ip_forward=1\n"
    assert "net.ipv6.conf.all.forwarding=1" in text(configs("dual-stack")[2][1], path).splitlines()
    assert "net.ipv4.ip_forward=1" in text(configs("dual-stack")[2][1], path).splitlines()


def test_a_mirror_is_named_by_the_one_folder_that_is_searched() -> None:
    config = configs("virtual-ip")[2][1]
    if sys.version_info >= (3, 11):
        import tomllib

        settings_of = tomllib.loads(text(config, "/etc/containerd/config.toml"))
        folder = settings_of["plugins"]["io.containerd.cri.v1.images"]["registry"]["config_path"]
        assert ":" not in folder
        hosts = tomllib.loads(text(config, f"{folder}/_default/hosts.toml"))
        assert hosts["host"] == {"https://mirror.example:5000/v2": {"capabilities": ["pull", "resolve"]}}
    drop_in = unit(config, "containerd.service")["dropins"][0]["contents"]
    assert "Environment=CONTAINERD_CONFIG=/etc/containerd/config.toml" in drop_in.splitlines()
    assert "/etc/containerd/config.toml" not in files(configs("plain")[2][1])


def test_the_programs_are_pinned() -> None:
    for name, digest in (("plain", "sha512-" + "ab" * 64), ("patches", "sha256-" + "cd" * 32)):
        version = CLUSTERS[name].exact_version
        for _, config in configs(name):
            path = f"/opt/extensions/kubernetes/kubernetes-{version}-x86-64.raw"
            found = files(config)[path]["contents"]
            assert found["verification"] == {"hash": digest}
            assert found["source"].endswith(f"/kubernetes-{version}-x86-64.raw")
            (link,) = config["storage"]["links"]
            assert (link["path"], link["target"]) == ("/etc/extensions/kubernetes.raw", path)
    with pytest.raises(ConfigError, match="nothing unverified boots"):
        worker_role(Kubernetes("1.36.3"), trust().join, Pool())


def test_a_mirror_and_another_architecture() -> None:
    settings_of = kubernetes(extension=Extension("sha512-" + "0" * 128, server="http://10.17.3.1:8080/sysext/"))
    config = worker_role(settings_of, trust().join, Pool(), architecture="arm64").common
    path = "/opt/extensions/kubernetes/kubernetes-v1.36.3-arm64.raw"
    source = files(config)[path]["contents"]["source"]
    assert source == "http://10.17.3.1:8080/sysext/kubernetes-v1.36.3-arm64.raw"
    with pytest.raises(ConfigError, match="not built"):
        worker_role(settings_of, trust().join, Pool(), architecture="riscv64")


def test_patches_stay_within_the_minor_and_reboot_nothing_themselves() -> None:
    config = configs("patches")[2][1]
    transfer = text(config, "/etc/sysupdate.kubernetes.d/kubernetes-v1.30.conf")
    assert "MatchPattern=kubernetes-v1.30.@v-%a.raw" in transfer.splitlines()
    assert "CurrentSymlink=/etc/extensions/kubernetes.raw" in transfer.splitlines()
    assert unit(config, "locksmithd.service") == {"name": "locksmithd.service", "mask": True}
    assert unit(config, "systemd-sysupdate.timer")["enabled"]
    assert not [one for one in configs("plain")[2][1]["systemd"]["units"] if "sysupdate" in one["name"]]


# --- names and order (users' cases F01, F03) --------------------------------------------------------------------------


def test_the_name_is_given_everywhere_and_is_the_machines() -> None:
    for name in CLUSTERS:
        for role in all_roles(CLUSTERS[name]):
            for node in ("a-0", "a-1"):
                config = role.config(node, ADDRESS)
                parts = kubeadm_documents(config).values()
                (registration,) = [part["nodeRegistration"] for part in parts if "nodeRegistration" in part]
                assert registration["name"] == node
                assert text(config, "/etc/hostname") == f"{node}\n"
                assert f"NODE_NAME={node}" in text(config, LAYOUT.node).splitlines()


@pytest.mark.parametrize("name", ["localhost", "localhost.localdomain", "localhost4", "A", "a_b", "-a", "a" * 254])
def test_unusable_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        all_roles(kubernetes())[2].node(name, ADDRESS)
    assert caught.value.path == "name"


def test_the_kubelet_waits_for_its_config_and_kubeadm_does_not_wait_for_it() -> None:
    """An order between the two would hang: kubeadm starts the kubelet while its own unit still starts."""
    for _, config in configs("plain"):
        (drop_in,) = unit(config, "kubelet.service")["dropins"]
        lines = drop_in["contents"].splitlines()
        assert "ConditionPathExists=/var/lib/kubelet/config.yaml" in lines
        assert "StartLimitIntervalSec=0" in lines
        assert "Restart=always" in lines
        assert UNIT not in "".join(line for line in lines if not line.startswith("#"))
        assert "kubelet" not in unit(config, UNIT)["contents"].partition("[Service]")[0]
        assert "ConditionPathExists=!/etc/kubernetes/kubelet.conf" not in unit(config, UNIT)["contents"]
        # the extension's own drop-ins: one of the same name would take their place
        assert drop_in["name"] not in ("10-kubeadm.conf", "10-kubelet-service.conf")


def test_drop_ins_stand_beside_those_of_the_operating_system() -> None:
    """flatprov's own parts merge with an update policy without one hiding the other."""
    for _, config in configs("patches"):
        merged = merge(Updates.immutable().fragment(), config)
        names = [one["name"] for one in merged["systemd"]["units"]]
        assert len(names) == len(set(names))
        assert {UNIT, "locksmithd.service", "kubelet.service"} <= set(names)


def test_only_the_first_begins_and_only_once() -> None:
    assert [begins(index, bootstrapped=False) for index in range(3)] == [True, False, False]
    assert not any(begins(index, bootstrapped=True) for index in range(3))
    kinds = [next(iter(kubeadm_documents(role.node("n-0", ADDRESS)))) for role in all_roles(kubernetes())]
    assert kinds == ["InitConfiguration", "JoinConfiguration", "JoinConfiguration"]
    for role in all_roles(kubernetes()):
        assert f"{LAYOUT.script} {role.kind}\n" in unit(role.common, UNIT)["contents"]


def test_a_control_plane_needs_name_and_address() -> None:
    init, join, worker = all_roles(kubernetes())
    for role in (init, join):
        for name, addresses in (("", ADDRESS), ("cp-0", [])):
            with pytest.raises(ConfigError):
                role.node(name, addresses)
        peer = "NODE_ETCD_PEER=https://[fd00::11]:2380"
        assert peer in text(role.node("cp-0", ["fd00::11"]), LAYOUT.node).splitlines()
    assert "NODE_ETCD_PEER" not in text(worker.node("w-0", ADDRESS), LAYOUT.node)
    with pytest.raises(ConfigError, match="one IP family"):
        worker.node("w-0", ["10.17.3.11", "10.17.3.12"])


def test_settings_of_a_pools_kubelets_are_a_patch_for_kubeadm() -> None:
    config = configs("plain")[2][1]
    join = kubeadm_documents(config)["JoinConfiguration"]
    path = f"{STAGE}{join['patches']['directory'].removeprefix('/etc/kubernetes')}/kubeletconfiguration0+strategic.json"
    assert json.loads(text(config, path))["maxPods"] == 50
    assert "patches" not in kubeadm_documents(all_roles(kubernetes())[2].node("w-0", ADDRESS))["JoinConfiguration"]
    with pytest.raises(ConfigError, match=r"v1\.24\.0 cannot"):  # kubeadm knows such patches from 1.25 on
        worker_role(kubernetes("1.24.0"), trust().join, POOL)


# --- cost -------------------------------------------------------------------------------------------------------------


@given(st.lists(st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True), min_size=2, max_size=2, unique=True))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_two_nodes_differ_only_in_their_small_part(names: list[str]) -> None:
    if any(name.startswith("localhost") for name in names):
        return
    worker = worker_role(kubernetes(), trust().join, POOL)
    first, second = (worker.node(name, ADDRESS) for name in names)
    assert {one["path"] for one in first["storage"]["files"]} == {CONFIG, LAYOUT.node, "/etc/hostname"}
    assert merge(worker.common, first) == worker.config(names[0], ADDRESS)
    changed = {path for path in files(first) if text(first, path) != text(second, path)}
    assert changed == {CONFIG, LAYOUT.node, "/etc/hostname"}
    assert len(dumps(first)) < 2048


def test_a_thousand_workers_share_what_is_common() -> None:
    """Each node's part is rendered faster than a plain node's config is merged, so three times a plain pool is far."""
    worker = worker_role(kubernetes(), trust().join, POOL)
    plain = merge(Updates.immutable().fragment(), render(Ignition()))
    before = worker.common

    def seconds(make: Any) -> float:
        started = time.process_time()
        for number in range(1000):
            make(number)
        return time.process_time() - started

    def plain_node(number: int) -> str:
        return dumps(merge(plain, {"ignition": {"version": "3.3.0"}, "storage": {"files": [{"path": f"/{number}"}]}}))

    def worker_node(number: int) -> dict[str, Any]:
        return worker.node(f"w-{number}", [f"10.18.{number // 250}.{number % 250 + 1}"])

    floor, ours = (min(seconds(make) for _ in range(3)) for make in (plain_node, worker_node))
    assert worker.common is before
    assert ours < 10 * floor  # loose: the machine is shared; the benchmark has the ratio


def test_flannel_has_the_pods_ranges_and_the_rights_it_needs() -> None:
    from flatprov.kubernetes.addresses import parse_ranges

    objects = Flannel(registry="mirror.example/flannel").objects(
        parse_ranges(["10.244.0.0/16", "fd00:10::/56"], "pods", "demo")
    )
    by_kind = {one["kind"]: one for one in objects}
    network = json.loads(by_kind["ConfigMap"]["data"]["net-conf.json"])
    assert (network["Network"], network["IPv6Network"], network["EnableIPv6"]) == (
        "10.244.0.0/16",
        "fd00:10::/56",
        True,
    )
    pod = by_kind["DaemonSet"]["spec"]["template"]["spec"]
    images = [one["image"] for one in pod["initContainers"] + pod["containers"]]
    assert all(image.startswith("mirror.example/flannel/") for image in images)
    mounted = {mount["name"] for one in pod["initContainers"] + pod["containers"] for mount in one["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}
    only6 = json.loads(Flannel().objects(parse_ranges("fd00:10::/56", "pods", "demo"))[4]["data"]["net-conf.json"])
    assert only6["EnableIPv4"] is False


def test_this_folder_has_no_other_way_in() -> None:
    """The public names load without Pulumi and without cryptography."""
    program = (
        "import sys; import flatprov.kubernetes as k; [getattr(k, name) for name in k.__all__];"
        "import flatprov.kubernetes.roles;"
        "print([name for name in ('pulumi', 'cryptography', 'httpx') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(ROOT), check=True)
    assert done.stdout.strip() == "[]"


def test_the_example_in_the_documentation_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "kubernetes.md").read_text(), re.S)
    names: dict[str, Any] = {}
    exec(example, names)
    assert kubeadm_documents(names["first"])["InitConfiguration"]["nodeRegistration"]["name"] == "cp-0"
    assert not is_sensitive(names["workers"].common)
