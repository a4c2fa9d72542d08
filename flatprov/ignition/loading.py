"""From the spec's JSON object to the typed config."""

from __future__ import annotations

from typing import Any, Final

from flatprov.errors import ConfigError
from flatprov.ignition.checks import LoadedNumber, LoadedText, Part, python_name
from flatprov.ignition.contents import Remote
from flatprov.ignition.disks import Disk, Filesystem, Partition, Raid
from flatprov.ignition.luks import Clevis, ClevisCustom, Luks, Tang
from flatprov.ignition.nodes import Directory, File, Link, Owner
from flatprov.ignition.passwd import Group, User
from flatprov.ignition.rendering import PLACES
from flatprov.ignition.root import KernelArguments, Proxy, Timeouts
from flatprov.ignition.schema import CEX, OWNER, REFERENCE, RESOURCE, ROOT, Field, Kind, Shape
from flatprov.ignition.systemd import DropIn, Unit

PARTS: Final[dict[str, type[Part]]] = {
    part.SHAPE.name: part
    for part in (
        User, Group, File, Directory, Link, Unit, DropIn, Disk, Partition, Raid, Filesystem, Luks, Clevis, ClevisCustom,
        Tang, KernelArguments, Proxy, Timeouts,
    )
}  # fmt: skip


def load(config: dict[str, Any]) -> dict[str, Any]:
    """Give the arguments of ``Ignition`` for a JSON object that ``parse`` has checked.

    Raises:
        ConfigError: a value is one that no machine could use, such as a relative path.
    """
    found: dict[str, Any] = {"version": config["ignition"]["version"]}
    for attribute, place in PLACES.items():
        shape, data = ROOT, config
        for name in place[:-1]:
            data = data.get(name) or {}
            shape = shape.by_name[name].shape or shape
        value = data.get(place[-1])
        if value not in (None, [], {}):
            found[attribute] = _value(shape.by_name[place[-1]], value, ".".join(place))
    return found


def _value(item: Field, value: Any, where: str) -> Any:
    if item.kind is Kind.OBJECTS:
        return tuple(_object(item.shape, one, f"{where}[{number}]") for number, one in enumerate(value))
    if item.kind is Kind.STRINGS:
        return tuple(LoadedText(one) for one in value) if item.name == "sshAuthorizedKeys" else tuple(value)
    if item.kind is Kind.OBJECT:
        return _object(item.shape, value, where)
    return LoadedNumber(value) if item.name == "mode" else value


def _object(shape: Shape | None, data: dict[str, Any], where: str) -> Any:
    if shape in (RESOURCE, REFERENCE):
        return _remote(data, where)
    if shape is OWNER:
        known = {name: value for name, value in data.items() if value is not None}
        return Owner(**known) if len(known) != 1 else next(iter(known.values()))
    if shape is CEX:
        return data.get("enabled")
    if shape is None:  # pragma: no cover - the schema gives every object a shape
        raise KeyError(where)
    part = PARTS[shape.name]
    given: dict[str, Any] = {"enabled": None} if part is Unit else {}
    for name, value in data.items():
        if value not in (None, [], {}):
            given[python_name(name)] = _value(shape.by_name[name], value, f"{where}.{name}")
    missing = shape.key and shape.key != "number" and python_name(shape.key) not in given
    if missing or (part is Link and "target" not in given):
        name = shape.key if missing else "target"
        raise ConfigError(f"{where}.{name}", "is missing", "add it", path=f"{where}.{name}")
    return part(**given)


def _remote(data: dict[str, Any], where: str) -> Remote:
    headers: dict[str, str | None] = {}
    for number, header in enumerate(data.get("httpHeaders") or []):
        name = header.get("name")
        if not name or name in headers:
            path = f"{where}.httpHeaders[{number}].name"
            raise ConfigError(path, "is missing, or is given twice", "name each header once", path=path)
        headers[name] = header.get("value")
    return Remote(
        data.get("source"),
        hash=(data.get("verification") or {}).get("hash"),
        compression=data.get("compression"),
        headers=headers or None,
    )
