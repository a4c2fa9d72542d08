"""Secrets that every user of the machine can read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from flatprov.ignition.findings.codes import entry
from flatprov.ignition.findings.view import View
from flatprov.ignition.report import Entry

_MOST_BYTES: Final = 64 << 10
_PRIVATE_KEY: Final = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY")
#: What names of secrets end in, each behind a word without which none of its kind can occur: texts are searched for
#: these with ``bytes.find``, which is far faster than one expression over all of a text.
_NAMES: Final = (
    (b"pass", (b"password", b"passwd", b"passphrase")),
    (b"secret", (b"secret",)),
    (b"token", (b"token",)),
    (
        b"key",
        (b"api_key", b"api-key", b"apikey", b"secret_key", b"secret-key", b"access_key", b"accesskey", b"key-data"),
    ),
)
_PLAIN_NAMES: Final = frozenset({b"password", b"passwd", b"passphrase", b"key-data"})
#: The value assigned to such a name. Not the value of a variable, a path or a template.
_VALUE: Final = re.compile(rb"""["']?[ \t]*[=:][ \t]*["']?([^\s"'$%/{<(`#&*\[][^\s"'<>(){}]{7,})""")
_NO_SECRET: Final = re.compile(rb"[A-Za-z][a-z]*(?:[-_.][A-Za-z]+)*\Z|.*\.(?:conf|json|yaml|yml|txt|key|pem|crt)\Z")
_EXAMPLE: Final = re.compile(rb"(?i:change|replace|your|example|redacted|x{6,}|\*{3,}|placeholder)")
_KUBEADM: Final = re.compile(rb"""["']?[ \t=:]+["']?[a-z0-9]{6}\.[a-z0-9]{16}(?![A-Za-z0-9.])""")
_HASHES: Final = (b"$6$", b"$y$", b"$5$", b"$2a$", b"$2b$", b"$2y$")
_HASHED: Final = re.compile(rb"\$(?:2[aby]|5|6|y)\$[./0-9A-Za-z$=]{20,}")
_URL: Final = re.compile(rb"[a-z0-9+]{2,9}://[^\s/@:\"'$%{<]{1,99}:([^\s/@\"'$%{<]{3,})@")
#: Names of files that hold nothing but a secret.
_SECRET_NAME: Final = re.compile(
    r"(?:^|[-_.])(?:token|tokens|secret|secrets|password|passwd|credentials?)(?:[-_.](?:csv|txt|env|conf))?$|\.key$",
    re.I,
)
_MOST_LINES, _MOST_TOKEN_BYTES, _FEWEST_TOKEN_BYTES = 3, 2000, 8


def find(view: View) -> Iterator[Entry]:
    """Find secrets in files that others may read, in unit texts and in kernel arguments."""
    closed: list[str] | None = None
    for (path, data), source in zip(view.files, view.contents, strict=True):
        mode = data.get("mode")
        if source is None or (type(mode) is int and not mode & 0o004):
            continue
        name = data.get("path")
        content = source.content(view)
        if not content or not isinstance(name, str) or not _is_secret(name, content):
            continue
        if closed is None:
            closed = [
                f"{one.text('path')}/"
                for one in view.directories
                if type(one.data.get("mode")) is int and not one.data["mode"] & 0o001
            ]
        if not any(name.startswith(folder) for folder in closed):
            shown = (
                "without a mode, so 0644" if mode is None else f"mode 0{mode:o}" if type(mode) is int else "its mode"
            )
            message = f"{name} holds what looks like a secret, and every user can read it ({shown})"
            yield entry("secret-readable", path, message, "set mode to 384, which is 0600")
    for path, name, text in view.unit_texts:
        if secret_in(text.encode("utf-8", "replace")):
            message = f"the text of {name} holds what looks like a secret, and every user can read units"
            fix = "put it into a file with mode 384 (0600) and name that in EnvironmentFile= or LoadCredential="
            yield entry("secret-readable", path, message, fix)
    for path, argument in view.arguments:
        if secret_in(argument.encode("utf-8", "replace")):
            message = "the argument holds what looks like a secret, and every user can read /proc/cmdline"
            yield entry("secret-readable", path, message, "put it into a file with mode 384 (0600)")


def _is_secret(path: str, content: bytes) -> bool:
    if _SECRET_NAME.search(path.rpartition("/")[2]) and len(content) < _MOST_TOKEN_BYTES:
        lines = [line for line in content.splitlines() if line.strip() and not line.startswith(b"#")]
        token = lines[0].strip() if lines else b""
        if len(lines) <= _MOST_LINES and len(token) >= _FEWEST_TOKEN_BYTES and not re.search(rb"[\s$<{/]", token):
            return True
    return secret_in(content)


def secret_in(data: bytes) -> bool:
    """Tell whether a text holds what is surely a secret: fewer kinds than ``is_sensitive`` encrypts."""
    head = data[:_MOST_BYTES]
    if b"-----BEGIN" in head and _PRIVATE_KEY.search(head):
        return True
    if b"@" in head and b"://" in head:
        url = _URL.search(head)
        if url and not _EXAMPLE.search(url[1]) and not _comment(head, url.start()):
            return True
    for kind in _HASHES if b"$" in head else ():
        for position in _places(head, kind):
            if _HASHED.match(head, position) and not _comment(head, position):
                return True
    lower = head.lower()
    for word, names in _NAMES:
        if word not in lower:
            continue
        for name in names:
            for position in _places(lower, name):
                if _assigns(name, head, position + len(name)) and not _comment(head, position):
                    return True
    return False


def _places(data: bytes, word: bytes) -> Iterator[int]:
    position = data.find(word)
    while position >= 0:
        yield position
        position = data.find(word, position + len(word))


def _assigns(name: bytes, head: bytes, end: int) -> bool:
    """Tell whether behind a name stands a value that is a secret."""
    found = _VALUE.match(head, end)
    if found is None:
        return name == b"token" and _KUBEADM.match(head, end) is not None
    value = found[1]
    if _EXAMPLE.search(value):
        return False
    if name in _PLAIN_NAMES:
        return not _NO_SECRET.match(value) or b"." not in value
    return any(48 <= one <= 57 for one in value) and not _NO_SECRET.match(value) and b"://" not in value


def _comment(head: bytes, position: int) -> bool:
    return head[head.rfind(b"\n", 0, position) + 1 :].lstrip()[:1] in (b"#", b";")
