"""What is fetched at first boot: whether it is verified, and whether it can be unpacked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flatprov.ignition.findings.codes import entry
from flatprov.ignition.findings.view import View, inner
from flatprov.ignition.report import Entry

#: A machine-config server makes its answer for each machine, so a config that is fetched has no hash to know before.
_UNVERIFIED: Final = frozenset({"merge", "replace"})
_WHAT: Final = {"authority": "a certificate authority", "key": "a key file"}


def find(view: View) -> Iterator[Entry]:
    """Find remote sources without a hash, and gzip where it is not supported."""
    for source in view.remote:
        scheme = source.url.partition(":")[0].lower()
        if source.data.get("compression") == "gzip" and scheme in ("s3", "arn"):
            message = f"gzip is not supported with the scheme {scheme}: the fetch fails at first boot"
            fix = "store it uncompressed, or serve it over https"
            yield entry("compression-scheme", (*source.path, "compression"), message, fix)
        if source.role in _UNVERIFIED or inner(source.data, "verification").get("hash"):
            continue
        what = _WHAT.get(source.role, "what is fetched here")
        message = f"{what} is not verified by a hash: whatever the server sends is taken"
        fix = "add verification.hash, sha512- or sha256- and the hex digits of the decompressed contents"
        yield entry("remote-without-hash", (*source.path, "source"), message, fix)


def find_ignored(view: View) -> Iterator[Entry]:
    """Find what a config says beside ``replace``: the config that is fetched takes the place of all of it."""
    if not any(one.role == "replace" and one.url for one in view.sources):
        return
    own = [name for name in ("kernelArguments", "passwd", "storage", "systemd") if _says(view.config.get(name))]
    if inner(view.ignition, "config").get("merge"):
        own.insert(0, "ignition.config.merge")
    if own:
        message = f"this config is replaced as a whole, and its {', '.join(own)} have no effect"
        fix = "move them into the config that is fetched, or use merge instead of replace"
        yield entry("replace-ignores", ("ignition", "config", "replace"), message, fix)


def _says(value: object) -> bool:
    return isinstance(value, dict) and any(one not in (None, [], {}) for one in value.values())
