"""Read a config that someone else wrote, and say exactly what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final

from flatprov.errors import ConfigError
from flatprov.ignition.reading import read
from flatprov.ignition.schema import ROOT, VERSIONS, Field, Kind, Shape

_TYPES: Final = {
    Kind.STRING: str, Kind.INTEGER: int, Kind.BOOLEAN: bool, Kind.STRINGS: list, Kind.OBJECT: dict, Kind.OBJECTS: list,
}  # fmt: skip
_INT64: Final = 1 << 63

__all__ = ["check_form", "parse", "read"]


def parse(config: str | bytes | Mapping[str, Any]) -> dict[str, Any]:
    """Give the JSON object of an Ignition config after checking its form: version, names of properties, types.

    A config of spec 1 or 2 is translated to 3.1 as Flatcar does it at boot.

    Raises:
        ConfigError: with line and column for JSON that is malformed, with the path for everything else.
    """
    data = config if isinstance(config, Mapping) else _decode(config)
    if _stated(data).startswith(("1.", "2.")):
        from flatprov.ignition.spec2 import upgrade

        data = upgrade(data)
    version = _version(data)
    check_form(ROOT, data, "", version)
    return dict(data)


def _decode(config: str | bytes) -> Mapping[str, Any]:
    if not isinstance(config, (str, bytes)):
        raise ConfigError("config", "must be text, bytes or a mapping", "pass the text of the config")
    data, duplicates = read(config)
    if duplicates:
        found = duplicates[0]
        raise ConfigError(
            str(found.path[-1]),
            f"this property stands twice in one object (again at line {found.line}, column {found.column}), "
            "and only the last would count",
            "remove one",
            path=_dotted(found.path),
        )
    if not isinstance(data, dict):
        raise ConfigError("config", "the JSON is no object", 'begin with {"ignition": {"version": "3.3.0"}}')
    return data


def _dotted(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def _stated(data: Mapping[str, Any]) -> str:
    """Give the version a config states, or ``""``; spec 1 stated it elsewhere, as a number."""
    ignition = data.get("ignition")
    version = ignition.get("version") if isinstance(ignition, Mapping) else None
    if not version and "ignitionVersion" in data:
        return "1.0.0"
    return version if isinstance(version, str) else ""


def _version(data: Mapping[str, Any]) -> str:
    ignition = data.get("ignition")
    version = ignition.get("version") if isinstance(ignition, Mapping) else None
    path = "ignition.version"
    if "variant" in data:
        raise ConfigError(
            "variant",
            "this is a Butane config written as JSON",
            "load it with Ignition.from_butane",
            path="variant",
        )
    if not isinstance(version, str):
        raise ConfigError(path, "is missing", "write the spec version, such as 3.3.0", path=path)
    if version not in VERSIONS:
        fix = f"use one of {', '.join(VERSIONS)}"
        raise ConfigError(path, "is no stable spec version that flatprov knows", fix, path=path)
    return version


def check_form(shape: Shape, data: Mapping[str, Any], where: str, version: str) -> None:
    """Check names and types of an object's properties, and that the spec version knows them.

    Raises:
        ConfigError: with the path of the first that is wrong.
    """
    for name, value in data.items():
        path = f"{where}.{name}" if where else str(name)
        item = shape.by_name.get(name)
        if item is None:
            raise ConfigError(path, *_unknown(shape, str(name)), path=path)
        if value is None:
            continue
        _typed(item, value, path)
        if item.since > version and value not in ([], {}):
            fix = f"set ignition.version to {item.since} or higher"
            raise ConfigError(path, f"is unknown to spec {version}, which would ignore it", fix, path=path)
        if item.kind is Kind.OBJECT and item.shape:
            check_form(item.shape, value, path, version)
        for number, one in enumerate(value if isinstance(value, list) else ()):
            _item(item, one, f"{path}[{number}]", version)


def _item(item: Field, value: Any, path: str, version: str) -> None:
    if item.shape is None:
        _typed(Field(item.name, Kind.STRING), value, path)
    else:
        _typed(Field(item.name, Kind.OBJECT), value, path)
        check_form(item.shape, value, path, version)


def _typed(item: Field, value: Any, path: str) -> None:
    right = isinstance(value, _TYPES[item.kind]) and (item.kind is Kind.BOOLEAN or not isinstance(value, bool))
    if not right or (item.kind is Kind.INTEGER and not -_INT64 <= value < _INT64):
        raise ConfigError(path, f"must be {item.kind.value}", "correct the value", path=path)
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        raise ConfigError(path, "holds half of a surrogate pair", "correct the \\u escape", path=path)


def _unknown(shape: Shape, name: str) -> tuple[str, str]:
    right = next((known for known in shape.by_name if known.lower() == name.lower()), "")
    if right:
        return "is written in the wrong case", f"write {right}"
    near = get_close_matches(name, shape.by_name, n=1)
    return "is unknown to Ignition", f"did you mean {near[0]}?" if near else "remove it"
