"""The engine's calls, over gRPC, to resources made for these tests."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from provider_engine import TOKEN, InProcess, RecordingEngine, fails, partial, plain
from pulumi.runtime import proto as pb

from flatprov.provider.values import UNKNOWN, UNKNOWN_SENTINELS, Secret, load_map

SECRET_ADDRESS = {"name": "web", "address": Secret("hunter2-address")}


# --- handshake -----------------------------------------------------------------------------------------------------


def test_handshake_and_configure_agree(plugin: InProcess) -> None:
    shake = plugin.stub.Handshake(pb.ProviderHandshakeRequest(engine_address=""))
    configured = plugin.stub.Configure(pb.ConfigureRequest())
    assert (shake.accept_secrets, shake.accept_resources, shake.accept_outputs) == (True, False, False)
    assert (configured.acceptSecrets, configured.acceptResources, configured.acceptOutputs) == (True, False, False)
    assert configured.supportsPreview
    assert plugin.stub.GetPluginInfo(Empty()).version == "1.2.3"


def test_provider_configuration_is_echoed_and_replaces_nothing(plugin: InProcess) -> None:
    news = Struct()
    news.update({"a": "b"})
    assert plugin.stub.CheckConfig(pb.CheckRequest(news=news)).inputs == news
    assert plugin.stub.DiffConfig(pb.DiffRequest(news=news)).changes == pb.DiffResponse.DIFF_NONE


def test_a_call_that_is_not_offered_says_so(plugin: InProcess) -> None:
    error = fails(lambda: plugin.stub.Invoke(pb.InvokeRequest(tok="flatprov:index:nothing")))
    assert error.details().startswith("flatprov:index:nothing: flatprov has no function of that name")


def test_attached_again_after_cancel_it_serves_the_next_engine(plugin: InProcess, engine: RecordingEngine) -> None:
    plugin.cancel()
    assert "cancelled" in fails(lambda: plugin.create({"name": "web", "act": "wait", "waitSeconds": 5})).details()
    second = RecordingEngine()
    try:
        plugin.stub.Attach(pb.PluginAttach(address=second.address))
        plugin.stub.Configure(pb.ConfigureRequest())
        assert plugin.create({"name": "web", "act": "wait", "waitSeconds": 0.01}).id == "web"
        assert "making web" in second.texts()
    finally:
        second.stop()


def test_what_waited_before_the_next_run_began_still_ends(plugin: InProcess) -> None:
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(lambda: fails(lambda: plugin.create({"name": "a", "act": "wait", "waitSeconds": 20})))
        time.sleep(0.2)
        plugin.cancel()
        plugin.stub.Configure(pb.ConfigureRequest())
        assert "cancelled" in waits.result(timeout=2).details()


def test_a_failed_gate_does_not_close_the_next_run(plugin: InProcess) -> None:
    gates = plugin.servicer.gates
    plugin.cancel()
    plugin.stub.Configure(pb.ConfigureRequest())
    assert plugin.servicer.gates is not gates


# --- Check ---------------------------------------------------------------------------------------------------------


def test_check_hands_the_inputs_back_unchanged(plugin: InProcess) -> None:
    for sentinel in UNKNOWN_SENTINELS:
        from provider_engine import struct

        news = struct({"name": "web", "labels": {"a": sentinel}, "address": Secret("x"), "memoryMib": 1.5})
        assert plugin.check(news).inputs == news


@pytest.mark.parametrize(
    ("inputs", "path", "reason"),
    [
        ({}, "name", "is required"),
        ({"name": 3}, "name", "expected `str`, got `int`"),
        ({"name": "web", "memoryMib": "much"}, "memoryMib", "expected `int`, got `str`"),
        ({"name": "web", "memoryMib": 0}, "memoryMib", "expected `int` >= 1"),
        ({"name": "web", "disks": [{"sizeBytes": 1}, {}]}, "disks[1]", "missing required field `sizeBytes`"),
        ({"name": "web", "disks": [{"sizeBytes": "x"}]}, "disks[0].sizeBytes", "expected `int`, got `str`"),
        ({"name": "web", "labels": {"a": 1}}, "labels[...]", "expected `str`, got `int`"),
        ({"name": "web", "memoryMB": 5}, "memoryMB", "there is no such property; did you mean memoryMib?"),
        ({"name": "Web"}, "name", "'Web' is not lower case; write it small"),
        ({"name": "web", "address": "bad"}, "address", "thing: the address bad is odd. Give another"),
    ],
)
def test_check_names_the_property_and_what_is_wrong(plugin: InProcess, inputs, path: str, reason: str) -> None:
    found = plugin.failures(inputs)
    assert list(found) == [path]
    assert reason in found[path].replace("object ", "")


def test_a_property_that_nothing_resembles_gets_the_list(plugin: InProcess) -> None:
    assert "there are name, memoryMib, disks" in plugin.failures({"name": "web", "zzz": 1})["zzz"]


def test_an_unknown_is_judged_when_it_is_known(plugin: InProcess) -> None:
    assert plugin.failures({"name": UNKNOWN, "memoryMib": UNKNOWN, "disks": [{"sizeBytes": UNKNOWN}]}) == {}
    assert set(plugin.failures({"name": UNKNOWN, "memoryMib": 0})) == {"memoryMib"}


def test_what_the_engine_keeps_for_itself_is_no_property(plugin: InProcess) -> None:
    assert plugin.failures({"name": "web", "__defaults": []}) == {}


def test_a_secret_is_in_no_reason(plugin: InProcess) -> None:
    assert plugin.failures({"name": Secret("HUNTER2")}) == {"name": "'[secret]' is not lower case; write it small"}


# --- Diff ----------------------------------------------------------------------------------------------------------

OLD = {"name": "web", "memoryMib": 512, "labels": {"a": "b"}}


@pytest.mark.parametrize(
    ("old", "new", "updates", "replaces"),
    [
        (OLD, OLD, [], []),
        (OLD, {"name": "web", "labels": {"a": "b"}}, [], []),  # the default, unwritten
        ({"name": "web"}, {"name": "web", "disks": [], "labels": {}}, [], []),
        (OLD, {**OLD, "waitSeconds": 3}, [], []),  # steers an operation only
        (OLD, {**OLD, "memoryMib": 1024}, ["memoryMib"], []),
        (OLD, {**OLD, "name": "db"}, [], ["name"]),
        (OLD, {**OLD, "memoryMib": UNKNOWN}, ["memoryMib"], []),
        (OLD, {**OLD, "name": UNKNOWN}, ["name"], []),  # never a replacement
        (OLD, {**OLD, "labels": {"a": UNKNOWN}}, ["labels"], []),
        ({**OLD, "address": Secret("x")}, {**OLD, "address": "x"}, [], []),  # the value counts
        ({**OLD, "address": Secret("x")}, {**OLD, "address": Secret("y")}, ["address"], []),
        ({**OLD, "dropped": 1}, OLD, [], []),  # a property of another version
    ],
)
def test_diff(plugin: InProcess, old, new, updates, replaces) -> None:
    found = plugin.diff(old, new)
    kind = pb.PropertyDiff
    assert found.changes == (pb.DiffResponse.DIFF_SOME if updates or replaces else pb.DiffResponse.DIFF_NONE)
    assert {path for path, how in found.detailedDiff.items() if how.kind == kind.UPDATE} == set(updates)
    assert {path for path, how in found.detailedDiff.items() if how.kind == kind.UPDATE_REPLACE} == set(replaces)
    assert list(found.replaces) == replaces
    assert list(found.diffs) == updates + replaces
    assert all(how.inputDiff for how in found.detailedDiff.values())


def test_diff_compares_inputs_and_not_outputs(plugin: InProcess) -> None:
    assert plugin.diff(OLD, OLD, {"madeOf": "other", "memoryMib": 7}).changes == pb.DiffResponse.DIFF_NONE


def test_a_child_is_found_by_the_last_part_of_its_type(plugin: InProcess) -> None:
    child = f"flatprov:index:NodePool${TOKEN}"
    urn = f"urn:pulumi:dev::proj::{child}::web"
    for kind in ("", TOKEN, child):
        assert plugin.create({"name": "web"}, urn=urn, type=kind).id == "web"


# --- Create, Update ------------------------------------------------------------------------------------------------


def test_a_preview_tells_what_is_known_and_nothing_else(plugin: InProcess) -> None:
    made = plugin.create({"name": "web", "act": "plain"}, preview=True)
    state = plain(made.properties)
    assert made.id == ""
    assert state.pop("madeOf") == "web"
    assert state.pop("key") == Secret(UNKNOWN)
    assert set(state) == {"nodeAddress", "phase"}
    assert all(value is UNKNOWN for value in state.values())
    assert plain(plugin.create({"name": UNKNOWN}, preview=True).properties)["madeOf"] is UNKNOWN
    changed = plugin.update(OLD, {**OLD, "memoryMib": UNKNOWN}, {"phase": "made"}, preview=True)
    assert plain(changed.properties)["phase"] is UNKNOWN
    assert plugin.thing.things == {}


def test_an_unknown_outside_a_preview_is_refused_before_anything_happens(plugin: InProcess) -> None:
    for call in (
        lambda: plugin.create({"name": "web", "labels": {"a": UNKNOWN}}),
        lambda: plugin.update(OLD, {**OLD, "labels": {"a": UNKNOWN}}),
    ):
        assert fails(call).details().startswith("labels: its value is not known yet")
    assert plugin.thing.things == {}


def test_a_plain_error_carries_no_state(plugin: InProcess) -> None:
    error = fails(lambda: plugin.create({"name": "web", "act": "plain", "address": "10.0.0.1"}))
    assert error.code() is grpc.StatusCode.UNKNOWN
    assert error.details() == "web: there is no room at 10.0.0.1. Make some"
    assert partial(error) is None


@pytest.mark.parametrize("operation", ["create", "update"])
def test_a_partial_failure_carries_id_state_and_reason(plugin: InProcess, operation: str) -> None:
    inputs = {"name": "web", "act": "partial", "address": "10.0.0.1"}
    error = fails(lambda: plugin.create(inputs) if operation == "create" else plugin.update(OLD, inputs))
    found = partial(error)
    assert error.details() == "web: it did not start at 10.0.0.1. Look at it"
    assert (found.id, list(found.reasons)) == ("web", [error.details()])
    assert load_map(found.properties)["phase"] == "failed"
    assert not found.HasField("inputs")  # unset: the engine records those it asked with


def test_secrets_stay_out_of_errors_logs_and_plain_outputs(plugin: InProcess, engine: RecordingEngine) -> None:
    state = plain(plugin.create(SECRET_ADDRESS).properties)
    assert state["nodeAddress"] == Secret("hunter2-address")  # under another name than the input's
    assert state["key"] == Secret("k-e-y")  # secret by the pair
    assert state["madeOf"] == "web"
    for act in ("plain", "partial", "fault"):
        error = fails(lambda act=act: plugin.create({**SECRET_ADDRESS, "act": act}))
        assert "hunter2" not in error.details()
        if act != "fault":
            assert "[secret]" in error.details()
        found = partial(error)
        if found:
            assert "hunter2" not in next(iter(found.reasons))
            assert load_map(found.properties)["nodeAddress"] == Secret("hunter2-address")
    assert "making web at [secret]" in engine.texts()
    assert "hunter2" not in engine.texts()


def test_an_unforeseen_fault_is_one_sentence_and_its_trace_is_at_debug_only(
    plugin: InProcess, engine: RecordingEngine
) -> None:
    error = fails(lambda: plugin.create({"name": "web", "act": "fault"}))
    text = error.details()
    assert "\n" not in text
    assert "a fault in flatprov itself (RuntimeError at _act in provider_resources.py:" in text
    assert "hunter2" not in text + engine.texts()
    traces = [line for line in engine.lines if "provider_resources.py" in line.message]
    assert [line.severity for line in traces] == [pb.DEBUG]
    assert not traces[0].ephemeral  # an ephemeral line would be gone before anyone reads it


def test_a_resource_that_cannot_be_loaded_or_is_unknown_is_one_sentence(plugin: InProcess) -> None:
    def create(token: str) -> str:
        return fails(lambda: plugin.create({}, **plugin.who(token=token))).details()

    assert create("flatprov:test:Broken").startswith("flatprov: a fault in flatprov itself (RuntimeError")
    assert create("flatprov:test:Other").startswith(
        "flatprov:test:Other: this version of the flatprov plugin has no such resource. Upgrade flatprov"
    )


def test_custom_timeouts_hold(plugin: InProcess) -> None:
    begin = time.monotonic()
    error = fails(lambda: plugin.create({"name": "web", "act": "wait", "waitSeconds": 20}, timeout=0.2))
    assert 0.2 <= time.monotonic() - begin < 10  # not the 20 s it would have waited
    assert "the time limit of its customTimeouts passed" in error.details()
    assert partial(error) is None
    error = fails(lambda: plugin.create({"name": "web", "act": "created-then-wait", "waitSeconds": 20}, timeout=0.2))
    assert partial(error).id == "web"


def test_status_lines_arrive_and_are_not_kept(plugin: InProcess, engine: RecordingEngine) -> None:
    plugin.create({"name": "web"})
    assert [(line.message, line.ephemeral, line.severity) for line in engine.lines] == [
        ("making web at ", True, pb.INFO)
    ]
    assert engine.lines[0].urn == plugin.who()["urn"]


def test_a_lost_log_line_fails_nothing(plugin: InProcess, engine: RecordingEngine) -> None:
    engine.refuse = True
    assert plugin.create({"name": "web"}).id == "web"
    engine.stop()
    assert plugin.create({"name": "web"}).id == "web"


# --- Read, Delete --------------------------------------------------------------------------------------------------


def test_gone_leaves_everything_unset(plugin: InProcess) -> None:
    found = plugin.read("web", {"name": "web"}, {"phase": "made"})
    assert found.id == ""
    assert not found.HasField("properties")
    assert not found.HasField("inputs")


def test_alive_always_has_inputs_equal_to_what_check_returned(plugin: InProcess) -> None:
    inputs = {"name": "web", "address": Secret("hunter2-address"), "waitSeconds": 0}
    checked = plugin.check(inputs).inputs
    state = plugin.create(checked).properties
    found = plugin.read("web", checked, state)
    assert found.id == "web"
    assert load_map(found.inputs) == load_map(checked)  # nobody wrote the defaults, so nobody reads them
    assert found.properties == state
    assert plugin.diff(load_map(found.inputs), load_map(checked)).changes == pb.DiffResponse.DIFF_NONE


def test_read_again_is_the_same(plugin: InProcess) -> None:
    plugin.create({"name": "web", "memoryMib": 1024})
    first = plugin.read("web")
    assert plugin.read("web", load_map(first.inputs), load_map(first.properties)) == first


def test_import_needs_the_id_alone(plugin: InProcess) -> None:
    inputs = {"name": "web", "memoryMib": 1024}
    plugin.create(inputs)
    found = plugin.read("web")
    assert plugin.thing.seen == [(None, None)]
    assert plugin.diff(load_map(found.inputs), inputs).changes == pb.DiffResponse.DIFF_NONE


def test_get_with_half_of_the_properties_is_read_like_an_import(plugin: InProcess) -> None:
    plugin.create({"name": "web"})
    found = plugin.read("web", {"memoryMib": UNKNOWN, "address": "a"}, {})
    assert plugin.thing.seen == [(None, None)]
    assert load_map(found.inputs)["name"] == "web"
    assert "memoryMib" not in load_map(found.inputs)  # no unknown comes back


def test_drift_shows_in_inputs_and_a_secret_stays_one(plugin: InProcess) -> None:
    plugin.create({"name": "web", "address": "moved", "memoryMib": 2048})
    found = load_map(plugin.read("web", {"name": "web", "address": Secret("before")}, {"phase": "made"}).inputs)
    assert found == {"name": "web", "address": Secret("moved"), "memoryMib": 2048}


def test_delete_twice_is_no_error(plugin: InProcess) -> None:
    made = plugin.create({"name": "web"})
    for _ in range(2):
        plugin.delete("web", {"name": "web"}, made.properties)
    assert plugin.thing.things == {}


def test_delete_works_with_a_state_of_another_version(plugin: InProcess) -> None:
    plugin.delete("web", {"nonsense": 1}, {"phase": 3})
    inputs, state = plugin.thing.seen[-1]
    assert inputs is None
    assert state.phase == ""


# --- many at once --------------------------------------------------------------------------------------------------


def test_cancel_is_answered_at_once_and_ends_64_waits(plugin: InProcess) -> None:
    with ThreadPoolExecutor(64) as pool:
        inputs = {"name": "web", "act": "created-then-wait", "waitSeconds": 30}
        waiting = [pool.submit(lambda: fails(lambda: plugin.create(inputs))) for _ in range(64)]
        _until(lambda: plugin.servicer._workers._work_queue.empty() and len(plugin.servicer._workers._threads) == 64)
        assert plugin.failures({"name": "Web"})  # Check does not wait behind them
        assert min(plugin.cancel() for _ in range(3)) < 0.05
        begin = time.monotonic()
        errors = [wait.result(timeout=5) for wait in waiting]
        assert time.monotonic() - begin < 5  # not the 30 s they would have waited
    assert {error.details() for error in errors} == {"web: the run was cancelled. Run `pulumi up` again to continue"}
    assert {partial(error).id for error in errors} == {"web"}


def test_64_operations_run_side_by_side(plugin: InProcess) -> None:
    with ThreadPoolExecutor(64) as pool:
        inputs = {"name": "web", "act": "threads", "waitSeconds": 1.0}
        list(pool.map(lambda _: plugin.create(inputs), range(64)))
    assert plugin.thing.peak == 64


def test_a_host_gets_four_at_once_and_waiting_for_a_slot_ends_on_cancel(plugin: InProcess) -> None:
    with ThreadPoolExecutor(16) as pool:
        inputs = {"name": "web", "act": "slot", "waitSeconds": 0.05}
        list(pool.map(lambda _: plugin.create(inputs), range(16)))
        assert plugin.thing.peak == 4
        inputs = {"name": "web", "act": "slot", "waitSeconds": 30}
        waiting = [pool.submit(lambda: fails(lambda: plugin.create(inputs))) for _ in range(12)]
        _until(lambda: plugin.thing.inside == 4)
        plugin.cancel()
        assert all("cancelled" in wait.result(timeout=2).details() for wait in waiting)


def test_a_large_message_passes(plugin: InProcess) -> None:
    large = "x" * (5 << 20)
    assert plugin.create({"name": "web", "labels": {"a": large}}).id == "web"
    assert load_map(plugin.read("web").inputs)["labels"]["a"] == large


def test_the_watchdog_is_a_daemon() -> None:
    from flatprov.provider.engine import watch

    gone = threading.Event()
    thread = watch(lambda: False, gone.set, 0.01)
    assert thread.daemon
    assert gone.wait(2)


def _until(condition, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
