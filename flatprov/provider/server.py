"""The plugin's gRPC servicer: every call of the engine, translated to the typed resources.

Check and Diff are pure and answered on the event loop's threads; create, read, update and delete run in 64 worker
threads, so that Cancel is answered at once however many machines are being waited for.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime import proto as pb

from flatprov.errors import UnsupportedError
from flatprov.provider import failures, resource, schema
from flatprov.provider.context import Context
from flatprov.provider.engine import Engine
from flatprov.provider.gate import Gates
from flatprov.provider.registry import Registry
from flatprov.provider.resource import Resource, State
from flatprov.provider.values import Secret, dump_map, has_secret, load_map, reveal

WORKER_THREADS = 64
T = TypeVar("T")
Rpc = grpc.aio.ServicerContext[Any, Any]
AnyResource = Resource[Any, Any]


class Servicer(pb.ResourceProviderServicer):
    """The ResourceProvider service of one plugin process."""

    def __init__(self, registry: Registry, version: str, engine: Engine | None = None) -> None:
        self.registry, self.version, self.engine = registry, version, engine
        self.cancelled = threading.Event()
        self.gates = Gates()
        self._workers = ThreadPoolExecutor(WORKER_THREADS, "worker")

    def is_engine_alive(self) -> bool:
        """Whether the engine that is being served still listens."""
        return self.engine is not None and self.engine.is_alive()

    # --- handshake and configuration ---------------------------------------------------------------------------------

    async def Handshake(self, request: Any, context: Rpc) -> Any:  # noqa: N802
        """The first call; its answers and Configure's must agree."""
        if request.engine_address:
            self.engine = Engine(request.engine_address)
        return pb.ProviderHandshakeResponse(accept_secrets=True, accept_resources=False, accept_outputs=False)

    async def Configure(self, request: Any, context: Rpc) -> Any:  # noqa: N802
        """No configuration of its own: connections are inputs of the resources."""
        self.cancelled.clear()  # an attached process outlives its engine's Cancel and serves the next one
        return pb.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, acceptResources=False, acceptOutputs=False
        )

    async def CheckConfig(self, request: Any, context: Rpc) -> Any:  # noqa: N802
        """Nothing to check."""
        return pb.CheckResponse(inputs=request.news)

    async def DiffConfig(self, request: Any, context: Rpc) -> Any:  # noqa: N802
        """A changed provider configuration never replaces a resource."""
        return pb.DiffResponse(changes=pb.DiffResponse.DIFF_NONE)

    async def Attach(self, request: Any, context: Rpc) -> Any:  # noqa: N802
        """The engine found this process by ``PULUMI_DEBUG_PROVIDERS``."""
        self.engine = Engine(request.address)
        return Empty()

    async def GetPluginInfo(self, request: Any, context: Rpc) -> Any:  # noqa: N802
        """The plugin's version."""
        return pb.PluginInfo(version=self.version)

    async def GetSchema(self, request: Any, context: Rpc) -> Any:  # noqa: N802
        """The package schema, made from the typed pairs."""
        return pb.GetSchemaResponse(schema=json.dumps(schema.package(self.registry.all(), self.version)))

    async def Cancel(self, request: Any, context: Rpc) -> Any:  # noqa: N802
        """Ctrl-C, and also every normal end: end all waits."""
        self.cancelled.set()
        return Empty()

    # --- pure calls --------------------------------------------------------------------------------------------------

    async def Check(self, request: Any, context: Rpc) -> Any:  # noqa: N802
        """Judge the inputs; hand them back as they are."""

        def check() -> Any:
            news = load_map(request.news)
            found = resource.check(self._resource(request), news)
            return pb.CheckResponse(
                inputs=dump_map(news), failures=[pb.CheckFailure(property=path, reason=why) for path, why in found]
            )

        return await self._answer(check, request, context)

    async def Diff(self, request: Any, context: Rpc) -> Any:  # noqa: N802
        """Compare recorded and new inputs, offline."""

        def diff() -> Any:
            kind, kind_of = pb.PropertyDiff, self._resource(request)
            changes = resource.diff(
                kind_of, load_map(request.old_inputs), load_map(request.news), load_map(request.olds)
            )
            return pb.DiffResponse(
                changes=pb.DiffResponse.DIFF_SOME if changes else pb.DiffResponse.DIFF_NONE,
                diffs=sorted({change.path.split(".")[0].split("[")[0] for change in changes}),
                replaces=[change.path for change in changes if change.replace],
                deleteBeforeReplace=kind_of.delete_before_replace,
                hasDetailedDiff=bool(changes),
                detailedDiff={
                    change.path: kind(kind=kind.UPDATE_REPLACE if change.replace else kind.UPDATE, inputDiff=True)
                    for change in changes
                },
            )

        return await self._answer(diff, request, context)

    # --- calls that touch a platform ---------------------------------------------------------------------------------

    async def Create(self, request: Any, context: Rpc) -> Any:  # noqa: N802
        """Create; in a preview, say what is known already."""
        kind, inputs = self._resource(request), load_map(request.properties)
        ctx = self._context(request, inputs)

        def create() -> Any:
            if request.preview:
                return pb.CreateResponse(properties=dump_map(_planned(kind, ctx, inputs, {})))
            id_, state = kind.create(ctx, resource.decode(kind.inputs, inputs))
            return pb.CreateResponse(id=id_, properties=dump_map(_outputs(state)))

        return await self._answer(create, request, context, ctx)

    async def Read(self, request: Any, context: Rpc) -> Any:  # noqa: N802
        """Refresh, import and ``get``."""
        kind = self._resource(request)
        inputs, state = load_map(request.inputs), load_map(request.properties)
        ctx = self._context(request, inputs)

        def read() -> Any:
            found = kind.read(
                ctx,
                request.id,
                resource.decode(kind.inputs, inputs) if inputs else None,
                resource.decode(kind.state, state) if inputs else None,
            )
            if found is None:  # gone: id, properties and inputs all stay unset
                return pb.ReadResponse()
            there = {**inputs, **_changed(inputs, resource.encode(found.inputs), ctx.secret_inputs)}
            return pb.ReadResponse(id=found.id, properties=dump_map(_outputs(found.state)), inputs=dump_map(there))

        return await self._answer(read, request, context, ctx)

    async def Update(self, request: Any, context: Rpc) -> Any:  # noqa: N802
        """Change in place; in a preview, say what is known already."""
        kind, news = self._resource(request), load_map(request.news)
        ctx = self._context(request, news)

        def update() -> Any:
            olds = load_map(request.olds)
            if request.preview:
                return pb.UpdateResponse(properties=dump_map(_planned(kind, ctx, news, olds)))
            state = resource.decode(kind.state, olds)
            old = resource.decode(kind.inputs, {**news, **load_map(request.old_inputs)})
            changed = kind.update(ctx, request.id, old, resource.decode(kind.inputs, news), state)
            return pb.UpdateResponse(properties=dump_map(_outputs(changed)))

        return await self._answer(update, request, context, ctx)

    async def Delete(self, request: Any, context: Rpc) -> Any:  # noqa: N802
        """Delete; what is gone already is no error."""
        kind = self._resource(request)
        inputs = load_map(request.old_inputs)
        ctx = self._context(request, inputs)

        def delete() -> Any:
            kind.delete(
                ctx,
                request.id,
                resource.decode(kind.inputs, inputs) if inputs else None,
                resource.decode(kind.state, load_map(request.properties)),
            )
            return Empty()

        return await self._answer(delete, request, context, ctx)

    # --- common parts ------------------------------------------------------------------------------------------------

    def _resource(self, request: Any) -> AnyResource:
        # the qualified type of a child is PARENT$CHILD: the last part is its own
        return self.registry.get(request.type or request.urn.split("::")[2].rpartition("$")[2])

    def _context(self, request: Any, inputs: Mapping[str, Any]) -> Context:
        return Context(
            request.urn,
            log=self._log,
            cancelled=self.cancelled,
            gates=self.gates,
            limit_seconds=getattr(request, "timeout", 0.0),
            secret_inputs=frozenset(name for name, value in inputs.items() if has_secret(value)),
        )

    def _log(self, severity: Any, urn: str, text: str, ephemeral: bool) -> None:
        if self.engine:
            self.engine.log(severity, urn, text, ephemeral)

    async def _answer(self, work: Callable[[], T], request: Any, rpc: Rpc, ctx: Context | None = None) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._workers, work)
        except Exception as error:  # every fault becomes the engine's error, none a stack trace
            self._log("debug", request.urn, failures.trace(error), True)
            await _refuse(rpc, failures.message(error), ctx)

    async def Invoke(self, request: Any, context: Rpc) -> NoReturn:  # noqa: N802
        """No functions yet."""
        error = UnsupportedError(request.tok, "flatprov has no function of that name", "call a resource instead")
        await _refuse(context, str(error), None)


async def _refuse(rpc: Rpc, text: str, ctx: Context | None) -> NoReturn:
    """Answer with an error; with what exists, once something does."""
    trailer: failures.Metadata = ()
    if ctx is not None and ctx.partial is not None:
        id_, state = ctx.partial
        trailer = failures.status(text, id_, _outputs(state), None)
    await rpc.abort(grpc.StatusCode.UNKNOWN, text, trailer)
    raise AssertionError("abort raises")


def _outputs(state: State) -> dict[str, Any]:
    return resource.encode(state)


def _planned(kind: AnyResource, ctx: Context, inputs: Mapping[str, Any], olds: Mapping[str, Any]) -> dict[str, Any]:
    known = dict(kind.plan(ctx, inputs))
    return {**resource.unknown_state(kind), **{key: item for key, item in olds.items() if key in known}, **known}


def _changed(recorded: Mapping[str, Any], there: Mapping[str, Any], secret: frozenset[str]) -> dict[str, Any]:
    """What read found, with each recorded secret staying one."""
    return {
        name: recorded[name]
        if name in recorded and reveal(recorded[name]) == value
        else Secret(value)
        if name in secret
        else value
        for name, value in there.items()
        if value is not None or name in recorded
    }
