"""Whatever flatprov renders, the real Ignition accepts; and both know the same properties in the same spec versions."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from ignition_models import CONFIGS
from ignition_oracle import errors, report

from flatprov.ignition import Ignition, diff, merge, render
from flatprov.ignition.schema import ROOT, VERSIONS, Field, Kind, Shape

pytestmark = pytest.mark.oracle
CORPUS = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@CORPUS
@given(CONFIGS)
def test_what_is_rendered_is_accepted(config: Ignition) -> None:
    text = config.to_json()
    assert [line for line in report(text) if "unused key" in line] == []
    assert errors(text) == []
    again = Ignition.from_json(text)
    assert again.to_json() == text
    assert diff(render(config), render(again)) == []


@CORPUS
@given(CONFIGS, CONFIGS)
def test_a_sum_is_the_merge_and_is_accepted(parent: Ignition, child: Ignition) -> None:
    merged = render(parent + child)
    assert merged == merge(render(parent), render(child))
    found = [line for line in errors(merged) if not re.search(MAY_CLASH, line)]
    assert found == []


# What two valid configs may become together: it has to be validated anew, and that is not the merger's part.
MAY_CLASH = (
    "cannot set both id and name|same partition label|partition numbers collide|clevis|duplicate entry|includes link"
    "|cannot use HTTP headers|overwrite must be false"
)


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
