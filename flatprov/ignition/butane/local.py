"""Local files from a folder: the one place below ``ignition`` that reads the disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Final

from flatprov.ignition.butane.files import ESCAPES, Found, LocalError, inside

#: The largest local file that is read, in bytes. No carrier takes a config of this size.
MAX_BYTES: Final = 256 << 20


class Folder:
    """A files directory, as ``butane --files-dir`` takes one.

    Nothing outside it is read, also not through symbolic links: Butane follows those wherever they lead.

    Args:
        path: the folder; relative to the working directory.

    Raises:
        LocalError: it is no folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._root = os.path.realpath(path)
        if not os.path.isdir(self._root):
            raise LocalError("the files directory is no folder")

    def read(self, path: str) -> bytes:
        """Give the contents of a regular file."""
        place = self._resolve(path)
        try:
            # not blocking: opening a pipe for reading would wait for someone to write into it
            descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                kind = os.fstat(descriptor).st_mode
                if not stat.S_ISREG(kind):
                    raise LocalError(
                        f"read {path or '.'}: is {'a directory' if stat.S_ISDIR(kind) else 'no regular file'}"
                    )
                with os.fdopen(descriptor, "rb", closefd=False) as file:
                    data = file.read(MAX_BYTES + 1)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise LocalError(f"open {path}: {_reason(error)}") from None
        if len(data) > MAX_BYTES:
            raise LocalError(f"read {path}: more than {MAX_BYTES:,} bytes; let the machine fetch it with source")
        return data

    def walk(self, path: str) -> Iterator[Found]:
        """Give all that is below a folder."""
        place = self._resolve(path)
        try:
            about = os.stat(place)
        except OSError as error:
            raise LocalError(f"stat {path}: {_reason(error)}") from None
        if not stat.S_ISDIR(about.st_mode):
            raise LocalError("root of tree must be a directory")
        return self._walk(place, "")

    def _walk(self, place: str, below: str) -> Iterator[Found]:
        try:
            with os.scandir(place) as listing:
                entries = sorted(listing, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            raise LocalError(f"open {below or '.'}: {_reason(error)}") from None
        for entry in entries:
            path = f"{below}{entry.name}"
            if entry.is_symlink():
                yield Found(path, "link", target=os.readlink(entry.path))
            elif entry.is_dir():
                yield from self._walk(entry.path, f"{path}/")
            elif entry.is_file():
                source = os.path.relpath(entry.path, self._root)
                yield Found(path, "file", source, bool(entry.stat().st_mode & 0o111))
            else:
                yield Found(path, "other")

    def _resolve(self, path: str) -> str:
        try:
            place = os.path.realpath(os.path.join(self._root, inside(path)))
        except (OSError, ValueError):
            raise LocalError(f"open {path}: the path cannot be used") from None
        if place != self._root and not place.startswith(self._root.rstrip(os.sep) + os.sep):
            raise LocalError(ESCAPES)
        return place


def _reason(error: OSError) -> str:
    return (error.strerror or "failed").lower()
