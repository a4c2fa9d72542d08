"""The way in: a release's image or an own one, verified, on this machine's disk, as a disk image.

The order never changes: signature of the digests, SHA-512 while downloading, only then unpacking.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flatprov.errors import ImageError
from flatprov.flatcar.artifacts import ALIASES, candidate_files, release_url, signing_key_url
from flatprov.flatcar.releases import ReleaseInfo
from flatprov.images.download import MAX_IMAGE_BYTES, Progress, discard, download
from flatprov.images.evidence import Evidence, find_evidence, kept_evidence, read_key
from flatprov.images.failures import image_error
from flatprov.images.fetch import fetch_or_none
from flatprov.images.formats import Format, check_declared, detect_format, read_header, virtual_size
from flatprov.images.keys import PINNED, PublicKey, normal_fingerprint
from flatprov.images.recency import check_recent
from flatprov.images.sources import chosen_mirror
from flatprov.images.stats import step
from flatprov.images.store import Store
from flatprov.images.unpack import MAX_UNPACKED_BYTES, STREAMED, unpack_stream
from flatprov.images.verify import MAX_SIGNED_TEXT_BYTES, Signature, check_sha512, verify_detached

Cancelled = Callable[[], bool]

_PLACED_AS_PUBLISHED = frozenset({"gcp", "pxe"})  # they take the compressed file itself


@dataclass(frozen=True)
class Obtained:
    """An image on this machine's disk, ready to be placed.

    Attributes:
        path: the file to place; unpacked where it was published compressed. Never write to it.
        sha512: of the verified file as published (before unpacking), hex: the image's identity.
        format: of ``path``, by its content.
        virtual_size_bytes: size of the guest's disk; 0 for formats that say it elsewhere (vmdk, vhdx, zip).
        file_name: as published.
        signature: who signed it and when; None for an unsigned own image.
    """

    path: Path
    sha512: str
    format: Format
    virtual_size_bytes: int
    file_name: str
    signature: Signature | None = None


def obtain_release(
    info: ReleaseInfo,
    platform: str = "libvirt",
    *,
    mirror: str | None = None,
    key_file: str | os.PathLike[str] | None = None,
    fingerprint: str = PINNED,
    store: Store | None = None,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
    max_bytes: int = MAX_IMAGE_BYTES,
) -> Obtained:
    """Get a release's image: from the store if it is there and still verifies, else from its server.

    Args:
        info: from `flatprov.flatcar.releases.resolve`.
        platform: ``libvirt``, ``metal``, ``vmware``, … (`flatprov.flatcar.artifacts.ARTIFACTS`).
        mirror: serves the same paths as the publisher's servers; still verified. None for that of the environment
            (``FLATPROV_MIRROR``), else the publisher.
        key_file: the public key; None to fetch it from the publisher or mirror.
        fingerprint: of its primary key. An own key takes the publisher's place: then only it is accepted.
        store: None for the user's default store.
        progress: bytes done and in total, called several times a second.
        cancelled: asked all the time; true ends the run, and the next one continues.
        max_bytes: refuse a larger file.

    Raises:
        ImageError: not found, not verified or not usable; ``code`` says which.
        CancelledError: stopped by the user.
    """
    store = store or Store()
    wanted = normal_fingerprint(fingerprint)
    mirror = chosen_mirror(mirror)
    names = candidate_files(platform, info.architecture)
    urls = [release_url(info.channel, info.architecture, info.version, name, mirror) for name in names]
    key_url = signing_key_url(info.channel, mirror)
    given = read_key(Path(key_file), key_url, wanted) if key_file is not None else None
    with step("look in the store"):
        for url in urls:
            kept = kept_evidence(url, wanted, given[0] if given else None, info, store)
            path = store.find(kept.sha512, kept.file_name) if kept else None
            if kept is not None and path is not None:
                return _finish(path, kept.sha512, kept.signature, platform, None, store, progress, cancelled)
    with step("signature"):
        key, key_data = given or read_key(None, key_url, wanted, cancelled)
        evidence = find_evidence(key, key_data, urls, info, store, cancelled)
    path, sha512, signature = _fetch(key, evidence, store, progress, cancelled, max_bytes, info)
    return _finish(path, sha512, signature, platform, None, store, progress, cancelled)


def obtain_own(
    path_or_url: str | os.PathLike[str],
    sha512: str | None = None,
    *,
    unsigned: bool = False,
    signature: str | os.PathLike[str] | None = None,
    key_file: str | os.PathLike[str] | None = None,
    fingerprint: str = PINNED,
    declared: Format | None = None,
    platform: str = "libvirt",
    mirror: str | None = None,
    store: Store | None = None,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
    max_bytes: int = MAX_IMAGE_BYTES,
) -> Obtained:
    """Get an own image: a local file, which stays where it is, or a URL, which is downloaded into the store.

    Args:
        path_or_url: the image.
        sha512: 128 hex digits; needed with ``unsigned=True``, checked wherever given.
        unsigned: the image has no signature. Refused where one lies beside it.
        signature: path or URL of its detached signature; None for ``IMAGE.sig``.
        key_file: the signer's public key; None to fetch the Flatcar publisher's.
        fingerprint: of the signer's primary key.
        declared: insist on this format.
        platform: decides whether a compressed file is unpacked.
        mirror: where the publisher's key is fetched from; None for that of the environment, else the publisher.
        store: None for the user's default store.
        progress: bytes done and in total.
        cancelled: asked all the time.
        max_bytes: refuse a larger download.

    Raises:
        ImageError: not found, not verified or not usable; ``code`` says which.
        CancelledError: stopped by the user.
    """
    store = store or Store()
    source = os.fspath(path_or_url)
    remote = source.startswith(("http://", "https://"))
    name = source.split("?")[0].rpartition("/")[2]
    digest = _checked_digest(sha512, name) if sha512 else ""
    if unsigned and not digest:
        raise image_error(
            "unsigned", name, "is unsigned and has no sha512", "give sha512= (128 hex digits; sha512sum FILE)"
        )
    stored = store.find(digest, name) if remote and digest else None
    stated = None  # an unsigned file in the store was looked at for a signature when it was downloaded
    if stored is None or not unsigned:
        stated = _own_signature(source, remote, unsigned, signature, cancelled)
    key = None
    if stated is not None:
        path_of_key = Path(key_file) if key_file is not None else None
        key_url = signing_key_url(mirror=chosen_mirror(mirror))
        key = read_key(path_of_key, key_url, normal_fingerprint(fingerprint), cancelled)[0]
    signed: Signature | None = None
    if remote:
        if stored is not None:
            found_path, found = stored, digest
            signed = verify_detached(key, stated, name, path=stored) if key and stated else None
        else:
            evidence = Evidence(source, name, digest, None, stated or b"")
            found_path, found, signed = _fetch(key, evidence, store, progress, cancelled, max_bytes)
    else:
        found_path = Path(source)
        if not found_path.is_file():
            raise image_error("local-file", source, "is not a file on this machine", "check the path")
        found = store.digests.sha512(found_path, progress, cancelled)
        if digest:
            check_sha512(found, digest, name)
        signed = verify_detached(key, stated, name, path=found_path) if key and stated else None
    return _finish(found_path, found, signed, platform, declared, store, progress, cancelled)


def _own_signature(
    source: str, remote: bool, unsigned: bool, signature: str | os.PathLike[str] | None, cancelled: Cancelled | None
) -> bytes | None:
    """The detached signature of an own image; None where it is unsigned, as the user said."""
    place = os.fspath(signature) if signature is not None else f"{source}.sig"
    if place.startswith(("http://", "https://")):
        found = fetch_or_none(place, max_bytes=MAX_SIGNED_TEXT_BYTES, cancelled=cancelled)
    else:
        found = Path(place).read_bytes() if Path(place).is_file() else None
    if unsigned and found is not None:
        raise image_error(
            "unsigned",
            place,
            "is a signature, but the image is declared unsigned",
            "give key_file= and fingerprint= instead",
        )
    if not unsigned and found is None:
        raise image_error(
            "unsigned",
            source.rpartition("/")[2],
            f"has no signature at {place}",
            "sign it, or say unsigned=True and give sha512=",
        )
    return found


def _checked_digest(sha512: str, name: str) -> str:
    plain = sha512.strip().lower()
    if len(plain) != 128 or not set(plain) <= set("0123456789abcdef"):
        raise image_error("digest", name, "its sha512 is not 128 hex digits", "compute it: sha512sum FILE")
    return plain


def _fetch(
    key: PublicKey | None,
    evidence: Evidence,
    store: Store,
    progress: Progress | None,
    cancelled: Cancelled | None,
    max_bytes: int,
    info: ReleaseInfo | None = None,
) -> tuple[Path, str, Signature | None]:
    """Download under the URL's lock, verify, and only then give the file its place in the store."""
    with store.lock(evidence.url, cancelled):
        wanted = evidence.sha512 or store.recall(_signed_as(evidence))
        ready = store.find(wanted, evidence.file_name) if wanted else None  # from before, or another process was faster
        if ready is not None:
            return ready, wanted, _checked(key, evidence, ready, info)
        part = store.part_path(evidence.url)
        with step("download and digest"):
            got = download(
                evidence.url,
                part,
                sha512=evidence.sha512 or None,
                progress=progress,
                cancelled=cancelled,
                max_bytes=max_bytes,
            )
        try:
            signature = _checked(key, evidence, part, info)
        except ImageError:
            discard(part)
            raise
        path = store.commit(part, got.sha512, evidence.file_name)
        if evidence.file_signature:
            store.note(_signed_as(evidence), got.sha512)
        return path, got.sha512, signature


def _checked(key: PublicKey | None, evidence: Evidence, path: Path, info: ReleaseInfo | None) -> Signature | None:
    """The signature of the digests, or that of the file, checked over all its bytes."""
    if not evidence.file_signature:
        return evidence.signature
    if key is None:
        raise image_error("key", evidence.url, "has a signature, but no key to check it with")
    with step("signature of the file"):
        signature = verify_detached(key, evidence.file_signature, evidence.url, path=path)
    if info is not None:
        check_recent(signature, info, evidence.url)
    return signature


def _signed_as(evidence: Evidence) -> str:
    """What is noted about a file that only has its own signature: under which digest it lies in the store."""
    return f"{evidence.url} {evidence.file_signature.hex()}"


def _finish(
    path: Path,
    sha512: str,
    signature: Signature | None,
    platform: str,
    declared: Format | None,
    store: Store,
    progress: Progress | None,
    cancelled: Cancelled | None,
) -> Obtained:
    """Unpack a verified file where the platform wants that, and look into it."""
    name = path.name
    header = read_header(path)
    found = detect_format(header)
    if (
        found in STREAMED
        and ALIASES.get(platform, platform) not in _PLACED_AS_PUBLISHED
        and not name.endswith(".tar.gz")
    ):
        path = _unpacked(path, sha512, found, store, progress, cancelled)
        header = read_header(path)
        found = detect_format(header)
    check_declared(declared, found, name)
    return Obtained(path, sha512, found, virtual_size(path, found, header), name, signature)


def _unpacked(
    source: Path, sha512: str, found: Format, store: Store, progress: Progress | None, cancelled: Cancelled | None
) -> Path:
    name = Path(source.name).stem if source.suffix in (".bz2", ".gz", ".xz") else source.name
    with store.lock(f"unpack {sha512}", cancelled):
        ready = store.find_unpacked(sha512, name)
        if ready is not None:
            return ready
        part = store.part_path(f"unpack {sha512}")
        with step("unpack"):
            digest = unpack_stream(source, part, found, MAX_UNPACKED_BYTES, progress, cancelled)
        return store.commit_unpacked(part, sha512, name, digest)
