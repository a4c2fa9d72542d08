"""The files a config names with ``local``: what the translation needs of them, and files that are held in memory."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

ESCAPES: Final = "local file path traverses outside the files directory"
NO_FOLDER: Final = "local file paths are relative to a files directory that must be specified with -d/--files-dir"


class LocalError(Exception):
    """A local file cannot be used. The message names it as the config does."""


@dataclass(frozen=True)
class Found:
    """Something in a tree.

    Args:
        path: relative to the tree's root.
        kind: ``file``, ``link`` or ``other``.
        source: the path to read a file from, relative to the files directory.
        executable: whether anyone may execute the file.
        target: where a link points.
    """

    path: str
    kind: str
    source: str = ""
    executable: bool = False
    target: str = ""


class LocalFiles(Protocol):
    """Where local files come from. Both methods raise ``LocalError``."""

    def read(self, path: str) -> bytes:
        """Give the contents of a file."""
        ...

    def walk(self, path: str) -> Iterable[Found]:
        """Give all that is below a folder, folders left out: by name, folder by folder."""
        ...


def inside(path: str) -> str:
    """Give a path in its shortest form, relative to the files directory; a slash in front means nothing.

    Raises:
        LocalError: it leads out of the files directory.
    """
    clean = posixpath.normpath(path.lstrip("/") or ".")
    if "\0" in path:
        raise LocalError("local file path has a NUL character in it")
    if clean == ".." or clean.startswith("../"):
        raise LocalError(ESCAPES)
    return clean


@dataclass(frozen=True)
class Memory:
    """Local files held in memory, for tests and for programs that have no folder.

    Args:
        files: contents by path, relative to the files directory.
        executable: the paths of those that are executable.
        links: targets of symbolic links by path. They appear in trees and are not followed.
    """

    files: Mapping[str, bytes | str] = field(default_factory=dict)
    executable: frozenset[str] = frozenset()
    links: Mapping[str, str] = field(default_factory=dict)

    def read(self, path: str) -> bytes:
        """Give the contents of a file."""
        clean = inside(path)
        if clean not in self.files:
            raise LocalError(f"open {path}: no such file or directory")
        data = self.files[clean]
        return data.encode() if isinstance(data, str) else data

    def walk(self, path: str) -> Iterable[Found]:
        """Give all that is below a folder."""
        clean = inside(path)
        if clean in self.files:
            raise LocalError("root of tree must be a directory")
        start = "" if clean == "." else f"{clean}/"
        names = sorted({*self.files, *self.links}, key=lambda name: name.split("/"))
        names = [name for name in names if name.startswith(start)]
        if not names:
            raise LocalError(f"stat {path}: no such file or directory")
        for name in names:
            rest = name[len(start) :]
            if name in self.links:
                yield Found(rest, "link", target=self.links[name])
            else:
                yield Found(rest, "file", name, name in self.executable)
