"""The image store: a folder that only ever shows verified files.

::

    ROOT/blobs/AB/ABCD…/FILE      verified files as published, by SHA-512
    ROOT/unpacked/AB/ABCD…/FILE   what was unpacked from the verified file of that SHA-512
    ROOT/evidence/KEY/            signed digests and the key they were checked with, checked again by each run
    ROOT/partial/                 bytes that nobody has verified yet; never read as an image
    ROOT/known/                   digests of files that need not be hashed again while they stay unchanged
    ROOT/references/ABCD…/OWNER   who needs the file of that SHA-512; `flatprov.images.garbage` keeps it then
    ROOT/locks/                   one per thing that is made; the kernel frees them when a process dies

Who reads a file holds a shared lock on it (`flatprov.images.locks.in_use`), so it is not removed meanwhile.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flatprov.errors import CancelledError
from flatprov.images.failures import disk_error, image_error, shown
from flatprov.images.locks import is_held, try_lock
from flatprov.images.remembered import Remembered

_POLL_SECONDS = 0.05


def default_root() -> Path:
    """``$XDG_CACHE_HOME/flatprov/images``, else ``~/.cache/flatprov/images``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "flatprov" / "images"


class Store:
    """A content-addressed folder, shared by all stacks and processes of a user.

    Args:
        root: None for the default folder. It is made when first written to, for this user only.
    """

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        self.root = Path(root) if root is not None else default_root()
        self.digests = Remembered(self.root / "known")

    def prepare(self) -> None:
        """Make the folder.

        Raises:
            ImageError: not allowed, or no space.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.root / "partial").mkdir(exist_ok=True)
            (self.root / "locks").mkdir(exist_ok=True)
            mode = self.root.stat().st_mode
        except OSError as error:
            raise disk_error("image store", error, str(self.root)) from None
        if mode & stat.S_IWOTH:
            raise image_error(
                "permission", "image store", f"every user may write in {self.root}", f"run chmod o-w {self.root}"
            )

    @contextmanager
    def lock(self, key: str, cancelled: Callable[[], bool] | None = None) -> Iterator[None]:
        """Hold a lock that one process (and thread) at a time has; waits for it.

        Raises:
            CancelledError: the user stopped waiting.
        """
        self.prepare()
        while (handle := try_lock(self._lock_path(name_of(key)), self.root)) is None:
            if cancelled is not None and cancelled():
                raise CancelledError(shown(key), "was stopped while another process fetches it")
            time.sleep(_POLL_SECONDS)
        try:
            yield
        finally:
            os.close(handle)  # frees the lock

    def part_path(self, key: str) -> Path:
        """Where unverified bytes of a URL or an unpacking go."""
        return self.root / "partial" / f"{name_of(key)}.part"

    def evidence_path(self, key: str) -> Path:
        """A folder for the signed digests of one release file."""
        return self.root / "evidence" / name_of(key)

    def find(self, sha512: str, file_name: str) -> Path | None:
        """A verified file, or None. One that was changed in the store is removed."""
        path = self._blob(sha512, file_name)
        if not path.is_file():
            return None
        if self.digests.sha512(path) == sha512.lower():
            self.digests.touch(path)
            return path
        self.remove(path)
        return None

    def commit(self, part: Path, sha512: str, file_name: str) -> Path:
        """Give a file that the caller has verified and synced its place; atomic.

        Raises:
            ImageError: the disk refused.
        """
        path = self._blob(sha512, file_name)
        self._place(part, path)
        self.digests.remember(path, sha512)
        return path

    def find_unpacked(self, source_sha512: str, file_name: str) -> Path | None:
        """What was unpacked from a verified file, or None. One that was changed since is removed."""
        path = self._unpacked(source_sha512, file_name)
        if not path.is_file():
            return None
        if self.digests.is_unchanged(path):
            self.digests.touch(path)
            return path
        self.remove(path)
        return None

    def commit_unpacked(self, part: Path, source_sha512: str, file_name: str, data_digest: str) -> Path:
        """Give an unpacked, synced file its place; atomic. Without its record it is unpacked again.

        Args:
            part: the file.
            source_sha512: of the verified file it was unpacked from.
            file_name: its name.
            data_digest: what `flatprov.images.unpack` returned.
        """
        path = self._unpacked(source_sha512, file_name)
        self._place(part, path)
        self.digests.remember_data(path, data_digest)
        return path

    def note(self, key: str, sha512: str) -> None:
        """Note under which digest something lies. A note is a hint where to look, never a proof."""
        path = self.evidence_path(key)
        with contextlib.suppress(OSError):
            path.mkdir(parents=True, exist_ok=True)
            (path / "sha512").write_text(sha512)

    def recall(self, key: str) -> str:
        """What was noted, or ``""``."""
        try:
            text = (self.evidence_path(key) / "sha512").read_text()
        except (OSError, UnicodeDecodeError):
            return ""
        return text if re.fullmatch("[0-9a-f]{128}", text) else ""

    def drop_evidence(self, key: str) -> None:
        """Forget signed digests that turned out wrong."""
        shutil.rmtree(self.evidence_path(key), ignore_errors=True)

    def refer(self, sha512: str, owner: str) -> None:
        """Say that somebody needs the file of a digest, until `unrefer`. Saying it twice is saying it once.

        Args:
            sha512: of the published file.
            owner: any one-line name, shown by ``flatprov image ls``.
        """
        folder = self.root / "references" / sha512.lower()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (folder / name_of(owner)).write_text(owner)
        except OSError as error:
            raise disk_error("image store", error, str(self.root)) from None

    def unrefer(self, sha512: str, owner: str) -> None:
        """Take back what `refer` said."""
        folder = self.root / "references" / sha512.lower()
        (folder / name_of(owner)).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()  # unless others refer to it too

    def references(self, sha512: str) -> tuple[str, ...]:
        """Who needs the file of a digest."""
        folder = self.root / "references" / sha512.lower()
        try:
            return tuple(sorted(path.read_text() for path in folder.iterdir()))
        except FileNotFoundError:
            return ()

    def folder_of(self, kind: str) -> Path:
        """Where ``published`` or ``unpacked`` files lie."""
        return self.root / ("blobs" if kind == "published" else kind)

    def is_locked(self, name: str) -> bool:
        """Whether somebody holds the lock that belongs to a partial file."""
        return is_held(self._lock_path(name))

    def is_open(self, path: Path) -> bool:
        """Whether somebody reads a file, and said so with `flatprov.images.locks.in_use`."""
        return is_held(path)

    def remove(self, path: Path) -> None:
        """Remove a file and what is remembered about it, even while somebody reads it."""
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise disk_error(path.name, error, str(self.root)) from None
        self.digests.forget(path)

    def remove_unless_open(self, path: Path) -> bool:
        """Remove a file that nobody reads; whether it is gone."""
        if not path.exists():
            return True
        handle = try_lock(path, self.root, os.O_RDONLY)
        if handle is None:
            return False
        try:
            self.remove(path)
        finally:
            os.close(handle)
        return True

    def remove_partial(self, path: Path) -> bool:
        """Remove what a stopped run left, unless another goes on with it; whether it is gone."""
        handle = try_lock(self._lock_path(path.stem), self.root)
        if handle is None:
            return False
        try:
            for left in path.parent.glob(f"{path.stem}.*"):
                left.unlink(missing_ok=True)
        finally:
            os.close(handle)
        return True

    def tidy(self) -> None:
        """Remove empty folders, locks that nobody holds, and records of files that are gone."""
        for kind in ("published", "unpacked"):
            for folder in [*self.folder_of(kind).glob("??/*"), *self.folder_of(kind).glob("??")]:
                with contextlib.suppress(OSError):
                    folder.rmdir()
        for path in (self.root / "locks").glob("*.lock"):
            handle = try_lock(path, self.root, os.O_RDONLY) if path.exists() else None
            if handle is not None:
                path.unlink(missing_ok=True)  # who waits for it sees that, and makes a new one
                os.close(handle)
        self.digests.tidy()

    def _lock_path(self, name: str) -> Path:
        return self.root / "locks" / f"{name}.lock"

    def _blob(self, sha512: str, file_name: str) -> Path:
        return self.root / "blobs" / sha512[:2].lower() / sha512.lower() / Path(file_name).name

    def _unpacked(self, sha512: str, file_name: str) -> Path:
        return self.root / "unpacked" / sha512[:2].lower() / sha512.lower() / Path(file_name).name

    def _place(self, part: Path, path: Path) -> None:
        try:
            give_name(part, path, 0o444)
        except OSError as error:
            raise disk_error(path.name, error, str(self.root)) from None
        part.with_name(part.name + ".json").unlink(missing_ok=True)


def give_name(part: Path, path: Path, mode: int) -> None:
    """Give a finished, synced file its name, whole or not at all, also after a power loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part.chmod(mode)
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def name_of(key: str) -> str:
    """A file name for any key."""
    return hashlib.sha256(key.encode()).hexdigest()
