"""The real kubeadm works with what is rendered: phases of `kubeadm init` that need neither root nor a node."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_cluster import CONFIG, ROOT, STAGE, all_roles, files, kubernetes, pki, text

from flatprov.kubernetes import ControlPlane, VirtualIP
from flatprov.kubernetes.trust import Algorithm

pytestmark = pytest.mark.oracle
ALGORITHMS: list[Algorithm] = ["ECDSA-P256", "RSA-2048"]


@dataclass
class Node:
    """A folder in place of /etc/kubernetes, filled from a node's stage as the script does it."""

    folder: Path
    config: str

    def kubeadm(self, *arguments: str) -> str:
        program = ROOT / "tests" / "lab" / "out" / "bin" / "kubeadm"
        if not program.exists():
            pytest.fail("kubeadm is missing; run tests/lab/build.sh kubeadm", pytrace=False)
        file = self.folder / "kubeadm.yml"
        file.write_text(self.config)
        env = {**os.environ, "KUBEADM_INIT_DRYRUN_DIR": str(self.folder / "dry")}
        command = [str(program), *arguments, "--config", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def dry(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load((self.folder / "dry" / name).read_text())
        return found


def node(folder: Path, **settings: Any) -> Node:
    role = all_roles(kubernetes(**settings), ControlPlane(schedulable=True, kubelet={"maxPods": 250}))[0]
    config = role.config("cp-0", ["10.17.3.11"])
    for path in files(config):
        if path.startswith(f"{STAGE}/"):
            place = folder / path.removeprefix(f"{STAGE}/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text(config, path))
    rendered = text(config, CONFIG).replace("/etc/kubernetes/patches", f"{folder}/patches")
    return Node(folder, rendered.replace('"clusterName"', f'"certificatesDir": "{folder}/pki",\n "clusterName"'))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_kubeadm_signs_with_our_authorities(tmp_path: Path, algorithm: Algorithm) -> None:
    here = node(tmp_path, algorithm=algorithm, sans=["api.demo.local"], endpoint=VirtualIP("10.17.3.10"))
    said = here.kubeadm("init", "phase", "certs", "all")
    for name in ("ca", "front-proxy-ca", "etcd/ca"):
        assert f"Using existing {name} certificate authority" in said
    assert 'Using the existing "sa" key' in said
    found = pki(algorithm)
    assert (tmp_path / "pki" / "ca.key").read_bytes() == found.ca.key
    issuers = {
        "apiserver": "ca",
        "apiserver-kubelet-client": "ca",
        "front-proxy-client": "front-proxy-ca",
        "apiserver-etcd-client": "etcd/ca",
        "etcd/server": "etcd/ca",
        "etcd/peer": "etcd/ca",
    }
    for name, issuer in issuers.items():
        command = ["openssl", "verify", "-no_check_time", "-CAfile", f"{tmp_path}/pki/{issuer}.crt"]
        done = subprocess.run([*command, f"{tmp_path}/pki/{name}.crt"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    command = ["openssl", "x509", "-noout", "-text", "-in", f"{tmp_path}/pki/apiserver.crt"]
    certificate = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "IP Address:10.17.3.10" in certificate  # the virtual IP
    assert "IP Address:10.17.3.11" in certificate
    assert "DNS:api.demo.local" in certificate
    assert ("id-ecPublicKey" in certificate) == (algorithm == "ECDSA-P256")


def test_the_api_server_finds_its_files(tmp_path: Path) -> None:
    here = node(tmp_path, feature_gates={"SELinuxMount": True}, api_server_arguments={"request-timeout": "2m"})
    here.kubeadm("init", "phase", "control-plane", "all", "--dry-run")
    pod = here.dry("kube-apiserver.yaml")["spec"]
    (container,) = pod["containers"]
    arguments = dict(one[2:].partition("=")[::2] for one in container["command"][1:])
    mounts = {one["mountPath"]: one for one in container["volumeMounts"]}
    volumes = {one["name"]: one["hostPath"] for one in pod["volumes"]}
    for argument, staged in (
        ("encryption-provider-config", "flatprov/encryption.json"),
        ("audit-policy-file", "flatprov/audit-policy.json"),
    ):
        assert arguments[argument] == f"/etc/kubernetes/{staged}"
        assert (tmp_path / staged).exists()
        mount = mounts["/etc/kubernetes/flatprov"]
        assert volumes[mount["name"]]["path"] == "/etc/kubernetes/flatprov"
        assert mount["readOnly"]
    log = mounts[arguments["audit-log-path"].rpartition("/")[0]]
    assert not log.get("readOnly")
    assert volumes[log["name"]]["type"] == "DirectoryOrCreate"
    assert arguments["feature-gates"] == "SELinuxMount=true"
    assert arguments["request-timeout"] == "2m"
    for component in ("kube-controller-manager", "kube-scheduler"):
        (container,) = here.dry(f"{component}.yaml")["spec"]["containers"]
        assert "--feature-gates=SELinuxMount=true" in container["command"]
    (container,) = here.dry("kube-controller-manager.yaml")["spec"]["containers"]
    assert {"--allocate-node-cidrs=true", "--cluster-cidr=10.244.0.0/16"} <= set(container["command"])


def test_the_pools_settings_reach_the_kubelet(tmp_path: Path) -> None:
    here = node(tmp_path, kubelet={"maxPods": 110, "podPidsLimit": 1000})
    here.kubeadm("init", "phase", "kubelet-start", "--dry-run")
    kubelet = here.dry("config.yaml")
    assert (kubelet["maxPods"], kubelet["podPidsLimit"]) == (250, 1000)
    assert kubelet["cgroupDriver"] == "systemd"
    flags = (tmp_path / "dry" / "kubeadm-flags.env").read_text()
    assert "--node-ip=10.17.3.11" in flags
    assert "--register-with-taints" not in flags


def test_the_peer_that_is_looked_for_is_the_one_kubeadm_announces(tmp_path: Path) -> None:
    """A failed join is healed by this URL; a joining control plane's kubeadm builds it in the same way."""
    role = all_roles(kubernetes())[0]
    environment = text(role.node("cp-0", ["10.17.3.11"]), "/etc/flatprov/kubernetes/node.env").splitlines()
    here = node(tmp_path)
    here.kubeadm("init", "phase", "etcd", "local", "--dry-run")
    (container,) = here.dry("etcd.yaml")["spec"]["containers"]
    (peer,) = [
        one.partition("=")[2] for one in container["command"] if one.startswith("--initial-advertise-peer-urls=")
    ]
    assert f"NODE_ETCD_PEER={peer}" in environment


def test_init_knows_the_flag_that_keeps_the_token_out_of_the_journal() -> None:
    program = str(ROOT / "tests" / "lab" / "out" / "bin" / "kubeadm")
    known = subprocess.run([program, "init", "--help"], capture_output=True, text=True, check=True).stdout
    script = text(all_roles(kubernetes())[0].common, "/opt/flatprov/kubeadm")
    for flag in ("--skip-token-print", "--config"):
        assert flag in known
        assert flag in script
    known = subprocess.run([program, "reset", "--help"], capture_output=True, text=True, check=True).stdout
    assert "--force" in known
    assert "--cri-socket" in known
