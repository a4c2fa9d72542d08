"""JSON Schema of Ignition configs, made from the table of the spec and from what the typed classes say of themselves.

An editor completes and checks from it. It refuses nothing that Ignition accepts, except properties that Ignition would
ignore, nulls, and items without a name; what a schema cannot say (duplicates, partitions that overlap) is for
``flatprov ignition validate``.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

from flatprov.errors import ConfigError
from flatprov.ignition.checks import Part, python_name
from flatprov.ignition.config import Ignition
from flatprov.ignition.contents import Remote
from flatprov.ignition.disks import FORMATS, LEVELS
from flatprov.ignition.loading import PARTS
from flatprov.ignition.nodes import Owner
from flatprov.ignition.rendering import PLACES
from flatprov.ignition.schema import REFERENCE, RESOURCE, ROOT, VERSIONS, Field, Kind, Shape
from flatprov.ignition.versions import SPECIAL_BITS

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_TYPES: Final = {Kind.STRING: "string", Kind.INTEGER: "integer", Kind.BOOLEAN: "boolean"}
_PATH: Final = r"^/$|^(/(?!\.{1,2}(/|$))[^/]+)+$"
_GUID: Final = r"^$|^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
_MODE: Final = {"minimum": 0, "maximum": 0o7777, "examples": [0o644, 0o755, 0o600]}
_DEVICE: Final = {"pattern": _PATH, "examples": ["/dev/disk/by-partlabel/data"]}

#: What the values of a property may be, by shape and property.
_VALUES: Final[dict[tuple[str, str], dict[str, Any]]] = {
    ("file", "path"): {"pattern": _PATH},
    ("directory", "path"): {"pattern": _PATH},
    ("link", "path"): {"pattern": _PATH},
    ("file", "mode"): _MODE,
    ("directory", "mode"): _MODE,
    ("link", "target"): {"minLength": 1},
    ("resource", "compression"): {"enum": ["", "gzip"]},
    ("resource", "source"): {"examples": ["data:,hello%0A", "https://example.com/file"]},
    ("verification", "hash"): {"pattern": r"^sha512-[\s\S]{128}$|^sha256-[\s\S]{64}$"},
    ("header", "name"): {"minLength": 1},
    ("disk", "device"): _DEVICE,
    ("partition", "label"): {"pattern": r"^[^:]*$", "maxLength": 36},
    ("partition", "typeGuid"): {"pattern": _GUID},
    ("partition", "guid"): {"pattern": _GUID},
    ("raid", "level"): {"enum": list(LEVELS)},
    ("filesystem", "device"): _DEVICE,
    ("filesystem", "path"): {"pattern": f"^$|{_PATH}"},
    ("luks", "name"): {"pattern": "^[^/]*$"},
    ("luks", "device"): _DEVICE,
    ("luks", "label"): {"maxLength": 47},
    ("unit", "name"): {"examples": ["app.service"]},
    ("tang", "url"): {"examples": ["https://tang.example.com"]},
}
#: Objects that no class stands for, and properties whose meaning the class does not have under this name.
_MEANINGS: Final = {
    ("root", "ignition"): "What Ignition itself is told: the spec version, other configs, how to fetch.",
    ("root", "passwd"): "Users and groups.",
    ("root", "storage"): "Disks, filesystems, files, directories and links.",
    ("root", "systemd"): "Units and their drop-ins.",
    ("ignition", "version"): "The spec version this config is written for.",
    ("ignition", "config"): "Other configs, to merge onto this one or to use in its place.",
    ("ignition", "security"): "What is trusted while fetching.",
    ("security", "tls"): "Trust for https.",
    ("reference", "verification"): "How to tell that the right bytes were fetched.",
    ("reference", "httpHeaders"): "HTTP headers to send; for http and https only.",
    ("resource", "verification"): "How to tell that the right bytes were fetched.",
    ("verification", "hash"): "sha512-HEX or sha256-HEX of the decompressed bytes.",
    ("resource", "httpHeaders"): "HTTP headers to send; for http and https only.",
    ("header", "name"): "Its name.",
    ("header", "value"): "Its value. Without one, merging removes the header from the config below.",
    ("cex", "enabled"): "True binds the device to a CEX card of an s390x machine.",
    ("file", "mode"): "Permissions, in decimal: 420 is 0644, the default for a new file.",
    ("directory", "mode"): "Permissions, in decimal: 493 is 0755, the default.",
    ("file", "contents"): "What is in it. Left out, an existing file keeps its contents and a new one is empty.",
    ("unit", "enabled"): "True enables it, false disables it; left out, the system decides.",
    ("dropin", "name"): "Ends in .conf.",
}
_REQUIRED: Final = {"link": ("path", "target"), "ignition": ("version",), "root": ("ignition",)}
_ARGUMENT: Final = re.compile(r"^        (\w+): (.*(?:\n            .*)*)", re.M)


def json_schema(version: str | None = None) -> dict[str, Any]:
    """Give the JSON Schema (draft 2020-12) of one spec version.

    Args:
        version: ``3.0.0`` to ``3.6.0``; None takes the properties of the newest and any stable version.

    Raises:
        ConfigError: there is no such version.
    """
    if version is not None and version not in VERSIONS:
        raise ConfigError(f"spec version {version!r}", "is unknown", f"use one of {', '.join(VERSIONS)}")
    newest = version or VERSIONS[-1]
    shapes: dict[str, dict[str, Any]] = {}
    root = _object(ROOT, newest, shapes)
    ignition = shapes["ignition"]["properties"]["version"]
    ignition.update({"const": version} if version else {"enum": list(VERSIONS)})
    return {
        "$schema": DIALECT,
        "title": f"Ignition config, spec {version}" if version else "Ignition config",
        "description": _sentence(Ignition.__doc__ or ""),
        **root,
        "$defs": dict(sorted(shapes.items())),
    }


def _object(shape: Shape, version: str, shapes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {"type": "object", "additionalProperties": False}
    fields = [item for item in shape.fields if item.since <= version]
    out["properties"] = {item.name: _property(shape, item, version, shapes) for item in fields}
    keyed = (shape.key,) if shape.key and shape.key not in ("number", "source") else ()
    required = keyed if shape.name == "link" and version < "3.3.0" else _REQUIRED.get(_name(shape), keyed)
    return {**out, "required": list(required)} if required else out


def _property(shape: Shape, item: Field, version: str, shapes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    text = meaning(shape, item)
    if text:
        out["description"] = text
    if item.kind is Kind.STRINGS:
        unique = {} if item.repeats else {"uniqueItems": True}
        return {**out, "type": "array", "items": {"type": "string"}, **unique}
    if item.shape is None:
        return {**out, "type": _TYPES[item.kind], **_values(shape, item, version)}
    name = _name(item.shape)
    if name not in shapes:
        shapes[name] = {}  # a place in the order of first use, and an end to recursion
        shapes[name].update(_object(item.shape, version, shapes))
    reference = {"$ref": f"#/$defs/{name}"}
    return {**out, "type": "array", "items": reference} if item.kind is Kind.OBJECTS else {**out, **reference}


def _name(shape: Shape) -> str:
    """Give a name that only this shape has: the root and ``ignition.config`` are both called config."""
    return "reference" if shape is REFERENCE else "root" if shape is ROOT else shape.name


def _values(shape: Shape, item: Field, version: str) -> dict[str, Any]:
    if (shape.name, item.name) == ("filesystem", "format"):
        return {"enum": [name for name in FORMATS if name != "none" or version >= "3.3.0"]}
    found = dict(_VALUES.get((shape.name, item.name), {}))
    if (shape.name, item.name) == ("link", "target") and version < "3.3.0":
        found.pop("minLength")
    if item.name == "mode" and version < VERSIONS[-1]:
        found["description"] = (
            f"{meaning(shape, item)} setuid, setgid and sticky bits ({SPECIAL_BITS}) need spec 3.6.0."
        )
    return found


def meaning(shape: Shape, item: Field) -> str:
    """Give the description of a property: from the class that stands for its object, or the table here."""
    said = _MEANINGS.get((_name(shape), item.name))
    if said is not None:
        return said
    for attribute, place in PLACES.items():
        if place[-1] == item.name and _holder(place) is shape:
            return _arguments(Ignition.__doc__).get(attribute, "")
    part = _class(shape)
    return _arguments(part.__doc__).get(python_name(item.name), "") if part else ""


@cache
def _holder(place: tuple[str, ...]) -> Shape | None:
    shape: Shape | None = ROOT
    for name in place[:-1]:
        shape = shape.by_name[name].shape if shape else None
    return shape


def _class(shape: Shape) -> type[Part] | None:
    if shape in (RESOURCE, REFERENCE):
        return Remote
    return {**PARTS, "owner": Owner}.get(shape.name)


@cache
def _arguments(docstring: str | None) -> dict[str, str]:
    """Read the arguments' descriptions in a docstring."""
    _, _, text = (docstring or "").partition("    Args:\n")
    text = re.split(r"\n    \w", text, maxsplit=1)[0]
    return {name: _sentence(said) for name, said in _ARGUMENT.findall(text)}


def _sentence(text: str) -> str:
    text = " ".join(text.strip().split("\n\n")[0].split())
    return (text if text.startswith("``") else text[:1].upper() + text[1:]).replace("``", "")
