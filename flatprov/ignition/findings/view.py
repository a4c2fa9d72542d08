"""A config as findings look at it: the parts of each kind with their paths, and contents decoded once.

The config may be invalid in every way: what is of a wrong type is left out here, and is for the validator to report.
"""

from __future__ import annotations

import binascii
from functools import cached_property
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

from flatprov.ignition.dataurl import gunzip_bytes
from flatprov.ignition.findings.codes import Path
from flatprov.ignition.target import Target

#: Contents beyond this many bytes in all are not decompressed, so that no config can fill the memory or the day.
MAX_DECOMPRESSED: Final = 64 << 20


class Item(NamedTuple):
    """One object of the config, and where it stands."""

    path: Path
    data: dict[str, Any]

    def text(self, name: str) -> str:
        """Give a property that is a string, or ``""``."""
        value = self.data.get(name)
        return value if isinstance(value, str) else ""


class Source:
    """Contents of something: inline or to fetch.

    Attributes:
        path: where the resource stands.
        data: the resource.
        role: ``replace``, ``merge``, ``authority``, ``file``, ``append`` or ``key``.
        url: its source.
        inline: whether the URL carries the contents itself.
    """

    __slots__ = ("_content", "_known", "data", "inline", "path", "problem", "role", "url")

    def __init__(self, path: Path, data: dict[str, Any], role: str) -> None:
        url = data.get("source")
        self.path, self.data, self.role = path, data, role
        self.url: str = url if isinstance(url, str) else ""
        self.inline = self.url[:5].lower() == "data:"
        self.problem = ""  #: why gzip could not be decompressed; set by ``content``
        self._known = False
        self._content: bytes | None = None

    def content(self, view: View) -> bytes | None:
        """Give the bytes of inline contents, decompressed; None for remote and for damaged ones."""
        if not self._known:
            self._known = True
            self._content = self._decode(view) if self.inline else None
        return self._content

    def _decode(self, view: View) -> bytes | None:
        head, comma, payload = self.url.partition(",")
        if not comma:
            return None
        try:
            raw = binascii.a2b_base64(payload) if head.endswith(";base64") else unquote_to_bytes(payload)
        except ValueError:
            return None
        if self.data.get("compression") != "gzip":
            return raw
        if view.decompressed > MAX_DECOMPRESSED:
            return None
        try:
            data = gunzip_bytes(raw)
        except ValueError as error:
            view.decompressed += MAX_DECOMPRESSED if "too many" in str(error) else 0
            self.problem = str(error)
            return None
        view.decompressed += len(data)
        return data


class View:
    """The parts of a config.

    Args:
        config: the JSON object.
        target: what will boot it.
    """

    def __init__(self, config: dict[str, Any], target: Target) -> None:
        self.config = config
        self.target = target
        self.decompressed = 0
        ignition = inner(config, "ignition")
        self.ignition = ignition
        version = ignition.get("version")
        self.version = version if isinstance(version, str) else ""
        storage, passwd = inner(config, "storage"), inner(config, "passwd")
        self.files = items(storage, ("storage",), "files")
        self.directories = items(storage, ("storage",), "directories")
        self.links = items(storage, ("storage",), "links")
        self.disks = items(storage, ("storage",), "disks")
        self.raid = items(storage, ("storage",), "raid")
        self.filesystems = items(storage, ("storage",), "filesystems")
        self.luks = items(storage, ("storage",), "luks")
        self.users = items(passwd, ("passwd",), "users")
        self.groups = items(passwd, ("passwd",), "groups")
        self.units = items(inner(config, "systemd"), ("systemd",), "units")
        arguments = inner(config, "kernelArguments")
        self.arguments = texts(arguments, ("kernelArguments",), "shouldExist")
        self.removed_arguments = texts(arguments, ("kernelArguments",), "shouldNotExist")
        #: contents of files by position in ``files``, where they have a source
        self.contents: list[Source | None] = [
            Source((*path, "contents"), data["contents"], "file") if isinstance(data.get("contents"), dict) else None
            for path, data in self.files
        ]
        self.sources = self._sources()

    def _sources(self) -> list[Source]:
        found: list[Source] = []
        references = inner(self.ignition, "config")
        replace = references.get("replace")
        if isinstance(replace, dict):
            found.append(Source(("ignition", "config", "replace"), replace, "replace"))
        found += [Source(*one, "merge") for one in items(references, ("ignition", "config"), "merge")]
        tls = inner(inner(self.ignition, "security"), "tls")
        place = ("ignition", "security", "tls")
        found += [Source(*one, "authority") for one in items(tls, place, "certificateAuthorities")]
        for (path, data), contents in zip(self.files, self.contents, strict=True):
            if contents is not None:
                found.append(contents)
            if "append" in data:
                found += [Source(*one, "append") for one in items(data, path, "append")]
        for path, data in self.luks:
            key = data.get("keyFile")
            if isinstance(key, dict):
                found.append(Source((*path, "keyFile"), key, "key"))
        return found

    @cached_property
    def remote(self) -> list[Source]:
        """What the first boot fetches."""
        return [one for one in self.sources if one.url and not one.inline]

    @cached_property
    def fetches_config(self) -> bool:
        """Whether parts of the config are only known once they were fetched."""
        return any(one.role in ("merge", "replace") for one in self.sources)

    @cached_property
    def files_by_path(self) -> dict[str, int]:
        """The position of each file by its path."""
        return {one.text("path"): number for number, one in enumerate(self.files)}

    @cached_property
    def paths(self) -> frozenset[str]:
        """Every path that the config writes."""
        return frozenset(one.text("path") for one in (*self.files, *self.directories, *self.links))

    @cached_property
    def unit_texts(self) -> list[tuple[Path, str, str]]:
        """The text of every unit and drop-in: its path, the unit's name, the text."""
        found = []
        for unit in self.units:
            name = unit.text("name")
            for one in (unit, *items(unit.data, unit.path, "dropins")):
                text = one.data.get("contents")
                if isinstance(text, str) and text:
                    found.append(((*one.path, "contents"), name, text))
        return found

    def text_of(self, path: str) -> str | None:
        """Give the text that the config writes to a path, or None where that is not known or written elsewhere."""
        number = self.files_by_path.get(path)
        source = self.contents[number] if number is not None else None
        data = source.content(self) if source else None
        return None if data is None else data.decode("utf-8", "replace")


def inner(data: dict[str, Any], name: str) -> dict[str, Any]:
    """Give a property that is an object, or an empty one."""
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def items(data: dict[str, Any], place: Path, name: str) -> list[Item]:
    """Give the objects of a list with their paths."""
    value = data.get(name)
    if not isinstance(value, list):
        return []
    return [Item((*place, name, number), one) for number, one in enumerate(value) if isinstance(one, dict)]


def texts(data: dict[str, Any], place: Path, name: str) -> list[tuple[Path, str]]:
    """Give the strings of a list with their paths."""
    value = data.get(name)
    if not isinstance(value, list):
        return []
    return [((*place, name, number), one) for number, one in enumerate(value) if isinstance(one, str)]
