"""Filling a folder that any web server can serve, for machines that do not reach the publisher.

::

    DIR/amd64-usr/4593.2.5/FILE, FILE.DIGESTS.asc, FILE.sig     as the release servers have them
    DIR/releases-json/releases-stable.json                      only the releases that are here
    DIR/security/image-signing-key/…asc                         the public key, where asked for
    DIR/extensions/NAME-VERSION-ARCH.raw, SHA256SUMS            system extensions
    DIR/.flatprov/                                              what is not verified yet; no client asks for it

Every file is verified before it gets its name, whole, in one step; a run that was stopped is continued by the next. The
feeds are written last, so what a feed names is there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flatprov.errors import ImageError
from flatprov.flatcar.artifacts import candidate_files, companion_files, release_url, signing_key_url
from flatprov.flatcar.releases import ReleaseInfo
from flatprov.images.download import MAX_IMAGE_BYTES, Progress, discard, download
from flatprov.images.evidence import Evidence, find_evidence, read_key
from flatprov.images.failures import disk_error
from flatprov.images.fetch import fetch_or_none
from flatprov.images.http import Cancelled
from flatprov.images.keys import PINNED, PublicKey, normal_fingerprint
from flatprov.images.recency import check_recent
from flatprov.images.sources import chosen_mirror
from flatprov.images.store import Store, give_name
from flatprov.images.verify import MAX_SIGNED_TEXT_BYTES, verify_detached


@dataclass(frozen=True)
class Mirrored:
    """One file of the mirror.

    Attributes:
        path: below the mirror's folder.
        digest: ``sha512:…`` of an image, ``sha256:…`` of a system extension.
        size_bytes: its size.
        fetched: False where an earlier run had placed it.
    """

    path: str
    digest: str
    size_bytes: int
    fetched: bool


class Mirror:
    """A folder that becomes a mirror.

    Args:
        folder: made when first written to.
        source: base URL to copy from; None for the environment's mirror, or the publisher.
        key_file: public key of the signer; None to fetch it.
        fingerprint: of its primary key.
        progress: bytes done and in total of the file that is being fetched.
        cancelled: asked all the time.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        source: str | None = None,
        key_file: str | os.PathLike[str] | None = None,
        fingerprint: str = PINNED,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.source = chosen_mirror(source)
        self.work = Store(self.folder / ".flatprov")
        self.progress = progress
        self.cancelled = cancelled
        self._key_file = Path(key_file) if key_file is not None else None
        self._fingerprint = normal_fingerprint(fingerprint)
        self._key: tuple[PublicKey, bytes] | None = None

    def add_images(self, info: ReleaseInfo, platform: str) -> list[Mirrored]:
        """Verify and place the image of one platform, what it needs beside it (a kernel), and what proves them.

        Raises:
            ImageError: not found, or not verified; nothing of that file is in place then.
            CancelledError: stopped by the user.
        """
        companions = [self._add(info, (name,)) for name in companion_files(platform)]
        return [self._add(info, candidate_files(platform, info.architecture)), *companions]

    def _add(self, info: ReleaseInfo, names: Sequence[str]) -> Mirrored:
        """The first of some files that the server has."""
        key, key_data = self._signing_key(info.channel)
        urls = [release_url(info.channel, info.architecture, info.version, name, self.source) for name in names]
        evidence = find_evidence(key, key_data, urls, info, self.work, self.cancelled)
        below = f"{info.architecture}-usr/{info.version}/{evidence.file_name}"
        with self.work.lock(below, self.cancelled):
            there, size = self.folder / below, 0
            own = evidence.file_signature or fetch_or_none(
                f"{evidence.url}.sig", max_bytes=MAX_SIGNED_TEXT_BYTES, cancelled=self.cancelled
            )
            sha512 = self._digest_in_place(there)
            fetched = not sha512 or (bool(evidence.sha512) and sha512 != evidence.sha512)
            if fetched:
                sha512 = self._fetch(key, evidence, own, info, there)
            elif own:
                self._check_own(key, own, there, info, evidence.url)
            size = there.stat().st_size
            proofs = {**evidence.files, **({"sig": own} if own else {})}
            for suffix, data in proofs.items():
                self.write(f"{below}.{suffix}", data)
        return Mirrored(below, f"sha512:{sha512}", size, fetched)

    def add_key(self, channel: str = "stable") -> Mirrored:
        """Place the public key where clients fetch it; they still insist on its fingerprint."""
        import hashlib

        data = self._signing_key(channel)[1]
        below = signing_key_url(channel, mirror="http://m").removeprefix("http://m/")
        self.write(below, data)
        return Mirrored(below, f"sha512:{hashlib.sha512(data).hexdigest()}", len(data), True)

    def write(self, below: str, data: bytes) -> None:
        """Write a small file, whole or not at all.

        Raises:
            ImageError: the disk refused.
        """
        self.work.prepare()
        part = self.work.part_path(f"mirror {below}")
        try:
            if (self.folder / below).is_file() and (self.folder / below).read_bytes() == data:
                return
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise disk_error(below, error, str(self.folder)) from None
        self.place(part, below)

    def place(self, part: Path, below: str) -> None:
        """Give a verified, synced file its name.

        Raises:
            ImageError: the disk refused.
        """
        path = self.folder / below
        try:
            give_name(part, path, 0o644)
        except OSError as error:
            raise disk_error(below, error, str(self.folder)) from None
        discard(part)

    def _signing_key(self, channel: str) -> tuple[PublicKey, bytes]:
        if self._key is None:
            self._key = read_key(
                self._key_file, signing_key_url(channel, self.source), self._fingerprint, self.cancelled
            )
        return self._key

    def _digest_in_place(self, path: Path) -> str:
        return self.work.digests.sha512(path, cancelled=self.cancelled) if path.is_file() else ""

    def _fetch(self, key: PublicKey, evidence: Evidence, own: bytes | None, info: ReleaseInfo, there: Path) -> str:
        part = self.work.part_path(evidence.url)
        got = download(
            evidence.url,
            part,
            sha512=evidence.sha512 or None,
            progress=self.progress,
            cancelled=self.cancelled,
            max_bytes=MAX_IMAGE_BYTES,
        )
        try:
            if own:
                self._check_own(key, own, part, info, evidence.url)
        except ImageError:
            discard(part)
            raise
        self.place(part, str(there.relative_to(self.folder)))
        self.work.digests.remember(there, got.sha512)
        return got.sha512

    def _check_own(self, key: PublicKey, signature: bytes, path: Path, info: ReleaseInfo, url: str) -> None:
        """``FILE.sig`` is what other tools check: a wrong one beside a right image would only confuse them."""
        check_recent(verify_detached(key, signature, url, path=path), info, url)


def mirrored_versions(folder: Path) -> dict[str, list[str]]:
    """The releases that a mirror's folder has: version to architectures, by the signed files in it."""
    found: dict[str, list[str]] = {}
    for architecture in ("amd64", "arm64"):
        with contextlib.suppress(OSError):
            for place in sorted((folder / f"{architecture}-usr").iterdir()):
                if _is_release(list(place.iterdir())):
                    found.setdefault(place.name, []).append(architecture)
    return found


def _is_release(files: Sequence[Path]) -> bool:
    names = {path.name for path in files}
    return any(f"{name}.{proof}" in names for name in names for proof in ("DIGESTS.asc", "DIGESTS.sig", "sig"))
