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
_NAMED: Final = rb"(?:pass(?:word|wd|phrase)|secret|token|api[_-]?key|secret[_-]?(?:access[_-]?)?key|key-data)"
#: An assignment to a name that ends in password, token or the like. Not the value of a variable, a path or a template.
_ASSIGNED: Final = re.compile(
    rb"""(?i:%s)["']?[ \t]*[=:][ \t]*["']?(?P<value>[^\s"'$%%/{<(`#&*\[][^\s"'<>(){}]{7,})""" % _NAMED
)
_PLAIN_NAME: Final = re.compile(rb"(?i:pass(?:word|wd|phrase)|key-data)$")
_NO_SECRET: Final = re.compile(rb"[A-Za-z][a-z]*(?:[-_.][A-Za-z]+)*\Z|.*\.(?:conf|json|yaml|yml|txt|key|pem|crt)\Z")
_EXAMPLE: Final = re.compile(rb"(?i:change|replace|your|example|redacted|x{6,}|\*{3,}|placeholder)")
_KUBEADM: Final = re.compile(rb"(?<![A-Za-z0-9.])[a-z0-9]{6}\.[a-z0-9]{16}(?![A-Za-z0-9.])")
_HASHED: Final = re.compile(rb"\$(?:2[abxy]|5|6|y)\$[./0-9A-Za-z$=]{20,}")
_URL: Final = re.compile(rb"[a-z0-9+]{2,9}://[^\s/@:\"'$%{<]{1,99}:([^\s/@\"'$%{<]{3,})@")
#: The words without which none of the above can match, in lower case.
_WORDS: Final = (b"pass", b"secret", b"token", b"key", b"$6$", b"$y$", b"$2", b"$5$")
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
    lower = head.lower()
    if b"://" in head and b"@" in head:
        found = _URL.search(head)
        if found and not _EXAMPLE.search(found[1]) and not _comment(head, found.start()):
            return True
    if not any(word in lower for word in _WORDS):
        return False
    if b"-----BEGIN" in head and _PRIVATE_KEY.search(head):
        return True
    if b"$" in head and any(not _comment(head, one.start()) for one in _HASHED.finditer(head)):
        return True
    if b"token" in lower and any(not _comment(head, one.start()) for one in _KUBEADM.finditer(head)):
        return True
    return any(_assigns(one, head) for one in _ASSIGNED.finditer(head))


def _assigns(found: re.Match[bytes], head: bytes) -> bool:
    value = found["value"]
    name = found[0][: found.start("value") - found.start()].rstrip(b" \t=:\"'")
    if _EXAMPLE.search(value) or _comment(head, found.start()):
        return False
    if _PLAIN_NAME.search(name):
        return not _NO_SECRET.match(value) or b"." not in value
    return any(48 <= one <= 57 for one in value) and not _NO_SECRET.match(value) and b"://" not in value


def _comment(head: bytes, position: int) -> bool:
    return head[head.rfind(b"\n", 0, position) + 1 :].lstrip()[:1] in (b"#", b";")
