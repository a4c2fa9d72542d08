"""The engine's wire values and Python values.

The engine sends ``google.protobuf.Struct``. Two things in it have no Python twin and get a type of their own here:
a value that is not known yet (:data:`UNKNOWN`) and a secret (:class:`Secret`). Neither can be mistaken for text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn

from google.protobuf.struct_pb2 import ListValue, Struct, Value

# Pulumi's wire constants (sdk/python/lib/pulumi/runtime/rpc.py); stated here: the plugin does not import the SDK.
SIGNATURE_KEY = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a type tag, not a password
OUTPUT_SIGNATURE = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
UNKNOWN_SENTINELS = frozenset(
    {
        UNKNOWN_STRING,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # bool
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)


class Unknown:
    """A value that is known only after the update. Using it as text or as a condition is a bug."""

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError("this value is not known during preview")

    __bool__ = __str__ = __format__ = _refuse

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


class Secret:
    """A secret value. It compares by value and never prints it."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.value == self.value

    __hash__ = None  # type: ignore[assignment]  # the value may be a list

    def __repr__(self) -> str:
        return "Secret(…)"


def load(value: Value) -> Any:
    """One wire value as a Python value; integral doubles become ints, because ints travel as doubles."""
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        text = value.string_value
        return UNKNOWN if text in UNKNOWN_SENTINELS else text
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [load(item) for item in value.list_value.values]
    if kind == "struct_value":
        return _load_object(load_map(value.struct_value))
    return None


def _load_object(fields: dict[str, Any]) -> Any:
    signature = fields.get(SIGNATURE_KEY)
    if signature == SECRET_SIGNATURE:
        return Secret(fields.get("value"))
    if signature == OUTPUT_SIGNATURE:  # only components receive these; an absent value is an unknown one
        inner = fields.get("value", UNKNOWN)
        return Secret(inner) if fields.get("secret") else inner
    return fields


def load_map(struct: Struct) -> dict[str, Any]:
    """A wire object as a dict."""
    return {key: load(item) for key, item in struct.fields.items()}


def dump(item: Any) -> Value:
    """One Python value as a wire value."""
    if item is None:
        return Value(null_value=0)  # type: ignore[arg-type]
    if isinstance(item, bool):  # before int: a bool is an int
        return Value(bool_value=item)
    if isinstance(item, (int, float)):
        return Value(number_value=item)
    if isinstance(item, str):
        return Value(string_value=item)
    if isinstance(item, Unknown):
        return Value(string_value=UNKNOWN_STRING)
    if isinstance(item, (list, tuple)):
        return Value(list_value=ListValue(values=[dump(part) for part in item]))
    if isinstance(item, Secret):
        return Value(struct_value=dump_map({SIGNATURE_KEY: SECRET_SIGNATURE, "value": item.value}))
    if isinstance(item, Mapping):
        return Value(struct_value=dump_map(item))
    raise TypeError(f"a {type(item).__name__} has no wire form")


def dump_map(properties: Mapping[str, Any]) -> Struct:
    """A dict as a wire object."""
    return Struct(fields={key: dump(item) for key, item in properties.items()})


def leaves(item: Any) -> Iterator[Any]:
    """Every leaf below a value, secrets opened."""
    if isinstance(item, Secret):
        yield from leaves(item.value)
    elif isinstance(item, Mapping):
        for part in item.values():
            yield from leaves(part)
    elif isinstance(item, (list, tuple)):
        for part in item:
            yield from leaves(part)
    else:
        yield item


def has_unknown(item: Any) -> bool:
    """Whether a part of the value is not known yet."""
    return any(isinstance(leaf, Unknown) for leaf in leaves(item))  # a deep copy of one is one as well


def has_secret(item: Any) -> bool:
    """Whether a part of the value is secret."""
    if isinstance(item, Secret):
        return True
    if isinstance(item, Mapping):
        return any(has_secret(part) for part in item.values())
    return isinstance(item, (list, tuple)) and any(has_secret(part) for part in item)


def reveal(item: Any) -> Any:
    """The value with its secrets opened, for the code that needs them."""
    if isinstance(item, Secret):
        return reveal(item.value)
    if isinstance(item, Mapping):
        return {key: reveal(part) for key, part in item.items()}
    if isinstance(item, (list, tuple)):
        return [reveal(part) for part in item]
    return item


class Secrets:
    """The texts of an operation's secrets, to keep them out of what people read.

    Texts below four characters are left alone: replacing each ``a`` would tell the secret rather than hide it.
    """

    _SHORTEST = 4

    def __init__(self, texts: Iterable[str] = ()) -> None:
        kept = {text for text in texts if len(text) >= self._SHORTEST}
        # an error quotes a value by repr(), which writes quotes and line ends differently; the longest goes first
        self._texts = sorted(kept | {repr(text)[1:-1] for text in kept}, key=len, reverse=True)

    @classmethod
    def within(cls, item: Any) -> Secrets:
        """Every secret below a value."""
        return cls(str(leaf) for leaf in leaves(list(_secret_parts(item))) if _is_text(leaf))

    def redact(self, text: str) -> str:
        """The text without them."""
        for secret in self._texts:
            text = text.replace(secret, "[secret]")
        return text

    def hold(self, item: Any) -> bool:
        """Whether a part of the value is one of them."""
        return bool(self._texts) and any(_is_text(leaf) and str(leaf) in self._texts for leaf in leaves(item))


def _is_text(leaf: Any) -> bool:
    return isinstance(leaf, (str, int, float)) and not isinstance(leaf, bool)


def _secret_parts(item: Any) -> Iterator[Any]:
    if isinstance(item, Secret):
        yield item.value
    elif isinstance(item, Mapping):
        for part in item.values():
            yield from _secret_parts(part)
    elif isinstance(item, (list, tuple)):
        for part in item:
            yield from _secret_parts(part)
