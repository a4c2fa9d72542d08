"""Which leaves of a config are secret."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from flatprov.errors import ConfigError
from flatprov.ignition.dataurl import decode, is_inline
from flatprov.ignition.redaction import Redactor

__all__ = ["Redactor", "is_sensitive", "secret_leaves"]

_LOCKED: Final = ("", "*", "!", "!!", "!*", "x")
_SECRET_HEADER: Final = re.compile(r"auth|token|cookie|secret|key|password|credential", re.I)
_SECRET_QUERY: Final = re.compile(r"(?:^|[&;])(?:[^=&]*(?:sig|token|secret|password|credential|key)[^=&]*)=", re.I)
_SECRET_TEXT: Final = re.compile(
    r"""-----BEGIN\ [A-Z0-9 ]{0,30}PRIVATE\ KEY
    | \$(?:1|2[abxy]|5|6|7|y|gy)\$[^\s$]{1,64}\$\S{8}            # a hash as in /etc/shadow
    | \b[a-z0-9]{6}\.[a-z0-9]{16}\b                         # a kubeadm token
    | (?:pass(?:word|wd|phrase)?|secret|token|api[_-]?key|key-data|private[_-]?key|credentials?)["']?
      \s*[=:]\s*["']?[^\s"'$%/{<][^\s"']{3}                 # a value, not a variable and not a path
    | \b[a-z][a-z0-9+.-]{1,9}://[^\s/@:]{0,99}:[^\s/@$%{]{1,99}@          # a URL with a password
    """,
    re.X | re.I,
)


class _Leaf(NamedTuple):
    secret: bool
    data: bytes


def is_sensitive(config: dict[str, Any]) -> bool:
    """Tell whether a config holds a secret, so that state has to encrypt it.

    Secret are password hashes, LUKS key files, Clevis configurations, HTTP headers that authorise, passwords and
    signatures in URLs, and contents that look like it: PEM private keys, kubeadm tokens, assignments to a password or
    token. Contents of which this cannot be known are for the user to mark.
    """
    return any(leaf.secret for leaf in _config(config))


def secret_leaves(config: dict[str, Any], everything: bool) -> list[bytes]:
    """Give the bytes of the secret leaves, for ``Redactor``.

    Contents are given decoded. Where the config carries them compressed, the encoded text follows as another leaf,
    because it cannot be derived from the contents.

    Args:
        config: the config.
        everything: also all contents of files and units, all hashes and headers: for a config that is secret
            as a whole.
    """
    found = dict.fromkeys(leaf.data for leaf in _config(config) if leaf.data and (leaf.secret or everything))
    return list(found)


def _config(config: dict[str, Any]) -> Iterator[_Leaf]:
    ignition = config.get("ignition") or {}
    references = ignition.get("config") or {}
    for one in [*(references.get("merge") or []), references.get("replace") or {}]:
        yield from _resource(one, config=True)
    for one in ((ignition.get("security") or {}).get("tls") or {}).get("certificateAuthorities") or []:
        yield from _resource(one)
    proxy = ignition.get("proxy") or {}
    for name in ("httpProxy", "httpsProxy"):
        yield from _url(str(proxy.get(name) or ""))
    passwd = config.get("passwd") or {}
    for one in [*(passwd.get("users") or []), *(passwd.get("groups") or [])]:
        hashed = str(one.get("passwordHash") or "")
        yield _Leaf(hashed not in _LOCKED, hashed.encode() if hashed not in _LOCKED else b"")
    for argument in (config.get("kernelArguments") or {}).get("shouldExist") or []:
        if _SECRET_TEXT.search(str(argument)):
            yield _Leaf(True, str(argument).encode())
    yield from _storage(config.get("storage") or {})
    for unit in (config.get("systemd") or {}).get("units") or []:
        for one in [unit, *(unit.get("dropins") or [])]:
            text = str(one.get("contents") or "")
            yield _Leaf(bool(_SECRET_TEXT.search(text)), text.encode())


def _storage(storage: dict[str, Any]) -> Iterator[_Leaf]:
    for file in storage.get("files") or []:
        for one in [file.get("contents") or {}, *(file.get("append") or [])]:
            yield from _resource(one)
    for luks in storage.get("luks") or []:
        yield from _resource(luks.get("keyFile") or {}, secret=True)
        custom = (luks.get("clevis") or {}).get("custom") or {}
        text = str(custom.get("config") or "")
        yield _Leaf(bool(text), text.encode())


def _resource(resource: dict[str, Any], *, secret: bool = False, config: bool = False) -> Iterator[_Leaf]:
    for header in resource.get("httpHeaders") or []:
        value = str(header.get("value") or "")
        yield _Leaf(bool(value and _SECRET_HEADER.search(str(header.get("name")))), value.encode())
    source = resource.get("source")
    if not is_inline(source):
        yield from _url(str(source or ""))
        return
    payload = str(source).partition(",")[2].encode()
    try:
        data = decode(str(source), resource.get("compression"))
    except ConfigError:  # damaged contents are never decoded on the machine either
        yield _Leaf(secret, payload)
        return
    inner = _inner(data) if config else None
    leaves = [_Leaf(secret or bool(_SECRET_TEXT.search(data.decode("utf-8", "replace"))), data)]
    if inner is not None:
        leaves += _config(inner)
    yield from leaves
    if resource.get("compression") == "gzip":
        yield _Leaf(any(leaf.secret for leaf in leaves), payload)


def _inner(data: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _url(url: str) -> Iterator[_Leaf]:
    """Find the password and the signed query of a URL; the host stays readable in messages."""
    try:
        parts = urlsplit(url)
        password = parts.password or ""
    except ValueError:
        return
    if password:
        yield _Leaf(True, password.encode())
        yield _Leaf(True, unquote(password).encode())
    if parts.query and _SECRET_QUERY.search(parts.query):
        yield _Leaf(True, parts.query.encode())
