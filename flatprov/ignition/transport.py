"""How a config rests in Pulumi state: gzip and base64 of the compact JSON, the same text for the same config."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from flatprov.errors import ConfigError
from flatprov.ignition.dataurl import gunzip_bytes, gzip_bytes


def dumps(config: dict[str, Any]) -> str:
    """Write the config as compact JSON, properties in alphabetical order as Ignition's own tools do."""
    return json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def pack(config: dict[str, Any]) -> str:
    """Give the text form in which a config travels and is stored."""
    return pack_bytes(dumps(config).encode())


def pack_bytes(data: bytes) -> str:
    """Do the same for user data that is no Ignition config."""
    return base64.b64encode(gzip_bytes(data)).decode("ascii")


def unpack(text: str) -> dict[str, Any]:
    """Give back the config of a packed text.

    Raises:
        ConfigError: the text is damaged, or what it carries is not a JSON object (see ``unpack_bytes``).
    """
    try:
        config = json.loads(unpack_bytes(text))
    except ValueError as error:
        raise ConfigError("", "the packed user data is no JSON", "read it with unpack_bytes") from error
    if not isinstance(config, dict):
        raise ConfigError("", "the packed user data is no JSON object", "read it with unpack_bytes")
    return config


def unpack_bytes(text: str) -> bytes:
    """Give back the bytes of a packed text, whatever they are.

    Raises:
        ConfigError: the text is damaged.
    """
    try:
        return gunzip_bytes(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise ConfigError("", "packed user data is damaged", "pack it again with flatprov.ignition.pack") from error
