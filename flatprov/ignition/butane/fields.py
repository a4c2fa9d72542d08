"""The keys of Butane's variant flatcar, as tables made from Ignition's own schema and the sugar on top of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from flatprov.ignition.schema import (
    DROPIN,
    FILESYSTEM,
    IGNITION,
    REFERENCE,
    RESOURCE,
    ROOT,
    STORAGE,
    UNIT,
    USER,
    Field,
    Kind,
    Shape,
)

#: The spec version that each stable version of the variant makes.
SPECS: Final = {"1.0.0": "3.3.0", "1.1.0": "3.4.0"}

_TREE: Final = Shape("tree", (Field("local", Kind.STRING), Field("path", Kind.STRING)))
_INLINE: Final = (Field("inline", Kind.STRING), Field("local", Kind.STRING))
_LOCAL: Final = (Field("contents_local", Kind.STRING, since="3.4.0"),)
#: What Butane adds to an object of Ignition. The names hold no capitals, so they are never those of Ignition.
_SUGAR: Final = {
    RESOURCE: _INLINE,
    REFERENCE: _INLINE,
    FILESYSTEM: (Field("with_mount_unit", Kind.BOOLEAN),),
    USER: (Field("ssh_authorized_keys_local", Kind.STRINGS, since="3.4.0"),),
    UNIT: _LOCAL,
    DROPIN: _LOCAL,
    STORAGE: (Field("trees", Kind.OBJECTS, _TREE),),
    ROOT: (Field("variant", Kind.STRING), Field("version", Kind.STRING)),
}


@dataclass(frozen=True)
class Key:
    """One key of a mapping: what Ignition calls it, and what may stand there."""

    name: str
    kind: Kind
    table: Table | None = None


@dataclass(frozen=True)
class Table:
    """The keys of one kind of object.

    Attributes:
        identity: the property that is always stated, empty where the YAML leaves it out; or ``""``.
    """

    name: str
    identity: str = ""
    keys: dict[str, Key] = field(default_factory=dict)


@cache
def snake(name: str) -> str:
    """Give the YAML key for a property of Ignition: ``sizeMiB`` becomes ``size_mib``."""
    return re.sub("MiB|[A-Z]", lambda found: f"_{found[0].lower()}", name)


@cache
def table(spec: str, shape: Shape = ROOT) -> Table:
    """Give the keys of an object for the spec version that is made."""
    made = Table(shape.name, shape.key if shape.key in ("name", "path", "device") else "")
    for item in (*shape.fields, *_SUGAR.get(shape, ())):
        stated = shape is IGNITION and item.name == "version"  # Butane states the version itself
        if item.since <= spec and not stated:
            inner = table(spec, item.shape) if item.shape else None
            made.keys[snake(item.name)] = Key(item.name, item.kind, inner)
    return made
