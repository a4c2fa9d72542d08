"""Properties that Ignition would ignore. The walk over all properties also looks for place-holders in their values."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Final

from flatprov.ignition.findings.codes import Path, entry
from flatprov.ignition.findings.placeholders import SKIPPED, SUSPECT, in_value
from flatprov.ignition.findings.view import View
from flatprov.ignition.recognize import OLD_SECTIONS
from flatprov.ignition.report import Entry
from flatprov.ignition.schema import ROOT, VERSIONS, Kind, Shape

_MOST_GUESSES: Final = 100  # a nearest name costs time; a config with more unknown keys is something else

#: Keys of Container Linux Config and Ignition 2 by the shape they stand in, and what does their work now.
_OLD: Final[dict[str, dict[str, str]]] = {
    "config": {
        **OLD_SECTIONS,
        "append": "ignition.config.merge",
        "coreos": "units and files; this is cloud-config",
    },
    "file": {"filesystem": "the path of the mounted filesystem in front of path"},
    "directory": {"filesystem": "the path of the mounted filesystem in front of path"},
    "link": {"filesystem": "the path of the mounted filesystem in front of path"},
    "filesystem": {
        "mount": "its properties one level higher: device, format, label",
        "create": "wipeFilesystem",
        "name": "path",
    },
    "user": {"create": "its properties one level higher"},
    "unit": {"enable": "enabled"},
    "partition": {"size": "sizeMiB", "start": "startMiB"},
    "resource": {"remote": "source one level higher"},
    "systemd": {"networkd": "files below /etc/systemd/network"},
}
_BUTANE: Final = {
    "config": ("variant", "version", "boot_device", "grub", "metadata"),
    "storage": ("trees",),
    "resource": ("inline", "local"),
    "filesystem": ("with_mount_unit",),
    "unit": ("contents_local",),
    "dropin": ("contents_local",),
    "user": ("ssh_authorized_keys_local",),
}


def find(view: View) -> Iterator[Entry]:
    """Find unknown properties, and place-holders in the values of the known ones."""
    walk = _Walk(view.version if view.version in VERSIONS else VERSIONS[-1])
    walk.object(ROOT, view.config, ())
    return iter(walk.found)


class _Walk:
    def __init__(self, version: str) -> None:
        self.version = version
        self.found: list[Entry] = []
        self.guesses = 0

    def object(self, shape: Shape, data: dict[Any, Any], path: Path) -> None:
        fields, version = shape.by_name, self.version
        for name, value in data.items():
            field = fields.get(name)
            if field is None:
                self.found.append(self._unknown(shape, str(name), (*path, str(name))))
                continue
            if field.since > version and value not in (None, [], {}):
                message = f"{name} is known from spec {field.since} on, and this config says {version}: it is ignored"
                fix = f"set ignition.version to {field.since}, or leave {name} out"
                self.found.append(entry("key-too-new", (*path, name), message, fix))
            kind = type(value)
            if kind is str:
                if name not in SKIPPED and not value.startswith("data:") and SUSPECT(value):
                    self.found += in_value(value, (*path, name), name)
            elif kind is dict:
                if field.shape is not None and field.kind is Kind.OBJECT:
                    self.object(field.shape, value, (*path, name))
            elif kind is list:
                self._list(field.shape, value, path, name)

    def _list(self, shape: Shape | None, values: list[Any], path: Path, name: str) -> None:
        for number, one in enumerate(values):
            if type(one) is dict:
                if shape is not None:
                    self.object(shape, one, (*path, name, number))
            elif type(one) is str and shape is None and name not in SKIPPED and SUSPECT(one):
                self.found += in_value(one, (*path, name, number), name)

    def _unknown(self, shape: Shape, name: str, path: Path) -> Entry:
        shown = name if name.isprintable() and len(name) <= 60 else f"{ascii(name[:57])[1:-1]}..."
        plain = name.replace("_", "").lower()
        right = next((known for known in shape.by_name if known.lower() == plain), "")
        modern = _OLD.get(shape.name, {}).get(name)
        if modern:
            message = f"{shown} belongs to a Container Linux Config or to Ignition 2, and Ignition 3 ignores it"
            return entry("old-key", path, message, f"use {modern}")
        if name in _BUTANE.get(shape.name, ()) or (right and "_" in name):
            fix = f"write {right}" if right else "translate the config with Butane first"
            return entry("butane-key", path, f"{shown} is a key of Butane, and Ignition ignores it", fix)
        if right:
            return entry("unknown-key", path, f"{shown} is written in the wrong case", f"write {right}")
        self.guesses += 1
        near = get_close_matches(name[:60], shape.by_name, n=1) if self.guesses <= _MOST_GUESSES else ()
        fix = f"did you mean {near[0]}?" if near else f"remove it; {shape.name} knows {', '.join(shape.by_name)}"
        return entry("unknown-key", path, f"Ignition knows no {shown} here and ignores it", fix)
