"""What the plugin talks to and is talked to by: a small engine, and a plugin in this process or in its own."""

from __future__ import annotations

import asyncio
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime import proto as pb
from pulumi.runtime.proto.status_pb2 import Status

from flatprov.provider.engine import CHANNEL_OPTIONS, Engine
from flatprov.provider.registry import Registry
from flatprov.provider.server import Servicer
from flatprov.provider.values import dump_map, load_map

TOKEN = "flatprov:test:Thing"
OPTIONS = [*CHANNEL_OPTIONS, ("grpc.max_metadata_size", 1 << 20)]


class RecordingEngine(pb.EngineServicer):
    """The engine's own service; it keeps the log lines."""

    def __init__(self) -> None:
        self.lines: list[Any] = []
        self.refuse = False
        self.server = grpc.server(ThreadPoolExecutor(16), options=OPTIONS)
        pb.add_EngineServicer_to_server(self, self.server)
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def Log(self, request, context):
        if self.refuse:
            context.abort(grpc.StatusCode.UNAVAILABLE, "busy")
        self.lines.append(request)
        return Empty()

    def texts(self) -> str:
        return "\n".join(line.message for line in self.lines)

    def stop(self) -> None:
        self.server.stop(0).wait()


class Calls:
    """The calls of an engine, with Python values in and out."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address, OPTIONS)
        self.stub = pb.ResourceProviderStub(self.channel)

    @staticmethod
    def who(name: str = "web", token: str = TOKEN) -> dict[str, Any]:
        return {"urn": f"urn:pulumi:dev::proj::{token}::{name}", "type": token, "name": name}

    def check(self, news: Any, olds: Any = None, **who: Any) -> Any:
        return self.stub.Check(
            pb.CheckRequest(**(who or self.who()), olds=struct(olds or {}), news=struct(news), randomSeed=bytes(32))
        )

    def failures(self, news: Any) -> dict[str, str]:
        return {failure.property: failure.reason for failure in self.check(news).failures}

    def diff(self, old: Any, new: Any, state: Any = None) -> Any:
        return self.stub.Diff(
            pb.DiffRequest(**self.who(), id="web", old_inputs=struct(old), news=struct(new), olds=struct(state or {}))
        )

    def create(self, inputs: Any, *, preview: bool = False, timeout: float = 0, **who: Any) -> Any:
        return self.stub.Create(
            pb.CreateRequest(**(who or self.who()), properties=struct(inputs), preview=preview, timeout=timeout)
        )

    def update(self, old: Any, new: Any, state: Any = None, *, preview: bool = False) -> Any:
        return self.stub.Update(
            pb.UpdateRequest(
                **self.who(),
                id="web",
                olds=struct(state or {}),
                old_inputs=struct(old),
                news=struct(new),
                preview=preview,
            )
        )

    def read(self, id_: str, inputs: Any = None, state: Any = None) -> Any:
        request = pb.ReadRequest(**self.who(), id=id_)
        if inputs is not None:
            request.inputs.CopyFrom(struct(inputs))
        if state is not None:
            request.properties.CopyFrom(struct(state))
        return self.stub.Read(request)

    def delete(self, id_: str, inputs: Any = None, state: Any = None) -> Any:
        return self.stub.Delete(
            pb.DeleteRequest(**self.who(), id=id_, properties=struct(state or {}), old_inputs=struct(inputs or {}))
        )

    def cancel(self) -> float:
        """Seconds until Cancel was answered."""
        begin = time.perf_counter()
        self.stub.Cancel(Empty())
        return time.perf_counter() - begin


def struct(values: Any) -> Struct:
    return values if isinstance(values, Struct) else dump_map(values)


def plain(values: Struct) -> dict[str, Any]:
    return load_map(values)


def partial(error: grpc.RpcError) -> Any:
    """The ErrorResourceInitFailed of an error; None where it has none."""
    rich = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if not rich:
        return None
    found = pb.ErrorResourceInitFailed()
    assert Status.FromString(rich).details[0].Unpack(found)
    return found


def fails(call: Callable[[], Any]) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


class InProcess(Calls):
    """The servicer in this process, its resources at hand."""

    def __init__(self, engine: RecordingEngine, resources: dict[str, str]) -> None:
        self.registry = Registry(resources)
        self.servicer = Servicer(self.registry, "1.2.3", Engine(engine.address))
        ready, self._stopped = threading.Event(), threading.Event()

        def serve() -> None:
            asyncio.run(self._serve(ready))

        self._thread = threading.Thread(target=serve, daemon=True)
        self._thread.start()
        assert ready.wait(10)
        super().__init__(f"127.0.0.1:{self._port}")

    async def _serve(self, ready: threading.Event) -> None:
        server = grpc.aio.server(options=OPTIONS)
        pb.add_ResourceProviderServicer_to_server(self.servicer, server)
        self._port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        ready.set()
        await self._end.wait()
        await server.stop(1)

    def close(self) -> None:
        self.servicer.cancelled.set()
        self.channel.close()
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    @property
    def thing(self) -> Any:
        return self.registry.get(TOKEN)


@contextmanager
def plugin_process(
    engine_address: str, *words: str, program: tuple[str, ...] = ("-m", "flatprov.provider.main"), **env: str
) -> Iterator[tuple[subprocess.Popen[bytes], Calls]]:
    """The plugin as the engine starts it; the first line of its output has been read."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", *program, *words, engine_address],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **env},
    )
    try:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 30)[0], "the plugin printed no port within 30 s"
        calls = Calls(f"127.0.0.1:{int(process.stdout.readline())}")
        yield process, calls
        calls.channel.close()
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()


def ends(process: subprocess.Popen[bytes], seconds: float) -> tuple[int, bytes, bytes]:
    """Status, rest of the output and errors of a process that ends by itself."""
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err
