"""Resources of no platform: each field and operation is there to show one rule of the plugin."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec

from flatprov.errors import ConfigError, PlatformError
from flatprov.provider.context import Context
from flatprov.provider.resource import CONTROL, SECRET, Created, Failure, Found, Inputs, Resource, State

SPOKEN = "hunter" + "2"  # a trace quotes source lines: the word itself must not stand in one that raises

RESOURCES = {
    "flatprov:test:Thing": "provider_resources:Thing",
    "flatprov:test:Broken": "provider_resources:Broken",
}


class Disk(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A disk.

    Args:
        size_bytes: how large.
    """

    size_bytes: int


class ThingInputs(Inputs, frozen=True, kw_only=True, rename="camel"):
    """A thing.

    Args:
        name: what it is called.
        memory_mib: how much it has.
        disks: its disks.
        labels: any texts.
        address: where it is.
        act: what its operation shall do.
        wait_seconds: how long an operation waits.
    """

    name: str
    memory_mib: Annotated[int, msgspec.Meta(ge=1)] = 512
    disks: list[Disk] = msgspec.field(default_factory=list)
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    address: str = ""
    act: str = ""
    wait_seconds: Annotated[float, CONTROL] = 0.0


class ThingState(State, frozen=True, kw_only=True, rename="camel"):
    """What came of it.

    Args:
        made_of: the name it was made with.
        node_address: the address it was made with.
        key: a key that was made for it.
        phase: how far it got.
    """

    made_of: str = ""
    node_address: str = ""
    key: Annotated[str, SECRET] = ""
    phase: str = ""


class Thing(Resource[ThingInputs, ThingState]):
    """A thing in memory."""

    token = "flatprov:test:Thing"
    inputs = ThingInputs
    state = ThingState
    replaces = ("name",)

    def __init__(self) -> None:
        self.things: dict[str, ThingInputs] = {}
        self.lock = threading.Lock()
        self.inside = self.peak = 0
        self.slots = threading.BoundedSemaphore(4)
        self.seen: list[Any] = []

    def validate(self, inputs: ThingInputs) -> Iterable[Failure]:
        if inputs.name != inputs.name.lower():
            yield Failure("name", f"{inputs.name!r} is not lower case; write it small")
        if inputs.address == "bad":
            raise ConfigError("thing", f"the address {inputs.address} is odd", "give another", path="address")

    def plan(self, ctx: Context, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"madeOf": inputs["name"]} if isinstance(inputs["name"], str) else {}

    def _state(self, inputs: ThingInputs, phase: str = "made") -> ThingState:
        return ThingState(made_of=inputs.name, node_address=inputs.address, key="k-e-y", phase=phase)

    def _act(self, ctx: Context, id_: str, inputs: ThingInputs) -> None:
        ctx.status(f"making {inputs.name} at {inputs.address}")
        if inputs.act == "partial":
            ctx.created(id_, self._state(inputs, "failed"))
            raise PlatformError(inputs.name, f"it did not start at {inputs.address}", "look at it")
        if inputs.act == "plain":
            raise PlatformError(inputs.name, f"there is no room at {inputs.address}", "make some")
        if inputs.act == "fault":
            raise RuntimeError(SPOKEN + inputs.address)
        if inputs.act == "wait":
            ctx.wait(inputs.wait_seconds)
        if inputs.act == "created-then-wait":
            ctx.created(id_, self._state(inputs, "waiting"))
            ctx.wait(inputs.wait_seconds)
        if inputs.act == "slot":
            with ctx.slot(self.slots):
                with self.lock:
                    self.inside += 1
                    self.peak = max(self.peak, self.inside)
                ctx.wait(inputs.wait_seconds)
                with self.lock:
                    self.inside -= 1
        if inputs.act == "threads":
            with self.lock:
                self.inside += 1
                self.peak = max(self.peak, self.inside)
            ctx.wait(inputs.wait_seconds)
            with self.lock:
                self.inside -= 1

    def create(self, ctx: Context, inputs: ThingInputs) -> Created:
        self._act(ctx, inputs.name, inputs)
        self.things[inputs.name] = inputs
        return Created(inputs.name, self._state(inputs))

    def read(self, ctx: Context, id_: str, inputs: ThingInputs | None, state: ThingState | None) -> Found | None:
        self.seen.append((inputs, state))
        there = self.things.get(id_)
        return None if there is None else Found(id_, self._state(there), there)

    def update(self, ctx: Context, id_: str, old: ThingInputs, new: ThingInputs, state: ThingState) -> ThingState:
        self._act(ctx, id_, new)
        self.things[id_] = new
        return self._state(new)

    def delete(self, ctx: Context, id_: str, inputs: ThingInputs | None, state: ThingState) -> None:
        self.seen.append((inputs, state))
        self.things.pop(id_, None)


class Broken(Thing):
    """It cannot even be loaded."""

    token = "flatprov:test:Broken"

    def __init__(self) -> None:
        raise RuntimeError(SPOKEN)
