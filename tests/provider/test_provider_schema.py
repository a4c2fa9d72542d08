"""The package schema: what programs in other languages would be generated from, so each change is looked at."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from provider_resources import RESOURCES as TEST_RESOURCES

from flatprov import __version__
from flatprov.provider import schema
from flatprov.provider.main import RESOURCES
from flatprov.provider.registry import Registry
from flatprov.provider.resource import wire_fields

SNAPSHOT = Path(__file__).with_name("schema.json")
RENEW = "python -m flatprov.provider.schema > tests/provider/schema.json"
TYPES = {"string", "integer", "number", "boolean", "array", "object"}


@pytest.fixture(scope="module")
def live():
    return schema.package(Registry(RESOURCES).all(), __version__)


def test_the_snapshot_is_current(live) -> None:
    if json.loads(SNAPSHOT.read_text()) != live:
        pytest.fail(f"the schema changed: look at the difference after `{RENEW}` and commit it", pytrace=False)


def test_the_command_that_renews_it_prints_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flatprov.provider.schema"], capture_output=True, text=True, check=True
    )
    assert done.stdout == SNAPSHOT.read_text()


def _objects(item):
    if isinstance(item, dict):
        yield item
        for part in item.values():
            yield from _objects(part)
    elif isinstance(item, list):
        for part in item:
            yield from _objects(part)


def test_references_resolve_and_types_are_known(live) -> None:
    for found in _objects(live):
        if "$ref" in found:
            assert found["$ref"].removeprefix("#/types/") in live["types"]
        elif isinstance(found.get("type"), str):
            assert found["type"] in TYPES
            assert found["type"] != "array" or "items" in found
    assert live["types"]


def test_everything_is_described(live) -> None:
    undescribed = [
        f"{token}.{part}.{name}"
        for token, found in {**live["resources"], **live["types"]}.items()
        for part in ("inputProperties", "properties")
        for name, described in found.get(part, {}).items()
        if not described["description"].strip(" .")
    ]
    assert undescribed == []
    assert all(found["description"] for found in {**live["resources"], **live["types"]}.values())


def test_required_properties_exist(live) -> None:
    for found in {**live["resources"], **live["types"]}.values():
        assert set(found["required"]) <= set(found["properties"])
        assert set(found.get("requiredInputs", ())) <= set(found.get("inputProperties", ()))


def test_inputs_and_outputs_share_no_name_that_would_hide_one(live) -> None:
    """A wire name that is both has one meaning only where both halves say the same."""
    for kind in Registry(RESOURCES).all().values():
        inputs, outputs = ({field.encode_name for field in wire_fields(half)} for half in (kind.inputs, kind.state))
        assert inputs & outputs == set(), kind.token


def test_secret_and_control_fields_say_so() -> None:
    found = schema.package({"flatprov:test:Thing": Registry(TEST_RESOURCES).get("flatprov:test:Thing")}, "1")
    thing = found["resources"]["flatprov:test:Thing"]
    assert thing["properties"]["key"]["secret"] is True
    assert "secret" not in thing["properties"]["phase"]
    assert thing["inputProperties"]["waitSeconds"]["description"].endswith("(changes nothing by itself)")
    assert thing["inputProperties"]["disks"]["items"] == {"type": "object", "$ref": "#/types/flatprov:test:Disk"}
    assert thing["inputProperties"]["memoryMib"]["default"] == 512
