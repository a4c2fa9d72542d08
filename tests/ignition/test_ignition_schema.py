"""The JSON Schema knows every property, explains it, accepts what Ignition accepts and refuses what it would ignore."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ignition_models import CONFIGS
from jsonschema import Draft202012Validator

from flatprov.errors import ConfigError
from flatprov.ignition import Ignition, render
from flatprov.ignition.jsonschema import json_schema, meaning
from flatprov.ignition.schema import ROOT, VERSIONS, Field, Kind, Shape

BOUNDED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
MERGES = sorted((Path(__file__).resolve().parents[1] / "cases" / "ignition" / "merge").glob("*.json"))
VALIDATORS = {version: Draft202012Validator(json_schema(version)) for version in (None, *VERSIONS)}


def shapes(shape: Shape, seen: list[Shape]) -> list[Shape]:
    if shape not in seen:
        seen.append(shape)
        for item in shape.fields:
            if item.shape:
                shapes(item.shape, seen)
    return seen


def fields() -> Iterator[Any]:
    for shape in shapes(ROOT, []):
        for item in shape.fields:
            yield pytest.param(shape, item, id=f"{shape.name}.{item.name}")


@pytest.mark.parametrize("version", VALIDATORS)
def test_the_schema_is_one(version: str | None) -> None:
    Draft202012Validator.check_schema(json_schema(version))


@pytest.mark.parametrize(("shape", "item"), list(fields()))
def test_every_property_is_explained(shape: Shape, item: Field) -> None:
    text = meaning(shape, item)
    assert re.fullmatch(r"[A-Z].{5,}\.|(sha512-|raid0|ext4|tpm2|http|\"gzip\").*\.", text)
    assert "``" not in text


@BOUNDED
@given(CONFIGS)
def test_what_is_rendered_is_accepted(config: Ignition) -> None:
    rendered = render(config)
    assert [error.message for error in VALIDATORS[rendered["ignition"]["version"]].iter_errors(rendered)] == []
    assert VALIDATORS[None].is_valid(rendered)


@pytest.mark.parametrize("path", MERGES, ids=lambda path: path.stem)
def test_the_merge_cases_are_accepted(path: Path) -> None:
    case = json.loads(path.read_text())
    assert VALIDATORS[None].is_valid(case["parent"])


def places(shape: Shape, data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield data
    for item in shape.fields:
        if item.shape and item.name in data:
            for one in data[item.name] if item.kind is Kind.OBJECTS else [data[item.name]]:
                yield from places(item.shape, one)


WRONG: dict[Kind, list[Any]] = {
    Kind.STRING: [1, True, None, [], {}],
    Kind.INTEGER: ["1", 1.5, True, None, []],
    Kind.BOOLEAN: ["true", 0, None, {}],
    Kind.STRINGS: ["a", {}, None, [1], [None]],
    Kind.OBJECT: [[], "a", 1, None],
    Kind.OBJECTS: [{}, "a", None, [[]], ["a"]],
}


@BOUNDED
@given(CONFIGS, st.data())
def test_unknown_and_misspelt_properties_are_refused_everywhere(config: Ignition, data: st.DataObject) -> None:
    rendered = render(config)
    found = list(places(ROOT, rendered))
    place = data.draw(st.sampled_from(found))
    name = data.draw(st.sampled_from([*(key.upper() for key in place), "comment"]))
    place[name] = data.draw(st.sampled_from(["x", 1, {}, []]))
    assert not VALIDATORS[None].is_valid(rendered)


@pytest.mark.parametrize(("shape", "item"), list(fields()))
def test_wrong_types_are_refused(shape: Shape, item: Field) -> None:
    schema = json_schema("3.6.0")
    name = "root" if shape is ROOT else shape.name
    of_shape = schema if name == "root" else schema["$defs"][name]
    validator = Draft202012Validator({**of_shape["properties"][item.name], "$defs": schema["$defs"]})
    assert [value for value in WRONG[item.kind] if validator.is_valid(value)] == []


@pytest.mark.parametrize(
    ("place", "version", "accepted"),
    [
        (("storage", "files", {"path": "/a", "mode": 4095}), "3.6.0", True),
        (("storage", "files", {"path": "/a", "mode": 4096}), "3.6.0", False),
        (("storage", "files", {"path": "/a", "mode": -1}), "3.6.0", False),
        (("storage", "files", {"path": "a"}), "3.3.0", False),
        (("storage", "files", {"path": "/a/../b"}), "3.3.0", False),
        (("storage", "files", {"path": "/a/..b"}), "3.3.0", True),
        (("storage", "files", {"path": "/a//b"}), "3.3.0", False),
        (("storage", "files", {"path": "/"}), "3.3.0", True),
        (("storage", "files", {"mode": 420}), "3.3.0", False),
        (("storage", "links", {"path": "/a"}), "3.3.0", False),
        (("storage", "links", {"path": "/a"}), "3.2.0", True),
        (("storage", "filesystems", {"device": "/d", "format": "none"}), "3.2.0", False),
        (("storage", "filesystems", {"device": "/d", "format": "none"}), "3.3.0", True),
        (("storage", "luks", {"name": "a", "discard": True}), "3.3.0", False),
        (("storage", "luks", {"name": "a", "discard": True}), "3.4.0", True),
        (("storage", "raid", {"name": "a", "level": "raid7"}), "3.4.0", False),
        (("passwd", "users", {"name": "a", "sshAuthorizedKeys": ["k", "k"]}), "3.4.0", False),
        (("systemd", "units", {"name": "a.service", "enable": True}), "3.4.0", False),
    ],
)  # fmt: skip
def test_rules(place: tuple[str, str, dict[str, Any]], version: str, accepted: bool) -> None:
    section, name, item = copy.deepcopy(place)
    config = {"ignition": {"version": version}, section: {name: [item]}}
    assert VALIDATORS[version].is_valid(config) is accepted


def test_a_schema_is_for_its_version_alone() -> None:
    assert not VALIDATORS["3.3.0"].is_valid({"ignition": {"version": "3.4.0"}})
    assert VALIDATORS[None].is_valid({"ignition": {"version": "3.0.0", "config": {"merge": []}}})
    with pytest.raises(ConfigError, match=r"Use one of 3\.0\.0"):
        json_schema("2.3.0")
