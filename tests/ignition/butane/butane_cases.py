"""The corpus, what the real Butane says about it, and the form in which both sides are compared.

``python tests/ignition/butane/butane_cases.py`` writes what the real tool says into ``recorded.json``, for the tests
that run without it; the oracle tests check that the record still holds.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flatprov.errors import ConfigError
from flatprov.ignition.butane import Folder, translate
from flatprov.ignition.dataurl import decode

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "tests" / "cases" / "ignition" / "butane"
FILES = FOLDER / "files"
RECORD = FOLDER / "recorded.json"
#: The version of Ignition whose rules are built into the oracle.
IGNITION = "2.21.0"

_LINE = re.compile(r"(error|warning|info)(?: at (\$\S*?)(?:, line (\d+) col (\d+))?)?: (.*)\Z", re.S)
#: What the real tool warns of without reason: an alias, a null and a merge key are all fine.
_FALSE_ALARMS = ("context tree does not match", "unused key <<")


@dataclass(frozen=True)
class Case:
    """One config.

    Args:
        name: what it shows, with the version where the corpus leaves that open.
        text: the YAML.
        note: how the two sides may differ: ``only we refuse``, ``paths differ``, ``refused by both``.
    """

    name: str
    text: str
    note: str = ""


@dataclass(frozen=True)
class Verdict:
    """What one side says: whether it accepts, the config in comparable form, the report, and another failure."""

    accepted: bool
    config: Any = None
    report: tuple[tuple[str, str, int, int, str], ...] = ()
    failure: str = ""


def cases() -> list[Case]:
    found = []
    for file in sorted(FOLDER.glob("*.cases")):
        for part in file.read_text().split("=== ")[1:]:
            head, _, text = part.partition("\n")
            name, _, note = head.partition(" | ")
            stated = re.search(r"""^["\s]*variant"?:|\A(- |flatcar$|# nothing)""", text, re.M)
            found += [
                Case(f"{name} [{version}]" if version else name, _headed(text, version), note.strip())
                for version in (("",) if stated else ("1.0.0", "1.1.0"))
            ]
    return found


def _headed(text: str, version: str) -> str:
    if version and text.startswith("{"):
        return text.replace("{", f"{{variant: flatcar, version: {version}, ", 1)
    return f"variant: flatcar\nversion: {version}\n{text}" if version else text


def real(program: Path, text: str | bytes, *options: str) -> Verdict:
    """Ask the real tool."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(program), "--files-dir", str(FILES), *options]
        data = text if isinstance(text, bytes) else text.encode()
        done = subprocess.run(command, input=data, capture_output=True, timeout=30, cwd=folder)
    lines = done.stderr.decode(errors="replace").splitlines()
    report, failure = [], ""
    for number, line in enumerate(lines):
        parsed = _LINE.match(line)
        if not parsed:
            failure = "\n".join(lines[number:])
            break
        level, path, row, column, message = parsed.groups()
        report.append((level, path or "$", int(row or 0), int(column or 0), _message(message)))
    accepted = done.returncode == 0
    config = json.loads(done.stdout) if accepted and done.stdout.startswith(b"{") else None  # openshift gives YAML
    return Verdict(accepted, comparable(config), _sorted(report), failure)


def ours(text: str | bytes, **options: Any) -> Verdict:
    """Ask flatprov, as the real tool would judge: an unknown key is only a warning there."""
    config, report = translate(text, **{"files": Folder(FILES), "ignition_version": IGNITION, **options})
    rows = [
        (
            "warning" if entry.code == "unknown-key" else entry.level,
            entry.where(),
            entry.line,
            entry.column,
            _message(entry.message),
        )
        for entry in report
    ]
    accepted = not any(row[0] == "error" for row in rows)
    return Verdict(accepted, comparable(config) if accepted else None, _sorted(rows))


def _sorted(rows: list[tuple[str, str, int, int, str]]) -> tuple[tuple[str, str, int, int, str], ...]:
    return tuple(sorted(row for row in rows if not row[4].startswith(_FALSE_ALARMS)))


def _message(text: str) -> str:
    text = re.sub(r"^Unused key", "unused key", text.replace(f"{FILES}/", "").replace(str(FILES), "."))
    return re.sub(r"^(open|stat|read) (?:\./)*(.*?)/*: ", r"\1 \2: ", text)


def comparable(config: Any) -> Any:
    """Give a config with its inline contents decoded, and without what is empty."""
    if isinstance(config, list):
        return [comparable(one) for one in config]
    if not isinstance(config, dict):
        return config
    found = {name: comparable(value) for name, value in config.items()}
    found = {name: value for name, value in found.items() if value not in ({}, [], None)}
    source = found.get("source")
    if isinstance(source, str) and source.startswith("data:"):
        try:
            data = decode(source, found.get("compression"))
        except ConfigError:
            return found
        found.pop("compression", None)
        found["source"] = "inline:" + data.decode("latin-1")
    return found


def _dump(verdict: Verdict) -> dict[str, Any]:
    return {
        "accepted": verdict.accepted,
        "config": verdict.config,
        "report": [list(row) for row in verdict.report],
        "failure": verdict.failure,
    }


def recorded() -> dict[str, Verdict]:
    found = json.loads(RECORD.read_text())
    return {
        name: Verdict(one["accepted"], one["config"], tuple(tuple(row) for row in one["report"]), one["failure"])
        for name, one in found.items()
    }


if __name__ == "__main__":
    butane = ROOT / "tests" / "lab" / "out" / "bin" / "butane"
    RECORD.write_text(
        json.dumps({case.name: _dump(real(butane, case.text)) for case in cases()}, indent=1, ensure_ascii=False) + "\n"
    )
