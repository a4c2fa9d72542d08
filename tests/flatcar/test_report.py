"""The report unit as Ignition, its script, and its lines read back."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from flatprov.flatcar.report import FailedUnit, Frames, read_report, read_waiting, report_fragment
from flatprov.flatcar.templates import read_template
from flatprov.ignition import dataurl


def files(config: dict[str, Any]) -> dict[str, tuple[int, str]]:
    return {
        file["path"]: (
            file["mode"],
            dataurl.decode(file["contents"]["source"], file["contents"]["compression"]).decode(),
        )
        for file in config["storage"]["files"]
    }


def test_fragment() -> None:
    config = report_fragment(["b.service", r"var-lib-my\x20data.mount", "b.service", "getty@.service", "a@1.service"])
    assert config["ignition"] == {"version": "3.3.0"}
    found = files(config)
    assert found["/opt/flatprov/report"] == (0o755, read_template("flatcar/report.sh"))
    assert found["/opt/flatprov/report-units"] == (0o644, "b.service\nvar-lib-my\\x20data.mount\na@1.service\n")
    (unit,) = config["systemd"]["units"]
    assert unit["name"] == "flatprov-report.service"
    assert unit["enabled"] is True
    assert "Type=exec" in unit["contents"]
    assert "WantedBy=multi-user.target" in unit["contents"]
    assert all(not path.startswith("/usr") for path in found)
    assert len(json.dumps(config)) < 6000  # it travels in every config


def test_no_units() -> None:
    assert files(report_fragment([]))["/opt/flatprov/report-units"] == (0o644, "")


def test_a_missing_template_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"templates/flatcar/nothing\.sh is missing"):
        read_template("flatcar/nothing.sh")


# --- the script itself, with stand-ins for the programs it calls -----------------------------------------------------
SYSTEMCTL = r"""#!/bin/bash
case "$*" in
is-system-running*)
    if [[ -n ${DEAF:-} && ! -e $DEAF ]]; then : >"$DEAF"; exec sleep 30; fi
    sleep "${WAIT:-0}"; echo "$STATE" ;;
list-jobs*)
    [[ -z ${DEAF:-} ]] || exit 0
    printf '%s\n' ' 12 slow.service                 start running' ' 13 later.target start waiting' ;;
*--state=failed*) printf '%s' "$SHOWN" ;;
show*) printf 'Id=slow.service\nInactiveExitTimestampMonotonic=1000000\n' ;;
esac
"""
JOURNALCTL = r"""#!/bin/bash
[[ "$*" == *--sync* ]] || printf 'said "this"\nand \\ that\n'
"""
IP = r"""#!/bin/bash
printf '%s\n' 'lo               UNKNOWN        ' \
  'ens2             UP             192.168.122.9/24 metric 1024 2001:db8::9/64 ' \
  'wg0@if3          UNKNOWN        10.0.0.1 peer 10.0.0.2/32 10.1.0.1/24'
"""


def run(tmp_path: Path, units: str = "", pause: str = "10", **env: str) -> str:
    """Run the script against the stand-ins; give what it wrote to the console."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("systemctl", SYSTEMCTL), ("journalctl", JOURNALCTL), ("ip", IP)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    console, listed = tmp_path / "console", tmp_path / "units"
    listed.write_text(units)
    result = tmp_path / "result.json"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    result.write_text(
        json.dumps(
            {"provisioningBootID": boot_id, "provisioningDate": "2026-01-02T03:04:05Z", "userConfigProvided": True},
            indent=2,
        )
    )
    script = read_template("flatcar/report.sh")
    for old, new in (
        ("PATH=/usr/bin:", f"PATH={programs}:/usr/bin:"),
        ("/opt/flatprov/report-units", str(listed)),
        ("/etc/.ignition-result.json", str(result)),
        ("/run/flatprov/report", str(tmp_path / "run" / "report")),
        ("[[ -c $device ]] && ", ""),
        ('>"$device"', f'>>"{console}"'),
        ("pause=10", f"pause={pause}"),
        ("sleep 3", ":"),
        ("sleep 1\n    say", ":\n    say"),
    ):
        assert old in script, old
        script = script.replace(old, new)
    target = tmp_path / "report"
    target.write_text(script)
    done = subprocess.run(["bash", str(target)], env={**os.environ, **env}, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return console.read_text()


def block(**properties: str) -> str:
    return "".join(f"{key}={value}\n" for key, value in properties.items())


def test_script_on_a_good_boot(tmp_path: Path) -> None:
    lines = [line for line in run(tmp_path, STATE="running", SHOWN="").splitlines() if line]
    assert len(lines) == 3
    assert len(set(lines)) == 1
    found = Frames().feed(lines[0])
    assert found is not None
    assert found[0] == "REPORT"
    kept = tmp_path / "run" / "report"  # for one who comes too late: the same line, and nothing beside it
    assert kept.read_text() == lines[0] + "\n"
    assert [(path.name, path.stat().st_mode & 0o777) for path in kept.parent.iterdir()] == [("report", 0o600)]
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    report = read_report(found[1])
    assert (report.state, report.first_boot, report.user_config) == ("running", True, True)
    assert report.ignition_date == "2026-01-02T03:04:05Z"
    assert report.addresses == {
        "ens2": ("192.168.122.9/24", "2001:db8::9/64"),
        "wg0": ("10.0.0.1", "10.1.0.1/24"),
    }
    assert report.failed == report.missing == report.unstarted == report.restarting == ()
    assert report.uptime > 0
    assert report.kernel == os.uname().release


def test_script_on_a_bad_boot(tmp_path: Path) -> None:
    mount = r"var-lib-my\x20data.mount"
    shown = "\n".join(
        [
            block(
                Id="a.service",
                LoadState="loaded",
                ActiveState="failed",
                Result="exit-code",
                ExecMainCode="1",
                ExecMainStatus="3",
            ),
            block(
                Id="a.service",
                LoadState="loaded",
                ActiveState="failed",
                Result="exit-code",
                ExecMainCode="1",
                ExecMainStatus="3",
            ),
            block(Id=mount, LoadState="loaded", ActiveState="failed", Result="timeout"),
            block(
                Id="foreign.service",
                LoadState="not-found",
                ActiveState="failed",
                Result="signal",
                ExecMainCode="2",
                ExecMainStatus="9",
            ),
            block(Id=r"dok\x2dcer.service", LoadState="not-found", ActiveState="inactive"),
            block(
                Id="late.mount",
                LoadState="loaded",
                ActiveState="inactive",
                ConditionTimestampMonotonic="0",
                InactiveExitTimestampMonotonic="0",
            ),
            block(
                Id="skipped.service",
                LoadState="loaded",
                ActiveState="inactive",
                ConditionTimestampMonotonic="5",
                InactiveExitTimestampMonotonic="0",
            ),
            block(Id="loop.service", LoadState="loaded", ActiveState="activating", SubState="auto-restart"),
        ]
    )
    units = "\n".join(["a.service", mount, r"dok\x2dcer.service", "late.mount", "skipped.service", "loop.service", ""])
    line = next(line for line in run(tmp_path, units, STATE="degraded", SHOWN=shown.rstrip("\n")).splitlines() if line)
    found = Frames().feed(line)
    assert found is not None
    report = read_report(found[1])
    said = ('said "this"', "and \\ that")
    assert report.failed == (
        FailedUnit("a.service", "exit-code", 1, 3, said),
        FailedUnit(mount, "timeout", 0, 0, said),
        FailedUnit("foreign.service", "signal", 2, 9, said),
    )
    assert report.missing == (r"dok\x2dcer.service",)
    assert report.unstarted == ("late.mount",)
    assert report.restarting == ("loop.service",)
    assert report.state == "degraded"


def test_script_names_what_hangs(tmp_path: Path) -> None:
    written = run(tmp_path, pause="0.3", WAIT="1", STATE="running", SHOWN="")
    line = next(line for line in written.splitlines() if line)
    found = Frames().feed(line)
    assert found is not None
    assert found[0] == "WAITING"
    waiting = read_waiting(found[1])
    assert waiting is not None
    assert waiting.unit == "slow.service"
    assert waiting.seconds > 0
    assert str(waiting).startswith("waiting for slow.service (running for ")


def test_script_outlives_a_systemd_that_was_executed_again(tmp_path: Path) -> None:
    """The process that waits is never told then: without jobs it is asked anew."""
    written = run(tmp_path, pause="0.2", DEAF=str(tmp_path / "deaf"), STATE="running", SHOWN="")
    assert [line.split()[0] for line in written.splitlines() if line] == ["FLATPROV-REPORT"] * 3


def test_many_failed_units_fit_one_report(tmp_path: Path) -> None:
    names = [f"very-long-name-of-a-unit-{number:04}.service" for number in range(900)]
    shown = "\n".join(block(Id=name, ActiveState="failed", Result="exit-code", ExecMainStatus="1") for name in names)
    written = run(tmp_path, STATE="degraded", SHOWN=shown.rstrip("\n"))
    line = next(line for line in written.splitlines() if line)
    found = Frames().feed(line)
    assert found is not None
    report = read_report(found[1])
    assert [unit.name for unit in report.failed] == names
    assert len(line) < 100_000
    assert sum(bool(unit.journal) for unit in report.failed) == 8


def test_shellcheck() -> None:
    """The script is checked where shellcheck is installed; bash's own parser checks it everywhere."""
    script = read_template("flatcar/report.sh")
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    if checker := shutil.which("shellcheck"):
        done = subprocess.run([checker, "-"], input=script, capture_output=True, text=True)
        assert done.stdout == ""


# --- reading ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("unit", "words"),
    [
        (FailedUnit("a", "exit-code", 1, 203), "a failed: its program could not be started (status 203/EXEC)"),
        (FailedUnit("a", "exit-code", 1, 7), "a failed: exit status 7"),
        (FailedUnit("a", "signal", 2, 9), "a failed: killed by signal 9 (signal)"),
        (FailedUnit("a", "timeout"), "a failed: it did not finish in its time (timeout)"),
        (FailedUnit("a", "oom-kill", 2, 9), "a failed: the machine ran out of memory (oom-kill)"),
        (FailedUnit("a", "protocol"), "a failed: protocol"),
        (FailedUnit("a"), "a failed: no result"),
    ],
)
def test_failed_unit_in_words(unit: FailedUnit, words: str) -> None:
    assert str(unit) == words


def test_redaction_sees_the_whole_journal_text() -> None:
    journal = base64.b64encode(b"first\nsec\nret\nlast\n").decode()
    contents = {"format": 1, "failed": [{"unit": "a.service", "journal": journal}], "hostname": "h"}
    report = read_report(contents, lambda text: text.replace("sec\nret", "*"))
    assert report.failed[0].journal == ("first", "*", "last")


def test_a_spoiled_journal_costs_only_itself() -> None:
    report = read_report({"failed": [{"unit": "a.service", "journal": "!!"}], "state": "degraded"})
    assert report.failed == (FailedUnit("a.service"),)


def test_a_frame_that_never_ends_is_given_up() -> None:
    frames = Frames()
    assert frames.feed('FLATPROV-REPORT 50 {"format":1,') is None
    for _ in range(200):
        assert (
            frames.feed("[  OK  ] Started something with a rather long description - of a hundred characters.") is None
        )
    assert not frames.open
