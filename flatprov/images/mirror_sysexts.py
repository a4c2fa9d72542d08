"""System extensions of the bakery in a mirror. They carry no signature: a digest is all there is.

The digest is the one that was given, or that of the bakery's own ``SHA256SUMS``, which is as true as the connection to
it. Extensions of a release (``podman``, ``python``) come from the update servers, which publish no digests: they are
refused here.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from flatprov.images.download import discard, download
from flatprov.images.failures import disk_error, image_error
from flatprov.images.fetch import fetch_or_none
from flatprov.images.http import raise_if
from flatprov.images.mirror import Mirror, Mirrored

BAKERY = "https://extensions.flatcar.org"
ARCHITECTURES = {"amd64": "x86-64", "arm64": "arm64"}  # the bakery's names are not those of the release servers

_SPEC = re.compile(
    r"(?P<name>[a-z0-9_-]+?-[^-=/\s]+)(?:-(?P<arch>x86-64|arm64))?(?:\.raw)?(?:=(?P<sha256>[0-9a-fA-F]{64}))?"
)
_LINE = re.compile(r"([0-9a-fA-F]{64})[ \t]+\*?(?:\./)?(\S+)")


@dataclass(frozen=True)
class Sysext:
    """One extension image.

    Attributes:
        name: with its version: ``kubernetes-v1.34.2``.
        architecture: ``amd64`` or ``arm64``.
        sha256: the digest that was given, or ``""``.
    """

    name: str
    architecture: str
    sha256: str = ""

    @property
    def file_name(self) -> str:
        """``kubernetes-v1.34.2-x86-64.raw``."""
        return f"{self.name}-{ARCHITECTURES[self.architecture]}.raw"


def parse_sysext(text: str, architectures: list[str]) -> list[Sysext]:
    """Read ``kubernetes-v1.34.2``, ``kubernetes-v1.34.2-arm64``, each with ``=SHA256`` or without.

    Raises:
        ImageError: none of these, or one digest for several architectures.
    """
    match = _SPEC.fullmatch(text)
    if match is None or not any(character.isdigit() for character in match["name"].rpartition("-")[2]):
        raise image_error(
            "not-found",
            f"system extension {text!r}",
            "is not NAME-VERSION of the bakery",
            "write kubernetes-v1.34.2; extensions of a release (podman, python) have no published digest to check",
        )
    own = (
        [ours for ours, theirs in ARCHITECTURES.items() if theirs == match["arch"]] if match["arch"] else architectures
    )
    if match["sha256"] and len(own) != 1:
        raise image_error(
            "digest",
            f"system extension {match['name']}",
            "has one digest and several architectures",
            f"give each: {match['name']}-x86-64=SHA256",
        )
    return [Sysext(match["name"], architecture, (match["sha256"] or "").lower()) for architecture in own]


def add_sysext(mirror: Mirror, sysext: Sysext) -> Mirrored:
    """Check and place one extension.

    Raises:
        ImageError: not found, no digest of it, or another content.
    """
    base = f"{(mirror.source or BAKERY).rstrip('/').replace('{channel}', 'stable')}/extensions"
    wanted = sysext.sha256 or _published_digest(mirror, base, sysext)
    below = f"extensions/{sysext.file_name}"
    there = mirror.folder / below
    with mirror.work.lock(below, mirror.cancelled):
        fetched = not there.is_file() or _sha256(mirror, there) != wanted
        if fetched:
            part = mirror.work.part_path(f"{base}/{sysext.file_name}")
            download(f"{base}/{sysext.file_name}", part, progress=mirror.progress, cancelled=mirror.cancelled)
            found = _sha256(mirror, part)
            if found != wanted:
                discard(part)
                raise image_error(
                    "digest",
                    sysext.file_name,
                    f"sha256 is {found[:16]}…, wanted {wanted[:16]}…: the file was altered or is another one",
                    "nothing of it is kept; try again or use another mirror",
                )
            mirror.place(part, below)
    line = f"{wanted}  {sysext.file_name}\n"
    for sums in ("extensions/SHA256SUMS", f"extensions/{sysext.name}/SHA256SUMS"):
        with mirror.work.lock(sums, mirror.cancelled):
            mirror.write(sums, _with_line(mirror, sums, sysext.file_name, line))
    return Mirrored(below, f"sha256:{wanted}", there.stat().st_size, fetched)


def _published_digest(mirror: Mirror, base: str, sysext: Sysext) -> str:
    for place in (f"{base}/{sysext.name}/SHA256SUMS", f"{base}/SHA256SUMS"):
        text = fetch_or_none(place, cancelled=mirror.cancelled)
        for line in (text or b"").decode("utf-8", "replace").splitlines():
            match = _LINE.fullmatch(line.strip())
            if match and match[2] == sysext.file_name:
                return match[1].lower()
    raise image_error(
        "not-listed",
        sysext.file_name,
        f"is not in {base}/{sysext.name}/SHA256SUMS, nor in {base}/SHA256SUMS",
        "check name, version and architecture, or give its digest: NAME-VERSION=SHA256",
    )


def _sha256(mirror: Mirror, path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                raise_if(mirror.cancelled, path.name)
                digest.update(block)
    except OSError as error:
        raise disk_error(path.name, error, str(path)) from None
    return digest.hexdigest()


def _with_line(mirror: Mirror, sums: str, file_name: str, line: str) -> bytes:
    path = mirror.folder / sums
    try:
        old = path.read_text().splitlines(keepends=True) if path.is_file() else []
    except (OSError, UnicodeDecodeError):
        old = []
    kept = [other for other in old if not other.rstrip("\n").endswith(f"  {file_name}")]
    return "".join(sorted([*kept, line], key=lambda text: text[66:])).encode()
