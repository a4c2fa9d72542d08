"""From the typed config to the spec's JSON object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from flatprov.errors import ConfigError
from flatprov.ignition.checks import Part, python_name
from flatprov.ignition.conflicts import merge_checked
from flatprov.ignition.contents import resource
from flatprov.ignition.nodes import File, Owner
from flatprov.ignition.schema import CEX, DEFAULT_VERSION, OWNER, REFERENCE, RESOURCE, ROOT, Field, Kind, Shape
from flatprov.ignition.systemd import Unit
from flatprov.ignition.versions import lowest_version

if TYPE_CHECKING:
    from flatprov.ignition.config import Ignition

#: Where the properties of ``Ignition`` stand in the JSON.
PLACES: Final = {
    "users": ("passwd", "users"),
    "groups": ("passwd", "groups"),
    "files": ("storage", "files"),
    "directories": ("storage", "directories"),
    "links": ("storage", "links"),
    "disks": ("storage", "disks"),
    "raid": ("storage", "raid"),
    "filesystems": ("storage", "filesystems"),
    "luks": ("storage", "luks"),
    "units": ("systemd", "units"),
    "kernel_arguments": ("kernelArguments",),
    "merge": ("ignition", "config", "merge"),
    "replace": ("ignition", "config", "replace"),
    "proxy": ("ignition", "proxy"),
    "certificate_authorities": ("ignition", "security", "tls", "certificateAuthorities"),
    "timeouts": ("ignition", "timeouts"),
}


def render(ignition: Ignition) -> dict[str, Any]:
    """Give the JSON object of a config whose values are all known.

    Absent and empty values are left out, explicit zeros stay. The spec version is the lowest that holds what is used,
    from 3.3.0 on, and not below ``ignition.version``.

    A sum is merged and then validated, because two valid configs can make an invalid one.

    Raises:
        ConfigError: a value is still an unresolved output, or of a wrong type; or the parts of a sum do not go
            together, with the part that each side comes from.
    """
    if not ignition.layers:
        return _own(ignition)
    parts = [render(layer) for layer in ignition.layers]
    own = _own(ignition)
    if own != {"ignition": {"version": DEFAULT_VERSION}}:
        parts.append(own)
    return merge_checked([(f"part {number} of the sum", part) for number, part in enumerate(parts, 1)])


def render_many(base: Ignition, overlays: Iterable[Ignition]) -> Iterator[dict[str, Any]]:
    """Render ``base + overlay`` for each overlay; the base is rendered once.

    For pools, whose machines differ in a name and an address. One config is made at a time; what they have in common is
    shared between them, so they must not be changed.

    Args:
        base: what all have in common.
        overlays: what each adds or changes, in order.

    Raises:
        ConfigError: as ``render`` does, when the config at fault is reached.
    """
    common = render(base)
    for number, overlay in enumerate(overlays, 1):
        yield merge_checked([("the common part", common), (f"overlay {number}", render(overlay))])


def _own(ignition: Ignition) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for attribute, place in PLACES.items():
        value = getattr(ignition, attribute)
        rendered = None if value is None else _value(_field(place), value, attribute, None)
        if rendered not in (None, [], {}):
            inner = config
            for name in place[:-1]:
                inner = inner.setdefault(name, {})
            inner[place[-1]] = rendered
    version = max(lowest_version(config, values=ignition.version is None), ignition.version or DEFAULT_VERSION)
    return {**config, "ignition": {**config.get("ignition", {}), "version": version}}


def _field(place: tuple[str, ...]) -> Field:
    shape: Shape | None = ROOT
    for name in place:
        if shape is None:  # pragma: no cover - PLACES names only what the schema has
            raise KeyError(place)
        field = shape.by_name[name]
        shape = field.shape
    return field


def _part(part: Part, where: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for item in part.SHAPE.fields:
        attribute = python_name(item.name)
        value = getattr(part, attribute)
        if isinstance(part, Unit) and attribute == "enabled":
            value = part.starts()
        if value is not None:
            rendered = _value(item, value, f"{where}.{attribute}", part)
            if rendered not in ([], {}):
                out[item.name] = rendered
    return out


def _value(item: Field, value: Any, where: str, owner: Part | None) -> Any:
    if item.kind in (Kind.STRINGS, Kind.OBJECTS):
        if not isinstance(value, (list, tuple)):
            raise _unknown(where)
        return [_one(item, one, f"{where}[{number}]", owner) for number, one in enumerate(value)]
    return _one(item, value, where, owner)


def _one(item: Field, value: Any, where: str, owner: Part | None) -> Any:
    if item.shape in (RESOURCE, REFERENCE):
        keeps = owner.compression if isinstance(owner, File) and item.name == "contents" else None
        if keeps is not None and not isinstance(keeps, str):
            raise _unknown(where.replace("contents", "compression"))
        return resource(value, where, keeps)
    if item.shape is OWNER and not isinstance(value, Owner):
        value = Owner(name=value) if isinstance(value, str) else Owner(id=value)
    if item.shape is CEX:
        if not isinstance(value, bool):
            raise _unknown(where)
        return {"enabled": value}
    if item.shape is not None:
        if not isinstance(value, Part) or value.SHAPE is not item.shape:
            raise _unknown(where)
        return _part(value, where if item.kind is Kind.OBJECT else _named(value, where))
    if item.kind is Kind.BOOLEAN and isinstance(value, bool):
        return value
    if item.kind is Kind.INTEGER and isinstance(value, int):
        return int(value)
    if item.kind in (Kind.STRING, Kind.STRINGS) and isinstance(value, str):
        return str(value)
    raise _unknown(where)


def _named(part: Part, where: str) -> str:
    return f"{where.rpartition('[')[0]}[{part.identity()}]"


def _unknown(where: str) -> ConfigError:
    return ConfigError(where, "is not known yet, or of a wrong type", "resolve outputs before rendering", path=where)
