"""Say in what two configs differ, by meaning."""

from __future__ import annotations

from typing import Any, NamedTuple

from flatprov.errors import ConfigError
from flatprov.ignition.dataurl import decode, is_inline
from flatprov.ignition.schema import REFERENCE, RESOURCE, ROOT, VERSIONS, Field, Kind, Shape, item_key
from flatprov.ignition.versions import SPECIAL_BITS


class Difference(NamedTuple):
    """One property that differs.

    Args:
        path: its name, such as ``storage.files[/etc/hostname].contents``.
        field: what the schema says of it; for an item that came or went, of the list it stands in.
        old: the value before; None where it was absent.
        new: the value after; None where it is gone.
        whole: the values are items of the list ``field``, and one of them is None.
    """

    path: str
    field: Field
    old: Any
    new: Any
    whole: bool = False


def diff(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Name the properties that differ, such as ``storage.files[/etc/hostname].contents``.

    Encoding, spec version, order where it means nothing, and defaults that are written out make no difference. Contents
    are named as one property, and their values never appear.
    """
    return list(dict.fromkeys(found.path for found in differences(old, new)))


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[Difference]:
    """Give the properties that differ with both values; see ``diff`` for what makes a difference."""
    return _object(ROOT, _meant(old), _meant(new), "")


def _meant(config: dict[str, Any]) -> dict[str, Any]:
    """Take out the bits of modes that the config's spec version does not honour."""
    version = str((config.get("ignition") or {}).get("version") or "")
    storage = config.get("storage") or {}
    if version >= VERSIONS[-1] or not storage:
        return config
    nodes = {
        name: [
            {**one, "mode": one["mode"] & ~SPECIAL_BITS} if isinstance(one.get("mode"), int) else one for one in found
        ]
        for name in ("files", "directories")
        if (found := storage.get(name))
    }
    return {**config, "storage": {**storage, **nodes}}


def _object(shape: Shape, old: dict[str, Any], new: dict[str, Any], where: str) -> list[Difference]:
    changed: list[Difference] = []
    for item in shape.fields:
        if shape.name == "ignition" and item.name == "version":
            continue
        before, after = old.get(item.name), new.get(item.name)
        if before != after:
            changed += _field(item, before, after, f"{where}.{item.name}" if where else item.name)
    return changed


def _field(item: Field, old: Any, new: Any, path: str) -> list[Difference]:
    if item.kind is Kind.BOOLEAN and not item.tristate:
        return [Difference(path, item, old, new)] if bool(old) != bool(new) else []
    if item.kind is Kind.OBJECTS:
        return _items(item, old or [], new or [], path)
    if item.kind is Kind.STRINGS:
        old, new = old or [], new or []
        return (
            [Difference(path, item, old, new)] if (old != new if item.ordered else sorted(old) != sorted(new)) else []
        )
    if item.shape in (RESOURCE, REFERENCE):
        return [Difference(path, item, old, new)] if _contents(old) != _contents(new) else []
    if item.shape is not None:
        return _object(item.shape, old or {}, new or {}, path)
    return [Difference(path, item, old, new)] if old != new else []


def _items(item: Field, old: list[Any], new: list[Any], path: str) -> list[Difference]:
    shape = item.shape
    if shape is None or shape in (RESOURCE, REFERENCE):
        before, after = [_contents(one) for one in old], [_contents(one) for one in new]
        same = before == after if item.ordered else sorted(map(repr, before)) == sorted(map(repr, after))
        return [] if same else [Difference(path, item, old, new)]
    earlier, later = ({item_key(shape, one): one for one in side} for side in (old, new))
    if len(earlier) != len(old) or len(later) != len(new):
        return [Difference(path, item, old, new)] if old != new else []
    changed: list[Difference] = []
    for key in dict.fromkeys([*earlier, *later]):
        here = f"{path}[{key}]"
        if key not in earlier or key not in later:
            changed.append(Difference(here, item, earlier.get(key), later.get(key), whole=True))
        else:
            changed += _object(shape, earlier[key], later[key], here)
    both = [[key for key in side if key in earlier and key in later] for side in (earlier, later)]
    if item.ordered and both[0] != both[1]:
        changed.append(Difference(path, item, both[0], both[1]))
    return changed


def _contents(resource: dict[str, Any] | None) -> object:
    """Give what contents mean: the bytes where they are inline, the reference where they are not."""
    resource = resource or {}
    source, compression = resource.get("source"), resource.get("compression") or ""
    digest = (resource.get("verification") or {}).get("hash")
    if is_inline(source):
        try:
            return (decode(str(source), compression), digest)
        except ConfigError:
            return (source, compression, digest)
    headers = sorted((str(one.get("name")), one.get("value") or "") for one in resource.get("httpHeaders") or [])
    return (source or None, compression, digest, headers)
