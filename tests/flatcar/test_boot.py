"""Recorded and written consoles: which states they go through, whatever pieces the bytes come in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatprov.flatcar.boot import Booting, BootMonitor, Failed, Ready, State
from flatprov.ignition import Redactor

CASES = Path(__file__).resolve().parents[1] / "cases" / "flatcar" / "boot"
RECORDINGS: list[dict[str, Any]] = json.loads((CASES / "recordings.json").read_text())
TEXTS: list[dict[str, Any]] = json.loads((CASES / "texts.json").read_text())


def recorded(name: str) -> bytes:
    return (CASES / f"{name}.log").read_bytes()


def states(monitor: BootMonitor, data: bytes) -> list[State]:
    """Each state the lines of a console lead to, once."""
    found: list[State] = [monitor.state]
    for line in data.split(b"\n"):
        state = monitor.feed(line + b"\n")
        if state != found[-1]:
            found.append(state)
    return found


def in_order(wanted: list[str], seen: list[str]) -> bool:
    rest = iter(seen)
    return all(any(stage == other for other in rest) for stage in wanted)


@pytest.mark.parametrize("case", RECORDINGS, ids=lambda case: case["name"])
def test_recording(case: dict[str, Any]) -> None:
    monitor = BootMonitor(case.get("units", ()))
    found = states(monitor, recorded(case["name"]))
    stages = [state.stage for state in found if isinstance(state, Booting)]
    assert stages[0] == "power on"
    assert in_order(case.get("stages", []), stages), stages
    end = found[-1]
    assert type(end).__name__.lower() == case["end"]
    assert monitor.ended == (case["end"] != "booting")
    if isinstance(end, Ready):
        assert list(end.warnings) == case["warnings"]
        for name, value in case["report"].items():
            got = getattr(end.report, name)
            assert (list(got) if isinstance(got, tuple) else got) == value
        assert any(address.startswith("192.168.122.") for address in end.report.addresses["ens2"])
        assert end.report.uptime > 5
        assert end.report.ignition_date.startswith("20")
        return
    failed = end if isinstance(end, Failed) else monitor.timeout_reason(300)
    assert failed.reason == case.get("reason", case.get("timeout"))
    assert failed.unit == case["unit"]
    for text in case.get("tail", ()):
        assert any(text in line for line in failed.tail), failed.tail
    for text in case.get("never", ()):
        assert not any(text in line for line in (*failed.tail, *monitor.tail(10_000)))
    assert all("\x1b" not in line and "\r" not in line for line in failed.tail)


@pytest.mark.parametrize("case", TEXTS, ids=lambda case: case["name"])
def test_text(case: dict[str, Any]) -> None:
    monitor = BootMonitor(case.get("units", ()))
    state = monitor.feed("\n".join(case["console"]).encode() + case.get("last", "\n").encode())
    if isinstance(state, Failed):
        assert state.again == case.get("again", False)
    if "stage" in case:
        assert state == Booting(case["stage"])
    elif "ready" in case:
        assert isinstance(state, Ready)
        assert list(state.warnings) == case["ready"]
    else:
        failed = state if isinstance(state, Failed) else monitor.timeout_reason(case["seconds"])
        assert isinstance(state, Failed) == ("seconds" not in case)
        assert failed.reason == case["reason"]
        assert failed.unit == case.get("unit", "")


@pytest.mark.parametrize("name", [case["name"] for case in RECORDINGS])
@settings(max_examples=8, deadline=None)
@given(seed=st.data())
def test_the_cut_of_the_bytes_does_not_matter(name: str, seed: st.DataObject) -> None:
    data = recorded(name)
    units = next(case.get("units", ()) for case in RECORDINGS if case["name"] == name)
    whole = BootMonitor(units)
    whole.feed(data)
    sizes = seed.draw(st.lists(st.integers(1, 5000), min_size=1, max_size=8))
    pieces = BootMonitor(units)
    at, turn = 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)] + len(data) // 2000
        pieces.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    assert pieces.state == whole.state
    assert pieces.tail(100) == whole.tail(100)
    assert pieces.timeout_reason(9) == whole.timeout_reason(9)


@pytest.mark.parametrize("text", [case["console"] for case in TEXTS], ids=[case["name"] for case in TEXTS])
def test_byte_by_byte(text: list[str]) -> None:
    data = "\n".join(text).encode() + b"\n"
    whole, single = BootMonitor(["app.service"]), BootMonitor(["app.service"])
    whole.feed(data)
    for position in range(len(data)):
        single.feed(data[position : position + 1])
    assert single.state == whole.state
    assert single.tail() == whole.tail()


KERNEL = b"[   36.123456] IPv6: ADDRCONF(NETDEV_CHANGE): eth1: link becomes ready\r\n"
OTHER = b"\r\n\r\ngood login: "


def reports(name: str) -> tuple[bytes, bytes]:
    """A recording up to its first report, and that report's line."""
    data = recorded(name)
    start = data.index(b"FLATPROV-REPORT")
    return data[:start], data[start : data.index(b"\n", start) + 1]


@given(place=st.floats(0.06, 0.98), lines=st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_kernel_lines_inside_the_report_are_taken_out(place: float, lines: int) -> None:
    _, report = reports("good")
    at = int(len(report) * place)
    monitor = BootMonitor()
    state = monitor.feed(report[:at] + KERNEL * lines + report[at:])
    assert isinstance(state, Ready)
    assert state.report.hostname == "good"


@given(place=st.floats(0, 1), lost=st.integers(0, 200))
@settings(max_examples=60, deadline=None)
def test_a_spoiled_report_is_made_good_by_the_next(place: float, lost: int) -> None:
    before, report = reports("good")
    at = int(len(report) * place)
    spoiled = report[:at] + OTHER + report[at + lost :]
    monitor = BootMonitor(["app.service"])
    monitor.feed(before[-2000:])
    monitor.feed(spoiled)
    state = monitor.feed(b"\r\n" + report)
    assert isinstance(state, Ready)
    assert state.warnings == ()


def test_a_long_report() -> None:
    failed = [
        {"unit": f"unit-{number}.service", "result": "exit-code", "code": 1, "status": 1} for number in range(1500)
    ]
    contents = json.dumps({"format": 1, "boot_id": "b", "first_boot": True, "state": "degraded", "failed": failed})
    assert len(contents) > 100_000
    data = f"\nFLATPROV-REPORT {len(contents)} {contents}\r\n".encode()
    monitor = BootMonitor(["unit-7.service"])
    for at in range(0, len(data), 777):
        state = monitor.feed(data[at : at + 777])
    assert isinstance(state, Failed)
    assert state.unit == "unit-7.service"
    assert state.tail == ()


def test_a_reboot_loop_stays_failed() -> None:
    monitor = BootMonitor(["app.service"])
    first = monitor.feed(recorded("badhash"))
    assert isinstance(first, Failed)
    assert monitor.feed(recorded("badjson")) == first
    assert monitor.feed(recorded("good")) == first
    assert monitor.timeout_reason(600) == first


def test_a_second_boot_keeps_the_node_ready() -> None:
    monitor = BootMonitor(["app.service"])
    monitor.feed(recorded("good"))
    later = monitor.feed(
        recorded("good").replace(b'"first_boot":true,', b'"first_boot":false,').replace(b" 351 ", b" 352 ")
    )
    assert isinstance(later, Ready)


def test_a_silent_console() -> None:
    monitor = BootMonitor()
    assert monitor.feed(b"") == Booting("power on")
    failed = monitor.timeout_reason(120)
    assert failed.reason.startswith("no report after 120 s: the console stayed silent; ")
    assert failed.tail == ()


def test_redaction_covers_every_text() -> None:
    def redact(text: str) -> str:
        return text.replace("database", "[secret]").replace("AAAAexample", "[secret]").replace("app.service", "[unit]")

    monitor = BootMonitor(["app.service", "[unit]"], redact)
    state = monitor.feed(recorded("failing"))
    assert isinstance(state, Failed)
    assert state.unit == "[unit]"
    assert "database" not in repr(state) + repr(monitor.tail(10_000))
    assert "[unit]: cannot open [secret]" in state.tail


def test_a_secret_over_several_lines() -> None:
    secret = "-----BEGIN KEY-----\n" + "abcd\n" * 30 + "-----END KEY-----"
    monitor = BootMonitor((), lambda text: text.replace(secret, "[secret]"))
    monitor.feed(f"before\n{secret}\nafter\n".encode())
    assert monitor.tail(5) == ("before", "[secret]", "after")


def test_memory_is_bounded() -> None:
    monitor = BootMonitor()
    for number in range(2000):
        monitor.feed(b"x" * 4000 + b" %d\n" % number)
    kept = sum(map(len, monitor._history._lines))
    assert kept <= 256 * 1024
    monitor.feed(b"y" * 3_000_000)
    assert len(monitor._lines._rest) <= 192 * 1024
    state = monitor.feed(b"\nKernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n")
    assert isinstance(state, Failed)
    assert all(len(line) <= 501 for line in state.tail)


def test_what_follows_a_dumped_config_stays() -> None:
    monitor = BootMonitor(redact=Redactor([b"a secret of twelve letters and more"]).redact)
    monitor.feed(recorded("badhash"))
    assert "ignition: the whole config (left out)" in monitor.tail(200)
    assert not [line for line in monitor.tail(200) if "redacted" in line]
