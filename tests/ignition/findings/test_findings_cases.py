"""Every code by its table: what is found, where, and what looks like it and is left alone."""

from __future__ import annotations

import re
from typing import Any

import pytest
from findings_cases import TABLES, config, table, target

from flatprov.ignition.findings import CODES, findings, text_findings

ROOT = TABLES.parents[3]
DOCS = ROOT / "docs" / "findings"
PAGES = sorted({one.page for one in CODES.values()})
CASES = [
    pytest.param(case, id=f"{path.stem}: {case['about']}")
    for path in sorted(TABLES.glob("*.json"))
    for case in table(path.stem)
    if "config" in case
]
TEXTS = [pytest.param(case, id=case["about"]) for case in table("text")]


@pytest.mark.parametrize("case", CASES)
def test_a_config_has_these_findings_and_no_others(case: dict[str, Any]) -> None:
    report = findings(config(case), target=target(case))
    found = [[entry.code, entry.level, entry.where().removeprefix("$.")] for entry in report]
    assert sorted(found) == sorted(case["expect"])
    for part in case.get("says", ()):
        assert any(part in str(entry) for entry in report), str(report)


@pytest.mark.parametrize("case", TEXTS)
def test_a_text_has_these_findings_and_no_others(case: dict[str, Any]) -> None:
    found = [[entry.code, entry.level, entry.line, entry.column] for entry in text_findings(case["text"])]
    assert found == case["expect"]
    same = text_findings(case["text"].encode())
    assert [entry.code for entry in same] == [entry[0] for entry in case["expect"]]


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_has_a_case_that_finds_it_and_one_that_does_not(code: str) -> None:
    cases = table(CODES[code].page)
    assert any(code == entry[0] for case in cases for entry in case["expect"]), "no case finds it"
    assert any(code in case.get("quiet", ()) for case in cases), "no case shows what it leaves alone"


def test_no_case_expects_what_it_calls_quiet_and_no_table_is_without_codes() -> None:
    assert sorted(path.stem for path in TABLES.glob("*.json")) == PAGES
    for page in PAGES:
        for case in table(page):
            expected = {entry[0] for entry in case["expect"]}
            assert not expected & set(case.get("quiet", ())), case["about"]
            assert expected | set(case.get("quiet", ())) <= set(CODES), case["about"]


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_is_explained(code: str) -> None:
    """A page has a section for each of its codes: why it matters, how to fix it, how to silence it."""
    text = (DOCS / f"{CODES[code].page}.md").read_text()
    sections = re.split(r"^## ", text, flags=re.M)
    found = [section for section in sections if section.startswith(f"`{code}`")]
    assert len(found) == 1
    assert CODES[code].level in found[0].splitlines()[0]
    for part in ("**Why.**", "**Fix.**"):
        assert part in found[0], part
    assert "**Silence.**" in text
    assert len(found[0].split()) > 60, "a reason takes more words"


def test_the_index_lists_every_code_with_its_level_and_page() -> None:
    text = (DOCS / "index.md").read_text()
    for one in CODES.values():
        assert f"| [`{one.code}`]({one.page}.md) | {one.level} | {one.summary} |" in text
    listed = re.findall(r"^\| \[`([a-z-]+)`\]", text, flags=re.M)
    assert sorted(listed) == sorted(CODES)
