"""What is in the store, and whether it is still what it was: ``flatprov image ls`` and ``verify``."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from flatprov.errors import ImageError
from flatprov.images.failures import disk_error
from flatprov.images.http import Cancelled, raise_if
from flatprov.images.store import Store

Kind: TypeAlias = Literal["published", "unpacked", "partial"]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Stored:
    """One file of the store.

    Attributes:
        path: where it lies.
        kind: ``published``: verified, as the publisher has it; ``unpacked`` from such a file; ``partial``: a download
            or an unpacking that is under way or was stopped, verified by nobody.
        sha512: of the published file, hex; ``""`` for a partial one.
        file_name: its name; that of a partial file says nothing.
        size_bytes: its length.
        disk_bytes: what it takes of the disk; less where it has holes.
        used_at: when a run last asked for it, seconds since 1970.
        in_use: a process reads or writes it now.
        references: who said that they need it (`flatprov.images.store.Store.refer`).
    """

    path: Path
    kind: Kind
    sha512: str
    file_name: str
    size_bytes: int
    disk_bytes: int
    used_at: float
    in_use: bool
    references: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checked:
    """What `verify` found about one file.

    Attributes:
        file: which one.
        problem: ``""`` where it is what it was when it was verified.
        removed: whether it was taken away; the next run fetches or unpacks it again.
    """

    file: Stored
    problem: str
    removed: bool = False


def list_store(store: Store) -> list[Stored]:
    """All files of a store, the last used first.

    Raises:
        ImageError: the folder cannot be read.
    """
    try:
        found = [*_content(store, "published"), *_content(store, "unpacked"), *_partial(store)]
    except OSError as error:
        raise disk_error("image store", error, str(store.root)) from None
    return sorted(found, key=lambda one: (-one.used_at, str(one.path)))


def verify_store(
    store: Store, *, remove: bool = True, progress: Progress | None = None, cancelled: Cancelled | None = None
) -> list[Checked]:
    """Read every byte again: SHA-512 of published files, the digest kept of unpacked ones.

    Args:
        store: which one.
        remove: take away what does not hold. A process that reads it meanwhile keeps what it has open.
        progress: bytes done and in total, over all files.
        cancelled: asked all the time.

    Raises:
        ImageError: a file cannot be read or removed.
        CancelledError: stopped by the user.
    """
    files = [one for one in list_store(store) if one.kind != "partial"]
    total, before = sum(one.size_bytes for one in files), 0
    results = []
    for one in files:
        raise_if(cancelled, one.file_name)
        begin = before

        def tick(done: int, _total: int, begin: int = begin) -> None:
            raise_if(cancelled, "image store")
            if progress is not None:
                progress(begin + done, total)

        problem = _problem(store, one, tick)
        if problem and remove:
            store.remove(one.path)
        results.append(Checked(one, problem, removed=bool(problem) and remove))
        before += one.size_bytes
    return results


def _problem(store: Store, one: Stored, tick: Progress) -> str:
    if one.kind == "published":
        try:
            found = store.digests.sha512_anew(one.path, tick)
        except ImageError as error:
            return error.problem
        return "" if found == one.sha512 else f"its sha512 is {found[:16]}…, not {one.sha512[:16]}…"
    kept = store.digests.recorded(one.path).get("data_digest", "")
    if not kept:
        return "nothing tells what it should hold"
    try:
        found = store.digests.data_digest_anew(one.path, tick)
    except ImageError as error:
        return error.problem
    return "" if found == kept else "it was changed after it was unpacked"


def _content(store: Store, kind: Kind) -> Iterator[Stored]:
    for folder in sorted(store.folder_of(kind).glob("??/*")):
        for path in sorted(folder.iterdir()):
            if path.is_file() and not path.is_symlink():
                yield _stored(store, path, kind, folder.name, path.name)


def _partial(store: Store) -> Iterator[Stored]:
    for path in sorted((store.root / "partial").glob("*.part")):
        with contextlib.suppress(FileNotFoundError):  # moved to its place while we look
            yield _stored(store, path, "partial", "", path.name)


def _stored(store: Store, path: Path, kind: Kind, sha512: str, name: str) -> Stored:
    stat = os.stat(path)
    used = stat.st_mtime if kind == "partial" else store.digests.used_at(path) or stat.st_mtime
    busy = store.is_locked(path.stem) if kind == "partial" else store.is_open(path)
    references = store.references(sha512) if sha512 else ()
    return Stored(path, kind, sha512, name, stat.st_size, stat.st_blocks * 512, used, busy, references)
