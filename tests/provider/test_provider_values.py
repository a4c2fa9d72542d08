"""Wire values: unknowns and secrets are types of their own."""

from __future__ import annotations

import copy

import pytest
from google.protobuf.struct_pb2 import Struct, Value
from hypothesis import given, settings
from hypothesis import strategies as st

from flatprov.provider.values import (
    OUTPUT_SIGNATURE,
    SECRET_SIGNATURE,
    SIGNATURE_KEY,
    UNKNOWN,
    UNKNOWN_SENTINELS,
    UNKNOWN_STRING,
    Secret,
    Secrets,
    dump,
    dump_map,
    has_secret,
    has_unknown,
    load,
    load_map,
    reveal,
)

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


def test_the_constants_are_those_of_the_sdk() -> None:
    from pulumi.runtime import rpc

    assert rpc._special_sig_key == SIGNATURE_KEY
    assert rpc._special_secret_sig == SECRET_SIGNATURE
    assert rpc._special_output_value_sig == OUTPUT_SIGNATURE
    assert rpc.UNKNOWN == UNKNOWN_STRING


@pytest.mark.parametrize("sentinel", sorted(UNKNOWN_SENTINELS))
def test_every_sentinel_is_the_unknown(sentinel: str) -> None:
    assert load(Value(string_value=sentinel)) is UNKNOWN
    assert load_map(dump_map({"a": [{"b": sentinel}]}))["a"][0]["b"] is UNKNOWN


@pytest.mark.parametrize("use", [str, bool, "{}".format, lambda value: f"node-{value}", lambda value: value + "x"])
def test_an_unknown_cannot_become_text(use) -> None:
    with pytest.raises(TypeError):
        use(UNKNOWN)


def test_a_copy_of_an_unknown_is_one() -> None:
    assert has_unknown(copy.deepcopy({"a": [UNKNOWN]}))
    assert dump(copy.copy(UNKNOWN)).string_value == UNKNOWN_STRING


def test_an_output_value_without_value_is_unknown() -> None:
    assert load(dump({SIGNATURE_KEY: OUTPUT_SIGNATURE})) is UNKNOWN
    found = load(dump({SIGNATURE_KEY: OUTPUT_SIGNATURE, "secret": True}))
    assert isinstance(found, Secret)
    assert found.value is UNKNOWN


@given(PLAIN)
@settings(max_examples=60, deadline=None)
def test_what_is_dumped_is_loaded(item) -> None:
    assert reveal(load(dump(item))) == reveal(item)


@given(PLAIN)
@settings(max_examples=40, deadline=None)
def test_a_secret_stays_one_and_never_prints(item) -> None:
    there = load(dump({"a": [Secret(item)]}))
    assert has_secret(there)
    assert there["a"][0] == Secret(reveal(item))
    assert repr(there) == "{'a': [Secret(…)]}"


def test_a_whole_number_is_an_int_again() -> None:
    assert [type(load(dump(value))) for value in (3.0, 3, True, 3.5)] == [int, int, bool, float]


def test_what_has_no_wire_form_is_refused() -> None:
    with pytest.raises(TypeError, match="set has no wire form"):
        dump({"a": {1}})


def test_secrets_are_taken_out_of_texts_however_they_are_quoted() -> None:
    secrets = Secrets.within({"a": Secret(["line1\nline2", "it's", "abc"]), "b": [Secret({"c": 12345})], "d": "seen"})
    text = secrets.redact(f"{'line1' + chr(10) + 'line2'!r} line1\nline2 it's 12345 abc seen")
    assert text == "'[secret]' [secret] [secret] [secret] abc seen"


def test_a_secret_that_holds_another_is_replaced_whole() -> None:
    assert Secrets(["hunter2", "hunter2-and-more"]).redact("hunter2-and-more") == "[secret]"


def test_empty_struct() -> None:
    assert load_map(Struct()) == {}
