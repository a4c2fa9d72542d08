"""The real Butane 0.24.0 and ignition-validate beside flatprov."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from butane_cases import FILES, RECORD, Case, Verdict, cases, comparable, ours, real, recorded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flatprov.ignition import Ignition, dumps, render
from flatprov.ignition.butane import Folder, translate

CASES = cases()
GOOD = [case for case in CASES if recorded()[case.name].accepted and case.note != "only we refuse"]
#: What is mutated. Behind a null in a list the real tool looks lines up by the wrong index, and it does not see what a
#: merge key brings that has no effect.
SEEDS = [case for case in GOOD if "null items" not in case.name and "merge keys" not in case.name]


@pytest.fixture(scope="session")
def butane(lab_bin: Path) -> Path:
    program = lab_bin / "butane"
    if not program.exists():
        pytest.fail("tests/lab/out/bin/butane is missing; run tests/lab/build.sh butane", pytrace=False)
    return program


def test_the_record_holds(butane: Path) -> None:
    wanted = recorded()
    stale = [case.name for case in CASES if real(butane, case.text) != wanted[case.name]]
    assert stale == [], f"{RECORD.name} is stale: run tests/ignition/butane/butane_cases.py"


def valid(program: Path, text: str) -> list[str]:
    done = subprocess.run([str(program), "-"], input=text, capture_output=True, text=True, timeout=30)
    return [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("warning")]


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_what_is_loaded_renders_to_the_same_and_is_valid(case: Case, lab_bin: Path) -> None:
    loaded = Ignition.from_butane(case.text, files_dir=FILES, silence=["unknown-key"])
    text = loaded.to_json()
    assert valid(lab_bin / "ignition-validate", text) == []
    assert comparable(render(loaded)) == recorded()[case.name].config


def test_every_mode_is_judged_alike(butane: Path) -> None:
    """Which modes look like decimal: all from 0 to 7777 and some behind, for files and directories."""
    lines = ["variant: flatcar", "version: 1.1.0", "storage:"]
    for kind in ("files", "directories"):
        lines.append(f"  {kind}:")
        lines += [f"    - {{path: /{kind}{mode}, mode: {mode}}}" for mode in range(-2, 7900)]
    text = "\n".join(lines)
    wanted, found = real(butane, text), ours(text)
    assert len(wanted.report) > 200
    assert found.report == wanted.report


_NUMBERS = """
    0 00 0644 0o644 0O644 0x1A4 0X1a4 0b11 0B11 1_000 0_7 0o7_7 -0644 +0644 -0o17 +0x1f -0b11 1e3 1E+3 1.0 010.0 1.
    9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809 18446744073709551616
    .inf -.INF .nan 0o8 0x 0b2 1__0 _1 1_ 1e e1 --1 +-1 0.0 1e19 -1e19 1e-1 '5' "5" !!int_5 !!int_'5' !!float_5 !!str_5
    !!int_5.0 !x_5 2001-01-01 12:30 0o ٣ 0x_1 ~ null Null
"""
_BOOLEANS = """
    true True TRUE tRUE false FALSE yes Yes YES yEs no NO on ON oN off y Y n N t f 1 0 'true' 'yes' "NO" !!bool_true
    !!bool_'true' !!bool_yes !!str_yes !!str_true ~ nil !x_yes !!int_yes
"""
_TEXTS = "5 0644 true ~ '' null 'null' !!str_null !!null_'' !!str !!int_5 !x_y 2001-01-01 .5 !!binary_eWVz"
_LINES = {
    "number": "storage: {{files: [{{path: /a, user: {{id: {}}}}}]}}",
    "boolean": "systemd: {{units: [{{name: a.service, mask: {}}}]}}",
    "text": "passwd: {{users: [{{name: a, gecos: {}}}]}}",
    "texts": "passwd: {{users: [{{name: a, groups: [x, {}]}}]}}",
}
#: Where we refuse what the real library bends: it cuts fractions off, and casts what is too large.
_STRICTER = {"1e-1", "-1e19", "-.INF", "-9223372036854775809"}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (kind, value)
        for kind, values in (("number", _NUMBERS), ("boolean", _BOOLEANS), ("text", _TEXTS), ("texts", _TEXTS))
        for value in ["", "1 000", *(re.sub(r"^(!\S*?)_", r"\1 ", one) for one in values.split())]
    ],
)
def test_scalars_mean_the_same(kind: str, value: str, butane: Path) -> None:
    text = f"variant: flatcar\nversion: 1.1.0\n{_LINES[kind].format(value)}\n"
    wanted, found = real(butane, text), ours(text)
    if value in _STRICTER and kind == "number":
        assert not found.accepted or found.config == wanted.config
        return
    assert (found.accepted, found.config) == (wanted.accepted, wanted.config)


@cache
def _lines() -> list[str]:
    return sorted({line for case in GOOD for line in case.text.splitlines() if line.strip() and len(line) < 90})


_EDIT = st.tuples(
    st.sampled_from(["drop", "double", "swap", "indent", "dedent", "insert", "cut", "quote", "null", "join"]),
    st.integers(0, 400),
    st.integers(0, 4000),
)


def _edited(text: str, edits: list[tuple[str, int, int]]) -> str:
    lines = text.splitlines()
    for kind, place, other in edits:
        if len(lines) < 3:
            break
        at = 2 + place % (len(lines) - 2)  # variant and version stay
        line = lines[at]
        if kind == "drop":
            del lines[at]
        elif kind == "double":
            lines.insert(at, line)
        elif kind == "swap":
            with_ = 2 + other % (len(lines) - 2)
            lines[at], lines[with_] = lines[with_], line
        elif kind == "indent":
            lines[at] = "  " + line
        elif kind == "dedent":
            lines[at] = line[2:] if line.startswith("  ") else line
        elif kind == "insert":
            lines.insert(at, _lines()[other % len(_lines())])
        elif kind == "cut":
            lines[at] = line[: other % (len(line) + 1)]
        elif kind == "quote":
            lines[at] = re.sub(r": (.+)$", r": '\1'", line)
        elif kind == "null":
            lines[at] = re.sub(r": .+$", ":", line)
        else:
            lines[at] = line + " " + lines[min(at + 1, len(lines) - 1)].strip()
    return "\n".join(lines) + "\n"


def _alike(wanted: Verdict, found: Verdict, text: str) -> None:
    strict = [row[4] for row in found.report if row[0] == "error" and row[4].startswith(_OURS)]
    if strict:
        return  # a deliberate difference, each of which has a case in the corpus
    assert found.accepted == wanted.accepted, (text, wanted, found)
    assert found.config == wanted.config, text
    inner = any(row[1].startswith(("$.ignition.config.merge", "$.ignition.config.replace")) for row in found.report)
    if inner or (wanted.failure and "invalid" not in wanted.failure):
        return
    if _NULL_ITEM.search(text):  # the real tool then looks up lines by the wrong index
        assert _placeless(found) == _placeless(wanted), text
    else:
        assert found.report == wanted.report, text


_NULL_ITEM = re.compile(r"- *(~|null)?$|[\[,] *(~|null) *[,\]]", re.M)


def _placeless(verdict: Verdict) -> list[tuple[str, str, str]]:
    return sorted((row[0], row[1], row[4]) for row in verdict.report)


_OURS = (
    "an anchor of this name",
    "a second document",
    "this alias stands",
    "the merge key stands twice",
    "in the config at",
    "the config in it is invalid",
)


@settings(
    max_examples=250, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=st.sampled_from(SEEDS), edits=st.lists(_EDIT, min_size=1, max_size=3))
def test_mutated_configs_are_judged_alike(case: Case, edits: list[tuple[str, int, int]], butane: Path) -> None:
    text = _edited(case.text, edits)
    _alike(real(butane, text), ours(text), text)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=st.sampled_from(SEEDS), edits=st.lists(_EDIT, min_size=1, max_size=2))
def test_what_has_no_error_is_valid(case: Case, edits: list[tuple[str, int, int]], lab_bin: Path) -> None:
    config: dict[str, Any]
    config, report = translate(_edited(case.text, edits), files=Folder(FILES))
    if not report.errors:
        assert valid(lab_bin / "ignition-validate", dumps(config)) == []
