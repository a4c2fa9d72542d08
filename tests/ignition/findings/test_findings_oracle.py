"""The real engine agrees: what is found fails its files stage or does what is said, and the fix heals it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from findings_cases import expanded

from flatprov.ignition.findings import findings
from flatprov.ignition.target import Target

pytestmark = pytest.mark.oracle
EXISTING = Target(
    files=frozenset({"/etc/exists", "/etc/dangling"}),
    users=frozenset({"root", "core"}),
    groups=frozenset({"root", "core"}),
)


@pytest.fixture
def engine(lab_bin: Path, tmp_path: Path) -> Any:
    """Run fetch and files over a small root; give the return code, the log and the root."""
    if os.geteuid():
        pytest.skip("the files stage changes owners: only root may")
    root = tmp_path / "root"
    for folder in ("etc", "home", "opt"):
        (root / folder).mkdir(parents=True)
    (root / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\ncore:x:500:500::/home/core:/bin/sh\n")
    (root / "etc" / "group").write_text("root:x:0:\ncore:x:500:\n")
    (root / "etc" / "exists").write_text("of the release\n")
    (root / "etc" / "dangling").symlink_to("../run/none")

    def run(whole: dict[str, Any]) -> tuple[bool, str, Path]:
        (tmp_path / "config.ign").write_text(json.dumps(whole))
        log, good = "", True
        for stage in ("fetch", "files"):
            done = subprocess.run(
                [
                    str(lab_bin / "ignition"), "-platform=file", f"-stage={stage}", "-log-to-stdout", f"-root={root}",
                    f"-config-cache={tmp_path / 'cache'}", f"-state-file={tmp_path / 'state'}",
                    f"-neednet={tmp_path / 'neednet'}",
                ],
                env={
                    "IGNITION_CONFIG_FILE": str(tmp_path / "config.ign"),
                    "IGNITION_SYSTEM_CONFIG_DIR": str(tmp_path / "none"),
                },
                capture_output=True, text=True, timeout=60,
            )  # fmt: skip
            log, good = log + done.stdout, good and done.returncode == 0
        return good, log, root

    return run


def config(**sections: Any) -> dict[str, Any]:
    whole: dict[str, Any] = expanded({"ignition": {"version": "3.3.0"}, **sections})
    return whole


def codes(whole: dict[str, Any]) -> set[str]:
    return {entry.code for entry in findings(whole, target=EXISTING) if entry.level != "info"}


TEXT = {"$text": "x\n"}
FAILS = {
    "file-exists": {"files": [{"path": "/etc/exists", "contents": TEXT}]},
    "file-exists, a link is there": {"files": [{"path": "/etc/dangling", "contents": TEXT}]},
    "file-exists, a link over a file": {"links": [{"path": "/etc/exists", "target": "/opt/a"}]},
    "owner-missing": {"files": [{"path": "/opt/a", "user": {"name": "nosuch"}, "contents": TEXT}]},
    "owner-missing, a group": {"directories": [{"path": "/opt/a", "group": {"name": "nosuch"}}]},
    "inline-gzip": {"files": [{"path": "/opt/a", "contents": {"source": "data:,plain", "compression": "gzip"}}]},
    "inline-hash": {
        "files": [{"path": "/opt/a", "contents": {**TEXT, "verification": {"hash": "sha256-" + "0" * 64}}}]
    },
}


@pytest.mark.parametrize("name", FAILS)
def test_it_fails_the_first_boot(engine: Any, name: str) -> None:
    whole = config(storage=FAILS[name])
    assert codes(whole) == {name.partition(",")[0]}
    good, log, _ = engine(whole)
    assert not good, log


WORKS: dict[str, dict[str, Any]] = {
    "with overwrite": {"files": [{"path": "/etc/exists", "overwrite": True, "contents": TEXT}]},
    "a link with overwrite": {"links": [{"path": "/etc/dangling", "target": "/opt/a", "overwrite": True}]},
    "only appended": {"files": [{"path": "/etc/exists", "append": [TEXT]}]},
    "no contents": {"files": [{"path": "/etc/exists", "mode": 384}]},
    "an owner that exists": {"files": [{"path": "/opt/a", "user": {"name": "core"}, "contents": TEXT}]},
    "whole gzip": {"files": [{"path": "/opt/a", "contents": {"$gzip": "x\n"}}]},
}


@pytest.mark.parametrize("name", WORKS)
def test_it_boots_and_nothing_is_found(engine: Any, name: str) -> None:
    whole = config(storage=WORKS[name])
    assert codes(whole) == set()
    good, log, _ = engine(whole)
    assert good, log


def test_parents_in_a_home_belong_to_root_unless_they_are_listed(engine: Any) -> None:
    owner = {"user": {"name": "core"}}
    whole = config(storage={"files": [{"path": "/home/core/.config/a/b", **owner, "contents": TEXT}]})
    assert codes(whole) == {"home-parents"}
    good, log, root = engine(whole)
    assert good, log
    assert [(root / place).stat().st_uid for place in ("home/core/.config", "home/core/.config/a")] == [0, 0]
    folders = [{"path": path, **owner} for path in ("/home/core/.config", "/home/core/.config/a")]
    healed = config(storage={"directories": folders, "files": [{"path": "/home/core/.config/a/b", **owner}]})
    assert codes(healed) == set()
    good, log, root = engine(healed)
    assert good, log
    assert [(root / place).stat().st_uid for place in ("home/core/.config", "home/core/.config/a")] == [500, 500]


def test_a_masked_unit_loses_its_text(engine: Any) -> None:
    text = "[Service]\nExecStart=/bin/true\n"
    whole = config(systemd={"units": [{"name": "a.service", "mask": True, "contents": text}]})
    assert codes(whole) == {"unit-masked"}
    good, log, root = engine(whole)
    assert good, log
    assert os.readlink(root / "etc/systemd/system/a.service") == "/dev/null"


def test_a_decimal_mode_is_taken_as_it_is(engine: Any) -> None:
    whole = config(storage={"files": [{"path": "/opt/a", "mode": 644, "contents": TEXT}]})
    assert codes(whole) == {"mode-decimal"}
    good, log, root = engine(whole)
    assert good, log
    assert (root / "opt/a").stat().st_mode & 0o777 == 644 & 0o777 == 0o204
