"""Whatever flatprov renders, the real Ignition accepts; and both know the same properties in the same spec versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from ignition_models import CONFIGS
from ignition_oracle import errors, merged, pruned, report

from flatprov.errors import ConfigError
from flatprov.ignition import Ignition, diff, merge, render
from flatprov.ignition.schema import ROOT, VERSIONS, Field, Kind, Shape

pytestmark = pytest.mark.oracle
MERGES = sorted((Path(__file__).resolve().parents[1] / "cases" / "ignition" / "merge").glob("*.json"))
CORPUS = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
PAIRS = settings(CORPUS, max_examples=60)  # a run of the engine is slow


@CORPUS
@given(CONFIGS)
def test_what_is_rendered_is_accepted(config: Ignition) -> None:
    text = config.to_json()
    assert [line for line in report(text) if "unused key" in line] == []
    assert errors(text) == []
    again = Ignition.from_json(text)
    assert again.to_json() == text
    assert diff(render(config), render(again)) == []


def bare(config: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is fetched, and the version."""
    ignition = {key: value for key, value in config["ignition"].items() if key in ("proxy", "timeouts")}
    return pruned({**config, "ignition": ignition})


def with_version(config: dict[str, Any], said: str) -> dict[str, Any]:
    return {**config, "ignition": {**config.get("ignition", {}), "version": said}}


def version(config: dict[str, Any]) -> str:
    return str(config["ignition"]["version"])


@PAIRS
@given(CONFIGS, CONFIGS)
def test_a_sum_is_what_the_real_engine_merges(parent: Ignition, child: Ignition) -> None:
    total = merge(render(parent), render(child))
    # Not below 3.5.0: the engine loses a Tang server's advertisement when it translates from 3.4.0.
    real = merged(*(with_version(bare(one), max("3.5.0", version(one))) for one in (render(parent), render(child))))
    if real is None:
        assert errors(with_version(bare(total), version(total))) != []
        with pytest.raises(ConfigError, match=r"part [12] of the sum"):
            render(parent + child)
    else:
        assert bare(total) == real
        assert render(parent + child) == total


@pytest.mark.parametrize("path", MERGES, ids=lambda path: path.stem)
def test_the_real_engine_agrees_with_the_table(path: Path) -> None:
    case = json.loads(path.read_text())
    parent, child, expected = (bare(case[name]) for name in ("parent", "child", "merged"))
    found = merged(with_version(parent, "3.5.0"), with_version(child, "3.5.0"))
    assert found in (expected, None)


def values(field: Field, version: str) -> Any:
    """Give a value for a property that holds every property below it which ``version`` knows."""
    if field.shape:
        inner = sample(field.shape, version)
        return [inner] if field.kind is Kind.OBJECTS else inner
    return {Kind.STRING: "x", Kind.INTEGER: 1, Kind.BOOLEAN: True, Kind.STRINGS: ["x"]}[field.kind]


def sample(shape: Shape, version: str) -> dict[str, Any]:
    return {field.name: values(field, version) for field in shape.fields if field.since <= version}


def unused(config: dict[str, Any]) -> set[str]:
    return {line.split("unused key ")[1] for line in report(config) if "unused key" in line}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_table_knows_each_property_of_a_version(version: str) -> None:
    config = sample(ROOT, version)
    config["ignition"]["version"] = version
    assert unused(config) == set()


@pytest.mark.parametrize("version", VERSIONS[:-1])
def test_the_table_knows_when_a_property_was_new(version: str) -> None:
    config = sample(ROOT, VERSIONS[-1])
    config["ignition"]["version"] = version
    assert unused(config) == later(ROOT, version)


def later(shape: Shape, version: str) -> set[str]:
    found = set()
    for field in shape.fields:
        if field.since > version:
            found.add(field.name)
        elif field.shape:
            found |= later(field.shape, version)
    return found
