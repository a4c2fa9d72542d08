"""The tables: what is merged, refused and seen as changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flatprov.errors import ConfigError
from flatprov.ignition import Ignition, diff, merge

CASES = Path(__file__).resolve().parents[1] / "cases" / "ignition"
MERGES = sorted((CASES / "merge").glob("*.json"))


def rows(name: str) -> list[Any]:
    found = json.loads((CASES / name).read_text())
    return [pytest.param(row, id=row["name"]) for row in found]


@pytest.mark.parametrize("path", MERGES, ids=lambda path: path.stem)
def test_merge(path: Path) -> None:
    case = json.loads(path.read_text())
    before = json.dumps(case)
    assert merge(case["parent"], case["child"]) == case["merged"]
    assert json.dumps(case) == before


@pytest.mark.parametrize("case", rows("refused.json"))
def test_refused(case: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        Ignition.from_json(case["config"])
    assert caught.value.path == case["path"]
    assert case["says"] in str(caught.value)


@pytest.mark.parametrize("case", rows("diff.json"))
def test_diff(case: dict[str, Any]) -> None:
    assert diff(case["old"], case["new"]) == case["changed"]
    assert sorted(diff(case["new"], case["old"])) == sorted(case["changed"])
    assert diff(case["old"], case["old"]) == []
