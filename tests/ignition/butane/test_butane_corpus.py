"""Every kind of config in Butane's documentation, and every error, beside what the real Butane 0.24.0 said about it."""

from __future__ import annotations

import re

import pytest
from butane_cases import Case, Verdict, cases, ours, recorded

CASES = cases()
RECORDED = recorded()
#: What the text of a failure without a report is called by flatprov.
FAILURES = {
    "error parsing variant": ("error parsing variant; must be specified", "the config is empty"),
    "error parsing version": ("error parsing version; must be a valid semver",),
    "No translator exists": ("no such version of the variant flatcar exists", "no such variant exists"),
    "rhcos variant has been removed": ("the variant rhcos is for RHEL CoreOS, not for Flatcar",),
    "map merge requires": ("a merge key needs a mapping, or a list of mappings",),
    "unknown anchor": ("the YAML is malformed: found undefined alias",),
}


def test_the_record_is_of_these_cases() -> None:
    assert list(RECORDED) == [case.name for case in CASES], "run tests/ignition/butane/butane_cases.py"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_as_butane_does(case: Case) -> None:
    wanted, found = RECORDED[case.name], ours(case.text)
    if case.note == "only we refuse":
        assert wanted.accepted or case.name.startswith("anchor twice")
        assert not found.accepted
        return
    assert found.accepted == wanted.accepted, found.report
    assert found.config == wanted.config
    if case.note == "paths differ":
        assert len(found.report) >= 1
        assert {row[0] for row in found.report} == {"error"}
    elif case.note != "reports differ":
        _same_report(wanted, found)


def _same_report(wanted: Verdict, found: Verdict) -> None:
    if not wanted.failure or "config is invalid" in wanted.failure or "generated was invalid" in wanted.failure:
        assert found.report == wanted.report
        return
    lines = [int(line) for line in re.findall(r"^  line (\d+): ", wanted.failure, re.M)]
    texts = next((texts for start, texts in FAILURES.items() if start in wanted.failure), None)
    if lines:
        assert sorted({row[2] for row in found.report}) == sorted(set(lines))
    elif texts:
        assert [row[4] for row in found.report if row[4] in texts]
    else:
        # both are libyaml, but the real tool names where the block began, or counts from 0, and gives no column
        line = int(re.search(r"yaml: line (\d+)", wanted.failure)[1])  # type: ignore[index]
        assert line <= found.report[0][2] <= line + 2
        assert found.report[0][3] >= 1
