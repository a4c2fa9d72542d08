"""Paths in a config."""

from __future__ import annotations

import posixpath


def problem(path: str) -> str:
    """Say what is wrong with a path that must be absolute and simple, or ``""``."""
    if not path:
        return "path not specified"
    if path[0] != "/":
        return "path not absolute"
    if (path[-1] == "/" or "//" in path or "/." in path) and clean(path) != path:
        return "path is not fully simplified"
    return ""


def clean(path: str) -> str:
    """Simplify a path as Go's ``path.Clean`` does."""
    simple = posixpath.normpath(path)
    return simple[1:] if simple.startswith("//") else simple


def extension(name: str) -> str:
    """Give what Go takes for the extension of a file's name: ``.service``."""
    base = name[name.rfind("/") + 1 :]
    dot = base.rfind(".")
    return base[dot:] if dot >= 0 else ""
