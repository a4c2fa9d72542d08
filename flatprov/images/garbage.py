"""Making room in the store: ``flatprov image gc``."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

from flatprov.images.inventory import Stored, list_store
from flatprov.images.store import Store

MAX_AGE_SECONDS = 30 * 86400.0
PARTIAL_AGE_SECONDS = 7 * 86400.0


@dataclass(frozen=True)
class Collected:
    """What `collect_garbage` did, or would do.

    Attributes:
        removed: the files, in the order of their removal.
        kept: the others, with the reason.
        freed_bytes: of the disk.
    """

    removed: tuple[Stored, ...]
    kept: tuple[tuple[Stored, str], ...]
    freed_bytes: int


def collect_garbage(
    store: Store,
    *,
    retain: int = 1,
    keep: Collection[str] = (),
    max_age_seconds: float = MAX_AGE_SECONDS,
    max_bytes: int | None = None,
    partial_age_seconds: float = PARTIAL_AGE_SECONDS,
    dry_run: bool = False,
) -> Collected:
    """Remove what nobody needs.

    Kept in every case: files that a process reads or writes now, files of a digest that something refers to, the
    ``retain`` last used ones of each name (so one version of each image stays), and those named in ``keep``.
    Of the others, those go that were not used for long; then, while the store takes more than ``max_bytes``, the ones
    used longest ago.

    Args:
        store: which one.
        retain: how many of each file name to keep.
        keep: SHA-512 digests, hex, to keep.
        max_age_seconds: since a run last asked for a file.
        max_bytes: of the disk; None for no limit.
        partial_age_seconds: since a stopped download last got a byte.
        dry_run: only tell.

    Raises:
        ImageError: the folder cannot be read, or a file not be removed.
    """
    now = time.time()
    files = list_store(store)
    left = sum(one.disk_bytes for one in files)
    reasons = _reasons(files, retain, {digest.lower() for digest in keep})
    removed: list[Stored] = []
    kept: list[tuple[Stored, str]] = []
    for one in reversed(files):  # the longest unused first
        oldest = partial_age_seconds if one.kind == "partial" else max_age_seconds
        too_old = now - one.used_at > oldest
        reason = reasons.get(one, "")
        if not reason and not too_old and (max_bytes is None or left <= max_bytes):
            reason = "used lately"
        if not reason and not dry_run and not _remove(store, one):
            reason = "in use"
        if reason:
            kept.append((one, reason))
        else:
            removed.append(one)
            left -= one.disk_bytes
    if not dry_run:
        store.tidy()
    return Collected(tuple(removed), tuple(kept), sum(one.disk_bytes for one in removed))


def _reasons(files: list[Stored], retain: int, keep: set[str]) -> dict[Stored, str]:
    """Why a file must stay, for those that must."""
    reasons: dict[Stored, str] = {}
    seen: dict[tuple[str, str], int] = {}
    for one in files:  # the last used first
        if one.in_use:
            reasons[one] = "in use"
        elif one.references:
            reasons[one] = f"referred to by {one.references[0]}"
        elif one.sha512 and one.sha512 in keep:
            reasons[one] = "asked to keep"
        if one.kind != "partial":
            rank = seen[one.kind, one.file_name] = seen.get((one.kind, one.file_name), 0) + 1
            if rank <= retain:
                reasons.setdefault(one, "one of the last of its name")
    return reasons


def _remove(store: Store, one: Stored) -> bool:
    """Remove a file unless a process took it up since; the check and the removal are one step for both sides."""
    if one.kind == "partial":
        return store.remove_partial(one.path)
    return store.remove_unless_open(one.path)
