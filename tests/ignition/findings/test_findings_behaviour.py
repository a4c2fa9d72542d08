"""Order, silence, places in the text, secrecy, and that nothing whatever makes findings fail."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from findings_cases import TABLES, config, table, target
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ignition_models import CONFIGS

from flatprov.errors import ConfigError
from flatprov.flatcar.contents import target_for
from flatprov.ignition import Ignition, render
from flatprov.ignition.findings import CODES, findings, text_findings
from flatprov.ignition.schema import ROOT, Kind, Shape

EVERYTHING = [case for path in sorted(TABLES.glob("*.json")) for case in table(path.stem) if "config" in case]
LATEST = target_for(platform="qemu", architecture="amd64")


def test_entries_come_in_the_order_of_their_paths() -> None:
    whole = {
        "ignition": {"version": "3.3.0"},
        "storage": {"files": [{"path": "/usr/x", "mode": 755, "bad": 1} for _ in range(12)]},
        "passwd": {"users": [{"name": "core", "passwordHash": "x y", "sshAuthorizedKeys": ["no", "none"]}]},
        "etcd": {},
    }
    paths = [entry.path for entry in findings(whole)]
    numbers = [path[2] for path in paths if path[0] == "storage"]
    assert [path[0] for path in paths] == sorted(str(path[0]) for path in paths)
    assert numbers == sorted(numbers) == [number for number in range(12) for _ in range(3)]
    assert [path[-1] for path in paths if path[:3] == ("storage", "files", 11)] == ["bad", "mode", "path"]


def test_a_code_is_silenced_by_its_name() -> None:
    whole = {"storage": {"files": [{"path": "/usr/x", "mode": 755}]}}
    report = findings(whole)
    assert {entry.code for entry in report} == {"read-only-path", "mode-decimal"}
    assert [entry.code for entry in findings(whole, silence=["mode-decimal"])] == ["read-only-path"]
    assert [entry.code for entry in report.without(["read-only-path"])] == ["mode-decimal"]


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        ("remote-without-hahs", "Did you mean remote-without-hash?"),
        ("Ssh_Key", "Did you mean ssh-key?"),
        ("zzz", "index.md"),
    ],
)
def test_an_unknown_code_to_silence_is_an_error_with_the_nearest(code: str, fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        findings({}, silence=[code])
    assert fix in str(caught.value)
    assert caught.value.path == "silence"


def test_findings_are_placed_in_the_text() -> None:
    text = '{"ignition":{"version":"3.3.0"},\n "storage":{"files":[\n  {"path":"/usr/é", "mdoe":420,\n   "mode":755}]}}'
    found = {entry.code: (entry.line, entry.column) for entry in findings(json.loads(text), text=text)}
    assert found == {"read-only-path": (3, 11), "unknown-key": (3, 22), "mode-decimal": (4, 11)}


def test_no_value_of_the_config_gets_into_a_message() -> None:
    """Names and paths do. What is marked here stands where secrets may stand."""
    mark = "Zq7ZZsecretZZ99"
    whole = {
        "ignition": {
            "version": "3.3.0",
            "config": {"merge": [{"source": f"https://user:{mark}@h/", "httpHeaders": [{"name": "A", "value": mark}]}]},
            "proxy": {"httpProxy": f"http://u:{mark}@h"},
        },
        "passwd": {"users": [{"name": "core", "passwordHash": mark, "sshAuthorizedKeys": [mark], "gecos": mark}]},
        "storage": {
            "files": [
                {"path": "/etc/token", "contents": {"source": f"data:,token={mark}0123"}},
                {
                    "path": "/etc/a",
                    "contents": {"source": f"data:,{mark}", "verification": {"hash": "sha256-" + "0" * 64}},
                },
                {
                    "path": "/etc/flatcar/update.conf",
                    "contents": {"source": f"data:,SERVER={mark}%0AREBOOT_STRATEGY={mark}"},
                },
                {"path": "/opt/b", "contents": {"source": f"https://h/?token={mark}"}},
            ],
            "luks": [{"name": "d", "device": "/dev/mapper/x", "keyFile": {"source": f"https://h/{mark}"}}],
        },
        "systemd": {"units": [{"name": "a.service", "contents": f"[Service]\nEnvironment=PASSWORD={mark}\n"}]},
        "kernelArguments": {"shouldExist": [f"app.password={mark}", "acpi=off"]},
    }
    report = findings(whole, target=LATEST)
    assert {"password-hash", "ssh-key", "secret-readable", "update-setting", "inline-hash"} <= {e.code for e in report}
    assert mark not in str(report)


def test_nothing_is_changed() -> None:
    for case in EVERYTHING:
        whole = config(case)
        before = json.dumps(whole)
        findings(whole, target=target(case))
        assert json.dumps(whole) == before


def test_an_entry_has_a_fix_and_the_level_of_its_code() -> None:
    for case in EVERYTHING:
        for entry in findings(config(case), target=target(case)):
            assert entry.fix
            assert entry.message
            assert entry.level == CODES[entry.code].level
            assert not entry.message.endswith(".")
            assert not entry.fix.endswith(".")


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(1 << 70), 1 << 70), st.floats(), st.text(max_size=20),
        st.sampled_from(["data:;base64,H4sIAAAA", "data:,x", "gzip", "/etc/flatcar/update.conf"]),
        st.sampled_from(["/dev/md0", "${X}", "a.service", "/etc/extensions/a.raw"]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def shaped(shape: Shape) -> st.SearchStrategy[Any]:
    """Objects with the right names, and below them the right kinds of values or anything."""
    kinds = {
        Kind.STRING: st.sampled_from(
            [
                "",
                "/etc/hosts",
                "/home/core/a/b",
                "core",
                "data:,REBOOT_STRATEGY=off",
                "data:;base64,%",
                "a@b.service",
                "gzip",
            ]
        ),
        Kind.INTEGER: st.integers(-5, 5000),
        Kind.BOOLEAN: st.booleans(),
    }
    fields = {}
    for field in shape.fields:
        right: st.SearchStrategy[Any] = st.lists(st.text(max_size=9), max_size=2)
        if field.kind in kinds:
            right = kinds[field.kind]
        elif field.shape is not None:
            one = shaped(field.shape)
            right = one if field.kind is Kind.OBJECT else st.lists(one | JSON, max_size=2)
        fields[field.name] = right | JSON
    return st.fixed_dictionaries({}, optional=fields)


RANDOM = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@RANDOM
@given(st.dictionaries(st.sampled_from([field.name for field in ROOT.fields]) | st.text(max_size=5), JSON, max_size=5))
def test_no_json_object_makes_findings_fail(whole: dict[str, Any]) -> None:
    for entry in findings(whole, target=LATEST):
        assert entry.code in CODES


@RANDOM
@given(shaped(ROOT))
def test_no_mistaken_type_makes_findings_fail(whole: dict[str, Any]) -> None:
    for entry in findings(whole, target=LATEST):
        assert entry.code in CODES


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.text(max_size=60) | st.binary(max_size=60) | JSON.map(json.dumps))
def test_no_text_makes_text_findings_fail(text: str | bytes) -> None:
    for entry in text_findings(text):
        assert entry.code in CODES


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        '{"a":' * 100_000,
        '{"a":1' + "0" * 100_000 + "}",
        "{" + '"a":1,' * 200_000 + '"b":2}',
        '"' + "x" * 5_000_000,
        "a: &a [x]\n" + "".join(f"{i}: [*a, *a]\n" for i in range(10_000)),
        b"\xff\xfe" * 1000,
        " " * 5_000_000,
    ],
    ids=["lists", "objects", "digits", "one name", "text", "aliases", "bytes", "space"],
)
def test_hostile_texts_are_named_within_a_second(text: str | bytes) -> None:
    started = time.process_time()
    assert text_findings(text).errors
    assert time.process_time() - started < 1


def test_hostile_configs_are_done_within_two_seconds() -> None:
    long = "x-1." * 50_000
    bomb = {"source": "data:;base64," + bomb_base64(), "compression": "gzip"}
    whole = {
        **{f"key{number}": number for number in range(20_000)},
        "passwd": {"users": [{"name": "core", "sshAuthorizedKeys": ["ssh-rsa " + "A" * 1_000_000]}]},
        "storage": {
            "files": [
                *({"path": f"/opt/{number}", "contents": bomb} for number in range(20)),
                {"path": "/etc/a", "contents": {"source": "data:," + "password=" * 300_000}},
                {"path": "/home/core" + "/a" * 100_000, "user": {"name": "core"}},
                {"path": f"/opt/{long}.raw", "contents": {"source": f"https://h/{long}.raw"}},
            ]
        },
        "systemd": {"units": [{"name": f"unit-{number}.service", "enabled": True} for number in range(300)]},
    }  # fmt: skip
    started = time.process_time()
    assert findings(whole, target=LATEST).errors
    assert time.process_time() - started < 2


def bomb_base64() -> str:
    import base64

    from flatprov.ignition import dataurl

    return base64.b64encode(dataurl.gzip_bytes(b"\0" * 30_000_000)).decode()


def test_explicit_zeros_survive_load_and_render() -> None:
    """``false``, ``0`` and ``""`` say something that absence does not: units that stay off, merges that undo."""
    account = {"gecos": "", "passwordHash": "", "homeDir": "", "shell": "", "primaryGroup": "", "shouldExist": False}
    flags = {"noCreateHome": False, "noLogInit": False, "noUserGroup": False, "system": False}
    contents = {"source": "", "compression": ""}
    part = {"number": 1, "sizeMiB": 0, "startMiB": 0, "label": "", "guid": "", "typeGuid": ""}
    parts = [{**part, "wipePartitionEntry": False, "resize": False, "shouldExist": True}]
    node = {"mode": 0, "overwrite": False}
    clevis = {"tpm2": False, "threshold": 0}
    dropins = [{"name": "b.conf", "contents": ""}]
    whole = {
        "ignition": {"version": "3.4.0", "timeouts": {"httpResponseHeaders": 0, "httpTotal": 0}},
        "passwd": {
            "users": [{"name": "a", "uid": 0, **account, **flags}],
            "groups": [{"name": "a", "gid": 0, "passwordHash": "", "shouldExist": False, "system": False}],
        },
        "storage": {
            "files": [{"path": "/etc/a", **node, "user": {"id": 0}, "group": {"name": ""}, "contents": contents}],
            "directories": [{"path": "/opt/a", **node}],
            "links": [{"path": "/opt/b", "target": "/opt/a", "hard": False, "overwrite": False}],
            "disks": [{"device": "/dev/vdb", "wipeTable": False, "partitions": parts}],
            "raid": [{"name": "r", "level": "raid1", "devices": ["/dev/vdc"], "spares": 0}],
            "filesystems": [
                {"device": "/dev/vdb1", "format": "", "path": "", "label": "", "uuid": "", "wipeFilesystem": False}
            ],
            "luks": [
                {
                    "name": "l",
                    "device": "/dev/vdd",
                    "label": "",
                    "wipeVolume": False,
                    "discard": False,
                    "clevis": clevis,
                }
            ],
        },
        "systemd": {
            "units": [{"name": "a.service", "enabled": False, "mask": False, "contents": "", "dropins": dropins}]
        },
    }
    assert render(Ignition.from_json(json.loads(json.dumps(whole)))) == whole


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(CONFIGS)
def test_valid_configs_of_all_kinds_have_no_unknown_keys(ignition: Ignition) -> None:
    codes = {entry.code for entry in findings(render(ignition), target=LATEST)}
    assert not codes & {"unknown-key", "old-key", "butane-key", "key-too-new", "inline-gzip", "ssh-key", "mode-decimal"}
