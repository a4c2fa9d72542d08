"""What the publisher signed about a release file: found on the server, checked, and kept for runs without a network.

The signed digests and the key they were checked with rest in the store; each run checks the signature again, so nothing
in the store is believed because it lies there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flatprov.errors import ImageError
from flatprov.flatcar.releases import ReleaseInfo
from flatprov.images.failures import image_error
from flatprov.images.fetch import fetch_bytes, fetch_or_none
from flatprov.images.http import Cancelled, exists
from flatprov.images.keys import MAX_KEY_BYTES, PublicKey, load_key
from flatprov.images.listing import folder_files
from flatprov.images.recency import check_names, check_recent
from flatprov.images.store import Store
from flatprov.images.verify import MAX_SIGNED_TEXT_BYTES, Signature, sha512_of, verify_clearsigned, verify_detached

_KEY, _SIGNED, _PLAIN, _DETACHED = "key.asc", "DIGESTS.asc", "DIGESTS", "DIGESTS.sig"
_SIDE_FILES = (".DIGESTS", ".asc", ".sig", ".txt", ".json", ".sh")


@dataclass(frozen=True)
class Evidence:
    """A verified statement about one file, or the file's own signature still to be checked.

    Attributes:
        url: of the file.
        file_name: its name on the server.
        sha512: hex; ``""`` where only ``FILE.sig`` exists, which is checked over the whole file.
        signature: of the digests; None where only ``FILE.sig`` exists.
        file_signature: the content of ``FILE.sig`` in that case.
        files: the signed digests as published, by what stands after the file's name.
    """

    url: str
    file_name: str
    sha512: str
    signature: Signature | None
    file_signature: bytes = b""
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)


def read_key(
    key_file: Path | None, url: str, fingerprint: str, cancelled: Cancelled | None = None
) -> tuple[PublicKey, bytes]:
    """Load the key from a file, or fetch it; it must have the pinned fingerprint.

    Raises:
        ImageError: not readable, not reachable, or another key.
    """
    if key_file is None:
        data = fetch_bytes(url, max_bytes=MAX_KEY_BYTES, cancelled=cancelled)
        return load_key(data, fingerprint, url), data
    try:
        data = key_file.read_bytes()
    except OSError as error:
        raise image_error("key", str(key_file), f"cannot be read: {error.strerror}", "give the key file") from None
    return load_key(data, fingerprint, str(key_file)), data


def find_evidence(
    key: PublicKey,
    key_data: bytes,
    urls: Sequence[str],
    info: ReleaseInfo,
    store: Store,
    cancelled: Cancelled | None = None,
) -> Evidence:
    """Find the first file of a list that the server has and that is signed.

    Args:
        key: the pinned key.
        key_data: as it was read, to be kept with the digests.
        urls: of the candidates, in order of preference.
        info: the release: the signature must not be older than it.
        store: where to keep signed digests.
        cancelled: asked all the time.

    Raises:
        ImageError: none exists (the names that were tried are listed), none is signed, or a signature is refused.
    """
    for url in urls:
        found = _signed(key, key_data, url, info, store, cancelled)
        if found is not None:
            return found
    names = ", ".join(_name(url) for url in urls)
    folder = urls[0].rpartition("/")[0]
    for url in urls:
        if exists(url, cancelled):
            raise image_error(
                "unsigned",
                url,
                "has no signature beside it (.DIGESTS.asc, .DIGESTS.sig, .sig)",
                "use the publisher's server or a complete mirror",
            )
    raise image_error(
        "not-found", folder, f"has no image for this platform; tried {names}", _what_is_there(folder, cancelled)
    )


def kept_evidence(
    url: str, fingerprint: str, key: PublicKey | None, info: ReleaseInfo, store: Store
) -> Evidence | None:
    """The signed digests that an earlier run kept, checked again; None if there are none or they do not hold.

    Args:
        url: of the file.
        fingerprint: the pinned one.
        key: the key file's content where one is given; else the copy that was kept is used.
        info: the release: the signature must not be older than it.
        store: where they rest.
    """
    name = _evidence_name(url, fingerprint)
    folder = store.evidence_path(name)
    try:
        key = key or load_key((folder / _KEY).read_bytes(), fingerprint)
        digests, signature = _check(key, {path.name: path.read_bytes() for path in folder.iterdir()}, url, info)
        return Evidence(url, _name(url), sha512_of(digests, _name(url), url), signature)
    except (OSError, KeyError):
        return None
    except ImageError:
        store.drop_evidence(name)
        return None


def _signed(
    key: PublicKey, key_data: bytes, url: str, info: ReleaseInfo, store: Store, cancelled: Cancelled | None
) -> Evidence | None:
    files: dict[str, bytes] = {}
    for suffixes in ((_SIGNED,), (_PLAIN, _DETACHED)):
        found = {
            suffix: fetch_or_none(f"{url}.{suffix}", max_bytes=MAX_SIGNED_TEXT_BYTES, cancelled=cancelled)
            for suffix in suffixes
        }
        files = {suffix: data for suffix, data in found.items() if data is not None}
        if len(files) == len(suffixes):
            digests, signature = _check(key, files, url, info)
            sha512 = sha512_of(digests, _name(url), f"{url}.DIGESTS")
            evidence = Evidence(url, _name(url), sha512, signature, files=files)
            _keep(store, _evidence_name(url, key.fingerprint), {**files, _KEY: key_data})
            return evidence
    own = fetch_or_none(f"{url}.sig", max_bytes=MAX_SIGNED_TEXT_BYTES, cancelled=cancelled)
    return None if own is None else Evidence(url, _name(url), "", None, own)


def _check(key: PublicKey, files: dict[str, bytes], url: str, info: ReleaseInfo) -> tuple[bytes, Signature]:
    if _SIGNED in files:
        digests, signature = verify_clearsigned(key, files[_SIGNED], f"{url}.{_SIGNED}")
    else:
        digests = files[_PLAIN]
        signature = verify_detached(key, files[_DETACHED], f"{url}.{_PLAIN}", data=digests)
    check_recent(signature, info, url)
    check_names(digests, info, url)
    return digests, signature


def _what_is_there(folder: str, cancelled: Cancelled | None) -> str:
    """What to do about a missing file: the server's own list, where it shows one."""
    with contextlib.suppress(ImageError):
        images = [name for name in folder_files(folder, cancelled) if not name.endswith(_SIDE_FILES)]
        if images:
            return f"choose another version or platform; there are {', '.join(images)}"
    return "choose another version or platform"


def _keep(store: Store, name: str, files: dict[str, bytes]) -> None:
    """Keep them for runs without a network; no harm if that fails."""
    folder = store.evidence_path(name)
    store.drop_evidence(name)
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        for file_name, data in files.items():
            (folder / file_name).write_bytes(data)


def _evidence_name(url: str, fingerprint: str) -> str:
    return f"{fingerprint} {url}"


def _name(url: str) -> str:
    return url.rpartition("/")[2]
