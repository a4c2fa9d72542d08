"""Decode a JSON text as Go does it for Ignition, where ``json`` alone would do it otherwise.

Names count without their case; a property that stands twice is decoded into what is already there; ``null`` leaves some
values alone; the first value of a wrong type is the one that is reported. All texts that are regular in these respects
are decoded by ``json``, and never come here.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from flatprov.ignition.gotext import fold
from flatprov.ignition.schema import Kind
from flatprov.ignition.validate import scanning
from flatprov.ignition.validate.plan import Member, Plan
from flatprov.ignition.validate.scanning import Document

_INT64: Final = 1 << 63
_JSON_TYPES: Final = {"{": "object", "[": "array", '"': "string", "t": "bool", "f": "bool", "n": "null"}


class TypeProblem(NamedTuple):
    """What is said about a value of a wrong type, and which byte is behind its opening bracket or its end."""

    message: str
    at: int


class Decoded(NamedTuple):
    """What a text holds.

    Attributes:
        value: the config, with the names as the specs write them.
        problem: the first value of a wrong type.
    """

    value: dict[str, Any]
    problem: TypeProblem | None


def decode(document: Document, plan: Plan) -> Decoded:
    """Decode a text that is valid JSON."""
    decoder = _Decoder(document)
    value: dict[str, Any] = {}
    view, start = document.view, document.start
    if view[start] == "{":
        decoder.object(plan, start, value)
    elif view[start] != "n":
        package = "util" if plan.go_type == "versionStub" else "types"
        decoder.wrong(start, f"{package}.{plan.go_type}", "")
    return Decoded(_shorten(value), decoder.problem)


class _Decoder:
    def __init__(self, document: Document) -> None:
        self.document, self.view = document, document.view
        self.problem: TypeProblem | None = None
        self.context = ""  #: the innermost Go type
        self.names: list[str] = []

    def wrong(self, start: int, go_type: str, number: str = "") -> None:
        """Note a value of a wrong type, unless one was noted before."""
        if self.problem:
            return
        first = self.view[start]
        kind = _JSON_TYPES.get(first) or f"number {number}".rstrip()
        place = f"struct field {self.context}.{'.'.join(self.names)}" if self.names else "value"
        index = start + 1 if first in "{[" else scanning.end_of(self.view, start)
        self.problem = TypeProblem(f"json: cannot unmarshal {kind} into Go {place} of type {go_type}", index)

    def object(self, plan: Plan, start: int, into: dict[str, Any]) -> None:
        """Decode an object into what is already there."""
        outside = self.context
        for name, _, value in self.document.members(start):
            member = plan.members.get(name) or plan.folded.get(fold(name))
            if member is None:
                continue
            self.context = plan.go_type
            self.names.append(member.embedded + member.name)
            self._member(member, value, into)
            self.names.pop()
            self.context = outside

    def _member(self, member: Member, start: int, into: dict[str, Any]) -> None:
        first = self.view[start]
        if first == "n":
            if not member.plain:
                into.pop(member.name, None)
        elif member.list_type:
            if first == "[":
                into[member.name] = self._list(member, start, into.get(member.name) or _Slice())
            else:
                self.wrong(start, member.list_type)
        elif member.plan:
            self._plan(member, start, into)
        else:
            self._scalar(member, start, into, member.name)

    def _plan(self, member: Member, start: int, into: dict[str, Any]) -> None:
        if self.view[start] == "{" and member.plan:
            self.object(member.plan, start, into.setdefault(member.name, {}))
        else:
            self.wrong(start, member.go_type)

    def _list(self, member: Member, start: int, old: _Slice) -> _Slice:
        """Decode a list into an old one: Go lets the items below decode into what was there at their places."""
        backing, length = old.backing, 0
        for position in self.document.items(start):
            if length == len(backing):
                backing.append({} if member.plan else "")
            first = self.view[position]
            if first == "n":
                pass
            elif member.plan and first == "{":
                self.object(member.plan, position, backing[length])
            elif member.plan or first != '"':
                self.wrong(position, member.go_type)
            else:
                backing[length] = self._string(position)
            length += 1
        return _Slice(backing if length else [], length)

    def _scalar(self, member: Member, start: int, into: dict[str, Any], name: str) -> None:
        first = self.view[start]
        if first == '"' and member.kind is Kind.STRING:
            into[name] = self._string(start)
        elif first in "tf" and member.kind is Kind.BOOLEAN:
            into[name] = first == "t"
        elif member.kind is Kind.INTEGER and first not in '"tf{[':
            digits = self.view[start : scanning.end_of(self.view, start)]
            number = int(digits) if len(digits) < 21 and digits.lstrip("-").isdigit() else _INT64
            if -_INT64 <= number < _INT64:
                into[name] = number
            else:
                self.wrong(start, member.go_type, digits)
        else:
            self.wrong(start, member.go_type)

    def _string(self, start: int) -> str:
        return scanning.string(self.view, start, scanning.end_of(self.view, start))


class _Slice:
    """A Go slice: a list of which only the first ``length`` items count, while the others are remembered."""

    def __init__(self, backing: list[Any] | None = None, length: int = 0) -> None:
        self.backing = [] if backing is None else backing
        self.length = length


def _shorten(value: Any) -> Any:
    """Put lists in the place of the slices."""
    if isinstance(value, _Slice):
        return [_shorten(item) for item in value.backing[: value.length]]
    if isinstance(value, dict):
        return {name: _shorten(item) for name, item in value.items()}
    return value
