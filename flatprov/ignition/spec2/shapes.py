"""What the specs 1 and 2.0 to 2.4 contain, as data. ``since`` is the first version that knows the property."""

from __future__ import annotations

from typing import Final

from flatprov.ignition.schema import Field, Kind, Shape

VERSIONS: Final = ("2.0.0", "2.1.0", "2.2.0", "2.3.0", "2.4.0")
FIRST: Final = "1.0.0"


def _of(kind: Kind, names: str, since: str = FIRST) -> tuple[Field, ...]:
    return tuple(Field(name, kind, since=since) for name in names.split())


def _text(names: str, since: str = FIRST) -> tuple[Field, ...]:
    return _of(Kind.STRING, names, since)


def _int(names: str, since: str = FIRST) -> tuple[Field, ...]:
    return _of(Kind.INTEGER, names, since)


def _bool(names: str, since: str = FIRST) -> tuple[Field, ...]:
    return _of(Kind.BOOLEAN, names, since)


def _texts(names: str, since: str = FIRST) -> tuple[Field, ...]:
    return _of(Kind.STRINGS, names, since)


def _one(name: str, shape: Shape, since: str = FIRST) -> Field:
    return Field(name, Kind.OBJECT, shape, since)


def _many(name: str, shape: Shape, since: str = FIRST) -> Field:
    return Field(name, Kind.OBJECTS, shape, since)


_HEADERS: Final = _many("httpHeaders", Shape("header", _text("name value")), "2.4.0")
_VERIFICATION: Final = _one("verification", Shape("verification", _text("hash")))
_REFERENCE: Final = Shape("reference", (*_text("source"), _VERIFICATION, _HEADERS))
_CONTENTS: Final = Shape("contents", (*_text("compression source"), _VERIFICATION, _HEADERS))

_CREATE: Final = Shape(
    "create",
    (
        *_text("gecos homeDir primaryGroup shell"),
        *_bool("noCreateHome noLogInit noUserGroup system"),
        *_texts("groups"),
        *_int("uid"),
    ),
)
_USER: Final = Shape(
    "user",
    (
        *_text("name passwordHash"),
        *_texts("sshAuthorizedKeys"),
        _one("create", _CREATE),
        *(Field(item.name, item.kind, since="2.1.0") for item in _CREATE.fields),
    ),
    key="name",
)
_GROUP: Final = Shape("group", (*_text("name passwordHash"), *_int("gid"), *_bool("system")), key="name")
_PASSWD: Final = _one("passwd", Shape("passwd", (_many("users", _USER), _many("groups", _GROUP))))

_UNIT: Final = Shape(
    "unit",
    (
        *_text("name contents"),
        *_bool("enable mask"),
        *_bool("enabled", "2.1.0"),
        _many("dropins", Shape("dropin", _text("name contents"))),
    ),
)
_NETWORKD: Final = Shape(
    "networkd unit",
    (*_text("name contents"), _many("dropins", Shape("networkd dropin", _text("name contents")), "2.2.0")),
)
_SYSTEMD: Final = _one("systemd", Shape("systemd", (_many("units", _UNIT),)))
_NETWORK: Final = _one("networkd", Shape("networkd", (_many("units", _NETWORKD),)))

_PARTITION: Final = Shape(
    "partition",
    (
        *_text("label typeGuid"),
        *_int("number size start"),
        *_text("guid", "2.1.0"),
        *_int("sizeMiB startMiB", "2.3.0"),
        *_bool("shouldExist wipePartitionEntry", "2.3.0"),
    ),
)
_DISK: Final = Shape("disk", (*_text("device"), *_bool("wipeTable"), _many("partitions", _PARTITION)))
_RAID: Final = Shape(
    "raid", (*_text("name level"), *_texts("devices"), *_int("spares"), *_texts("options", "2.2.0")), key="name"
)
_MKFS: Final = Shape("create", (*_bool("force"), *_texts("options")))
_MOUNT: Final = Shape(
    "mount",
    (
        *_text("device format"),
        _one("create", _MKFS),
        *_text("label uuid", "2.1.0"),
        *_bool("wipeFilesystem", "2.1.0"),
        *_texts("options", "2.1.0"),
    ),
)
_FILESYSTEM: Final = Shape("filesystem", (*_text("name path"), _one("mount", _MOUNT)))
_OWNER: Final = Shape("owner", (*_int("id"), *_text("name", "2.1.0")))
_NODE: Final = (
    *_text("filesystem path"),
    *_bool("overwrite", "2.2.0"),
    _one("user", _OWNER),
    _one("group", _OWNER),
)
_FILE: Final = Shape("file", (*_NODE, *_int("mode"), _one("contents", _CONTENTS), *_bool("append", "2.2.0")))
_DIRECTORY: Final = Shape("directory", (*_NODE, *_int("mode")))
_LINK: Final = Shape("link", (*_NODE, *_text("target"), *_bool("hard")))

_CONFIG: Final = Shape("config", (_many("append", _REFERENCE), _one("replace", _REFERENCE)))
_TLS: Final = Shape("tls", (_many("certificateAuthorities", _REFERENCE),))
_IGNITION: Final = Shape(
    "ignition",
    (
        *_text("version"),
        _one("config", _CONFIG),
        _one("timeouts", Shape("timeouts", _int("httpResponseHeaders httpTotal")), "2.1.0"),
        _one("security", Shape("security", (_one("tls", _TLS),)), "2.2.0"),
        _one("proxy", Shape("proxy", (*_text("httpProxy httpsProxy"), *_texts("noProxy"))), "2.4.0"),
    ),
)
_STORAGE: Final = Shape(
    "storage",
    (
        _many("disks", _DISK),
        _many("raid", _RAID),
        _many("filesystems", _FILESYSTEM),
        _many("files", _FILE),
        _many("directories", _DIRECTORY, "2.1.0"),
        _many("links", _LINK, "2.1.0"),
    ),
)
#: A config of spec 2.
SECOND: Final = Shape("config", (_one("ignition", _IGNITION), _one("storage", _STORAGE), _SYSTEMD, _NETWORK, _PASSWD))

_OLD_FILE: Final = Shape("file", (*_text("path contents"), *_int("mode uid gid")))
_OLD_FILESYSTEM: Final = Shape(
    "filesystem", (*_text("device format"), _one("create", _MKFS), _many("files", _OLD_FILE))
)
_OLD_STORAGE: Final = Shape(
    "storage", (_many("disks", _DISK), _many("raid", _RAID), _many("filesystems", _OLD_FILESYSTEM))
)
#: A config of spec 1.
ONE: Final = Shape("config", (*_int("ignitionVersion"), _one("storage", _OLD_STORAGE), _SYSTEMD, _NETWORK, _PASSWD))
