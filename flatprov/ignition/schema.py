"""What Ignition's specs 3.0 to 3.6 contain, as data.

Loading, rendering, merging, diffing and the choice of a spec version all walk these tables, so a property exists in one
place. Names are the JSON names of the specs; ``since`` is the first spec version that knows the property.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

#: Every stable spec version, oldest first. They compare correctly as text.
VERSIONS: Final = ("3.0.0", "3.1.0", "3.2.0", "3.3.0", "3.4.0", "3.5.0", "3.6.0")
#: What is rendered when no property needs more: the newest spec that every supported Flatcar release reads.
DEFAULT_VERSION: Final = "3.3.0"


class Kind(Enum):
    """The JSON type of a property."""

    STRING = "a string"
    INTEGER = "an integer"
    BOOLEAN = "a boolean"
    STRINGS = "a list of strings"
    OBJECT = "an object"
    OBJECTS = "a list of objects"


@dataclass(frozen=True)
class Field:
    """One property of an object.

    Attributes:
        repeats: a list in which equal items may stand more than once; merging appends it instead of matching keys.
        ordered: a list whose order means something.
        tristate: a boolean for which absent and ``false`` are different things.
    """

    name: str
    kind: Kind
    shape: Shape | None = None
    since: str = "3.0.0"
    repeats: bool = False
    ordered: bool = False
    tristate: bool = False


@dataclass(frozen=True, eq=False)
class Shape:
    """One kind of object. There is one of each, so two are equal only where they are the same.

    Attributes:
        key: the property that identifies an item of this kind in its list.
        spaces: lists of this object that share one namespace of keys.
    """

    name: str
    fields: tuple[Field, ...]
    key: str = ""
    spaces: tuple[tuple[str, ...], ...] = ()
    by_name: dict[str, Field] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {item.name: item for item in self.fields})

    def siblings(self, name: str) -> tuple[str, ...]:
        """Name the other lists whose keys may not repeat those of the list ``name``."""
        return tuple(other for space in self.spaces if name in space for other in space if other != name)


def item_key(shape: Shape | None, item: object) -> str:
    """Give the identity of a list item: the text itself, or the value of the shape's key.

    A partition is known by its number, or by its label where the number is 0 or absent.
    """
    if shape is None or not isinstance(item, dict):
        return str(item)
    if shape.key == "number":
        number, label = item.get("number"), item.get("label")
        return f"number:{number}" if number else f"label:{label}" if label is not None else ""
    return str(item.get(shape.key) or "")


def _text(name: str, since: str = "3.0.0") -> Field:
    return Field(name, Kind.STRING, since=since)


def _int(name: str, since: str = "3.0.0") -> Field:
    return Field(name, Kind.INTEGER, since=since)


def _bool(name: str, since: str = "3.0.0", *, tristate: bool = False) -> Field:
    return Field(name, Kind.BOOLEAN, since=since, tristate=tristate)


def _texts(name: str, since: str = "3.0.0", *, repeats: bool = False, ordered: bool = False) -> Field:
    return Field(name, Kind.STRINGS, since=since, repeats=repeats, ordered=ordered or repeats)


def _one(name: str, shape: Shape, since: str = "3.0.0") -> Field:
    return Field(name, Kind.OBJECT, shape, since)


def _many(name: str, shape: Shape, since: str = "3.0.0", *, repeats: bool = False, ordered: bool = False) -> Field:
    return Field(name, Kind.OBJECTS, shape, since, repeats=repeats, ordered=ordered or repeats)


def _resource(compression_since: str) -> Shape:
    fields = (
        _text("source"),
        _text("compression", compression_since),
        _many("httpHeaders", HEADER, "3.1.0"),
        _one("verification", VERIFICATION),
    )
    return Shape("resource", fields, key="source")


HEADER: Final = Shape("header", (_text("name"), _text("value")), key="name")
VERIFICATION: Final = Shape("verification", (_text("hash"),))
RESOURCE: Final = _resource("3.0.0")  #: contents of a file, a key file
REFERENCE: Final = _resource("3.1.0")  #: another config, or a certificate authority
OWNER: Final = Shape("owner", (_int("id"), _text("name")))

USER: Final = Shape(
    "user",
    (
        _text("name"),
        _text("gecos"),
        _texts("groups"),
        _text("homeDir"),
        _bool("noCreateHome"),
        _bool("noLogInit"),
        _bool("noUserGroup"),
        _text("passwordHash"),
        _text("primaryGroup"),
        _text("shell"),
        _bool("shouldExist", "3.2.0", tristate=True),
        _texts("sshAuthorizedKeys"),
        _bool("system"),
        _int("uid"),
    ),
    key="name",
)
GROUP: Final = Shape(
    "group",
    (
        _text("name"),
        _int("gid"),
        _text("passwordHash"),
        _bool("shouldExist", "3.2.0", tristate=True),
        _bool("system"),
    ),
    key="name",
)

_NODE: Final = (_text("path"), _bool("overwrite"), _one("user", OWNER), _one("group", OWNER))
FILE: Final = Shape(
    "file",
    (*_NODE, _one("contents", RESOURCE), _many("append", RESOURCE, repeats=True), _int("mode")),
    key="path",
)
DIRECTORY: Final = Shape("directory", (*_NODE, _int("mode")), key="path")
LINK: Final = Shape("link", (*_NODE, _text("target"), _bool("hard")), key="path")

PARTITION: Final = Shape(
    "partition",
    (
        _int("number"),
        _text("label"),
        _int("sizeMiB"),
        _int("startMiB"),
        _text("typeGuid"),
        _text("guid"),
        _bool("wipePartitionEntry"),
        _bool("shouldExist", tristate=True),
        _bool("resize", "3.2.0"),
    ),
    key="number",
)
DISK: Final = Shape(
    "disk",
    (_text("device"), _bool("wipeTable"), _many("partitions", PARTITION, ordered=True)),
    key="device",
)
RAID: Final = Shape(
    "raid",
    (
        _text("name"),
        _text("level"),
        _texts("devices", ordered=True),
        _int("spares"),
        _texts("options", repeats=True),
    ),
    key="name",
)
FILESYSTEM: Final = Shape(
    "filesystem",
    (
        _text("device"),
        _text("format"),
        _text("path"),
        _text("label"),
        _text("uuid"),
        _bool("wipeFilesystem"),
        _texts("options", repeats=True),
        _texts("mountOptions", "3.1.0", repeats=True),
    ),
    key="device",
)
TANG: Final = Shape("tang", (_text("url"), _text("thumbprint"), _text("advertisement", "3.4.0")), key="url")
CUSTOM: Final = Shape("custom", (_text("pin"), _text("config"), _bool("needsNetwork")))
CLEVIS: Final = Shape("clevis", (_bool("tpm2"), _int("threshold"), _many("tang", TANG), _one("custom", CUSTOM)))
CEX: Final = Shape("cex", (_bool("enabled"),))
LUKS: Final = Shape(
    "luks",
    (
        _text("name"),
        _text("device"),
        _text("label"),
        _text("uuid"),
        _one("keyFile", RESOURCE),
        _texts("options", repeats=True),
        _bool("wipeVolume"),
        _one("clevis", CLEVIS),
        _bool("discard", "3.4.0"),
        _texts("openOptions", "3.4.0", ordered=True),
        _one("cex", CEX, "3.5.0"),
    ),
    key="name",
)

DROPIN: Final = Shape("dropin", (_text("name"), _text("contents")), key="name")
UNIT: Final = Shape(
    "unit",
    (
        _text("name"),
        _text("contents"),
        _bool("enabled", tristate=True),
        _bool("mask"),
        _many("dropins", DROPIN),
    ),
    key="name",
)

KERNEL_ARGUMENTS: Final = Shape(
    "kernelArguments",
    (_texts("shouldExist", ordered=True), _texts("shouldNotExist")),
    spaces=(("shouldExist", "shouldNotExist"),),
)
PROXY: Final = Shape("proxy", (_text("httpProxy"), _text("httpsProxy"), _texts("noProxy")))
TIMEOUTS: Final = Shape("timeouts", (_int("httpResponseHeaders"), _int("httpTotal")))
_TLS: Final = Shape("tls", (_many("certificateAuthorities", REFERENCE),))
IGNITION: Final = Shape(
    "ignition",
    (
        _text("version"),
        _one("config", Shape("config", (_many("merge", REFERENCE, ordered=True), _one("replace", REFERENCE)))),
        _one("proxy", PROXY, "3.1.0"),
        _one("security", Shape("security", (_one("tls", _TLS),))),
        _one("timeouts", TIMEOUTS),
    ),
)
STORAGE: Final = Shape(
    "storage",
    (
        _many("directories", DIRECTORY),
        _many("files", FILE),
        _many("links", LINK),
        _many("disks", DISK),
        _many("raid", RAID, ordered=True),
        _many("filesystems", FILESYSTEM),
        _many("luks", LUKS, "3.2.0", ordered=True),
    ),
    spaces=(("directories", "files", "links"),),
)
#: The whole config.
ROOT: Final = Shape(
    "config",
    (
        _one("ignition", IGNITION),
        _one("kernelArguments", KERNEL_ARGUMENTS, "3.3.0"),
        _one("passwd", Shape("passwd", (_many("users", USER), _many("groups", GROUP)))),
        _one("storage", STORAGE),
        _one("systemd", Shape("systemd", (_many("units", UNIT),))),
    ),
)
