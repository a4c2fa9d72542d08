"""The plugin as its own process, started and ended as the engine does."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from google.protobuf.empty_pb2 import Empty
from provider_engine import RecordingEngine, ends, fails, partial, plugin_process
from pulumi.runtime import proto as pb

HERE = Path(__file__).parent
RELEASE = "flatprov:index:Release"
WITH_TEST_RESOURCES = (
    "-c",
    "from flatprov.provider import main; from provider_resources import RESOURCES; "
    "main.RESOURCES = RESOURCES; main.main()",
)


def test_its_first_line_is_the_port_and_nothing_else_is_ever_printed(engine: RecordingEngine) -> None:
    with plugin_process(engine.address, "--logtostderr", "-v=9") as (process, calls):
        calls.stub.Handshake(pb.ProviderHandshakeRequest(engine_address=engine.address))
        calls.stub.Configure(pb.ConfigureRequest())
        assert re.fullmatch(r"\d+\.\d+\.\d+.*", calls.stub.GetPluginInfo(Empty()).version)
        who = calls.who(token=RELEASE)
        assert [failure.property for failure in calls.check({"chanel": "stable"}, **who).failures] == ["chanel"]
        assert '"flatprov:libvirt:Node"' in calls.stub.GetSchema(pb.GetSchemaRequest()).schema
        assert calls.cancel() < 0.5
        process.send_signal(signal.SIGINT)
        assert ends(process, 10) == (0, b"", b"")


def test_the_engine_address_is_the_last_word_also_with_tracing(engine: RecordingEngine) -> None:
    words = ("--tracing", "http://127.0.0.1:1/api")
    with plugin_process(engine.address, *words, program=WITH_TEST_RESOURCES, PYTHONPATH=str(HERE)) as (_, calls):
        calls.create({"name": "web"})
        assert "making web" in engine.texts()


def test_a_print_later_does_not_reach_the_engine(engine: RecordingEngine) -> None:
    code = WITH_TEST_RESOURCES[1].replace(
        "main.main()",
        "import provider_resources, os; "
        "provider_resources.Thing.validate = lambda s, i: [print('noise'), os.write(1, b'more')][:0]; main.main()",
    )
    with plugin_process(engine.address, program=("-c", code), PYTHONPATH=str(HERE)) as (process, calls):
        calls.check({"name": "web"})
        process.send_signal(signal.SIGINT)
        _, out, err = ends(process, 10)
        assert out == b""
        assert b"noise" in err
        assert b"more" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_the_partial_state_and_without_noise(
    engine: RecordingEngine, number: signal.Signals
) -> None:
    program = {"program": WITH_TEST_RESOURCES, "PYTHONPATH": str(HERE)}
    with plugin_process(engine.address, **program) as (process, calls):
        found = []
        inputs = {"name": "web", "act": "created-then-wait", "waitSeconds": 60}
        thread = threading.Thread(target=lambda: found.append(fails(lambda: calls.create(inputs))))
        thread.start()
        _until(lambda: "making web" in engine.texts())
        process.send_signal(number)
        assert ends(process, 5) == (0, b"", b"")
        thread.join(5)
        assert partial(found[0]).id == "web"


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_it_ends_when_its_engine_is_killed(tmp_path: Path, busy: bool) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from provider_engine import RecordingEngine\n"
        "import time\n"
        "engine = RecordingEngine()\n"
        "print(engine.address, flush=True)\n"
        "time.sleep(60)\n"
    )
    engine = subprocess.Popen([sys.executable, "-c", code, str(HERE)], stdout=subprocess.PIPE, text=True)
    try:
        assert engine.stdout is not None
        address = engine.stdout.readline().strip()
        with plugin_process(address, program=WITH_TEST_RESOURCES, PYTHONPATH=str(HERE)) as (process, calls):
            if busy:
                inputs = {"name": "web", "act": "created-then-wait", "waitSeconds": 60}
                thread = threading.Thread(target=lambda: fails(lambda: calls.create(inputs)))
                thread.start()
            time.sleep(0.3)
            engine.kill()
            engine.wait()
            status, _, err = ends(process, 6)
            assert (status, err) == (0, b"")
    finally:
        engine.kill()
        engine.wait()
        assert engine.stdout is not None
        engine.stdout.close()


def test_attach_as_with_pulumi_debug_providers(engine: RecordingEngine) -> None:
    """Started by hand with no engine; each engine attaches, cancels at its end, and the next one attaches."""
    process = subprocess.Popen(
        [sys.executable, *WITH_TEST_RESOURCES],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(HERE)},
    )
    try:
        from provider_engine import Calls

        assert process.stdout is not None
        calls = Calls(f"127.0.0.1:{int(process.stdout.readline())}")
        for _ in range(2):
            own = RecordingEngine()
            calls.stub.Attach(pb.PluginAttach(address=own.address))
            calls.stub.Configure(pb.ConfigureRequest())
            assert calls.create({"name": "web", "act": "wait", "waitSeconds": 0.01}).id == "web"
            assert "making web" in own.texts()
            calls.cancel()
            own.stop()
        assert process.poll() is None
        calls.channel.close()
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_the_plugin_loads_neither_the_sdk_nor_a_platform() -> None:
    code = (
        "from flatprov.provider import protocol; protocol.prepare()\n"
        "import flatprov.provider.server, flatprov.provider.main, sys\n"
        "print(*sorted(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "pulumi.resource" not in loaded
    assert "pulumi.output" not in loaded
    for heavy in ("libvirt", "httpx", "jinja2", "xml", "pysequoia", "yaml"):
        assert heavy not in loaded
    assert [name for name in loaded if name.startswith(("flatprov.platforms", "flatprov.images"))] == []


def test_ready_for_calls_in_less_than_an_import_of_the_sdk(capsys: pytest.CaptureFixture[str]) -> None:
    """Information: CPU seconds from start to the port, against ``import pulumi``; the aim is 0.5x."""

    def cpu(*words: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        process = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    plugin = min(cpu("-m", "flatprov.provider.main") for _ in range(3))
    sdk = min(cpu("-c", "import pulumi; print(1, flush=True)") for _ in range(3))
    with capsys.disabled():
        print(f" plugin ready {plugin:.3f} s CPU, import pulumi {sdk:.3f} s: {plugin / sdk:.2f}x", end=" ")
    assert plugin / sdk < 1.0


def _until(condition, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
