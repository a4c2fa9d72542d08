"""The rules for what is fetched: contents, other configs, certificate authorities, key files, and the proxies."""

from __future__ import annotations

from typing import Any, Final

from flatprov.ignition.validate import urls
from flatprov.ignition.validate.findings import Findings, Path, Rule

_HASH_DIGITS: Final = {"sha512": 128, "sha256": 64}


def _resource(value: dict[str, Any], path: Path, found: Findings) -> None:
    source = value.get("source")
    if value.get("compression") not in (None, "", "gzip"):
        found.error((*path, "compression"), "invalid compression method")
    if source is None and (value.get("verification") or {}).get("hash") is not None:
        found.error((*path, "verification", "hash"), "source must be specified if verification is specified")
    if source:
        wrong = urls.problem(source, found.spec, oem=found.oem)
        if wrong:
            found.error((*path, "source"), wrong)
    if value.get("httpHeaders"):
        found.error((*path, "httpHeaders"), _headers_problem(source))


def _headers_problem(source: str | None) -> str:
    url = urls.parse(source) if source else None
    if url is None:
        return urls.INVALID
    return "" if urls.is_http(url) else "cannot use HTTP headers with this source scheme"


def _verification(value: dict[str, Any], path: Path, found: Findings) -> None:
    digest = value.get("hash")
    if digest is not None:
        found.error((*path, "hash"), _hash_problem(digest, found.spec))


def _hash_problem(digest: str, spec: str) -> str:
    kind, dash, digits = digest.partition("-")
    if not dash:
        return "malformed hash specifier"
    if kind not in _HASH_DIGITS or (kind == "sha256" and spec < "3.1.0"):
        return "unrecognized hash function"
    return "" if len(digits.encode("utf-8", "replace")) == _HASH_DIGITS[kind] else "incorrect size for hash sum"


def _header(value: dict[str, Any], path: Path, found: Findings) -> None:
    if not value.get("name"):
        found.error((*path, "name"), "HTTP header name can't be empty")
    if value.get("value") == "":
        found.error((*path, "value"), "unable to parse HTTP header")


def _required(items: list[dict[str, Any] | None], path: Path, found: Findings) -> None:
    for number, item in enumerate(items):
        source = (item or {}).get("source")
        found.error(
            (*path, number), urls.problem(source, found.spec, oem=found.oem) if source else "source is required"
        )


def _config(value: dict[str, Any], path: Path, found: Findings) -> None:
    if found.spec >= "3.1.0":
        _required(value.get("merge") or [], (*path, "merge"), found)


def _tls(value: dict[str, Any], path: Path, found: Findings) -> None:
    if found.spec >= "3.1.0":
        _required(value.get("certificateAuthorities") or [], (*path, "certificateAuthorities"), found)


def _old_reference(value: dict[str, Any], path: Path, found: Findings) -> None:
    source = value.get("source")
    if source:
        found.error((*path, "source"), urls.problem(source, found.spec, oem=found.oem))


def _old_authority(value: dict[str, Any], path: Path, found: Findings) -> None:
    found.error((*path, "source"), urls.problem(value.get("source") or "", found.spec, oem=found.oem))


def _proxy(value: dict[str, Any], path: Path, found: Findings) -> None:
    for name in ("httpProxy", "httpsProxy"):
        text = value.get(name)
        if text is None:
            continue
        url = urls.parse(text)
        if url is None:
            found.error((*path, name), urls.INVALID)
        elif not urls.is_http(url):
            found.error((*path, name), "proxies must be http(s)")
        elif url.scheme == "http" and name == "httpsProxy":
            found.warn((*path, name), "insecure plaintext HTTP proxy specified for HTTPS resources")


RULES: Final[dict[str, Rule]] = {
    "Resource": _resource,
    "FileContents": _resource,
    "Verification": _verification,
    "HTTPHeader": _header,
    "IgnitionConfig": _config,
    "TLS": _tls,
    "ConfigReference": _old_reference,
    "CaReference": _old_authority,
    "Proxy": _proxy,
}
