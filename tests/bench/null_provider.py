"""A plugin that does nothing, in as few lines as the protocol takes: what the engine itself costs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from flatprov.provider import protocol

protocol.prepare()

import grpc  # noqa: E402
from google.protobuf.empty_pb2 import Empty  # noqa: E402
from pulumi.runtime import proto as pb  # noqa: E402


class Null(pb.ResourceProviderServicer):
    """Answers every call with what it was given."""

    async def Handshake(self, request: Any, context: Any) -> Any:
        return pb.ProviderHandshakeResponse(accept_secrets=True)

    async def Configure(self, request: Any, context: Any) -> Any:
        return pb.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    async def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return pb.PluginInfo(version="0.1.0")

    async def Check(self, request: Any, context: Any) -> Any:
        return pb.CheckResponse(inputs=request.news)

    async def Diff(self, request: Any, context: Any) -> Any:
        return pb.DiffResponse(changes=pb.DiffResponse.DIFF_NONE)

    async def Create(self, request: Any, context: Any) -> Any:
        return pb.CreateResponse(id=request.urn, properties=request.properties)

    async def Read(self, request: Any, context: Any) -> Any:
        return pb.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    async def Delete(self, request: Any, context: Any) -> Any:
        return Empty()

    async def Cancel(self, request: Any, context: Any) -> Any:
        return Empty()


async def serve() -> None:
    """Serve until the engine's signal."""
    server = grpc.aio.server()
    pb.add_ResourceProviderServicer_to_server(Null(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    sys.stdout = sys.stderr
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


asyncio.run(serve())
os._exit(0)
