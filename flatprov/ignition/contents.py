"""Contents: text, bytes, or something to fetch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from flatprov.errors import ConfigError
from flatprov.ignition.checks import Part
from flatprov.ignition.dataurl import encode
from flatprov.ignition.schema import RESOURCE

if TYPE_CHECKING:
    from typing import TypeAlias

    from pulumi import Input

    Contents: TypeAlias = "Input[str] | Input[bytes] | Remote"

_HASH_DIGITS: Final = {"sha512": 128, "sha256": 64}


@dataclass(frozen=True)
class Remote(Part, shape=RESOURCE, place="contents"):
    """Contents that the machine fetches at first boot: ``http(s)``, ``tftp``, ``s3``, ``gs``, ``arn`` or ``data`` URL.

    Args:
        source: the URL. None only where a merge shall keep the source below and change something else.
        hash: ``sha512-HEX`` or ``sha256-HEX`` of the decompressed bytes.
        compression: ``"gzip"`` where the bytes behind the URL are compressed.
        headers: HTTP headers to send. A header whose value is None removes that header when merged onto another config.

    Raises:
        ConfigError: the hash is malformed, or there are headers for a URL that is not HTTP.
    """

    source: Input[str] | None = field(default=None, repr=False)
    hash: Input[str] | None = field(default=None, kw_only=True)
    compression: Input[str] | None = field(default=None, kw_only=True)
    headers: Input[Mapping[str, Input[str] | None]] | None = field(default=None, kw_only=True, repr=False)

    def _where(self) -> str:
        return self.PLACE

    def _check(self) -> None:
        if isinstance(self.hash, str):
            kind, _, digits = self.hash.partition("-")
            if len(digits) != _HASH_DIGITS.get(kind):
                raise self.fail("hash", "is no sha512 or sha256 specifier", "write sha512- and the 128 hex digits")
        if isinstance(self.compression, str) and self.compression not in ("", "gzip"):
            raise self.fail("compression", "is unknown", 'write "gzip", or leave it out')
        if isinstance(self.headers, (str, bytes, bool, int, float, list, tuple)):
            raise self.fail("headers", "must be a mapping", 'write headers={"Authorization": ...}')
        if isinstance(self.headers, dict):
            self._check_headers(self.headers)

    def _check_headers(self, headers: dict[str, Any]) -> None:
        if any(isinstance(text, (bool, int, float, bytes, list, tuple, dict)) for text in headers.values()):
            raise self.fail("headers", "must hold strings", "write each value as text")
        if headers and isinstance(self.source, str) and not self.source.lower().startswith(("http://", "https://")):
            raise self.fail("headers", "are sent with http and https only", "remove them, or use such a URL")


def check_contents(part: Part, attribute: str, value: object) -> None:
    """Check that a value is something contents can be made of."""
    if isinstance(value, (bool, int, float, list, tuple, dict, set, bytearray)):
        raise part.fail(attribute, "must be text, bytes or Remote(...)", "give one of these")


def resource(value: object, where: str, compression: str | None = None) -> dict[str, Any]:
    """Render contents as the spec's resource object.

    Inline contents always say their compression, so that a config merged onto another one does not inherit it.

    Args:
        value: text, bytes or Remote.
        where: the property path, for the error.
        compression: what the caller says the bytes already are, or None to let the encoder compress.

    Raises:
        ConfigError: the value is still unknown, or of a wrong type.
    """
    if isinstance(value, Remote):
        return _remote(value, where)
    if isinstance(value, str):
        value = value.encode()
    if not isinstance(value, bytes):
        raise ConfigError(
            where, "is not known yet, or is no text, bytes or Remote", "resolve outputs first", path=where
        )
    source, packed = encode(value, compression)
    return {"source": source, "compression": packed}


def _remote(value: Remote, where: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, leaf in (("source", value.source), ("compression", value.compression), ("hash", value.hash)):
        if leaf is not None and not isinstance(leaf, str):
            raise ConfigError(f"{where}.{name}", "is not known yet", "resolve outputs first", path=f"{where}.{name}")
        if leaf is not None:
            out.update({"verification": {"hash": leaf}} if name == "hash" else {name: leaf})
    if value.headers is not None:
        out["httpHeaders"] = _headers(value.headers, f"{where}.headers")
    return {name: found for name, found in out.items() if found != []}


def _headers(headers: object, where: str) -> list[dict[str, str]]:
    rendered = []
    for name, text in headers.items() if isinstance(headers, Mapping) else ((None, None),):
        if not isinstance(name, str) or not (text is None or isinstance(text, str)):
            raise ConfigError(where, "is not known yet, or of a wrong type", "resolve outputs first", path=where)
        rendered.append({"name": name} if text is None else {"name": name, "value": str(text)})
    return rendered
