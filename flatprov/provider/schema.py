"""The package schema of the plugin, made from the typed pairs."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any, get_type_hints

import msgspec

from flatprov.provider.resource import Resource, marked, wire_fields

_PLAIN = {"string": "string", "integer": "integer", "number": "number", "boolean": "boolean"}


def package(resources: Mapping[str, Resource[Any, Any]], version: str) -> dict[str, Any]:
    """The schema as the engine asks for it by GetSchema."""
    types: dict[str, Any] = {}
    return {
        "name": "flatprov",
        "version": version,
        "description": "Flatcar Container Linux nodes and clusters anywhere",
        "license": "Apache-2.0",
        "resources": {token: _resource(kind, types) for token, kind in resources.items()},
        "types": types,
    }


def _resource(kind: Resource[Any, Any], types: dict[str, Any]) -> dict[str, Any]:
    inputs = _properties(kind.inputs, kind.token, types)
    outputs = _properties(kind.state, kind.token, types)
    required = [field.encode_name for field in wire_fields(kind.inputs) if field.required]
    return {
        "description": inspect.getdoc(type(kind)) or "",
        "inputProperties": inputs,
        "requiredInputs": required,
        "properties": {**inputs, **outputs},
        "required": [field.encode_name for field in wire_fields(kind.state)],
    }


def _properties(struct: type[msgspec.Struct], token: str, types: dict[str, Any]) -> dict[str, Any]:
    texts = _descriptions(struct)
    hints = get_type_hints(struct)
    control, secret = marked(struct, "control"), marked(struct, "secret")
    found: dict[str, Any] = {}
    for field in wire_fields(struct):
        found[field.encode_name] = {**_type(hints[field.name], token, types), "description": texts.get(field.name, "")}
        if not field.required and isinstance(field.default, (str, int, float, bool)) and field.default != "":
            found[field.encode_name]["default"] = field.default
        if field.encode_name in control:
            found[field.encode_name]["description"] += " (changes nothing by itself)"
        if field.encode_name in secret:
            found[field.encode_name]["secret"] = True
    return found


def _type(hint: Any, token: str, types: dict[str, Any]) -> dict[str, Any]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        name = f"{token.rpartition(':')[0]}:{hint.__name__}"
        if name not in types:
            types[name] = {}
            types[name] = {
                "type": "object",
                "description": inspect.getdoc(hint) or "",
                "properties": _properties(hint, token, types),
                "required": [field.encode_name for field in wire_fields(hint) if field.required],
            }
        return {"type": "object", "$ref": f"#/types/{name}"}
    schema = msgspec.json.schema(hint)
    if schema.get("type") == "array":
        return {"type": "array", "items": _type(hint.__args__[0], token, types)}
    if schema.get("type") == "object":
        return {"type": "object", "additionalProperties": _type(hint.__args__[1], token, types)}
    if "anyOf" in schema:  # optional
        inner = next(part for part in hint.__args__ if part is not type(None))
        return _type(inner, token, types)
    if "enum" in schema:
        return {"type": "string"}
    return {"type": _PLAIN[schema["type"]]}


def _descriptions(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Field texts from the ``Args`` part of the docstring (name: text, indented lines continue it)."""
    texts: dict[str, str] = {}
    name = ""
    for base in reversed(struct.__mro__):
        lines = (inspect.cleandoc(base.__doc__ or "")).splitlines()
        inside = False
        for line in lines:
            if line.strip() in ("Args:", "Attributes:"):
                inside = True
            elif inside and line.startswith("    ") and not line.startswith("     ") and ":" in line:
                name, _, text = line.strip().partition(":")
                texts[name] = text.strip()
            elif inside and line.startswith("     ") and name:
                texts[name] += " " + line.strip()
    return texts


def main() -> None:
    """Print the schema: ``python -m flatprov.provider.schema > tests/provider/schema.json`` renews the snapshot."""
    from flatprov import __version__
    from flatprov.provider.main import RESOURCES
    from flatprov.provider.registry import Registry

    print(json.dumps(package(Registry(RESOURCES).all(), __version__), indent=2, sort_keys=True))


if __name__ == "__main__":
    main()
