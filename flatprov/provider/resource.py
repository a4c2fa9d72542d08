"""A resource of the plugin, declared once as a typed pair.

``class Node(Resource[NodeInputs, NodeState])`` says what goes in, what comes out and what each operation does. The
schema, Check, Diff and the wire decoding come from the pair. Operations are plain blocking code in a worker thread.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from flatprov.errors import ConfigError
from flatprov.provider.context import Context
from flatprov.provider.values import UNKNOWN, has_unknown, reveal


class Inputs(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the user asks for. One field is one property; its name on the wire is camelCase."""


class State(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What came of it: outputs only, since the engine keeps the inputs beside them. Every field has a default."""


#: Marks a field that steers an operation (a time limit, say): changing it alone changes nothing on the platform.
CONTROL = msgspec.Meta(extra={"control": True})
#: Marks an output that is secret whatever the inputs are (a key that was made, say).
SECRET = msgspec.Meta(extra={"secret": True})

I = TypeVar("I", bound=Inputs)  # noqa: E741 - the reader of Resource[I, S] knows what it stands for
S = TypeVar("S", bound=State)


class Failure(NamedTuple):
    """One property that is wrong: its path, and a sentence on what is wrong and what to do."""

    path: str
    reason: str


class Created(NamedTuple):
    """The answer of create: the ID, which alone must be enough for read and delete, and the outputs."""

    id: str
    state: State


class Found(NamedTuple):
    """The answer of read: the ID, the outputs, and the inputs that would give what is there now."""

    id: str
    state: State
    inputs: Inputs


class Change(NamedTuple):
    """One changed property, as a Pulumi property path."""

    path: str
    replace: bool = False
    output: bool = False  # the path is an output's: what was asked for before has not come true


class Resource(Generic[I, S]):
    """The base of every resource: what is common to all, and the operations to fill in."""

    token: ClassVar[str]
    inputs: ClassVar[type[Inputs]]
    state: ClassVar[type[State]]
    replaces: ClassVar[Sequence[str]] = ()  # wire names; identity only
    delete_before_replace: ClassVar[bool] = True  # names are deterministic: old and new cannot stand side by side
    refresh_before_update: ClassVar[bool] = False  # the engine reads it at the begin of each up, so drift is seen

    def validate(self, inputs: I) -> Iterable[Failure]:
        """Rules over several fields. No I/O: Check runs once per resource, one after the other."""
        del inputs
        return ()

    def compare(self, field: str, old: Any, new: Any, state: Mapping[str, Any]) -> Sequence[str]:
        """The paths below a field that differ in meaning; equal values never get here."""
        del old, new, state
        return (field,)

    def unfinished(self, inputs: I, state: S) -> Sequence[str]:
        """The outputs, by wire name, that are not what unchanged inputs ask for: a reason for an update of its own.

        The engine keeps a failed create's errors only until the next refresh; the recorded outputs stay true.
        """
        del inputs, state
        return ()

    def plan(self, ctx: Context, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a preview can say: the outputs that are known already, by wire name.

        May look at the platform and raise, which stops the run before anything exists.
        """
        del ctx, inputs
        return {}

    def create(self, ctx: Context, inputs: I) -> Created:
        """Make it, or continue with what an interrupted run left."""
        raise NotImplementedError

    def read(self, ctx: Context, id_: str, inputs: I | None, state: S | None) -> Found | None:
        """What is there now; None only when the platform itself says it is gone. On import the ID is all there is."""
        raise NotImplementedError

    def update(self, ctx: Context, id_: str, old: I, new: I, state: S) -> State:
        """Change it in place."""
        raise NotImplementedError

    def delete(self, ctx: Context, id_: str, inputs: I | None, state: S) -> None:
        """Remove it; removing what is gone already is no error."""
        raise NotImplementedError


def wire_fields(struct: type[msgspec.Struct]) -> list[msgspec.structs.FieldInfo]:
    """The fields of a pair's half, in order."""
    return list(msgspec.structs.fields(struct))


@functools.cache
def marked(struct: type[msgspec.Struct], mark: str) -> frozenset[str]:
    """The wire names of the fields that carry a mark: ``control`` or ``secret``."""
    hints = get_type_hints(struct, include_extras=True)
    return frozenset(
        field.encode_name
        for field in wire_fields(struct)
        for meta in getattr(hints[field.name], "__metadata__", ())
        if isinstance(meta, msgspec.Meta) and (meta.extra or {}).get(mark)
    )


def check(resource: Resource[Any, Any], news: Mapping[str, Any]) -> list[Failure]:
    """Every property that is wrong. A property with an unknown part is judged when it is known."""
    fields = {field.encode_name: field for field in wire_fields(resource.inputs)}
    failures = [_no_such_property(name, fields) for name in news if name not in fields and not name.startswith("__")]
    complete = True
    for name, field in fields.items():
        value = news.get(name)
        if value is None:
            if field.required:
                failures.append(Failure(name, "is required"))
        elif has_unknown(value):
            complete = False
        else:
            try:
                msgspec.convert(reveal(value), field.type)
            except msgspec.ValidationError as error:
                failures.append(_located(name, error, field.type))
    if not failures and complete:
        try:
            failures.extend(resource.validate(decode(resource.inputs, news)))
        except ConfigError as error:
            failures.append(Failure(error.path or next(iter(fields)), str(error)))
    return failures


def _no_such_property(name: str, fields: Mapping[str, Any]) -> Failure:
    near = difflib.get_close_matches(name, fields, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(fields)}"
    return Failure(name, f"there is no such property; {hint}")


def _located(name: str, error: msgspec.ValidationError, kind: Any) -> Failure:
    """Msgspec ends its text with " - at `$.a[0]`": the path below the field. Its text shows types, never values."""
    text, _, where = str(error).partition(" - at `$")
    choices = _choices(kind)
    hint = f"; it is one of {', '.join(choices)}" if choices and "enum" in text else ""
    return Failure(name + where.rstrip("`"), text[:1].lower() + text[1:] + hint)


def _choices(kind: Any) -> list[str]:
    """The values of an enumeration, also below Optional and Annotated."""
    if get_origin(kind) is Literal:
        return sorted(map(str, get_args(kind)))
    return [choice for part in get_args(kind) for choice in _choices(part)]


def decode(struct: type[Any], properties: Mapping[str, Any]) -> Any:
    """A typed half from wire properties. Properties of another version of flatprov are left out.

    Raises:
        ConfigError: a value is not known yet, which no operation can work with.
        msgspec.ValidationError: a value is not what its field takes.
    """
    known = {field.encode_name for field in wire_fields(struct)}
    plain = {key: item for key, item in properties.items() if key in known and item is not None}
    unknown = [key for key, item in plain.items() if has_unknown(item)]
    if unknown:
        raise ConfigError(
            unknown[0], "its value is not known yet", "give it a value that this run knows", path=unknown[0]
        )
    return msgspec.convert(reveal(plain), struct)


def encode(half: msgspec.Struct) -> dict[str, Any]:
    """Wire properties of a typed half."""
    built: dict[str, Any] = msgspec.to_builtins(half)
    return built


def diff(
    resource: Resource[Any, Any], olds: Mapping[str, Any], news: Mapping[str, Any], state: Mapping[str, Any]
) -> list[Change]:
    """What differs between recorded and new inputs, offline. An unknown is an update, never a replacement."""
    changes: list[Change] = []
    control = marked(resource.inputs, "control")
    for field in wire_fields(resource.inputs):
        name = field.encode_name
        old, new = olds.get(name), news.get(name)
        if name in control:
            continue
        if has_unknown(new):
            changes.append(Change(name))
            continue
        old, new = _typed(field, reveal(old)), _typed(field, reveal(new))
        if old != new:
            changes.extend(Change(path, name in resource.replaces) for path in resource.compare(name, old, new, state))
    if not changes and state:
        unfinished = resource.unfinished(decode(resource.inputs, news), decode(resource.state, state))
        changes.extend(Change(name, output=True) for name in unfinished)
    return changes


def _typed(field: msgspec.structs.FieldInfo, value: Any) -> Any:
    """The value as its field sees it, so that an absent property equals its default."""
    if value is None:
        return default_of(field)
    try:
        return msgspec.convert(value, field.type)
    except msgspec.ValidationError:  # recorded by an older version: any difference counts
        return value


def default_of(field: msgspec.structs.FieldInfo) -> Any:
    """A field's default; None where it has none."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return None if field.default is msgspec.NODEFAULT else field.default


def unknown_state(resource: Resource[Any, Any]) -> dict[str, Any]:
    """Outputs of which nothing is known yet."""
    return {field.encode_name: UNKNOWN for field in wire_fields(resource.state)}
