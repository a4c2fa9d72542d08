"""The script that makes a machine a node, run with programs that only write down how they were called."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
from kubernetes_cluster import token_text

from flatprov.kubernetes.base import script, unit_text
from flatprov.kubernetes.layout import LAYOUT, UNIT, Layout

PEER = "https://10.17.3.12:2380"
MEMBERS = """\
8e9e05c52164694d, started, cp-0, https://10.17.3.11:2380, https://10.17.3.11:2379, false
91bc3c398fb3c146, unstarted, , https://10.17.3.12:2380, , true
fd422379fda50e48, started, cp-2, https://10.17.3.120:2380, https://10.17.3.120:2379, false
"""


@dataclass
class Machine:
    """A folder in place of a machine's root, with its programs."""

    root: Path
    layout: Layout
    calls: Path
    environment: dict[str, str]

    def program(self, name: str, body: str) -> None:
        path = self.root / "bin" / name
        path.write_text(f'#!/bin/bash\necho "{name} $*" >>{self.calls}\n{body}\n')
        path.chmod(0o755)

    def run(self, role: str, **environment: str) -> subprocess.CompletedProcess[str]:
        file = self.root / "script"
        file.write_text(script(self.layout))
        command = ["bash", str(file), role]
        env = {**self.environment, **environment}
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []

    def path(self, name: str) -> Path:
        return Path(str(getattr(self.layout, name)))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    layout = Layout(**{one.name: f"{tmp_path}{getattr(LAYOUT, one.name)}" for one in fields(Layout)})
    (tmp_path / "bin").mkdir()
    environment = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "NODE_NAME": "cp-1", "NODE_ETCD_PEER": PEER}
    found = Machine(tmp_path, layout, tmp_path / "calls", environment)
    for path, text in (
        (layout.host_name, "cp-1\n"),
        (layout.config, f"token: {token_text()}\n"),
        (f"{layout.stage}/pki/ca.key", "KEY\n"),
        (f"{layout.stage}/manifests/kube-vip.yaml", "{}\n"),
    ):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    Path(f"{layout.stage}/pki/ca.key").chmod(0o600)
    Path(layout.socket).parent.mkdir(parents=True)
    listener = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(Path(layout.socket).parent)  # a socket's path may have 107 bytes only
    listener.bind(Path(layout.socket).name)
    os.chdir(here)
    found.program("kubeadm", f'[ "$1" = reset ] && rm -rf {layout.kubernetes}; exit 0')
    found.program("systemctl", "exit 0")
    found.program("sync", "exit 0")
    found.program("sleep", "exit 0")
    found.program("kubectl", "exit 1")
    yield found
    listener.close()


def test_a_first_try(machine: Machine) -> None:
    done = machine.run("control-plane")
    assert done.returncode == 0, done.stderr
    assert machine.called() == [f"kubeadm join --config {machine.layout.config}", "sync "]
    key = machine.path("kubernetes") / "pki" / "ca.key"
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("KEY\n", 0o600)
    assert machine.path("done").exists()


def test_what_was_staged_goes_on_success_and_stays_on_failure(machine: Machine) -> None:
    machine.path("discovery").write_text("secret\n")
    machine.program("kubeadm", "exit 1")
    assert machine.run("worker").returncode == 1
    assert not machine.path("done").exists()
    for name in ("stage", "config", "discovery"):
        assert machine.path(name).exists()
    machine.program("kubeadm", "exit 0")
    assert machine.run("worker").returncode == 0
    for name in ("stage", "config", "discovery"):
        assert not machine.path(name).exists()


def test_a_power_cut_after_success_leaves_no_secret(machine: Machine) -> None:
    """The unit runs once more as long as the config is there, and then only cleans up."""
    machine.path("done").parent.mkdir(parents=True)
    machine.path("done").touch()
    done = machine.run("init")
    assert done.returncode == 0, done.stderr
    assert machine.called() == []
    assert not machine.path("stage").exists()
    assert not machine.path("config").exists()


def test_no_token_gets_into_the_journal(machine: Machine) -> None:
    """Neither from the script nor from init, which prints it three times unless told not to."""
    machine.program("kubeadm", f'case " $* " in *" --skip-token-print "*) ;; *) cat {machine.layout.config} ;; esac')
    for attempt in range(2):
        done = machine.run("init")
        assert done.returncode == 0, done.stderr
        assert token_text() not in done.stdout + done.stderr
        if attempt == 0:
            assert f"kubeadm init --skip-token-print --config {machine.layout.config}" in machine.called()


def test_the_marker_decides_not_what_kubeadm_left(machine: Machine) -> None:
    """A power cut in the middle of init left kubelet.conf, manifests and kubeconfigs: they say nothing."""
    machine.path("started").parent.mkdir(parents=True)
    machine.path("started").touch()
    left = machine.path("kubernetes")
    left.mkdir(parents=True)
    for name in ("kubelet.conf", "admin.conf", "super-admin.conf"):
        (left / name).write_text("{}")
    done = machine.run("init")
    assert done.returncode == 0, done.stderr
    assert [one.split()[:2] for one in machine.called()] == [
        ["systemctl", "mask"],
        ["kubeadm", "reset"],
        ["systemctl", "unmask"],
        ["kubeadm", "init"],
        ["sync"],
    ]
    assert (left / "pki" / "ca.key").exists()  # reset emptied the folder; the stage filled it again
    assert not (left / "kubelet.conf").exists()


def test_the_kubelet_is_masked_around_the_reset(machine: Machine) -> None:
    machine.path("started").parent.mkdir(parents=True)
    machine.path("started").touch()
    assert machine.run("worker").returncode == 0
    calls = machine.called()
    mask = calls.index("systemctl mask --runtime --now kubelet.service")
    unmask = calls.index("systemctl unmask --runtime kubelet.service")
    (reset,) = [number for number, call in enumerate(calls) if call.startswith("kubeadm reset --force ")]
    assert mask < reset < unmask < calls.index(f"kubeadm join --config {machine.layout.config}")


def failed_join(machine: Machine, members: str = MEMBERS, *, removes: bool = True) -> None:
    """A control plane whose join failed after its etcd member was announced."""
    machine.path("started").parent.mkdir(parents=True)
    machine.path("started").touch()
    machine.path("kubernetes").mkdir(parents=True)
    (machine.path("kubernetes") / "admin.conf").write_text("{}")
    (machine.root / "members").write_text(members)
    machine.program(
        "kubectl",
        f"""case " $* " in
        *" get pods "*) echo pod/etcd-cp-0; echo pod/etcd-cp-2 ;;
        *"pod/etcd-cp-0 "*"member list"*) exit 1 ;; # does not answer: the next one is asked
        *"member list"*) cat {machine.root}/members ;;
        *"member remove"*) exit {0 if removes else 1} ;;
        *) exit 9 ;;
        esac""",
    )


def test_the_etcd_member_of_a_failed_join_goes_before_the_reset(machine: Machine) -> None:
    """A reset erases the data and leaves the member: the next try would panic for ever."""
    failed_join(machine)
    done = machine.run("control-plane")
    assert done.returncode == 0, done.stderr
    calls = machine.called()
    (removed,) = [number for number, call in enumerate(calls) if "member remove" in call]
    (reset,) = [number for number, call in enumerate(calls) if call.startswith("kubeadm reset")]
    assert calls[removed].endswith("member remove 91bc3c398fb3c146")  # and not cp-2's, whose address begins the same
    assert removed < reset
    assert "spec.nodeName!=cp-1" in " ".join(calls)


@pytest.mark.parametrize("answers", [False, True])
def test_no_reset_before_the_member_is_known_to_be_gone(machine: Machine, answers: bool) -> None:
    failed_join(machine, removes=False)
    if not answers:
        machine.program("kubectl", "exit 1")
    done = machine.run("control-plane")
    assert done.returncode == 1
    assert "no etcd member could be asked" in done.stderr
    assert not [call for call in machine.called() if call.startswith("kubeadm")]


def test_a_join_that_announced_no_member_is_just_tried_again(machine: Machine) -> None:
    failed_join(machine, MEMBERS.replace(PEER, "https://10.17.3.99:2380"))
    done = machine.run("control-plane")
    assert done.returncode == 0, done.stderr
    assert not [call for call in machine.called() if "member remove" in call]


@pytest.mark.parametrize(("name", "shown"), [("localhost", "localhost"), ("", ""), ("cp-2", "cp-2")])
def test_a_machine_with_another_name_does_not_join(machine: Machine, name: str, shown: str) -> None:
    machine.path("host_name").write_text(f"{name}\n")
    done = machine.run("worker")
    assert done.returncode == 1
    assert f"still called '{shown}' and not 'cp-1'" in done.stderr
    assert not [call for call in machine.called() if call.startswith("kubeadm")]
    assert len(machine.called()) > 10  # it had patience


def test_it_waits_for_the_host_name(machine: Machine) -> None:
    machine.path("host_name").write_text("localhost\n")
    machine.program("sleep", f"echo cp-1.example.com >{machine.layout.host_name}")
    assert machine.run("worker").returncode == 0
    assert machine.called()[0] == "sleep 2"


def test_a_machine_of_a_group_only_must_not_be_localhost(machine: Machine) -> None:
    machine.path("host_name").write_text("ip-10-0-0-7.ec2.internal\n")
    assert machine.run("worker", NODE_NAME="").returncode == 0


def test_what_is_missing_is_named(machine: Machine) -> None:
    machine.path("config").unlink()
    assert "kubeadm.yml is missing" in machine.run("worker").stderr
    machine.path("config").touch()
    machine.path("socket").unlink()
    assert "containerd does not listen" in machine.run("worker").stderr
    (machine.root / "bin" / "kubeadm").unlink()
    if not subprocess.run(["bash", "-c", "command -v kubeadm"], capture_output=True).stdout:
        assert "extension was not merged" in machine.run("worker").stderr


@pytest.mark.parametrize("role", ["init", "control-plane", "worker"])
def test_the_unit_waits_for_conditions_instead_of_luck(role: str) -> None:
    text = unit_text(role, 20)
    lines = text.splitlines()
    assert "Requires=containerd.service" in lines
    assert {"containerd.service", "network-online.target", "systemd-sysext.service"} <= set(
        next(line for line in lines if line.startswith("After=")).removeprefix("After=").split()
    )
    assert f"ConditionPathExists=|!{LAYOUT.done}" in lines
    assert f"ConditionPathExists=|{LAYOUT.config}" in lines
    assert "StartLimitIntervalSec=0" in lines
    assert "Restart=on-failure" in lines
    assert "kubelet.conf" not in text
    assert f"ExecStart=/bin/bash {LAYOUT.script} {role}" in lines
    assert UNIT == "flatprov-kubeadm.service"
