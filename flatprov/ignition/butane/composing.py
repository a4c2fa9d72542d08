"""From YAML text to nodes that know their line and column.

libyaml reads the text. Its Python side is cut down to what is needed here: no tags are guessed, and depth and number of
nodes are limited, because libyaml itself would follow ten megabytes of brackets down until the stack ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from yaml import MappingNode, MarkedYAMLError, Node, ScalarNode, SequenceNode, YAMLError
from yaml.reader import ReaderError

try:
    from yaml._yaml import CParser
except ImportError:  # pragma: no cover - every published wheel of PyYAML has libyaml in it
    CParser = None  # type: ignore[assignment, misc]

from flatprov.errors import MissingDependencyError
from flatprov.ignition.report import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The longest text that is read, in bytes. Larger contents belong into files that the config names with ``local``.
MAX_BYTES: Final = 8 << 20
#: Butane's own objects are 8 deep.
MAX_DEPTH: Final = 64
#: A config of 500 files and 100 units has about 5,000.
MAX_NODES: Final = 100_000

_NULLS: Final = frozenset(("", "~", "null", "Null", "NULL"))


class Malformed(Exception):  # noqa: N818 - it carries an entry of the report and never reaches a user
    """The text is no YAML that can be used."""

    def __init__(
        self, message: str, fix: str = "", line: int = 0, column: int = 0, path: tuple[str | int, ...] = ()
    ) -> None:
        super().__init__(message)
        self.entry = Entry("error", path, message, fix=fix, line=line, column=column)


def compose(data: bytes) -> Node:
    """Give the node of the only document in a text.

    Args:
        data: the text in UTF-8.

    Raises:
        Malformed: it is no YAML, is empty, has several documents, or is larger or deeper than any config is.
    """
    if CParser is None:  # pragma: no cover
        raise MissingDependencyError("PyYAML", "was built without libyaml", "install a wheel: pip install pyyaml")
    if len(data) > MAX_BYTES:
        raise Malformed(
            f"the text has {len(data):,} bytes, and more than {MAX_BYTES:,} are not read",
            "put large contents into files of their own and name them with local",
        )
    try:
        node = _Parser(data.removeprefix(b"\xef\xbb\xbf")).get_single_node()
    except ReaderError as error:
        line = data.count(b"\n", 0, error.position) + 1
        column = error.position - data.rfind(b"\n", 0, error.position)
        raise Malformed("a control character is in the text", "remove it", line, column) from None
    except MarkedYAMLError as error:
        raise _malformed(error) from None
    except (YAMLError, RecursionError):  # pragma: no cover - nothing is known that gets here
        raise Malformed("the YAML is malformed", "check where it comes from") from None
    if node is None or is_null(node):
        raise Malformed("the config is empty", "begin with variant: flatcar and version: 1.1.0")
    return node


def _malformed(error: MarkedYAMLError) -> Malformed:
    mark = error.problem_mark or error.context_mark
    problem, fix = (error.problem or error.context or "").strip(), "correct it there"
    if "another document" in problem or "<document start>" in problem:
        problem, fix = "a second document begins here, which Butane would ignore", "keep one document"
    elif "duplicate anchor" in (error.context or "") + problem:
        problem, fix = "an anchor of this name exists already", "name each anchor once"
    elif "nesting depth" in problem:
        problem, fix = "it is nested too deeply", "check where it comes from"
    else:
        problem = f"the YAML is malformed: {problem}"
    return Malformed(problem, fix, mark.line + 1 if mark else 0, mark.column + 1 if mark else 0)


def is_null(node: Node) -> bool:
    """Tell whether a node says nothing, as ``key:`` or ``key: null`` do."""
    if type(node) is not ScalarNode:
        return False
    if node.tag:
        return bool(node.tag == "tag:yaml.org,2002:null" and node.value in _NULLS)
    return not node.style and node.value in _NULLS


def place(node: Node) -> tuple[int, int]:
    """Give line and column of a node, from 1; columns count characters, as Butane's do."""
    mark = node.start_mark
    return mark.line + 1, mark.column + 1


class Locator:
    """Finds the places of paths in one text."""

    def __init__(self, root: Node) -> None:
        self._root = root
        self._inner: dict[int, dict[str | int, Node]] = {}

    def place(self, path: Iterable[str | int]) -> tuple[int, int]:
        """Give line and column of the deepest node along a path that exists."""
        node = self._root
        for step in path:
            found = self._children(node).get(step)
            if found is None:
                break
            node = found
        return place(node)

    def _children(self, node: Node) -> dict[str | int, Node]:
        known = self._inner.get(id(node))
        if known is None:
            known = {}
            if type(node) is SequenceNode:
                known.update(enumerate(one for one in node.value if not is_null(one)))
            elif type(node) is MappingNode:
                for key, value in pairs(node):
                    known.setdefault(key, value)
            self._inner[id(node)] = known
        return known


def pairs(node: MappingNode, seen: tuple[Node, ...] = ()) -> Iterable[tuple[str, Node]]:
    """Give keys and values of a mapping; those of its merge keys come after its own."""
    merged: list[Node] = []
    for key, value in node.value:
        if is_merge(key):
            merged += value.value if type(value) is SequenceNode else [value]
        else:
            yield key.value if type(key) is ScalarNode else "", value
    for one in merged:
        if type(one) is MappingNode and one not in seen:
            yield from pairs(one, (*seen, node))


def is_merge(key: Node) -> bool:
    """Tell whether a key is ``<<``."""
    return type(key) is ScalarNode and key.value == "<<" and not key.style and not key.tag


if CParser is not None:

    class _Parser(CParser):
        """libyaml's parser and composer, without PyYAML's guessing of types."""

        def __init__(self, data: bytes) -> None:
            CParser.__init__(self, data)
            self.depth = 0
            self.nodes = 0

        def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
            return ""

        def descend_resolver(self, parent: Any, index: Any) -> None:
            self.depth += 1
            self.nodes += 1
            if self.depth > MAX_DEPTH:
                raise Malformed("it is nested too deeply", "check where it comes from", *_start(parent))
            if self.nodes > MAX_NODES:
                raise Malformed(f"it has more than {MAX_NODES:,} values", "split it, or check where it comes from")

        def ascend_resolver(self) -> None:
            self.depth -= 1


def _start(node: Node | None) -> tuple[int, int]:
    return place(node) if node is not None else (0, 0)
