"""URLs as Ignition checks them: what Go's parser accepts, then the schemes of the spec."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from string import ascii_letters, digits
from typing import Final, NamedTuple
from urllib.parse import unquote

from flatprov.ignition import dataurl_syntax

INVALID: Final = "unable to parse url"
BAD_SCHEME: Final = "invalid url scheme"
BAD_ARN: Final = "invalid S3 ARN format"
BAD_OBJECT_VERSION: Final = "invalid S3 object VersionId"

_SIMPLE: Final = re.compile(r"(https?)://[A-Za-z0-9.-]+(?::[0-9]*)?(?:/[A-Za-z0-9/._~+=,@:&?!$'();*-]*)?", re.ASCII)
_INLINE: Final = ("data:,", "data:;base64,")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=:)")
_NO_SCHEME: Final = re.compile(r"[A-Za-z0-9+.-]*:")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_BAD_HOST: Final = re.compile(r"%(?!25|[89A-Fa-f][0-9A-Fa-f])|(?![%A-Za-z0-9!\"$&'()*+,\-.:;<=>\[\]_~])[\x00-\x7f]")
_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_ZONE: Final = re.compile(r"(?:%[0-9A-Fa-f]{2}|[^\x00-\x7f]|[A-Za-z0-9!\"$&'()*+,\-.:;<=>\[\]_~])*")
_ZONE_ESCAPES: Final = frozenset("% !\"$&'()*+,-.:;<=>[]_~" + ascii_letters + digits)
_PORT: Final = re.compile(r"(?::[0-9]*)?", re.ASCII)
_BAD_USER: Final = re.compile(r"[^A-Za-z0-9\-._:~!$&'()*+,;=%@]")


class Url(NamedTuple):
    """A URL that Go accepts: its scheme in small letters, what stands for a path without ``/``, and the query."""

    scheme: str
    opaque: str
    query: str


def parse(raw: str) -> Url | None:
    """Take a URL apart, or give None for what Go refuses."""
    url, _, fragment = raw.partition("#")
    if _CONTROL.search(url) or ("%" in fragment and _BAD_ESCAPE.search(fragment)):
        return None
    if url == "*":
        return Url("", "", "")
    found = _SCHEME.match(url)
    if not found and url.startswith(":"):
        return None
    scheme = found[0] if found else ""
    rest = url[len(scheme) + 1 :] if found else url
    rest, _, query = rest.partition("?")
    scheme = scheme.lower()
    if not rest.startswith("/"):
        if scheme:
            return Url(scheme, rest, query)
        if ":" in rest.partition("/")[0]:
            return None
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, rest = rest[2:].partition("/")
        rest = slash + rest
        if not _authority(authority):
            return None
    return None if "%" in rest and _BAD_ESCAPE.search(rest) else Url(scheme, "", query)


def _authority(authority: str) -> bool:
    user, at, host = authority.rpartition("@")
    if at and (_BAD_USER.search(user) or _BAD_ESCAPE.search(user)):
        return False
    bracket = host.rfind("[")
    if bracket > 0:
        return False
    if bracket == 0:
        return _literal(host)
    colon = host.rfind(":")
    if colon >= 0 and not _PORT.fullmatch(host, colon):
        return False
    return not _BAD_HOST.search(host)


def _literal(host: str) -> bool:
    inner, bracket, port = host[1:].rpartition("]")
    if not bracket or not _PORT.fullmatch(port):
        return False
    address, percent, zone = inner.partition("%25")
    if _BAD_HOST.search(address) or not _ZONE.fullmatch(zone):
        return False
    if any(unquote(escape) not in _ZONE_ESCAPES for escape in _ESCAPE.findall(zone)):
        return False
    try:
        IPv6Address(unquote(address) + unquote(percent + zone))
    except ValueError:
        return False
    return True


def problem(raw: str, spec: str, *, oem: bool = False) -> str:
    """Say what is wrong with the URL of something to fetch, or ``""``.

    Args:
        raw: the URL; a missing one is no business of this check.
        spec: the config's spec version, which decides what schemes there are.
        oem: whether ``oem`` is one, as in Flatcar's Ignition.
    """
    if _SIMPLE.fullmatch(raw):
        return ""
    if raw.startswith(_INLINE) and "\n" not in raw and not dataurl_syntax.problem(raw):
        return ""  # and nothing in it can keep Go from parsing it
    url = parse(raw)
    if url is None:
        return INVALID
    if url.scheme == "data":
        return dataurl_syntax.problem(raw)
    if url.scheme in ("http", "https", "tftp") or (url.scheme == "gs" and spec >= "3.2.0"):
        return ""
    if url.scheme == "s3":
        return _object_version_problem(url.query)
    if url.scheme == "arn" and spec >= "3.4.0":
        return _arn_problem(f"arn:{url.opaque}") or _object_version_problem(url.query)
    return "" if oem and url.scheme == "oem" else BAD_SCHEME


def is_http(url: Url | None) -> bool:
    """Tell whether a URL is fetched by HTTP."""
    return url is not None and url.scheme in ("http", "https")


def _arn_problem(arn: str) -> str:
    sections = arn.split(":", 5)
    if len(sections) < 6 or sections[2] != "s3":
        return BAD_ARN
    slashes = arn.count("/")
    return BAD_ARN if slashes < (2 if sections[5].startswith("accesspoint/") else 1) else ""


def _object_version_problem(query: str) -> str:
    """Check that the first ``versionId`` is not empty; what Go's query parser skips does not count."""
    for pair in query.split("&"):
        if not pair or ";" in pair:
            continue
        name, _, value = pair.partition("=")
        if _BAD_ESCAPE.search(name) or _BAD_ESCAPE.search(value):
            continue
        if unquote(name.replace("+", " ")) == "versionId":
            return "" if value else BAD_OBJECT_VERSION
    return ""
