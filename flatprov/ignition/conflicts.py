"""What is wrong with a merged config, and which of the merged ones each side of it comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, TypeAlias

from flatprov.errors import ConfigError
from flatprov.ignition.dataurl import decode, is_inline
from flatprov.ignition.merging import merge_all
from flatprov.ignition.report import Entry, Report
from flatprov.ignition.schema import REFERENCE, RESOURCE, ROOT, Field, Kind, Shape, item_key

#: Configs with what a message calls them, lowest first.
Layers: TypeAlias = Sequence[tuple[str, dict[str, Any]]]

_NAMED: Final = 6  # properties that a message names
_READS_ALL: Final = "2.26.0"  # an Ignition that reads every spec; whether the target's does is another question


class _Place(NamedTuple):
    """An object of the merged config.

    Args:
        path: with list indexes, as in a report.
        keys: with the keys of items instead, which are the same in every layer.
        shape: what it is.
        data: the object.
    """

    path: tuple[str | int, ...]
    keys: tuple[tuple[str, str | None], ...]
    shape: Shape
    data: dict[str, Any]


def conflicts(layers: Layers, merged: dict[str, Any] | None = None) -> Report:
    """Merge configs and validate the result; an entry about properties of two layers names both.

    Two configs that are valid can make an invalid one: a user given by number meets one given by name, contents inherit
    a hash that belongs to others. Errors are what Ignition refuses at boot; a remote source with an inherited hash is a
    warning, because the other source may have the same contents.

    Args:
        layers: names and configs, lowest first.
        merged: what they make, where that is known already.
    """
    from flatprov.ignition.validate import validate

    merged = merge_all([config for _, config in layers]) if merged is None else merged
    entries: list[Entry] = list(validate(merged, ignition_version=_READS_ALL))
    if entries:
        by_path = {place.path: place for place in _places(_Place((), (), ROOT, merged))}
        entries = [_explained(entry, by_path, layers) for entry in entries]
    return Report((*entries, *_inherited(layers, merged)))


def merge_checked(layers: Layers) -> dict[str, Any]:
    """Merge configs, and refuse a result that Ignition would refuse.

    Raises:
        ConfigError: with the property by the keys of its items, and the layer each side comes from.
    """
    merged = merge_all([config for _, config in layers])
    wrong = conflicts(layers, merged).errors
    if not wrong:
        return merged
    first, *others = [(named(entry.path, merged), entry) for entry in wrong]
    more = "".join(f"\n  {path}: {entry.message}" for path, entry in others)
    fix = first[1].fix or "change one of them, or give the later one what the earlier one has"
    raise ConfigError(first[0], first[1].message, fix + more, path=first[0])


def named(path: tuple[str | int, ...], config: dict[str, Any]) -> str:
    """Write a path with the keys of items: ``storage.files[/etc/motd].user``."""
    text = ""
    shape: Shape | None = ROOT
    value: Any = config
    item: Field | None = None
    for step in path:
        if isinstance(step, str):
            item = shape.by_name.get(step) if shape else None
            text += f".{step}" if text else step
            shape, value = (item.shape if item else None), (value.get(step) if isinstance(value, dict) else None)
        else:
            value = value[step] if isinstance(value, list) and step < len(value) else None
            keyed = item is not None and not item.repeats and shape is not None and bool(item_key(shape, value))
            text += f"[{item_key(shape, value) if keyed else step}]"
    return text


def _places(place: _Place) -> Iterator[_Place]:
    yield place
    for item in place.shape.fields:
        value = place.data.get(item.name)
        if item.shape is None or not value or item.repeats:  # what repeats is never merged
            continue
        if item.kind is Kind.OBJECT:
            yield from _places(_Place((*place.path, item.name), (*place.keys, (item.name, None)), item.shape, value))
            continue
        for number, one in enumerate(value):
            keys = (*place.keys, (item.name, item_key(item.shape, one)))
            yield from _places(_Place((*place.path, item.name, number), keys, item.shape, one))


def _held(config: dict[str, Any], keys: tuple[tuple[str, str | None], ...]) -> dict[str, Any]:
    """Give what one layer says of an object, or an empty one."""
    return _found(config, keys)[1]


def _found(
    config: dict[str, Any], keys: tuple[tuple[str, str | None], ...]
) -> tuple[tuple[str | int, ...], dict[str, Any]]:
    shape: Shape | None = ROOT
    data, path = config, ()  # type: tuple[dict[str, Any], tuple[str | int, ...]]
    for name, key in keys:
        item = shape.by_name[name] if shape else Field(name, Kind.OBJECT)
        shape, value = item.shape, data.get(name) or {}
        if item.kind is Kind.OBJECT:
            data, path = value, (*path, name)
        else:
            number = next((at for at, one in enumerate(value) if item_key(shape, one) == key), None)
            if number is None:
                return (), {}
            data, path = value[number], (*path, name, number)
        if not data:
            return (), {}
    return path, data


def _origin(place: _Place, name: str, layers: Layers) -> str:
    """Name the layer that a property of an object comes from."""
    return next((layer for layer, config in reversed(layers) if _held(config, place.keys).get(name) is not None), "")


def _origins(place: _Place, layers: Layers) -> dict[str, str]:
    """Name the layer of each plain property, those of small objects inside included."""
    found = {}
    for item in place.shape.fields:
        value = place.data.get(item.name)
        if value is None:
            continue
        if item.kind is Kind.OBJECT and item.shape is not None:
            inner = _Place((*place.path, item.name), (*place.keys, (item.name, None)), item.shape, value)
            found.update({f"{item.name}.{name}": layer for name, layer in _origins(inner, layers).items()})
        elif item.shape is None:
            found[item.name] = _origin(place, item.name, layers)
    return found


def _explained(entry: Entry, by_path: dict[tuple[str | int, ...], _Place], layers: Layers) -> Entry:
    path = entry.path
    while path and path not in by_path:
        path = path[:-1]
    place = by_path.get(path)
    if place is None or not path:
        return entry
    key = place.shape.key
    found = {name: layer for name, layer in _origins(place, layers).items() if name != key and layer}
    if not found:
        holders = [layer for layer, config in layers if _held(config, place.keys)]
        found = {key or "it": holders[-1]} if holders else {}
    found |= _counterpart(entry, place, by_path, layers)
    return replace(entry, message=f"{entry.message}: {_said(found)}") if found else entry


def _counterpart(
    entry: Entry, place: _Place, by_path: dict[tuple[str | int, ...], _Place], layers: Layers
) -> dict[str, str]:
    """Name what an object collides with where that is another object of the config."""
    mine, found = str(place.data.get("path") or ""), {}
    for other in by_path.values():
        key = str(other.data.get(other.shape.key) or "")
        link = "includes link" in entry.message and other.shape.name == "link" and mine.startswith(f"{key}/")
        unit = "systemd unit" in entry.message and other.shape.name == "unit" and f"/{key}" in mine
        if (link or unit) and other is not place:
            holders = [layer for layer, config in layers if _held(config, other.keys)]
            found[f"{other.shape.name} {key}"] = holders[-1] if holders else ""
    return {name: layer for name, layer in found.items() if layer}


def _said(found: dict[str, str]) -> str:
    by_layer: dict[str, list[str]] = {}
    for name, layer in list(found.items())[:_NAMED]:
        by_layer.setdefault(layer, []).append(name)
    return ", ".join(f"{' and '.join(names)} from {layer}" for layer, names in by_layer.items())


def _inherited(layers: Layers, merged: dict[str, Any]) -> Iterator[Entry]:
    """Find contents of one layer with the compression or hash of another."""
    seen = set()
    for number, (_, config) in enumerate(layers):
        for above in _places(_Place((), (), ROOT, config)) if number else ():
            if above.shape not in (RESOURCE, REFERENCE) or above.keys in seen:
                continue
            seen.add(above.keys)
            if any(_held(below, above.keys) for _, below in layers[:number]):
                path, data = _found(merged, above.keys)
                yield from _foreign(_Place(path, above.keys, above.shape, data), layers)


def _foreign(place: _Place, layers: Layers) -> Iterator[Entry]:
    if not place.data.get("source"):
        return
    source = _origin(place, "source", layers)
    compression = _origin(place, "compression", layers) if place.data.get("compression") else ""
    digest = (place.data.get("verification") or {}).get("hash")
    holder = _Place((), (*place.keys, ("verification", None)), place.shape, {})
    hashed = _origin(holder, "hash", layers) if digest else ""
    if {compression, hashed} <= {source, ""}:
        return
    inherited = {"compression": compression, "hash": hashed}
    others = {name: layer for name, layer in inherited.items() if layer not in ("", source)}
    said = _said({"source": source, **others})
    fix = f"give contents their own {' and '.join(others)} in {source}"
    problem = _inline_problem(place.data, digest)
    if problem:
        yield Entry("error", place.path, f"{problem}: {said}", "merge-inherits", fix)
    elif not is_inline(place.data["source"]):
        yield Entry("warning", place.path, f"one config's source with another's {' and '.join(others)}: {said}",
                    "merge-inherits", fix)  # fmt: skip


def _inline_problem(resource: dict[str, Any], digest: object) -> str:
    if not is_inline(resource["source"]):
        return ""
    try:
        data = decode(resource["source"], resource.get("compression"))
    except ConfigError:
        return "inline contents do not unpack"
    kind, _, wanted = str(digest or "").partition("-")
    if kind in ("sha512", "sha256") and hashlib.new(kind, data).hexdigest() != wanted:
        return "inline contents do not have the hash"
    return ""
