"""The rule tables, with what the real tool said when they were written down; no real tool is needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from validator_corpus import SPECS, complete, write
from validator_oracle import CASES, printed, rows

from flatprov.errors import ConfigError
from flatprov.ignition import dataurl
from flatprov.ignition.report import Entry, Report
from flatprov.ignition.validate import validate
from flatprov.ignition.validate.positions import locate


def names() -> list[str]:
    return sorted(path.stem for path in CASES.glob("validate_*.json"))


@pytest.mark.parametrize("table", names())
def test_table(table: str) -> None:
    wrong = []
    found = [(name, row) for name, row in rows() if name.startswith(table.removeprefix("validate_") + ":")]
    assert len(found) > 20
    for name, row in found:
        given = row["text"] if "text" in row else row["config"]
        lines = printed(validate(given, ignition_version=row.get("ignition", "2.24.0")))
        if sorted(lines) != sorted(row["report"]):
            wrong.append((name, row["report"], lines))
    assert wrong == []


def test_each_row_has_its_own_name() -> None:
    found = [name for name, _ in rows()]
    assert len(found) == len(set(found)) > 1400


def test_a_text_gives_the_same_entries_with_places() -> None:
    for _, row in rows():
        if "config" not in row:
            continue
        plain = validate(row["config"], ignition_version=row.get("ignition", "2.24.0"))
        text = json.dumps(row["config"])
        placed = validate(text, ignition_version=row.get("ignition", "2.24.0"))
        assert [(one.level, one.path, one.message) for one in plain] == [
            (one.level, one.path, one.message) for one in placed
        ]
        assert all(one.line == 0 for one in plain)
        assert all(one.line == 1 and one.column for one in placed if one.path)
        assert placed == validate(text.encode(), ignition_version=row.get("ignition", "2.24.0"))


@pytest.mark.parametrize("spec", SPECS)
def test_a_complete_config_is_clean_in_every_form(spec: str) -> None:
    for layout in range(4):
        assert not validate(write(complete(spec), layout=layout))
    assert not validate(complete(spec))


def test_the_newest_ignition_knows_the_newest_spec_by_its_name() -> None:
    assert not validate(complete("3.6.0"), ignition_version="2.26.0")
    [entry] = validate(complete("3.6.0"))
    assert (entry.level, entry.path, entry.message) == ("error", (), "unsupported config version")


def test_a_flag_accepts_what_flatcar_alone_does() -> None:
    config = {
        "ignition": {"version": "3.4.0"},
        "storage": {"files": [{"path": "/a", "contents": {"source": "oem:///a"}}]},
    }
    assert [entry.message for entry in validate(config)] == ["invalid url scheme"]
    assert not validate(config, oem=True)
    config["storage"]["files"][0]["contents"]["source"] = "foo:///a"  # type: ignore[index]
    assert [entry.message for entry in validate(config, oem=True)] == ["invalid url scheme"]


@pytest.mark.parametrize("version", ["", "2", "3.0.0", "v2.24.0", "newest"])
def test_a_version_that_is_none(version: str) -> None:
    with pytest.raises(ConfigError, match="no version of Ignition 2"):
        validate({}, ignition_version=version)


@pytest.mark.parametrize("value", [{1, 2}, b"x", float("nan"), object()])
def test_an_object_that_json_cannot_hold(value: Any) -> None:
    with pytest.raises(ConfigError, match="JSON cannot"):
        validate({"ignition": {"version": "3.4.0"}, "storage": value})


def test_no_value_of_the_config_is_in_a_message_about_its_contents() -> None:
    secret = "hunter2-hunter2"
    config = {
        "ignition": {"version": "3.4.0"},
        "storage": {"files": [{"path": "/a", "contents": {"source": f"data:text/plain;charset=%,{secret}"}}]},
        "systemd": {"units": [{"name": "a.service", "contents": f"[Service]\nEnvironment {secret}\n"}]},
    }
    report = validate(config)
    assert len(report.errors) == 2
    assert secret not in str(report)


TEXT = '{\n "a": {"ü": [1, {"b": 2}]},\n "a": {"b" :[\n true]}, "c": "é", "d": 3}'


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        (("a",), 3, 8),
        (("a", "b"), 3, 14),
        (("a", "b", 0), 4, 2),
        (("a", "b", 7), 3, 14),
        (("a", "x", "y"), 3, 8),
        (("d",), 4, 26),
        (("x",), 1, 2),
        ((), 0, 0),
    ],
)
def test_places(path: tuple[str | int, ...], line: int, column: int) -> None:
    [entry] = locate(TEXT, [Entry("info", path, "x")])
    assert (entry.line, entry.column) == (line, column)
    assert locate(TEXT.encode(), [Entry("info", path, "x")]) == [entry]


def test_the_place_of_a_name() -> None:
    entry = Entry("info", ("d",), "x")
    assert locate(TEXT, [entry], at_name=[entry])[0].column == 21


def test_an_entry_is_printed_like_the_real_one() -> None:
    report = Report((Entry("error", ("a", 0), "b", line=1, column=2), Entry("warning", (), "c", at_end=True)))
    assert str(report) == "error at $.a.0, line 1 col 2: b\nwarning at line 0 col 0: c"
    assert str(Entry("error", (), "not a config (empty)")) == "error: not a config (empty)"


def test_the_tables_are_where_they_are_looked_for() -> None:
    assert Path(CASES).is_dir()
    assert {"validate_nodes", "validate_versions"} <= set(names())


def test_data_urls_are_decoded_where_the_real_decoder_does() -> None:
    urls = {
        row["config"]["storage"]["files"][0]["contents"]["source"]: bool(row["report"])
        for name, row in rows()
        if name.startswith("resources: source data:") and row["config"]["ignition"]["version"] == "3.5.0"
    }
    assert len(urls) > 80
    for url, refused in urls.items():
        if refused:
            with pytest.raises(ConfigError):
                dataurl.decode(url)
        else:
            dataurl.decode(url)


@pytest.mark.parametrize(
    ("url", "data"),
    [
        ("data:,", b""),
        ("data:,a%20b+c", b"a b+c"),
        ('data:;a="b,c",d', b"d"),
        ("data:text/plain;charset=utf-8;base64,YQ==", b"a"),
        ("data:;base64,YR==", b"a"),
        ("data:;base64,", b""),
        ("data:;charset=base64,YQ==", b"YQ=="),
    ],
)
def test_what_a_data_url_holds(url: str, data: bytes) -> None:
    assert dataurl.decode(url) == data
