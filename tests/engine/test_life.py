"""A pool's whole life on the real engine, a real libvirtd and real first boots: one stack, one test after the other."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_host import Snapshot, look, made, virsh
from engine_program import PROGRAM, Login, merged, write_settings
from engine_stack import VENV, Done, Stack, summary

Settings = Callable[..., dict[str, Any]]

UNIT = """[Unit]
Description=Leaves a mark
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'echo started > /run/app-mark'
[Install]
WantedBy=multi-user.target
"""
CONTENTS = "port = 8080\n# äöü\n"


class Life:
    """The stack, its settings, and what the host held before."""

    def __init__(self, stack: Stack, lab: Any, login: Login, settings: dict[str, Any]) -> None:
        self.stack, self.lab, self.login, self.settings = stack, lab, login, settings
        self.before: Snapshot = look(lab)

    def change(self, **pool: Any) -> None:
        """Change the pool ``web`` in the program."""
        self.settings = merged(self.settings, {"pools": {"web": pool}})
        write_settings(self.stack, self.settings)

    def domain(self, name: str) -> str:
        """The domain's persistent definition."""
        return virsh(self.lab.uri, "dumpxml", "--inactive", name)

    def run_of(self, name: str) -> tuple[str, str]:
        """What changes with each power-on, and with each disk: the running number, and when the disk was made."""
        disk = re.findall(r"<source file='([^']+root\.qcow2)'", self.domain(name))[0]
        return virsh(self.lab.uri, "domid", name).strip(), made(disk)

    def is_up(self, name: str) -> bool:
        """Whether a node runs and has had its first boot."""
        state = self.lab.enter(["virsh", "-q", "domstate", name], check=False).stdout
        kept = self.lab.enter(["virsh", "-q", "dumpxml", "--inactive", name], check=False).stdout
        return state.strip() == "running" and re.search("phase=.ready", kept) is not None

    def volumes(self) -> set[str]:
        """Names of the volumes in the pool."""
        return set(look(self.lab).volumes)

    def ssh(self, name: str, command: str) -> str:
        """A command's output on a node."""
        return self.login.run(self.stack.nodes()[name]["outputs"]["nodeAddress"], command, patience=240)


@pytest.fixture(scope="module")
def life(
    lab: Any, pulumi_cli: Path, login: Login, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Life]:
    """The stack; whatever happens, nothing of it stays."""
    stack = Stack(tmp_path_factory.mktemp("life"), pulumi_cli, program=PROGRAM, project="life")
    changes: dict[str, Any] = {
        "network": {"cidr": "10.42.0.0/24"},
        "pools": {
            "web": {
                "count": 2,
                "running": True,
                "ignition": {
                    "users": [
                        {"name": "core", "ssh_keys": [login.key.public]},
                        {"name": "deploy", "uid": 1500, "groups": ["wheel"], "shell": "/bin/sh"},
                    ],
                    "files": [
                        {"path": "/etc/app/app.conf", "contents": CONTENTS, "mode": 0o640, "group": 0},
                        {"path": "/opt/bin/tool", "contents": "#!/bin/sh\necho tool\n", "mode": 0o755, "user": 1500},
                    ],
                    "units": [{"name": "app.service", "contents": UNIT}],
                },
            }
        },
    }
    found = Life(stack, lab, login, settings(lab.uri, changes))
    write_settings(stack, found.settings)
    yield found
    stack.destroy()


def unchanged(done: Done) -> bool:
    """Whether a run found nothing to do."""
    counts = summary(done.ok())
    return set(counts) == {"unchanged"} and counts["unchanged"] > 0


def test_a_preview_names_two_nodes_and_makes_nothing(life: Life) -> None:
    done = life.stack.preview().ok()
    assert done.output.count("flatprov:libvirt:Node: (create)") == 2
    assert all(f"::web-{index}]" in done.output for index in range(2))
    assert life.stack.resources() in ([], None)
    assert look(life.lab) == life.before


def test_up_makes_two_nodes_and_waits_until_both_are_ready(life: Life) -> None:
    done = life.stack.up().ok()
    assert summary(done)["created"] == 6, done.output  # stack, pool, network, image, two nodes
    nodes = life.stack.outputs()
    assert set(nodes) == {"web-0", "web-1"}
    assert all(node["ready"] and node["bootSeconds"] > 1 for node in nodes.values()), nodes
    assert {node["release"] for node in nodes.values()} == {"4593.2.5"}
    assert set(virsh(life.lab.uri, "list", "--name").split()) == {"web-0", "web-1"}


def test_ssh_answers_at_the_planned_addresses(life: Life) -> None:
    nodes = life.stack.outputs()
    assert len({node["address"] for node in nodes.values()}) == 2
    for name, node in nodes.items():
        assert node["address"].startswith("10.42.0.")
        assert life.login.run(node["address"], "hostname; cat /etc/hostname").split() == [name, name]


def test_files_users_and_units_are_as_asked(life: Life) -> None:
    stat = "sudo stat -c '%a %u %g'"
    text = life.ssh(
        "web-0",
        f"{stat} /etc/app/app.conf; {stat} /opt/bin/tool; {stat} /etc/flatcar/update.conf; /opt/bin/tool; "
        "id -u deploy; getent passwd deploy | cut -d: -f7; id -Gn deploy; cat /run/app-mark; "
        "systemctl is-active app.service; systemctl is-enabled app.service; "
        "systemctl is-enabled locksmithd.service || true",
    )
    assert text.splitlines()[:6] == ["640 0 0", "755 1500 0", "644 0 0", "tool", "1500", "/bin/sh"], text
    rest = text.splitlines()[6:]
    assert "wheel" in rest[0].split(), text
    assert rest[1:] == ["started", "active", "enabled", "masked"], text
    assert life.ssh("web-0", "sudo cat /etc/app/app.conf") == CONTENTS
    assert life.ssh("web-0", "cat /etc/flatcar/update.conf") == "SERVER=disabled\nREBOOT_STRATEGY=off\n"


def test_the_config_is_gone_from_the_host_and_was_never_in_the_definition(life: Life) -> None:
    assert not [name for name in life.volumes() if name.endswith(".ign")]
    for name in ("web-0", "web-1"):
        xml = life.domain(name)
        assert "sysinfo" not in xml
        assert "fw_cfg" not in xml
        log = (Path(life.lab.root) / "log" / "qemu" / f"{name}.log").read_text()
        assert "name=opt/org.flatcar-linux/config,file=" in log
        assert "app.conf" not in log
        assert "ssh-ed25519" not in log


def test_a_root_volume_is_an_overlay_on_the_one_base_image(life: Life) -> None:
    disks = [name for name in life.volumes() if name.endswith(".root.qcow2")]
    bases = {name for name in life.volumes() if name.startswith("flatcar-4593.2.5-")}
    assert len(disks) == 2
    assert len(bases) == 1
    for name in disks:
        path = virsh(life.lab.uri, "vol-path", name, "--pool", "default").strip()
        info = life.lab.enter(["qemu-img", "info", "-U", "--output=json", path]).stdout
        assert Path(json.loads(info)["full-backing-filename"]).name in bases
        assert json.loads(info)["virtual-size"] == 4 << 30


def test_a_second_up_changes_nothing(life: Life) -> None:
    done = life.stack.up()
    assert unchanged(done), done.output
    assert done.seconds < 15


def test_a_refresh_finds_nothing_changed(life: Life) -> None:
    done = life.stack.refresh()
    assert unchanged(done), done.output
    assert unchanged(life.stack.up("--refresh"))


def test_a_grown_pool_and_a_node_removed_by_hand_need_only_these_two(life: Life) -> None:
    before, lost = life.run_of("web-0"), life.run_of("web-1")
    uuid = virsh(life.lab.uri, "domuuid", "web-1").strip()
    virsh(life.lab.uri, "destroy", "web-1")
    virsh(life.lab.uri, "undefine", "web-1")
    life.change(count=3)
    done = life.stack.up("--refresh").ok()
    assert summary(done)["created"] == 2, done.output
    assert "deleted" not in summary(done)
    assert summary(done).get("updated") == 1, done.output  # the pool itself: its count
    assert "Node web-0 up" not in done.output
    assert life.run_of("web-0") == before
    assert life.run_of("web-1") != lost
    assert virsh(life.lab.uri, "domuuid", "web-1").strip() == uuid
    assert all(node["ready"] for node in life.stack.outputs().values())
    assert unchanged(life.stack.up("--refresh"))


def test_a_shrunk_pool_loses_only_its_last_node(life: Life) -> None:
    before = {name: life.run_of(name) for name in ("web-0", "web-1")}
    life.change(count=2)
    done = life.stack.up().ok()
    assert summary(done)["deleted"] == 1, done.output
    assert set(life.stack.nodes()) == {"web-0", "web-1"}
    assert {name: life.run_of(name) for name in before} == before
    host = look(life.lab)
    assert host.domains == {"web-0", "web-1"}
    assert not [name for name in host.volumes | host.files if "web-2" in name]
    assert "web-2" not in virsh(life.lab.uri, "net-dumpxml", "--inactive", "life-dev")


def test_more_processors_memory_and_disk_leave_the_disk_and_what_is_on_it(life: Life) -> None:
    inodes = {name: life.run_of(name)[1] for name in ("web-0", "web-1")}
    for name in inodes:
        life.ssh(name, f"echo kept-{name} | sudo tee /var/marker >/dev/null; sync")
    life.change(machine={"vcpus": 2, "memory": "1280MiB", "disk": "5GiB"})
    preview = life.stack.preview().ok()
    assert summary(preview)["update"] == 2, preview.output
    assert all(word in preview.output for word in ("vcpus", "memoryMib", "diskBytes"))
    assert "replace" not in preview.output
    done = life.stack.up().ok()
    assert summary(done)["updated"] == 2, done.output
    assert {name: life.run_of(name)[1] for name in inodes} == inodes
    for name in inodes:
        size = "$(lsblk -bdno SIZE /dev/vda)"
        text = life.ssh(name, f"cat /var/marker; nproc; echo {size}; awk '/MemTotal/ {{ print $2 }}' /proc/meminfo")
        marker, processors, disk, memory = text.split()
        assert (marker, processors, disk) == (f"kept-{name}", "2", str(5 << 30))
        assert int(memory) > 1100 << 10
    assert unchanged(life.stack.up("--refresh"))


def test_a_node_is_imported_by_its_id_alone_and_needs_no_change(life: Life) -> None:
    before = life.run_of("web-1")
    entry = life.stack.nodes()["web-1"]
    pool = next(item["urn"] for item in life.stack.resources() if item["type"] == "flatprov:index:NodePool")
    life.stack.run("state", "delete", "--yes", entry["urn"]).ok()
    assert set(life.stack.nodes()) == {"web-0"}
    done = life.stack.run(
        "import", "--yes", "--protect=false", "--generate-code=false", "--parent", f"pool={pool}",
        "flatprov:libvirt:Node", "web-1", entry["id"],
    )  # fmt: skip
    done.ok()
    again = life.stack.nodes()["web-1"]
    assert again["urn"] == entry["urn"]
    assert again["outputs"]["nodeAddress"] == entry["outputs"]["nodeAddress"]
    preview = life.stack.preview().ok()
    assert unchanged(preview), preview.output
    assert unchanged(life.stack.up())
    assert unchanged(life.stack.up("--refresh"))
    assert life.run_of("web-1") == before


def test_a_changed_config_makes_the_nodes_anew_in_place_one_after_the_other(life: Life) -> None:
    before = life.stack.nodes()
    inodes = {name: life.run_of(name)[1] for name in before}
    found = life.settings["pools"]["web"]["ignition"]
    files = [{**found["files"][0], "contents": "port = 9090\n"}, found["files"][1]]
    life.change(ignition={**found, "files": files})
    preview = life.stack.run("preview", "--json").ok().output
    steps = [step for step in json.loads(preview[preview.index("{") :])["steps"] if step["op"] == "update"]
    assert [list(step["detailedDiff"]) for step in steps] == [
        ['ignition.storage.files["/etc/app/app.conf"].contents']
    ] * 2
    up, output = [], ""
    process = life.stack.start("up", "--yes", "--skip-preview")
    while not output:
        # the first is looked at twice: between two looks the turn may pass from one to the other
        first, second, again = (life.is_up(name) for name in ("web-0", "web-1", "web-0"))
        up.append((first or again) + second)
        with contextlib.suppress(subprocess.TimeoutExpired):
            output = process.communicate(timeout=0.5)[0]
    assert process.returncode == 0, output
    assert summary(Done(0, output, 0))["updated"] == 2, output
    assert min(up) == 1, up  # at each moment one of the two was there to serve, and for a while only one
    after = life.stack.nodes()
    for name in before:
        same = ("uuid", "macAddress", "nodeAddress", "host")
        assert [after[name]["outputs"][key] for key in same] == [before[name]["outputs"][key] for key in same]
        assert after[name]["id"] == before[name]["id"]
        assert after[name]["outputs"]["ready"]
        assert life.ssh(name, "sudo cat /etc/app/app.conf; ls /var/marker 2>&1 || true").startswith("port = 9090\nls:")
        assert life.run_of(name)[1] != inodes[name]
    assert unchanged(life.stack.up("--refresh"))


def test_destroy_from_state_alone_leaves_nothing(life: Life, tmp_path: Path) -> None:
    """No program and no project: an empty folder, the state, and the installed plugin."""
    home = tmp_path / "home"
    install = [str(VENV / "bin" / "flatprov"), "plugin", "install", "--home", str(home)]
    subprocess.run(install, check=True, capture_output=True)
    folder = tmp_path / "empty"
    folder.mkdir()
    own = life.stack.env["PULUMI_HOME"]
    life.stack.env["PULUMI_HOME"] = str(home)
    done = life.stack.destroy("--stack", f"organization/{life.stack.project}/{life.stack.stack}", cwd=folder).ok()
    life.stack.env["PULUMI_HOME"] = own
    assert summary(done)["deleted"] == 6, done.output
    assert look(life.lab) == life.before
    assert life.stack.resources() in ([], None)


def test_a_refresh_with_the_daemon_stopped_fails_and_changes_nothing_in_the_state(
    second_lab: Any, pulumi_cli: Path, settings: Settings, tmp_path: Path
) -> None:
    before = look(second_lab)
    stack = Stack(tmp_path, pulumi_cli, program=PROGRAM, project="outage")
    write_settings(stack, settings(second_lab.uri, {"pools": {"web": {"count": 2}}}))
    stack.up("--skip-preview").ok()
    state = stack.resources()
    second_lab.down()
    for words in (("refresh", "--yes"), ("preview",), ("up", "--yes"), ("destroy", "--yes")):
        output = " ".join(stack.run(*words).failed().output.split())
        assert f"libvirt at {second_lab.uri} does not answer" in output
        assert "Check that the daemon behind this socket still runs" in output
        assert stack.resources() == state, words
    second_lab.up()
    assert unchanged(stack.refresh())
    assert unchanged(stack.up())
    stack.destroy().ok()
    assert look(second_lab) == before
