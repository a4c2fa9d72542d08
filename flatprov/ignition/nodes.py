"""Files, directories and links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING

from flatprov.ignition.checks import Part, mode_problem, path_problem
from flatprov.ignition.contents import Remote, check_contents
from flatprov.ignition.schema import DIRECTORY, FILE, LINK, OWNER

if TYPE_CHECKING:
    from pulumi import Input

    from flatprov.ignition.contents import Contents


@dataclass(frozen=True, kw_only=True)
class Owner(Part, shape=OWNER, place="owner"):
    """A user or group by number and name at once.

    Needed only to merge onto a config that names the owner the other way: ``Owner(id=0, name="")``. Everywhere else a
    plain number or name is enough.

    Args:
        id: the number.
        name: the name, looked up on the machine when it boots.

    Raises:
        ConfigError: both are set, and the name is not empty.
    """

    id: Input[int] | None = None
    name: Input[str] | None = None

    def _check(self) -> None:
        if isinstance(self.id, int) and isinstance(self.name, str) and self.name:
            raise self.fail("", "cannot set both id and name", "keep one of them")


class _Node(Part, shape=FILE, place="files"):
    """What files, directories and links have in common."""

    def _check(self) -> None:
        path = getattr(self, "path", None)
        problem = path_problem(path) if isinstance(path, str) else ""
        if problem:
            raise self.fail("path", problem, "write the absolute path in its shortest form, such as /etc/motd")
        mode = getattr(self, "mode", None)
        if isinstance(mode, int):
            problem = mode_problem(mode, directory=isinstance(self, Directory))
            if problem:
                meant = f"write 0o{mode}" if set(str(mode)) <= set("01234567") else "write it in octal, such as 0o644"
                raise self.fail("mode", problem, meant)
        for attribute in ("user", "group"):
            if isinstance(getattr(self, attribute), (bool, bytes, float, list, tuple, dict)):
                raise self.fail(attribute, "must be a name, a number or Owner(...)", "give one of these")


@dataclass(frozen=True)
class File(_Node, shape=FILE, place="files"):
    """A file.

    Args:
        path: absolute.
        contents: text (written as UTF-8), bytes, or ``Remote``. None keeps those of an existing file, or makes an
            empty one.
        mode: for example ``0o644``, which is also the default for a new file.
        user: the owner, by name or number; root for a new file.
        group: like ``user``.
        overwrite: True replaces a file that exists; without it, one that exists fails the boot.
        append: contents to add at the end.
        compression: what text or bytes already are. None lets flatprov compress where that is shorter, ``""`` forbids
            it, ``"gzip"`` says that the bytes are compressed and are to be decompressed on the machine.

    Raises:
        ConfigError: the path is not absolute, the mode is impossible or written in decimal, or a type is wrong.
    """

    path: Input[str]
    contents: Contents | None = field(default=None, repr=False)
    _: KW_ONLY
    mode: Input[int] | None = None
    user: Input[str] | Input[int] | Owner | None = None
    group: Input[str] | Input[int] | Owner | None = None
    overwrite: Input[bool] | None = None
    append: Sequence[Contents] = field(default=(), repr=False)
    compression: Input[str] | None = None

    def _check(self) -> None:
        super()._check()
        check_contents(self, "contents", self.contents)
        if isinstance(self.append, (list, tuple)):
            for number, one in enumerate(self.append):
                check_contents(self, f"append[{number}]", one)
        if isinstance(self.compression, str):
            if self.compression not in ("", "gzip"):
                raise self.fail("compression", "is unknown", 'write "gzip" or ""')
            if self.contents is None or isinstance(self.contents, Remote):
                raise self.fail("compression", "belongs to inline contents", "set it in Remote(...), or remove it")


@dataclass(frozen=True)
class Directory(_Node, shape=DIRECTORY, place="directories"):
    """A directory. Missing parents are made too, owned by root.

    Args:
        path: absolute.
        mode: for example ``0o755``, which is also the default.
        user: the owner, by name or number; root for a new directory.
        group: like ``user``.
        overwrite: True replaces what is there and is no directory.

    Raises:
        ConfigError: the path is not absolute, or the mode is impossible or written in decimal.
    """

    path: Input[str]
    _: KW_ONLY
    mode: Input[int] | None = None
    user: Input[str] | Input[int] | Owner | None = None
    group: Input[str] | Input[int] | Owner | None = None
    overwrite: Input[bool] | None = None


@dataclass(frozen=True)
class Link(_Node, shape=LINK, place="links"):
    """A symbolic or hard link.

    Args:
        path: absolute.
        target: what it points to.
        hard: True for a hard link, which takes the owner of its target.
        user: the owner, by name or number; root when left out.
        group: like ``user``.
        overwrite: True replaces what is there.

    Raises:
        ConfigError: the path is not absolute, or the target is empty.
    """

    path: Input[str]
    target: Input[str]
    _: KW_ONLY
    hard: Input[bool] | None = None
    user: Input[str] | Input[int] | Owner | None = None
    group: Input[str] | Input[int] | Owner | None = None
    overwrite: Input[bool] | None = None

    def _check(self) -> None:
        super()._check()
        if not isinstance(self.target, Part) and self.target in (None, ""):
            raise self.fail("target", "is empty", "name what the link points to")
