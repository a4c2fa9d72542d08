"""The plugin's gRPC servicer: every call of the engine, translated to the typed resources.

The event loop only hands out work, so that Cancel is answered at once. Create, read, update and delete run in 64
worker threads; Check and Diff, which the engine asks one by one while machines are being waited for, have their own.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, NoReturn, TypeVar

import grpc
import msgspec
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime import proto as pb

from flatprov.errors import UnsupportedError
from flatprov.provider import failures, resource, schema
from flatprov.provider.context import Context
from flatprov.provider.engine import Engine
from flatprov.provider.gate import Gates
from flatprov.provider.registry import Registry
from flatprov.provider.resource import Inputs, Resource, State
from flatprov.provider.values import Secret, Secrets, dump_map, has_secret, has_unknown, load_map, reveal

WORKER_THREADS = 64
_PURE_THREADS = 4
_SENT = ("properties", "inputs", "news", "olds", "old_inputs")  # the fields of all requests that carry values
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
        self._pure = ThreadPoolExecutor(_PURE_THREADS, "pure")

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
        self._begin()
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
        self._begin()
        self.engine = Engine(request.address)
        return Empty()

    def _begin(self) -> None:
        """A new run. An attached process outlives its engine's Cancel, and serves the next engine afresh."""
        if self.cancelled.is_set():
            # a new event, not a cleared one: what still waits on the old one ends
            self.cancelled, self.gates = threading.Event(), Gates()

    async def GetPluginInfo(self, request: Any, context: Rpc) -> Any:  # noqa: N802
        """The plugin's version."""
        return pb.PluginInfo(version=self.version)

    async def GetSchema(self, request: Any, context: Rpc) -> Any:  # noqa: N802
        """The package schema, made from the typed pairs."""

        def answer() -> Any:
            return pb.GetSchemaResponse(schema=json.dumps(schema.package(self.registry.all(), self.version)))

        return await asyncio.get_running_loop().run_in_executor(self._pure, answer)

    async def Cancel(self, request: Any, context: Rpc) -> Any:  # noqa: N802
        """Ctrl-C, and also every normal end: end all waits."""
        self.cancelled.set()
        return Empty()

    # --- pure calls --------------------------------------------------------------------------------------------------

    async def Check(self, request: Any, context: Rpc) -> Any:  # noqa: N802
        """Judge the inputs; hand them back as they are."""
        return await self._answer(self._check, request, context, self._pure)

    def _check(self, kind: AnyResource, ctx: Context, request: Any) -> Any:
        news = load_map(request.news)
        return pb.CheckResponse(
            inputs=request.news,
            failures=[
                pb.CheckFailure(property=path, reason=ctx.secrets.redact(why))
                for path, why in resource.check(kind, news)
            ],
        )

    async def Diff(self, request: Any, context: Rpc) -> Any:  # noqa: N802
        """Compare recorded and new inputs, offline."""
        return await self._answer(self._diff, request, context, self._pure)

    def _diff(self, kind: AnyResource, ctx: Context, request: Any) -> Any:
        del ctx
        how = pb.PropertyDiff
        changes = resource.diff(kind, load_map(request.old_inputs), load_map(request.news), load_map(request.olds))
        return pb.DiffResponse(
            changes=pb.DiffResponse.DIFF_SOME if changes else pb.DiffResponse.DIFF_NONE,
            diffs=sorted({change.path.split(".")[0].split("[")[0] for change in changes}),
            replaces=[change.path for change in changes if change.replace],
            deleteBeforeReplace=kind.delete_before_replace,
            hasDetailedDiff=bool(changes),
            detailedDiff={
                change.path: how(kind=how.UPDATE_REPLACE if change.replace else how.UPDATE, inputDiff=not change.output)
                for change in changes
            },
        )

    # --- calls that touch a platform ---------------------------------------------------------------------------------

    async def Create(self, request: Any, context: Rpc) -> Any:  # noqa: N802
        """Create; in a preview, say what is known already."""
        return await self._answer(self._create, request, context, self._workers)

    def _create(self, kind: AnyResource, ctx: Context, request: Any) -> Any:
        inputs = load_map(request.properties)
        if request.preview:
            return pb.CreateResponse(properties=dump_map(_planned(kind, ctx, inputs)))
        id_, state = kind.create(ctx, resource.decode(kind.inputs, inputs))
        return pb.CreateResponse(
            id=id_,
            properties=dump_map(_outputs(state, ctx)),
            refresh_before_update=kind.refresh_before_update,
        )

    async def Read(self, request: Any, context: Rpc) -> Any:  # noqa: N802
        """Refresh, import and ``get``."""
        return await self._answer(self._read, request, context, self._workers)

    def _read(self, kind: AnyResource, ctx: Context, request: Any) -> Any:
        # a preview's `get` may hand over unknowns; they say nothing about what is there
        inputs = {name: value for name, value in load_map(request.inputs).items() if not has_unknown(value)}
        recorded = _decode_or_none(kind.inputs, inputs)
        state = None if recorded is None else _decode_or_none(kind.state, load_map(request.properties))
        found = kind.read(ctx, request.id, recorded, state)
        if found is None:  # gone: id, properties and inputs all stay unset
            return pb.ReadResponse()
        there = {**inputs, **_changed(inputs, found.inputs, ctx.secret_inputs)}
        return pb.ReadResponse(
            id=found.id,
            properties=dump_map(_outputs(found.state, ctx)),
            inputs=dump_map(there),
            refresh_before_update=kind.refresh_before_update,
        )

    async def Update(self, request: Any, context: Rpc) -> Any:  # noqa: N802
        """Change in place; in a preview, say what is known already."""
        return await self._answer(self._update, request, context, self._workers)

    def _update(self, kind: AnyResource, ctx: Context, request: Any) -> Any:
        news = load_map(request.news)
        if request.preview:
            return pb.UpdateResponse(properties=dump_map(_planned(kind, ctx, news)))
        state = resource.decode(kind.state, load_map(request.olds))
        old = resource.decode(kind.inputs, {**news, **load_map(request.old_inputs)})
        changed = kind.update(ctx, request.id, old, resource.decode(kind.inputs, news), state)
        return pb.UpdateResponse(
            properties=dump_map(_outputs(changed, ctx)), refresh_before_update=kind.refresh_before_update
        )

    async def Delete(self, request: Any, context: Rpc) -> Any:  # noqa: N802
        """Delete; what is gone already is no error."""
        return await self._answer(self._delete, request, context, self._workers)

    def _delete(self, kind: AnyResource, ctx: Context, request: Any) -> Any:
        inputs = _decode_or_none(kind.inputs, load_map(request.old_inputs))
        state = _decode_or_none(kind.state, load_map(request.properties))
        kind.delete(ctx, request.id, inputs, kind.state() if state is None else state)
        return Empty()

    # --- common parts ------------------------------------------------------------------------------------------------

    async def _answer(
        self,
        work: Callable[[AnyResource, Context, Any], Any],
        request: Any,
        rpc: Rpc,
        threads: ThreadPoolExecutor,
    ) -> Any:
        """Do the work in a thread, all of it: loading a resource's modules and decoding take their time too."""
        ctx = Context(
            request.urn,
            log=self._log,
            cancelled=self.cancelled,
            gates=self.gates,
            limit_seconds=getattr(request, "timeout", 0.0),
        )

        def attempt() -> Any:
            try:
                _note_secrets(ctx, request)
                kind = self._resource(request)
                ctx.refresh_before_update = kind.refresh_before_update
                return work(kind, ctx, request)
            except Exception as error:  # every fault becomes the engine's error, none a stack trace
                self._log("debug", request.urn, failures.trace(error), False)
                return _Refusal(ctx.secrets.redact(failures.message(error)))

        answer = await asyncio.get_running_loop().run_in_executor(threads, attempt)
        if isinstance(answer, _Refusal):
            await _refuse(rpc, answer.text, ctx)
        return answer

    def _resource(self, request: Any) -> AnyResource:
        # the qualified type of a child is PARENT$CHILD: the last part is its own
        return self.registry.get((request.type or request.urn.split("::")[2]).rpartition("$")[2])

    def _log(self, severity: Any, urn: str, text: str, ephemeral: bool) -> None:
        if self.engine:
            self.engine.log(severity, urn, text, ephemeral)

    async def Invoke(self, request: Any, context: Rpc) -> NoReturn:  # noqa: N802
        """No functions yet."""
        error = UnsupportedError(request.tok, "flatprov has no function of that name", "call a resource instead")
        await _refuse(context, str(error), None)


class _Refusal(NamedTuple):
    """An answer that is an error."""

    text: str


async def _refuse(rpc: Rpc, text: str, ctx: Context | None) -> NoReturn:
    """Answer with an error; with what exists, once something does."""
    trailer: failures.Metadata = ()
    if ctx is not None and ctx.partial is not None:
        id_, state = ctx.partial
        trailer = failures.status(text, id_, _outputs(state, ctx), refresh_before_update=ctx.refresh_before_update)
    await rpc.abort(grpc.StatusCode.UNKNOWN, text, trailer)
    raise AssertionError("abort raises")


def _note_secrets(ctx: Context, request: Any) -> None:
    """Let the operation know which of its values are secret."""
    sent = [load_map(getattr(request, name)) for name in _SENT if hasattr(request, name)]
    ctx.secrets = Secrets.within(sent)
    ctx.secret_inputs = frozenset(name for part in sent for name, value in part.items() if has_secret(value))


def _outputs(state: State, ctx: Context) -> dict[str, Any]:
    return _marked(type(state), resource.encode(state), ctx)


def _marked(struct: type[State], outputs: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    """Secret where the pair says so, and where an output repeats a secret input under another name."""
    marked = resource.marked(struct, "secret")
    return {
        name: Secret(value) if name in marked or ctx.secrets.hold(value) else value for name, value in outputs.items()
    }


def _decode_or_none(struct: type[T], properties: Mapping[str, Any]) -> T | None:
    """None where too little is there to decode: an import, a ``get``, a state of another version."""
    if not properties:
        return None
    try:
        found: T = resource.decode(struct, properties)
    except msgspec.ValidationError:
        return None
    return found


def _planned(kind: AnyResource, ctx: Context, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return _marked(kind.state, {**resource.unknown_state(kind), **kind.plan(ctx, inputs)}, ctx)


def _changed(recorded: Mapping[str, Any], found: Inputs, secret: frozenset[str]) -> dict[str, Any]:
    """What read found: each recorded secret stays one, and a default that nobody wrote stays unwritten."""
    defaults = {field.encode_name: resource.default_of(field) for field in resource.wire_fields(type(found))}
    return {
        name: recorded[name]
        if name in recorded and reveal(recorded[name]) == value
        else Secret(value)
        if name in secret
        else value
        for name, value in resource.encode(found).items()
        if name in recorded or value != defaults[name]
    }
