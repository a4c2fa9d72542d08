"""What Ignition's files stage will make of a config: the files, directories and links on the machine's disk.

For a root without any of the paths, which is what a first boot finds apart from the operating system's own files. Made
to show a config's effect before a machine exists; checked against what the real engine writes.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from flatprov.errors import ConfigError
from flatprov.ignition.dataurl import decode, is_inline
from flatprov.ignition.schema import VERSIONS
from flatprov.ignition.versions import SPECIAL_BITS

Kind: TypeAlias = Literal["file", "directory", "link", "hard link"]

UNITS: Final = "/etc/systemd/system"
PRESET: Final = "/etc/systemd/system-preset/20-ignition.preset"
_TYPES: Final = {"file": "-", "directory": "d", "link": "l", "hard link": "h"}


@dataclass(frozen=True, kw_only=True)
class Node:
    """One thing on the disk.

    Args:
        path: absolute.
        kind: what it is.
        mode: permissions; None for links, which have none of their own.
        user: the owner's number or name.
        group: the group's number or name.
        contents: the bytes of a file; None where a part of them is fetched at boot, and for everything else.
        fetched: the URLs of what is fetched, in order.
        target: where a link points.
        made: False for a directory that exists only because something is in it; it may be the system's own.
    """

    path: str
    kind: Kind
    mode: int | None
    user: int | str = 0
    group: int | str = 0
    contents: bytes | None = None
    fetched: tuple[str, ...] = ()
    target: str = ""
    made: bool = True

    def __str__(self) -> str:
        mode = "----" if self.mode is None else f"{self.mode:04o}"
        size = "" if self.contents is None else f" {len(self.contents)} bytes"
        more = f" -> {self.target}" if self.target else ""
        more += f" from {', '.join(self.fetched)}" if self.fetched else ""
        return f"{_TYPES[self.kind]}{mode} {self.user}:{self.group} {self.path}{size}{more}"


@dataclass(frozen=True, kw_only=True)
class Tree:
    """All that will be on the disk.

    Args:
        nodes: by path.
        enabled: what the preset enables, as its lines: the unit, for instances their names after it.
        disabled: units that are disabled where the release enables them.
    """

    nodes: dict[str, Node]
    enabled: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Write it down, one thing a line, without directories that only lead to something."""
        found = [str(node) for _, node in sorted(self.nodes.items()) if node.made]
        return [*found, *(f"enable {unit}" for unit in self.enabled), *(f"disable {unit}" for unit in self.disabled)]


def tree(config: dict[str, Any]) -> Tree:
    """Predict what is on the disk after the first boot.

    Args:
        config: a valid config; what it merges or is replaced by is not looked into.

    Raises:
        ConfigError: something has to be below what is no directory, or inline contents do not unpack.
    """
    nodes: dict[str, Node] = {}
    for node in [*_keys(config), *_entries(config.get("storage") or {}, _version(config))]:
        _place(nodes, node)
    units = (config.get("systemd") or {}).get("units") or []
    for unit in units:
        for node in _unit(unit):
            _place(nodes, node)
    enabled, disabled = (tuple(_presets(units, wanted)) for wanted in (True, False))
    if enabled:
        text = "".join(f"enable {line}\n" for line in enabled).encode()
        # Whether a unit that shall be disabled gets a line of its own depends on what the release enables.
        _place(nodes, Node(path=PRESET, kind="file", mode=0o644, contents=None if disabled else text))
    return Tree(nodes=nodes, enabled=enabled, disabled=disabled)


def _version(config: dict[str, Any]) -> str:
    return str((config.get("ignition") or {}).get("version") or "")


def _place(nodes: dict[str, Node], node: Node) -> None:
    for parent in _parents(node.path):
        if parent not in nodes:
            nodes[parent] = Node(path=parent, kind="directory", mode=0o755, made=False)
        elif nodes[parent].kind in ("file", "hard link"):
            problem = f"has to be below {parent}, which is a file in the same config"
            raise ConfigError(node.path, problem, "choose another path", path=node.path)
    nodes[node.path] = node


def _parents(path: str) -> Iterator[str]:
    parts = path.strip("/").split("/")[:-1]
    for count in range(1, len(parts) + 1):
        yield "/" + "/".join(parts[:count])


def _entries(storage: dict[str, Any], version: str) -> Iterator[Node]:
    """Give what the section ``storage`` makes, in the engine's order: shallow before deep, hard links last."""
    lists = [(kind, one) for kind in ("directories", "files", "links") for one in storage.get(kind) or []]
    soft = [(kind, one) for kind, one in lists if not one.get("hard")]
    soft.sort(key=lambda entry: entry[1]["path"].count("/") if entry[1]["path"] != "/" else 0)
    made: dict[str, Node] = {}
    for kind, one in [*soft, *((kind, one) for kind, one in lists if one.get("hard"))]:
        node = _node(kind, one, version, made)
        made[node.path] = node
        yield node


def _node(kind: str, one: dict[str, Any], version: str, made: dict[str, Node]) -> Node:
    path, mode = one["path"], one.get("mode")
    if mode is not None and version < VERSIONS[-1]:
        mode &= ~SPECIAL_BITS
    user, group = _owner(one.get("user")), _owner(one.get("group"))
    if kind == "directories":
        return Node(path=path, kind="directory", mode=0o755 if mode is None else mode, user=user or 0, group=group or 0)
    if kind == "files":
        contents, fetched = _contents(one)
        mode = 0o644 if mode is None else mode
        return Node(
            path=path, kind="file", mode=mode, user=user or 0, group=group or 0, contents=contents, fetched=fetched
        )
    target = str(one.get("target") or "")
    if one.get("hard"):
        other = made.get(target)
        if other is not None and other.kind == "file":
            return Node(
                path=path, kind="hard link", mode=other.mode, user=other.user, group=other.group, target=target,
                contents=other.contents, fetched=other.fetched,
            )  # fmt: skip
        return Node(path=path, kind="hard link", mode=None, target=target)
    # Ignition takes the owner of what the link leads to for the link's own, where it exists by then.
    pointed = made.get(posixpath.normpath(posixpath.join(posixpath.dirname(path), target)))
    if target.startswith("/") or pointed is None or pointed.kind == "link":
        pointed = Node(path="", kind="link", mode=None)
    return Node(
        path=path,
        kind="link",
        mode=None,
        user=pointed.user if user is None else user,
        group=pointed.group if group is None else group,
        target=target,
    )


def _owner(owner: dict[str, Any] | None) -> int | str | None:
    owner = owner or {}
    number = owner.get("id")
    return number if number is not None else owner.get("name") or None


def _contents(file: dict[str, Any]) -> tuple[bytes | None, tuple[str, ...]]:
    parts = [one for one in [file.get("contents"), *(file.get("append") or [])] if one and one.get("source")]
    fetched = tuple(str(one["source"]) for one in parts if not is_inline(one["source"]))
    if fetched:
        return None, fetched
    return b"".join(decode(str(one["source"]), one.get("compression")) for one in parts), ()


def _keys(config: dict[str, Any]) -> Iterator[Node]:
    """Give the files with SSH keys. A home that the release sets for its own users is not known here."""
    for user in (config.get("passwd") or {}).get("users") or []:
        keys, name = user.get("sshAuthorizedKeys") or [], user.get("name")
        if not keys or user.get("shouldExist") is False:
            continue
        home = str(user.get("homeDir") or ("/root" if name == "root" else f"/home/{name}"))
        text = "\n".join(keys)
        text = text if text.endswith("\n") else text + "\n"
        for folder in (f"{home}/.ssh", f"{home}/.ssh/authorized_keys.d"):
            yield Node(path=folder, kind="directory", mode=0o700, user=name, group=name, made=False)
        path = f"{home}/.ssh/authorized_keys.d/ignition"
        yield Node(path=path, kind="file", mode=0o600, user=name, group=name, contents=text.encode())


def _unit(unit: dict[str, Any]) -> Iterator[Node]:
    path = f"{UNITS}/{unit['name']}"
    for dropin in unit.get("dropins") or []:
        if dropin.get("contents") is not None:
            yield Node(path=f"{path}.d/{dropin['name']}", kind="file", mode=0o644, contents=dropin["contents"].encode())
    if unit.get("mask"):
        yield Node(path=path, kind="link", mode=None, target="/dev/null")
    elif unit.get("contents"):
        yield Node(path=path, kind="file", mode=0o644, contents=unit["contents"].encode())


def _presets(units: list[dict[str, Any]], wanted: bool) -> Iterator[str]:
    """Give the lines of the preset: instances of one template stand together."""
    found: dict[str, list[str]] = {}
    for unit in units:
        if unit.get("enabled") is not wanted:
            continue
        head, at, rest = unit["name"].partition("@")
        instance, dot, suffix = rest.rpartition(".")
        found.setdefault(f"{head}@{dot}{suffix}" if at else head, []).extend([instance] if at else [])
    order = "enabled" if wanted else "disabled"
    for name in sorted(found, key=lambda one: f"{one}-{order}"):
        instances = " ".join(found[name])
        yield f"{name} {instances}" if "@" in name else name
