"""The real ``ignition-validate``, and how to compare with it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from flatprov.ignition.report import Report

ROOT = Path(__file__).resolve().parents[3]
CASES = ROOT / "tests" / "cases" / "ignition"


_REFUSED = "couldn't parse config: "


@cache
def program() -> Path:
    folder = Path(os.environ.get("FLATPROV_LAB_BIN") or ROOT / "tests" / "lab" / "out" / "bin")
    found = folder / "ignition-validate"
    if not found.exists():
        pytest.fail("ignition-validate is missing; `make test` builds it", pytrace=False)
    return found


def real(text: str | bytes) -> list[str]:
    """Give the lines that the real tool prints; those of its refusals in the form of an entry."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    done = subprocess.run([program(), "-"], input=data, capture_output=True, timeout=60, check=False, close_fds=False)
    said = done.stderr.decode().strip()
    if said:
        assert said.startswith(_REFUSED), said
        lines = [f"error: {said.removeprefix(_REFUSED)}"]
    else:
        lines = done.stdout.decode().strip().split("\n") if done.stdout.strip() else []
    assert done.returncode == (1 if any(line.startswith("error") for line in lines) else 0)
    return lines


_VERB = re.compile(r"%(?:[-+# 0]*[0-9]*(?:\.[0-9]*)?(.)|\Z)", re.S)


def printed(report: Report) -> list[str]:
    """Give the lines of a report as the real tool prints them: it takes its own text for a format."""

    def expand(found: re.Match[str]) -> str:
        return "%" if found[1] == "%" else f"%!{found[1]}(MISSING)" if found[1] else "%!(NOVERB)"

    text = _VERB.sub(expand, str(report)).strip()
    return text.split("\n") if text else []


_COLLIDE = re.compile(r"(.*\.partitions\.)\d+, .*: partition numbers collide")


def _one_of_those_that_collide(lines: list[str]) -> list[str]:
    """Leave out which partition is named; it has to be one whose key stands twice."""
    found = [_COLLIDE.fullmatch(line) for line in lines]
    return [
        f"{hit[1]}*: collide"
        if hit and line.replace("partition numbers collide", "duplicate entry defined") in lines
        else line
        for line, hit in zip(lines, found, strict=True)
    ]


def same(ours: list[str], theirs: list[str]) -> bool:
    """Tell whether two reports are the same.

    The real tool walks a map where the order is random: with unknown keys of one object, and with several partition
    numbers that stand twice, of which it names one.
    """
    if ours == theirs:
        return True
    ours, theirs = _one_of_those_that_collide(ours), _one_of_those_that_collide(theirs)
    ordered = [[line for line in lines if ": unused key" not in line] for lines in (ours, theirs)]
    return sorted(ours) == sorted(theirs) and ordered[0] == ordered[1]


def rows() -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every row of the tables, with its name."""
    for path in sorted(CASES.glob("validate_*.json")):
        for row in json.loads(path.read_text()):
            yield f"{path.stem.removeprefix('validate_')}: {row['name']}", row
