"""From YAML nodes to a config: the names become Ignition's, the types are checked, unknown keys are noted."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from yaml import MappingNode, Node, ScalarNode, SequenceNode

from flatprov.ignition.butane.composing import is_merge, is_null, place
from flatprov.ignition.butane.fields import Key, Table
from flatprov.ignition.butane.scalars import TAG, binary, boolean, integer
from flatprov.ignition.report import Entry
from flatprov.ignition.schema import Kind

Path: TypeAlias = tuple[str | int, ...]

#: No config has more values once its aliases stand for what they name. Butane's own library stops at about as many.
MAX_VALUES: Final = 400_000
#: The kinds of object that later steps look at.
_NOTED: Final = frozenset(("resource", "filesystem", "file", "directory", "tree", "unit", "dropin", "user"))


class Decoder:
    """Reads one config.

    Attributes:
        problems: values of a wrong type, and keys that stand twice.
        unknown: keys the version of the variant does not know.
        noted: the objects with sugar or with rules of their own, by kind, each with its YAML path.
    """

    def __init__(self) -> None:
        self.problems: list[Entry] = []
        self.unknown: list[Entry] = []
        self.noted: dict[str, list[tuple[dict[str, Any], Path]]] = {name: [] for name in _NOTED}
        self._left = MAX_VALUES
        self._open: set[int] = set()
        self._seen: set[int] = set()

    def object(self, node: Node, table: Table, path: Path) -> dict[str, Any] | None:
        """Give the object a mapping stands for, with Ignition's names; sugar keeps its own."""
        if type(node) is not MappingNode:
            self._fail(path, f"must be a mapping, not {_kind(node)}", node)
            return None
        found: dict[str, Any] = {}
        keys = table.keys
        if table.identity:
            found[table.identity] = ""
        for name, (key, value) in self._pairs(node, path).items():
            item = keys.get(name)
            if item is None:
                self._unknown(table, name, key, path)
            elif not is_null(value):
                decoded = self._value(item, value, (*path, name))
                if decoded is not None:
                    found[item.name] = decoded
        if table.name in _NOTED:
            self.noted[table.name].append((found, path))
        return found

    def _value(self, item: Key, node: Node, path: Path) -> Any:
        kind = item.kind
        if kind is Kind.OBJECT:
            return self._entered(node, path, item) or None
        if kind is Kind.STRINGS or kind is Kind.OBJECTS:
            return self._list(item, node, path)
        if type(node) is not ScalarNode:
            self._fail(path, f"must be {kind.value}, not {_kind(node)}", node)
            return None
        if kind is Kind.STRING:
            return self._text(node, path)
        value: int | None = integer(node) if kind is Kind.INTEGER else boolean(node)
        if value is None:
            self._fail(path, f"must be {kind.value}", node)
        return value

    def _entered(self, node: Node, path: Path, item: Key) -> dict[str, Any] | None:
        """Decode an object, unless it is the one that is being decoded already: an alias can name its own parent."""
        if item.table is None or id(node) in self._open:
            self._fail(path, "this alias stands for a mapping that contains it", node)
            return None
        self._open.add(id(node))
        try:
            return self.object(node, item.table, path)
        finally:
            self._open.discard(id(node))

    def _list(self, item: Key, node: Node, path: Path) -> list[Any] | None:
        if type(node) is not SequenceNode:
            self._fail(path, f"must be {item.kind.value}, not {_kind(node)}", node)
            return None
        self._spend(len(node.value))
        found: list[Any] = []
        for one in node.value:
            if is_null(one):
                continue  # Butane drops it, so what follows moves up
            where = (*path, len(found))
            value: Any = None
            if item.kind is Kind.OBJECTS:
                value = self._entered(one, where, item)
            elif type(one) is ScalarNode:
                value = self._text(one, where)
            else:
                self._fail(where, f"must be a string, not {_kind(one)}", one)
            if value is not None:
                found.append(value)
        return found or None

    def _text(self, node: ScalarNode, path: Path) -> str | bytes | None:
        if node.tag != f"{TAG}binary":
            text: str = node.value
            return text
        data = binary(node)
        try:
            if data is not None:
                return data if path[-1] == "inline" else data.decode()
        except UnicodeDecodeError:
            pass
        self._fail(path, "its !!binary is no base64 of UTF-8 text", node)
        return None

    def _pairs(self, node: MappingNode, path: Path) -> dict[str, tuple[Node, Node]]:
        """Give the pairs of a mapping; where a merge key brings a key again, the mapping's own value counts."""
        self._spend(len(node.value))
        found: dict[str, tuple[Node, Node]] = {}
        merged: list[Node] = []
        for key, value in node.value:
            if is_merge(key):
                if merged:
                    self._fail(path, "the merge key stands twice", key)
                merged = value.value if type(value) is SequenceNode else [value]
            elif type(key) is not ScalarNode:
                self._fail(path, f"a key must be text, not {_kind(key)}", key)
            elif key.value in found:
                self._fail((*path, _short(key.value)), "this key stands twice in one mapping", key)
            else:
                found[key.value] = (key, value)
        for one in merged:
            self._merge(one, node, path, found)
        return found

    def _merge(self, one: Node, into: Node, path: Path, found: dict[str, tuple[Node, Node]]) -> None:
        if type(one) is not MappingNode:
            self._fail(path, "a merge key needs a mapping, or a list of mappings", one)
        elif one is into or id(one) in self._open:
            self._fail(path, "this alias stands for a mapping that contains it", one)
        else:
            self._open.add(id(one))
            for name, pair in self._pairs(one, path).items():
                found.setdefault(name, pair)
            self._open.discard(id(one))

    def _spend(self, values: int) -> None:
        self._left -= values
        if self._left < 0:
            raise TooManyValues

    def _unknown(self, table: Table, name: str, key: Node, path: Path) -> None:
        if id(key) in self._seen:
            return  # an alias brings it again
        self._seen.add(id(key))
        few = len(name) < 100 and len(self.unknown) < 100  # comparing is slow, and a flood of keys is no slip
        fix = "remove it: it has no effect"
        if few:
            from flatprov.ignition.butane.hints import hint

            fix = hint(table, name)
        line, column = place(key)
        name = _short(name)
        entry = Entry("error", (*path, name), f"unused key {name}", "unknown-key", fix, line, column)
        self.unknown.append(entry)

    def _fail(self, path: Path, message: str, node: Node) -> None:
        line, column = place(node)
        self.problems.append(Entry("error", path, message, line=line, column=column))


class TooManyValues(Exception):  # noqa: N818 - it never reaches a user
    """Aliases make the config larger than any config is."""


def _short(name: str) -> str:
    return name if len(name) <= 100 else f"{name[:60]}…"


def _kind(node: Node) -> str:
    if type(node) is MappingNode:
        return "a mapping"
    return "a list" if type(node) is SequenceNode else "a single value"
