"""Which spec version a config needs, and which Ignition and which Flatcar release read it.

The tables here are the only ones: ``flatprov.flatcar`` reads them too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from flatprov.errors import ConfigError
from flatprov.ignition.schema import DEFAULT_VERSION, ROOT, VERSIONS, Kind, Shape
from flatprov.ignition.target import Target

#: The Ignition that ``validate`` is like where nothing else is said; it is in the Stable of August 2026.
NEWEST_IGNITION: Final = "2.24.0"
SPECIAL_BITS: Final = 0o7000

#: The first Ignition that reads each spec. https://coreos.github.io/ignition/specs/
IGNITION_SINCE: Final[Mapping[str, tuple[int, int]]] = {
    "3.0.0": (2, 0),
    "3.1.0": (2, 3),
    "3.2.0": (2, 7),
    "3.3.0": (2, 11),
    "3.4.0": (2, 15),
    "3.5.0": (2, 20),
    "3.6.0": (2, 26),
}
#: The first Flatcar major version with each Ignition, newest first; those before read spec 2 only. From the package
#: lists of the images. 4799 is a nightly build: no release has it yet.
FLATCAR_SINCE: Final = (
    (4799, (2, 26)),
    (4547, (2, 24)),
    (4459, (2, 22)),
    (4344, (2, 21)),
    (4152, (2, 20)),
    (4012, (2, 19)),
    (3913, (2, 18)),
    (3535, (2, 15)),
    (3277, (2, 14)),
    (3185, (2, 13)),
)
#: From this Flatcar on, ``oem://`` is accepted in configs of spec 3.5.0 and newer as well.
OEM_IN_NEW_SPECS_SINCE: Final = 4757

_SOURCES: Final = {"arn": "3.4.0", "gs": "3.2.0"}
_PINS: Final = ("", "tpm2", "tang", "sss")
_VERSION: Final = re.compile(r"(\d{1,4})\.(\d{1,6})(?:\.\d{1,6})?(?:[-+].*)?", re.ASCII)
_NAMES: Final = {
    "kernelArguments": "kernel arguments",
    "luks": "encrypted devices (luks)",
    "cex": "keys in an IBM CEX card",
    "discard": "discard on encrypted devices",
    "openOptions": "options for opening encrypted devices",
    "advertisement": "a stored advertisement of a Tang server",
    "resize": "resizing a partition",
    "shouldExist": "removing users and groups",
    "mountOptions": "mount options",
    "httpHeaders": "HTTP headers",
    "proxy": "a proxy",
    "compression": "compression of other configs and authorities",
}


class Need(NamedTuple):
    """Something in a config that only newer specs have.

    Attributes:
        feature: what it is, in words.
        path: where it is used: ``storage.luks[0].discard``.
        spec: the first spec version that has it.
    """

    feature: str
    path: str
    spec: str


def ignition_numbers(version: str) -> tuple[int, int]:
    """Read a version of Ignition as two numbers that compare.

    Raises:
        ConfigError: it is no version of Ignition 2.
    """
    found = _VERSION.fullmatch(version)
    if not found or found[1] != "2":
        raise ConfigError(f"Ignition {version!r}", "is no version of Ignition 2", "write one such as 2.24.0")
    return int(found[1]), int(found[2])


def newest_spec(ignition: tuple[int, int]) -> str:
    """Give the newest stable spec that an Ignition reads; ``""`` for those before 2.0."""
    return next((spec for spec in reversed(VERSIONS) if IGNITION_SINCE[spec] <= ignition), "")


def newest_spec_of_flatcar(major: int) -> str:
    """Give the newest stable spec that a Flatcar release reads, by its major version; ``""`` where that is spec 2."""
    return next((newest_spec(ignition) for since, ignition in FLATCAR_SINCE if major >= since), "")


def flatcar_since(spec: str) -> int:
    """Give the first Flatcar major version that reads a spec, or 0 where none does."""
    return next((major for major, ignition in reversed(FLATCAR_SINCE) if ignition >= IGNITION_SINCE[spec]), 0)


@cache
def readable_spec(version: str, ignition: tuple[int, int]) -> str:
    """Give the spec by whose rules an Ignition reads a config of this version, or ``""`` where it refuses it.

    Beside the stable ones each Ignition reads the spec that comes next, as ``-experimental``.
    """
    newest = newest_spec(ignition)
    if version in VERSIONS:
        return version if version <= newest else ""
    following = f"3.{int(newest[2]) + 1}.0"
    return following if version == f"{following}-experimental" else ""


def lowest_version(config: dict[str, Any], *, values: bool = True) -> str:
    """Give the lowest spec version, but at least 3.3.0, that knows every property the config uses.

    Args:
        config: a config; its own ``ignition.version`` does not count.
        values: also count what older versions accept and then ignore: setuid, setgid and sticky bits, and Clevis pins
            of other names. False for a config that states its version, because it works as it does with that version.
    """
    return max(DEFAULT_VERSION, *_needs(ROOT, config, values), VERSIONS[0])


def needs(config: Mapping[str, Any]) -> list[Need]:
    """Give everything in a config that spec 3.0.0 does not have, in the config's order."""
    return list(_found(ROOT, config, ""))


def check_target(config: Mapping[str, Any], target: Target) -> None:
    """Check that the Ignition of the target reads the config.

    Args:
        config: a config; where it states no version, the lowest that holds its features counts.
        target: where neither its Ignition nor its release is known, nothing is checked.

    Raises:
        ConfigError: the spec version, or what needs it, is too new for the release.
    """
    newest = _newest_for(target)
    section = config.get("ignition")
    stated = section.get("version") if isinstance(section, Mapping) else None
    wanted = [need for need in needs(config) if newest and need.spec > newest]
    spec = stated if isinstance(stated, str) and stated else lowest_version(dict(config))
    if newest and spec in VERSIONS and spec > newest:
        raise _too_new(spec, wanted, newest, target)
    major = _major(target)
    if major and major < OEM_IN_NEW_SPECS_SINCE and spec >= "3.5.0":
        _check_oem(config, spec, target)


def _newest_for(target: Target) -> str:
    if target.ignition:
        return newest_spec(ignition_numbers(target.ignition))
    major = _major(target)
    return newest_spec_of_flatcar(major) if major else ""


def _major(target: Target) -> int:
    head = target.release.partition(".")[0]
    return int(head) if head.isascii() and head.isdigit() and len(head) < 9 else 0


def _reader(target: Target) -> str:
    """Name what reads the config."""
    ignition = f"Ignition {target.ignition}" if target.ignition else "its Ignition"
    return f"Flatcar {target.release} ({ignition})" if target.release else ignition


def _too_new(spec: str, wanted: list[Need], newest: str, target: Target) -> ConfigError:
    if not wanted:
        path = "ignition.version"
        problem = f"is {spec}, but {_reader(target)} reads configs up to {newest}"
        return ConfigError(path, problem, f"write {newest}: nothing in the config needs more", path=path)
    need = wanted[0]
    problem = f"{need.feature} needs spec {need.spec}, but {_reader(target)} reads configs up to {newest}"
    major = flatcar_since(need.spec)
    first = ".".join(map(str, IGNITION_SINCE[need.spec]))
    works = f"it works from Flatcar {major} (Ignition {first}) on" if major else f"it works from Ignition {first} on"
    return ConfigError(need.path, problem, f"leave it out, or take a newer release: {works}", path=need.path)


def _check_oem(config: Mapping[str, Any], spec: str, target: Target) -> None:
    path = next(_oem_sources(config, ""), "")
    if path:
        problem = f"an oem:// URL in a config of spec {spec} is refused by {_reader(target)}"
        fix = f"use spec 3.4.0 or older, or Flatcar {OEM_IN_NEW_SPECS_SINCE} or newer"
        raise ConfigError(path, problem, fix, path=path)


def _oem_sources(value: object, where: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            path = f"{where}.{name}" if where else str(name)
            if name == "source" and isinstance(inner, str) and inner[:4].lower() == "oem:":
                yield path
            yield from _oem_sources(inner, path)
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            yield from _oem_sources(inner, f"{where}[{number}]")


def _needs(shape: Shape, data: dict[str, Any], values: bool) -> Iterator[str]:
    for name, value in data.items():
        item = shape.by_name.get(name)
        if item is None or value in (None, [], {}):
            continue
        yield item.since
        if item.shape and item.kind is Kind.OBJECT:
            yield from _needs(item.shape, value, values)
        elif item.shape:
            for one in value:
                yield from _needs(item.shape, one, values)
        elif name == "source" or values:
            yield _value_since(name, value)


def _found(shape: Shape, data: object, where: str) -> Iterator[Need]:
    for name, value in data.items() if isinstance(data, Mapping) else ():
        item = shape.by_name.get(name)
        if item is None or value in (None, [], {}):
            continue
        path = f"{where}.{name}" if where else name
        if item.since > "3.0.0":
            yield Need(_NAMES.get(name, f"the property {name}"), path, item.since)
        if item.shape and item.kind is Kind.OBJECT:
            yield from _found(item.shape, value, path)
        elif item.shape:
            for number, one in enumerate(value if isinstance(value, (list, tuple)) else ()):
                yield from _found(item.shape, one, f"{path}[{number}]")
        else:
            yield from _found_in_value(name, value, path)


def _found_in_value(name: str, value: object, path: str) -> Iterator[Need]:
    since = _value_since(name, value)
    if since > "3.0.0":
        kind = str(value).partition(":")[0].lower() if name == "source" else ""
        words = {
            "mode": "a setuid, setgid or sticky bit",
            "pin": "a Clevis pin of this name",
            "source": "an S3 access point (arn:)" if kind == "arn" else f"a {kind}:// URL",
            "hash": "a sha256 hash",
            "format": "the filesystem format none",
        }
        yield Need(words[name], path, since)


def _value_since(name: str, value: object) -> str:
    """Give the first spec version in which a value of a property works."""
    if name == "source":
        return _SOURCES.get(str(value)[:4].partition(":")[0].lower(), "3.0.0")
    if name == "mode":
        return "3.6.0" if isinstance(value, int) and value & SPECIAL_BITS else "3.0.0"
    if name == "pin":
        return "3.0.0" if value in _PINS else "3.6.0"
    if name == "hash":
        return "3.1.0" if str(value).startswith("sha256-") else "3.0.0"
    return "3.3.0" if name == "format" and value == "none" else "3.0.0"
