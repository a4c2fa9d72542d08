"""From nothing: what the scripts of ``tests/lab`` promise, as far as it can be tried in seconds."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from pathlib import Path

import pytest
from local import kvm
from local.folder import HERE as LAB
from local.lab import Lab


def shell(script: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Bash with the functions of steps.sh."""
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f". {LAB}/steps.sh\n{script}"],
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


# --- is KVM of use? ---------------------------------------------------------------------------------------------------


def test_the_boot_sector_is_one() -> None:
    sector = kvm.boot_sector()
    assert len(sector) == 512
    assert sector.endswith(b"\x55\xaa")


def test_the_boot_sector_runs() -> None:
    """Under emulation, which is always there: so a KVM that does not run it is at fault, not the sector."""
    verdict = kvm.run("tcg", limit=30)
    assert "ran in" in verdict.reason, verdict


@pytest.mark.parametrize(
    ("behaviour", "accelerator", "reason"),
    [
        (f"exit {kvm.EXIT_STATUS}", "kvm", "a boot sector ran in"),
        ("exec sleep 60", "tcg", "did not end under KVM within 0.5 s"),
        ("exit 0", "tcg", "ended with status 0 (it said nothing)"),
        (
            "echo 'warning: pni' >&2; echo 'failed to set MSR 0x10a' >&2; kill -ABRT $$",
            "tcg",
            "failed to set MSR 0x10a",
        ),
    ],
    ids=["works", "hangs", "exits early", "aborts"],
)
def test_kvm_is_used_only_if_it_works(tmp_path: Path, behaviour: str, accelerator: str, reason: str) -> None:
    qemu = program(tmp_path / "qemu", behaviour)
    verdict = kvm.probe(device="/dev/null", qemu=qemu, limit=0.5)
    assert verdict.accelerator == accelerator
    assert reason in verdict.reason


def test_no_kvm_device() -> None:
    assert kvm.probe(device="/dev/not-there") == kvm.Verdict("tcg", "there is no /dev/not-there")


def test_no_qemu() -> None:
    assert "apt-get install qemu-system-x86" in kvm.probe(device="/dev/null", qemu="not-there").reason


# --- the cache --------------------------------------------------------------------------------------------------------


def key(*items: object) -> str:
    done = shell(f"key {' '.join(map(str, items))}")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_key_changes_with_its_inputs(tmp_path: Path) -> None:
    folder = tmp_path / "inputs"
    folder.mkdir()
    (folder / "script").write_text("one")
    seen = [key(folder, "SUITE=trixie"), key(folder, "SUITE=bookworm")]
    (folder / "script").write_text("two")
    seen.append(key(folder, "SUITE=trixie"))
    (folder / "script").chmod(0o755)
    seen.append(key(folder, "SUITE=trixie"))
    (folder / "script").rename(folder / "renamed")
    seen.append(key(folder, "SUITE=trixie"))
    (folder / "more").touch()
    seen.append(key(folder, "SUITE=trixie"))
    assert len(set(seen)) == len(seen)


def test_a_key_is_the_same_in_another_checkout(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "script").write_text("one")
    before = key(tmp_path / "one", "x")
    shutil.copytree(tmp_path / "one", tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "script").chmod(0o640 if os.umask(0o022) else 0o644)
    assert key(tmp_path / "elsewhere", "x") == before


def test_an_entry_is_built_once_by_many(tmp_path: Path) -> None:
    program(tmp_path / "builder", f'sleep 0.5; echo run >> {tmp_path}/runs; echo result > "$1/result"')
    script = f'cached thing 1234 "a test" {tmp_path}/builder; cat "$entry/result"'
    command = ["bash", "-euo", "pipefail", "-c", f". {LAB}/steps.sh\n{script}"]
    env = {**os.environ, "FLATPROV_CACHE": str(tmp_path / "cache")}
    many = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [child.communicate(timeout=30)[0] for child in many]
    assert all(text.splitlines()[-1] == "result" for text in said)
    assert (tmp_path / "runs").read_text() == "run\n"


def test_a_failed_build_leaves_no_entry_and_shows_why(tmp_path: Path) -> None:
    program(tmp_path / "builder", 'echo half > "$1/result"; echo "no space left" >&2; exit 3')
    done = shell(
        f'cached thing 1234 "a test" {tmp_path}/builder; echo not reached', FLATPROV_CACHE=str(tmp_path / "cache")
    )
    assert done.returncode == 3
    assert "not reached" not in done.stdout
    assert "| no space left" in done.stderr
    assert not (tmp_path / "cache" / "thing-1234").exists()


# --- bootstrap --------------------------------------------------------------------------------------------------------


def test_bootstrap_does_nothing_when_all_is_there() -> None:
    command = [str(LAB / "bootstrap.sh")]
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True, timeout=600)
    begin = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "all installed" in done.stdout
    assert "as in requirements.lock" in done.stdout
    assert time.monotonic() - begin < 5  # under a second on an idle machine


@pytest.mark.parametrize(
    ("version", "toolchain", "says"),
    [
        ("go1.26.8", "local", ""),
        ("go1.30", "auto", ""),
        ("go1.22.1", "auto", ""),
        ("go1.22.1", "local", "Go 1.22.1 is too old: install Go 1.26.6 or newer"),
        ("go1.19.8", "", "Go 1.19.8 is too old: install Go 1.26.6 or newer"),
        (None, "", "Go is missing: install Go 1.26.6 or newer"),
    ],
)
def test_an_old_go_is_named(tmp_path: Path, version: str | None, toolchain: str, says: str) -> None:
    (tmp_path / "go.mod").write_text("module example.test\n\ngo 1.26.6\n")
    if version:
        program(tmp_path / "go", f'case $2 in GOVERSION) echo {version} ;; GOTOOLCHAIN) echo "{toolchain}" ;; esac')
    for name in ("sed", "sort", "head", "bash", "sh"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    done = shell(f"PATH={tmp_path}\n. {LAB}/go.sh\nneed_go {tmp_path}/go.mod")
    assert (done.returncode, says in done.stderr) == (1 if says else 0, True), done.stderr


# --- the lab ----------------------------------------------------------------------------------------------------------


def traces(lab: Lab) -> list[str]:
    """What on this machine still belongs to a lab: processes and mounts."""
    found = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(lab.root) in line]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if int(process.name) != os.getpid() and str(lab.root).encode() in words:
            found.append(f"{process.name}: {words[:80]!r}")
    return found


@pytest.mark.lab
def test_two_labs_side_by_side_leave_nothing(tmp_path: Path) -> None:
    labs = [Lab(tmp_path / "one"), Lab(tmp_path / "two")]
    before = set(os.listdir("/sys/class/net"))
    for lab in labs:
        lab.up()
        assert lab.enter(["virsh", "-q", "net-list", "--all", "--name"]).stdout.strip() == ""
        assert lab.enter(["virsh", "-q", "pool-list", "--name"]).stdout.split() == ["default"]
        network = tmp_path / "network.xml"
        network.write_text(
            "<network><name>n</name><bridge name='fp0'/><ip address='10.99.0.1' prefix='24'><dhcp/></ip></network>"
        )
        lab.enter(["virsh", "-q", "net-create", str(network)])
        assert traces(lab)
    uuids = {lab.enter(["virsh", "-q", "capabilities"]).stdout.split("<uuid>")[1][:36] for lab in labs}
    assert len(uuids) == 2
    for lab in labs:
        lab.purge()
        assert traces(lab) == []
        assert not lab.root.exists()
    assert set(os.listdir("/sys/class/net")) == before


@pytest.mark.lab
def test_what_was_defined_is_there_after_a_restart(lab: Lab) -> None:
    lab.enter(["virsh", "-q", "vol-create-as", "default", "kept.raw", "1M", "--format", "raw"])
    assert (lab.root / "pool" / "kept.raw").exists()
    lab.down()
    assert lab.script("status").returncode == 3
    lab.up()
    lab.up()  # a second one finds it up
    assert "kept.raw" in lab.enter(["virsh", "-q", "vol-list", "default"]).stdout
    lab.enter(["virsh", "-q", "vol-delete", "kept.raw", "default"])


@pytest.mark.lab
def test_a_foreign_folder_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    for command in ("up", "purge"):
        done = Lab(tmp_path).script(command)
        assert done.returncode == 1
        assert str(tmp_path) in done.stderr
    assert (tmp_path / "precious").read_text() == "mine"
    assert stat.S_ISREG((tmp_path / "precious").stat().st_mode)
