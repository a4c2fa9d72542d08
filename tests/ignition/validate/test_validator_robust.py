"""Whatever is given: a report or a named error, soon, and nothing else."""

from __future__ import annotations

import contextlib
import json
import random
import time
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flatprov.errors import ConfigError
from flatprov.ignition.parsing import parse
from flatprov.ignition.reading import read
from flatprov.ignition.validate import validate

SIZE = 10 << 20
V = '{"ignition":{"version":"3.4.0"}'
FEW = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def files(inner: str) -> str:
    return f'{V},"storage":{{"files":[{inner}]}}}}'


def unit(text: str) -> str:
    return f'{V},"systemd":{{"units":[{{"name":"a.service","contents":"{text}"}}]}}}}'


def source(text: str) -> str:
    return files(f'{{"path":"/a","contents":{{"source":"{text}"}}}}')


#: Texts of about ten megabytes, each made when it is needed.
HOSTILE: dict[str, Callable[[], str | bytes]] = {
    "random bytes": lambda: random.Random(1).randbytes(SIZE),
    "open brackets": lambda: "[" * SIZE,
    "open braces": lambda: '{"a":' * (SIZE // 5),
    "nested a hundred thousand deep": lambda: "[" * 100_000 + "]" * 100_000,
    "nested five thousand deep": lambda: f'{V},"a":{"[" * 5000}{"]" * 5000}}}',
    "huge text": lambda: f'{V},"a":"{"x" * SIZE}"}}',
    "huge text cut": lambda: f'{V},"a":"{"x" * SIZE}',
    "escapes": lambda: f'{V},"a":"{chr(92)}{"u00e4" + chr(92) * (SIZE // 2)}',
    "backslashes": lambda: '"' + "\\" * (SIZE + 1),
    "quotes": lambda: '"' * SIZE,
    "many numbers": lambda: f'{V},"a":[{"1," * (SIZE // 2)}1]}}',
    "many numbers, broken": lambda: f'{V},"a":[{"1," * (SIZE // 2)}}}',
    "a long number": lambda: f'{V},"a":{"1" * SIZE}}}',
    "a long mode": lambda: files(f'{{"mode":{"1" * SIZE}}}'),
    "spaces": lambda: " " * SIZE,
    "newlines": lambda: "\n" * SIZE + "x",
    "NaN at the end": lambda: f'{V},"a":[{"1," * (SIZE // 2)}NaN]}}',
    "a long line in a unit": lambda: unit("[Unit]\\nA=" + "x" * SIZE),
    "a unit without a section": lambda: unit("x" * SIZE),
    "many options": lambda: unit("[X]\\n" + "A=\\n" * (SIZE // 4)),
    "many options and a long line": lambda: unit("[X]\\n" + "A=\\n" * (SIZE // 40) + "B=" + "x" * 3000),
    "spaces in a unit": lambda: unit("[X]\\n" + " " * SIZE),
    "a long URL": lambda: source("http://" + "a" * SIZE),
    "many escapes in a URL": lambda: source("http://a/" + "%20" * (SIZE // 3)),
    "large data": lambda: source("data:;base64," + "YWJj" * (SIZE // 4)),
    "many parameters": lambda: source("data:" + ";a=b" * (SIZE // 40) + ","),
    "slashes": lambda: files(f'{{"path":"/{"a/" * (SIZE // 2)}b"}}'),
    "a long version": lambda: '{"ignition":{"version":"3.0.0-' + "a." * (SIZE // 2) + '"}}',
}
#: A second is what it may take on an idle machine; CPU time grows where others use the same caches.
SECONDS = 2.5


@pytest.mark.parametrize("name", HOSTILE)
def test_it_does_not_take_long(name: str) -> None:
    text = HOSTILE[name]()
    begin = time.process_time()
    with contextlib.suppress(ConfigError):  # most of them are refused, some are valid JSON
        read(text)
    middle = time.process_time()
    validate(text)
    end = time.process_time()
    assert middle - begin < SECONDS
    assert end - middle < SECONDS


def test_no_more_entries_than_anyone_reads() -> None:
    report = validate(files(",".join(["{}"] * 50_000)))
    assert len(report.entries) == 10_001
    assert report.entries[-1].message == "there are more than 10000 entries: only the first are given"
    unknown = validate(V + "".join(f',"k{number}":1' for number in range(50_000)) + "}")
    assert len(unknown.entries) == 10_001


def test_memory_stays_in_proportion() -> None:
    text = source("data:," + "a" * (1 << 20))
    tracemalloc.start()
    try:
        validate(text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * len(text)


@pytest.mark.parametrize(
    ("text", "where", "says"),
    [
        ('{"a": 1, // b\n"c": 2}', "line 1, column 10", "JSON has no comments"),
        ('{\n/* a */ "b": 1}', "line 2, column 1", "JSON has no comments"),
        ('{"é": 1 # x\n}', "line 1, column 10", "JSON has no comments"),
        ('{"a": NaN}', "line 1, column 7", "NaN is no JSON"),
        ('{"a": -Infinity}', "line 1, column 8", "Infinity is no JSON"),
        (b'{"a": "\xff"}', "line 1, column 8", "no UTF-8"),
        (b'{"a":\n "b\xc3"}', "line 2, column 4", "no UTF-8"),
        ("[" * 5000, "line 1, column 201", "nested too deeply"),
        (f'{{"a":\n{"[" * 5000}{"]" * 5000}}}', "line 2, column 200", "nested too deeply"),
        (f'{{"a": {"9" * 5000}}}', "line 1, column 7", "too large"),
        ('{"a": [1, 1e999]}', "line 1, column 11", "too large"),
        ('{"a": 1,}', "line 1, column 9", "malformed"),
        ('{"a"', "line 1, column 5", "malformed"),
        ('{"a": "b\tc"}', "line 1, column 9", "malformed"),
    ],
)
def test_read_names_the_place(text: str | bytes, where: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert str(caught.value).startswith(where)
    assert says in str(caught.value)


def test_read_gives_what_stands_twice() -> None:
    value, twice = read('{"a": {"b": 1,\n "b": [{"é": 0, "c": 1, "c": 2}]}, "a": 3}')
    assert value == {"a": 3}
    assert [(one.path, one.line, one.column) for one in twice] == [
        (("a",), 2, 37), (("a", "b"), 2, 2), (("a", "b", 0, "c"), 2, 26),
    ]  # fmt: skip
    assert read('{"a": {"b": 1}, "c": {"b": 1}}') == ({"a": {"b": 1}, "c": {"b": 1}}, ())
    with pytest.raises(ConfigError, match=r"b: this property stands twice in one object \(again at line 1, column 9\)"):
        parse('{"b": 1,"b": 2}')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@FEW
@given(st.binary(max_size=200) | st.text(max_size=200) | JSON.map(json.dumps))
def test_anything_is_read_or_refused(text: str | bytes) -> None:
    validate(text)
    try:
        value, _ = read(text)
    except ConfigError:
        return
    assert value == json.loads(text)


@FEW
@given(JSON)
def test_anything_below_a_known_property(value: object) -> None:
    for config in (
        {"ignition": {"version": "3.4.0"}, "storage": value},
        {"ignition": {"version": "3.4.0"}, "storage": {"files": [{"path": "/a", "contents": value, "mode": value}]}},
        {"ignition": value},
    ):
        try:
            text = json.dumps(config, allow_nan=False)
        except ValueError:
            continue
        assert [entry.message for entry in validate(text)] == [entry.message for entry in validate(config)]


@pytest.mark.parametrize(("depth", "refused"), [(199, False), (200, True), (950, True), (5000, True), (50_000, True)])
def test_how_deep_read_goes(depth: int, refused: bool) -> None:
    text = f'{{"a":{"[" * depth}{"]" * depth}}}'
    if refused:
        with pytest.raises(ConfigError, match="line 1, column 205: the JSON is nested too deeply"):
            read(text)
    else:
        read(text)


@pytest.mark.parametrize(("depth", "column"), [(9999, 0), (10_000, 10_037), (20_000, 10_037)])
def test_how_deep_validate_goes(depth: int, column: int) -> None:
    [entry] = validate(f'{V},"a":{"[" * depth}{"]" * depth}}}')
    assert entry.message.endswith("exceeded max depth") == bool(column)
    assert entry.column == (column or 33)
