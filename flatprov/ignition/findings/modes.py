"""Modes that are valid and surely not meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flatprov.ignition.checks import mode_problem
from flatprov.ignition.findings.codes import Path, entry
from flatprov.ignition.findings.view import View
from flatprov.ignition.report import Entry

#: Modes so common that there is nothing to look at.
_USUAL_FILE: Final = frozenset({0o600, 0o640, 0o644, 0o700, 0o750, 0o755, 0o400, 0o440, 0o444, 0o500, 0o555})
_USUAL_DIRECTORY: Final = frozenset({0o700, 0o750, 0o755, 0o775, 0o711, 0o1777})


def find(view: View) -> Iterator[Entry]:
    """Find modes in decimal, modes that shut the owner out, and directories nobody can enter."""
    for path, data in view.files:
        mode = data.get("mode")
        if mode is not None and type(mode) is int and mode not in _USUAL_FILE:
            yield from _mode(mode, (*path, "mode"), directory=False)
    for path, data in view.directories:
        mode = data.get("mode")
        if mode is not None and type(mode) is int and mode not in _USUAL_DIRECTORY:
            yield from _mode(mode, (*path, "mode"), directory=True)


def _mode(mode: int, path: Path, *, directory: bool) -> Iterator[Entry]:
    if not 0 <= mode <= 0o7777:
        return  # the validator says so
    user, group, other = mode >> 6 & 7, mode >> 3 & 7, mode & 7
    shown = f"mode {mode} is 0{mode:o} ({_letters(mode)})"
    if mode_problem(mode, directory=directory):
        message = f"{shown}: it was written in decimal, and Ignition's JSON takes the number itself"
        yield entry("mode-decimal", path, message, f"0{mode} is {int(str(mode), 8)} in JSON")
    elif (group | other) & ~user:
        right = 0o755 if directory or mode & 0o111 else 0o644
        message = f"{shown}: it lets others do what the owner may not"
        yield entry("mode-owner", path, message, f"0{right:o} is {right} in JSON; in Butane write 0{right:o}")
    elif directory and user & 4 and not user & 1:
        right = mode | (mode & 0o444) >> 2
        message = f"{shown}: a directory without x can be listed and not entered"
        yield entry("directory-mode", path, message, f"0{right:o} is {right} in JSON")


def _letters(mode: int) -> str:
    return "".join(letter if mode >> 8 - place & 1 else "-" for place, letter in enumerate("rwxrwxrwx"))
