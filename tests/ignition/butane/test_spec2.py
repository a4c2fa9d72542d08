"""Specs 1 and 2 become what Flatcar's own translator makes of them.

The table was written by running that translator over each config once; no package registry has it, so no test runs it.
File systems called ``oem`` are checked apart: Flatcar patches the translator there.
"""

from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatprov.errors import ConfigError
from flatprov.ignition import Ignition, render
from flatprov.ignition.parsing import parse

TABLE = json.loads((Path(__file__).resolve().parents[2] / "cases" / "ignition" / "spec2.json").read_text())
GOOD = [pytest.param(row, id=row["name"]) for row in TABLE if "config" in row]
BAD = [pytest.param(row, id=row["name"]) for row in TABLE if "config" not in row]


@pytest.mark.parametrize("row", GOOD)
def test_translated(row: dict[str, Any]) -> None:
    before = copy.deepcopy(row["old"])
    found = parse(json.dumps(row["old"]))
    if "systemd" in found:
        found["systemd"]["units"].sort(key=lambda unit: unit["name"])  # the real one gives them in any order
    assert found == row["config"]
    assert parse(before) == parse(row["old"])
    assert before == row["old"]


@pytest.mark.parametrize("row", BAD)
def test_refused(row: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(json.dumps(row["old"]))
    assert caught.value.path == row["path"]
    assert row["says"] in str(caught.value)


def test_units_keep_the_order_of_the_config() -> None:
    units = [{"name": f"{name}.service", "mask": True} for name in "zaq"]
    old = {"ignition": {"version": "2.3.0"}, "systemd": {"units": units}}
    assert parse(old)["systemd"]["units"] == units


@pytest.mark.parametrize(
    ("name", "wipe", "path", "kind"),
    [
        ("oem", False, "/oem", "btrfs"),
        ("oem", True, "/oem", "ext4"),
        ("OEM", False, "/tmp/OEM-ign1", "btrfs"),
        ("OEM", True, "/tmp/OEM-ign1", "ext4"),
    ],
)
def test_the_oem_file_system(name: str, wipe: bool, path: str, kind: str) -> None:
    mount = {"device": "/dev/disk/by-label/OEM", "format": "ext4", "wipeFilesystem": wipe}
    file = {"filesystem": name, "path": "/grub.cfg", "mode": 420}
    storage = {"filesystems": [{"name": name, "mount": mount}], "files": [file]}
    found = parse({"ignition": {"version": "2.3.0"}, "storage": storage})["storage"]
    assert (found["filesystems"][0]["path"], found["filesystems"][0]["format"]) == (path, kind)
    assert found["files"][0]["path"] == f"{path}/grub.cfg"


@pytest.mark.parametrize(
    ("old", "path"),
    [
        ({"ignition": {"version": "2.2.0"}, "storage": {"filez": []}}, "storage.filez"),
        ({"ignition": {"version": "2.0.0"}, "storage": {"links": [{"path": "/a"}]}}, "storage.links"),
        ({"ignition": {"version": "2.2.0"}, "storage": {"files": [{"path": 5}]}}, "storage.files[0].path"),
        ({"ignition": {"version": "2.2.0"}, "kernelArguments": {}}, "kernelArguments"),
        ({"ignitionVersion": 1, "storage": {"files": []}}, "storage.files"),
        ({"ignitionVersion": True}, "ignitionVersion"),
        ({"ignitionVersion": "1"}, "ignitionVersion"),
        ({"ignitionVersion": None}, "ignitionVersion"),
    ],
)
def test_a_key_or_type_that_the_spec_does_not_know(old: dict[str, Any], path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(old)
    assert caught.value.path == path


def test_a_config_of_spec_2_renders_as_spec_3() -> None:
    old = {
        "ignition": {"version": "2.3.0"},
        "storage": {"files": [{"filesystem": "root", "path": "/etc/motd", "contents": {"source": "data:,hi"}}]},
    }
    found = render(Ignition.from_json(json.dumps(old)))
    assert found["ignition"]["version"] == "3.3.0"
    assert found["storage"]["files"] == [{"path": "/etc/motd", "overwrite": True, "contents": {"source": "data:,hi"}}]


def test_nulls_say_nothing() -> None:
    old: dict[str, Any] = {
        "ignition": {"version": "2.4.0", "config": None, "security": {"tls": None}, "proxy": None},
        "passwd": {"users": [{"name": "core", "create": None, "uid": None}], "groups": None},
        "storage": {"files": [{"filesystem": "root", "path": "/a", "user": None, "contents": None, "overwrite": None}]},
        "systemd": {"units": [{"name": "a.service", "enabled": None, "dropins": None, "mask": True}]},
        "networkd": None,
    }
    assert parse(old) == {
        "ignition": {"version": "3.1.0"},
        "passwd": {"users": [{"name": "core"}]},
        "storage": {"files": [{"path": "/a", "overwrite": True, "contents": {"source": ""}}]},
        "systemd": {"units": [{"name": "a.service", "mask": True}]},
    }


_ODD = st.sampled_from([None, True, 0, -1, 1 << 70, 1.5, "", "x", "/", [], {}, [None], [{}], [[]], {"a": 1}, "2.0.0"])


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.data())
def test_anything_wrong_is_a_named_error(data: st.DataObject) -> None:
    old = copy.deepcopy(data.draw(st.sampled_from(TABLE))["old"])
    node: Any = old
    for _ in range(data.draw(st.integers(0, 6))):
        keys = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if isinstance(node[key], (dict, list)) and data.draw(st.booleans()):
            node = node[key]
        else:
            node[key] = data.draw(_ODD)
            break
    with contextlib.suppress(ConfigError):  # which is the named error
        assert parse(json.dumps(old))["ignition"]["version"].startswith("3.")
