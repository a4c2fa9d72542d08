"""Merge two configs by the rules Ignition itself follows at boot."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from flatprov.ignition.schema import DEFAULT_VERSION, HEADER, ROOT, Field, Kind, Shape, item_key


def merge(parent: dict[str, Any], child: dict[str, Any]) -> dict[str, Any]:
    """Merge ``child`` onto ``parent``; where both say something, the child wins.

    Objects merge property by property, lists by the key of their items, and lists that may repeat are appended. The
    inputs stay unchanged. The result has the higher of both spec versions. Two valid configs can make an invalid one:
    check it again.
    """
    merged = _object(ROOT, parent, child)
    versions = [str((config.get("ignition") or {}).get("version") or DEFAULT_VERSION) for config in (parent, child)]
    merged["ignition"] = {**merged.get("ignition", {}), "version": max(versions)}
    return merged


def merge_all(configs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Merge configs in their order, each onto what came before."""
    return reduce(merge, configs)


def _object(shape: Shape, parent: dict[str, Any], child: dict[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for item in shape.fields:
        value = _value(shape, item, parent, child)
        if value is not None and value not in ({}, []):
            merged[item.name] = value
    return merged


def _value(shape: Shape, item: Field, parent: dict[str, Any], child: dict[str, Any]) -> Any:
    old, new = parent.get(item.name), child.get(item.name)
    if item.kind in (Kind.STRINGS, Kind.OBJECTS):
        old, new = old or [], new or []
        if item.repeats:
            return [*old, *new]
        taken = {
            item_key(_list_shape(shape, name), one)
            for name in shape.siblings(item.name)
            for one in child.get(name) or []
        }
        return _list(item.shape, old, new, taken)
    if item.shape is None:
        return old if new is None else new
    if not old or not new:
        return new or old
    return _object(item.shape, old, new)


def _list_shape(shape: Shape, name: str) -> Shape | None:
    return shape.by_name[name].shape


def _list(shape: Shape | None, old: list[Any], new: list[Any], taken: set[str]) -> list[Any]:
    later = {item_key(shape, item): item for item in new}
    merged = []
    for item in old:
        key = item_key(shape, item)
        if key not in later:
            if key not in taken:
                merged.append(item)
        elif shape is None:
            merged.append(item)
        elif (
            shape is not HEADER or later[key].get("value") is not None
        ):  # a header without a value removes the parent's
            merged.append(_object(shape, item, later[key]))
    known = {item_key(shape, item) for item in old}
    return [*merged, *(item for item in new if item_key(shape, item) not in known)]
