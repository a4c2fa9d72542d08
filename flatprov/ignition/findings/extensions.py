"""System extensions: images, links and names that do not fit together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from flatprov.ignition.findings.codes import entry
from flatprov.ignition.findings.view import View
from flatprov.ignition.report import Entry

_ENABLED: Final = "/etc/flatcar/enabled-sysext.conf"
_IMAGE: Final = re.compile(
    r"(?P<name>.+?)(?:-(?P<version>v?[0-9]+(?:\.[0-9]+)+[A-Za-z0-9.+_-]*?))?"
    r"(?:[-_.](?P<architecture>x86-64|x86_64|amd64|arm64|aarch64))?\.raw\Z"
)
_ARCHITECTURES: Final = {"x86-64": "amd64", "x86_64": "amd64", "amd64": "amd64", "arm64": "arm64", "aarch64": "arm64"}
_BAKERY: Final = ("extensions.flatcar.org", "/flatcar/sysext-bakery/")
_BAKERY_NAMES: Final = ("x86-64", "arm64")
_DEV_NULL: Final = "/dev/null"


class Image(NamedTuple):
    """What the name of an extension's image says."""

    name: str
    version: str
    architecture: str

    @classmethod
    def parse(cls, file_name: str) -> Image | None:
        """Read ``NAME[-VERSION][-ARCH].raw``."""
        found = _IMAGE.fullmatch(file_name) if len(file_name) <= 255 else None
        return cls(found["name"], found["version"] or "", found["architecture"] or "") if found else None


def _named(text: str) -> tuple[str, Image | None]:
    try:
        name = urlsplit(text).path.rpartition("/")[2].replace("%2B", "+").replace("%2b", "+")
    except ValueError:
        return "", None
    return name, Image.parse(name)


def names(view: View) -> set[str]:
    """Name the extensions that the config adds: by image, by link, by folder, or from the release."""
    found = {name for name, on in _release_names(view) if on}
    for one in (*view.files, *view.links):
        path = one.text("path")
        if path.startswith("/etc/extensions/") and one.data.get("target") != _DEV_NULL:
            rest = path[len("/etc/extensions/") :]
            image = Image.parse(rest)
            found.add(image.name if image else rest.partition("/")[0])
        elif path.startswith("/opt/extensions/") and path.endswith(".raw"):
            image = Image.parse(path.rpartition("/")[2])
            found.add(image.name if image else "")
    return found


def find(view: View) -> Iterator[Entry]:
    """Find images that disagree with their source or the machine, links into nothing, and unknown names."""
    for (path, data), source in zip(view.files, view.contents, strict=True):
        name = data.get("path")
        if source is None or source.inline or not isinstance(name, str) or not name.endswith(".raw"):
            continue
        own, (remote, other) = Image.parse(name.rpartition("/")[2]), _named(source.url)
        place = (*source.path, "source")
        architecture = other.architecture if other else ""
        if other and architecture and any(one in source.url for one in _BAKERY) and architecture not in _BAKERY_NAMES:
            right = "x86-64" if _ARCHITECTURES[architecture] == "amd64" else "arm64"
            message = f"the bakery has no images for {architecture}: it calls this architecture {right}"
            yield entry("extension-architecture", place, message, f"write {right} in source and path")
        elif other and _differs(architecture, view.target.architecture):
            message = f"{remote} is for {architecture}, and the machine is {view.target.architecture}"
            yield entry("extension-architecture", place, message, "take the image of the machine's architecture")
        if own is None or other is None:
            continue
        if own.architecture and other.architecture and _differs(own.architecture, other.architecture):
            message = f"{name} says {own.architecture}, and its source is for {other.architecture}"
            yield entry("extension-architecture", (*path, "path"), message, "make both the same")
        if own.version and other.version and own.version.lstrip("v") != other.version.lstrip("v"):
            message = f"{name} says version {own.version}, and its source has {other.version}"
            fix = "make both the same: systemd-sysupdate decides by the name what is newest"
            yield entry("extension-version", (*path, "path"), message, fix)
    yield from _links(view)
    yield from _enabled(view)


def _differs(one: str, other: str) -> bool:
    return bool(one and other) and _ARCHITECTURES.get(one, one) != _ARCHITECTURES.get(other, other)


def _links(view: View) -> Iterator[Entry]:
    if view.fetches_config:
        return
    for path, data in view.links:
        name, target = data.get("path"), data.get("target")
        if not (isinstance(name, str) and isinstance(target, str) and name.startswith("/etc/extensions/")):
            continue
        if not target.startswith(("/opt/", "/etc/", "/var/")) or target in view.paths:
            continue
        inside = any(one.startswith(f"{target}/") for one in view.paths)
        if not inside:
            near = get_close_matches(target, sorted(one for one in view.paths if one.endswith(".raw")), n=1)
            fix = f"did you mean {near[0]}?" if near else "add the file to storage.files"
            message = f"{name} points to {target}, which nothing in the config makes"
            yield entry("extension-link", (*path, "target"), message, fix)


def _release_names(view: View) -> list[tuple[str, bool]]:
    lines = (line.strip() for line in (view.text_of(_ENABLED) or "").splitlines())
    return [(line.lstrip("-"), not line.startswith("-")) for line in lines if line and not line.startswith("#")]


def _enabled(view: View) -> Iterator[Entry]:
    known = view.target.release_extensions
    if not known:
        return
    path = ("storage", "files", view.files_by_path.get(_ENABLED, 0))
    for name, on in _release_names(view):
        if on and name not in known and not name.startswith("oem-"):
            near = get_close_matches(name, sorted(known), n=1)
            fix = f"did you mean {near[0]}?" if near else f"the release has {', '.join(sorted(known))}"
            message = f"the release has no extension {name[:60]}: its download fails, and with it the first boot"
            yield entry("extension-unknown", path, message, fix)
