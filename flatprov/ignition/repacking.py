"""Write inline contents so that compressing the config as a whole gains most."""

from __future__ import annotations

from typing import Any

from flatprov.errors import ConfigError
from flatprov.ignition.dataurl import decode, escaped, is_inline
from flatprov.ignition.schema import REFERENCE, RESOURCE, ROOT, Kind, Shape


def loosened(config: dict[str, Any]) -> dict[str, Any]:
    """Give a config of the same meaning whose inline texts are neither compressed nor base64.

    gzip finds nothing in base64, and nothing that two files have in common once each is compressed by itself. Contents
    that are no text stay as they are.
    """
    return _object(ROOT, config)


def _object(shape: Shape, data: dict[str, Any]) -> dict[str, Any]:
    if shape in (RESOURCE, REFERENCE):
        return _resource(data)
    out = dict(data)
    for item in shape.fields:
        value = data.get(item.name)
        if item.shape is None or not value:
            continue
        if item.kind is Kind.OBJECTS:
            out[item.name] = [_object(item.shape, one) for one in value]
        else:
            out[item.name] = _object(item.shape, value)
    return out


def _resource(data: dict[str, Any]) -> dict[str, Any]:
    source, compression = str(data.get("source") or ""), data.get("compression") or ""
    if not is_inline(source) or not (compression or ";base64," in source[:200]):
        return data
    try:
        raw = decode(source, compression)
    except ConfigError:  # whatever is wrong with it stays for those who judge configs
        return data
    text = escaped(raw)
    return {**data, "source": text, "compression": ""} if len(text) <= 2 * len(raw) + len("data:,") else data
