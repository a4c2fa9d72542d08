"""What is hostile, broken or huge gives a named error soon, and never a crash."""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatprov.errors import ConfigError
from flatprov.ignition import Ignition
from flatprov.ignition.butane import translate

HEAD = "variant: flatcar\nversion: 1.1.0\n"
#: Seconds of processor time. The aim is one; machines that are busy with other tests get room.
SOON = 2.0


def _levels(count: int, width: int) -> str:
    lines = ["a0: &a0 [x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]" for level in range(1, count)]
    return "\n".join(lines)


def _users(count: int, keys: int) -> str:
    one = f"&u {{name: core, ssh_authorized_keys: [{', '.join(['k'] * keys)}]}}"
    return f"passwd:\n  users: [{one}{', *u' * count}]"


HOSTILE = {
    "brackets": "x: " + "[" * 1_000_000,
    "braces": "x: " + "{a: " * 500_000,
    "dashes": "x:\n" + "- " * 500_000,
    "questions": "? " * 500_000,
    "indentation": "".join(" " * level + "a:\n" for level in range(3000)),
    "lists in lists, closed": "x: " + "[" * 5000 + "]" * 5000,
    "aliases of aliases": HEAD + _levels(60, 10),
    "aliases of aliases in a known place": HEAD + _levels(9, 9) + "\nstorage: {files: *a8}",
    "one object many times": HEAD + _users(100_000, 1_000),
    "merge keys of merge keys": HEAD
    + "\n".join(["m0: &m0 {a: b}", *(f"m{n}: &m{n} {{<<: [*m{n - 1}, *m{n - 1}]}}" for n in range(1, 40))])
    + "\nstorage: *m39",
    "itself": "&a [*a]",
    "itself merged": "&a\nvariant: flatcar\nversion: 1.1.0\n<<: *a",
    "merge cycle": HEAD + "storage: &a\n  <<: &b\n    <<: *a\n  x: *b\n",
    "list cycle": HEAD + "passwd: {users: &a [*a]}",
    "object cycle": HEAD + "ignition: &a {config: {replace: *a}}",
    "ten megabytes of values": HEAD + "x:\n" + "- a\n" * 2_500_000,
    "seven megabytes of values": HEAD + "x:\n" + "- a\n" * 1_750_000,
    "seven megabytes of values in a known place": HEAD + "kernel_arguments:\n  should_exist:\n" + "  - a\n" * 1_150_000,
    "ten megabytes of one value": HEAD + "x: " + "a" * 10_000_000,
    "seven megabytes of one key": HEAD + "a" * 7_000_000 + ": b",
    "a long key": HEAD + "? " + "a" * 7_000_000 + "\n: b\n",
    "many keys": HEAD + "\n".join(f"k{n}: v" for n in range(400_000)),
    "one key many times": HEAD + "k: v\n" * 400_000,
    "many anchors": HEAD + "x:\n" + "".join(f"- &a{n} b\n" for n in range(300_000)),
    "many unknown keys": HEAD + "".join(f"storag{n}: v\n" for n in range(70_000)),
    "a long number": HEAD + "storage: {files: [{path: /a, mode: " + "9" * 1_000_000 + "}]}",
    "a long octal number": HEAD + "storage: {files: [{path: /a, mode: 0o" + "7" * 1_000_000 + "}]}",
    "a long exponent": HEAD + "storage: {files: [{path: /a, mode: 1e999999999}]}",
    "a long fraction": HEAD + "storage: {files: [{path: /a, mode: 0." + "0" * 1_000_000 + "}]}",
    "not a number": HEAD + "storage: {files: [{path: /a, mode: .nan}]}",
    "infinity": HEAD + "storage: {files: [{path: /a, mode: .inf}]}",
    "quotes": '"' * 1_000_001,
    "colons": ": " * 500_000,
    "commas": HEAD + "x: [" + "," * 1_000_000 + "]",
    "flow keys": HEAD + "x: {" + "a: b, " * 400_000 + "}",
    "tabs": "\t" * 1_000_000 + "x",
    "newlines": "\n" * 5_000_000 + "x",
    "comments": "#" * 7_000_000,
    "tags": HEAD + "x: " + "!" * 1_000_000,
    "directives": "%YAML 1.1\n" * 100_000,
    "tag directives": "".join(f"%TAG !a{n}! tag:x,2000:{n}/\n" for n in range(3_000)) + "--- x",
    "percent": "%" * 1_000_000,
    "block scalar markers": "x: |" + "9" * 100_000,
    "escapes": 'x: "' + "\\u00e4" * 1_000_000,
    "bad escape": 'x: "\\ud800"',
    "nul": "\0" * 1_000_000,
    "invalid UTF-8": b"\xff" * 8_000_000,
    "overlong UTF-8": b"variant: \xc0\x80",
    "UTF-16": HEAD.encode("utf-16"),
    "UTF-32": HEAD.encode("utf-32"),
    "half a surrogate in UTF-8": b"variant: \xed\xa0\x80",
    "carriage returns": "\r" * 5_000_000 + "x",
    "line separators": "\u2028" * 2_000_000 + "x",
    "zip": b"PK\x03\x04" + bytes(1000),
    "gzip bomb": b"\x1f\x8b" + bytes(1_000_000),
    "binary": bytes(range(256)) * 1000,
    "a bad !!binary": HEAD + "storage: {files: [{path: /a, contents: {inline: !!binary " + "=" * 1_000_000 + "}}]}",
    "a bomb inside": HEAD
    + "ignition: {config: {merge: [{inline: '"
    + "[" * 200_000
    + "'}]}}",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_named_error_soon(name: str) -> None:
    before, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ConfigError) as caught:
        Ignition.from_butane(HOSTILE[name])
    assert time.process_time() - before < SOON
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 400_000  # KiB
    assert caught.value.subject
    assert len(str(caught.value)) < 20_000


def test_the_stack_of_a_thread_is_enough() -> None:
    """Depth is limited before libyaml's own recursion meets the end of a small stack."""
    import threading

    found: list[Any] = []
    size = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=lambda: found.append(translate("- " * 100_000)[1]))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(size)
    assert "nested too deeply" in str(found[0])


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=300), st.text("[]{}:,-?*&!|>'\"%@`#\n <a0~", max_size=120)))
def test_random_input(data: str | bytes) -> None:
    _, report = translate(data)
    assert report.errors


_WORDS = """
    storage files path mode contents inline local trees systemd units name dropins passwd users filesystems << x number
    with_mount_unit format device luks clevis ignition config merge replace variant version disks partitions
"""
_KEYS = st.sampled_from(_WORDS.split())
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["/a", "swap", "a.service"]),
)
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4), max_leaves=20
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.dictionaries(_KEYS, _VALUES, max_size=5), st.sampled_from(["1.0.0", "1.1.0"]))
def test_random_structure(data: dict[str, Any], version: str) -> None:
    import yaml

    data.pop("variant", None)
    data.pop("version", None)
    text = f"variant: flatcar\nversion: {version}\n" + (yaml.safe_dump(data, allow_unicode=True) if data else "")
    config, report = translate(text, files={"a": "b"})
    if not [entry for entry in report.errors if entry.code != "unknown-key"]:
        assert config["ignition"]["version"] == {"1.0.0": "3.3.0", "1.1.0": "3.4.0"}[version]
    else:
        assert config == {}
    for entry in report:
        assert entry.line >= 1
        assert entry.column >= 1


def test_recursion_limit_is_not_needed() -> None:
    limit = sys.getrecursionlimit()
    deep = HEAD + "x: " + "[" * 60 + "]" * 60
    assert [entry.code for entry in translate(deep)[1]] == ["unknown-key"]
    assert sys.getrecursionlimit() == limit
