"""``data:`` URLs: how a config carries contents inline.

The encoder chooses as Butane does: percent-encoding, else base64 where that is strictly shorter, else gzip where
that is shorter still. The decoder accepts what Ignition's does and nothing else.
"""

from __future__ import annotations

import base64
import struct
import zlib
from urllib.parse import unquote_to_bytes

from flatprov.errors import ConfigError
from flatprov.ignition import dataurl_syntax

#: No inline value decompresses to more than this many bytes; it keeps a hostile config from filling the memory.
MAX_BYTES = 256 << 20

_GZIP_MARGIN = 4  # the compressed form must win by more than this
_SMALLEST_GZIP = 20  # bytes: header, trailer and an empty body
_UNESCAPED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()"
_ESCAPES = {code: f"%{code:02X}" for code in range(256) if code not in _UNESCAPED}


def gzip_bytes(data: bytes, *, smallest: bool = False) -> bytes:
    """Compress at level 9 with an empty header, so that equal input gives equal output on every Python.

    Args:
        data: what to compress.
        smallest: try zlib's second strategy too, which takes twice the time. Texts with few repetitions gain some
            percent from it; without it they would often be larger than what Go makes of them.
    """
    strategies = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED) if smallest else (zlib.Z_DEFAULT_STRATEGY,)
    bodies = []
    for strategy in strategies:
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, strategy)
        bodies.append(packer.compress(data) + packer.flush())
    body = min(bodies, key=len)
    return (
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
        + body
        + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)
    )


def gunzip_bytes(data: bytes) -> bytes:
    """Decompress one or more gzip members.

    Raises:
        ValueError: the data is no gzip, is cut short, or is larger than ``MAX_BYTES`` when decompressed.
    """
    out = bytearray()
    while data:
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            out += unpacker.decompress(data, MAX_BYTES + 1 - len(out))
        except zlib.error as error:
            raise ValueError("it is no valid gzip") from error
        if len(out) > MAX_BYTES:
            raise ValueError("it decompresses to too many bytes")
        if not unpacker.eof:
            raise ValueError("the gzip is cut short")
        data = unpacker.unused_data.lstrip(b"\0")
    return bytes(out)


def encode(data: bytes, compression: str | None = None) -> tuple[str, str]:
    """Give the shortest ``data:`` URL for the bytes, and the value of ``compression`` that goes with it.

    Args:
        data: the contents.
        compression: None lets the encoder compress; any other value says what the bytes already are, and is kept.
    """
    # Only lengths are compared: writing out the forms that lose would cost more than all the rest.
    percent = 1 + len(data) + 2 * len(data.translate(None, _UNESCAPED))
    plain = _base64_length(len(data))
    best = min(percent, plain)
    if compression is None and _base64_length(_SMALLEST_GZIP) + _GZIP_MARGIN < best:
        packed = gzip_bytes(data, smallest=True)
        if _base64_length(len(packed)) + _GZIP_MARGIN < best:
            return _base64(packed), "gzip"
    if plain < percent:
        return _base64(data), compression or ""
    return escaped(data), compression or ""


def escaped(data: bytes) -> str:
    """Give the ``data:`` URL of the bytes that is readable where they are text."""
    return "data:," + data.decode("latin-1").translate(_ESCAPES)


def _base64_length(count: int) -> int:
    return len(";base64,") + (count + 2) // 3 * 4


def _base64(data: bytes) -> str:
    return "data:;base64," + base64.b64encode(data).decode("ascii")


def is_inline(source: object) -> bool:
    """Tell whether a ``source`` carries its contents itself."""
    return isinstance(source, str) and source.startswith("data:")


def decode(source: str, compression: str | None = "") -> bytes:
    """Give the bytes a ``data:`` URL stands for, decompressed where ``compression`` says so.

    Raises:
        ConfigError: the URL or the gzip in it is malformed. The message does not contain the data.
    """
    if not is_inline(source) or dataurl_syntax.problem(source) or "\n" in source:
        fix = "write data:,TEXT with all but letters and digits percent-encoded, or data:;base64,TEXT with padding"
        raise ConfigError("", "the data URL is malformed", fix)
    in_base64, data = dataurl_syntax.split(source)
    raw = base64.b64decode(data) if in_base64 else unquote_to_bytes(data)
    if compression != "gzip":
        return raw
    try:
        return gunzip_bytes(raw)
    except ValueError as error:
        raise ConfigError("", f"inline contents are marked as gzip, but {error}", "compress them again") from error
