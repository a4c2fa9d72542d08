"""Units that are enabled or changed and that nothing brings."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from flatprov.ignition.findings.codes import entry
from flatprov.ignition.findings.extensions import names as extension_names
from flatprov.ignition.findings.view import Item, View
from flatprov.ignition.report import Entry

#: Units that systemd makes itself, from devices, processes and slices.
_MADE: Final = (".device", ".scope", ".slice")
_FOLDERS: Final = ("/etc/systemd/system/", "/usr/local/lib/systemd/system/")
_QUADLET: Final = {".container": "", ".kube": "", ".pod": "-pod", ".volume": "-volume", ".network": "-network"}


def find(view: View) -> Iterator[Entry]:
    """Find enabled units and drop-ins whose unit neither the config, an extension nor the release brings.

    Nothing is said where the release's units are not known. Where parts of the config are fetched, or an unknown
    extension is added, only a name that is nearly one of the known ones is reported: it is a typing error.
    """
    if not view.target.units:
        return
    wanted = [(one, one.data.get("enabled") is True) for one in view.units if _needs(one)]
    if not wanted:
        return
    known = set(view.target.units) | _written(view)
    unsure = view.fetches_config
    for name in extension_names(view):
        brought = view.target.extension_units.get(name)
        unsure = unsure or brought is None
        known |= brought or frozenset()
    for one, enabled in wanted:
        name = one.text("name")
        if _template(name) in known or name in known or name.endswith(_MADE):
            continue
        near = get_close_matches(name[:80], sorted(known), n=1, cutoff=0.8)
        if not near and (unsure or not enabled):
            continue
        fix = f"did you mean {near[0]}?" if near else "give its contents, or add the extension that brings it"
        if enabled:
            message = f"{name} is enabled, and neither the config, a known extension nor the release brings it"
            yield entry("unit-not-found", (*one.path, "name"), message, fix)
        else:
            message = f"{name} gets drop-ins, and neither the config, a known extension nor the release brings it"
            yield entry("dropin-not-found", (*one.path, "name"), message, fix)


def _needs(unit: Item) -> bool:
    data = unit.data
    name = data.get("name")
    if not isinstance(name, str) or "." not in name or data.get("contents") or data.get("mask") is True:
        return False
    return data.get("enabled") is True or bool(data.get("dropins"))


def _template(name: str) -> str:
    stem, _, suffix = name.rpartition(".")
    return f"{stem.partition('@')[0]}@.{suffix}" if "@" in stem else name


def _written(view: View) -> set[str]:
    """Name the units that the config writes: as units, as files, or as Podman's quadlets."""
    found = {one.text("name") for one in view.units if one.data.get("contents")}
    for path in view.paths:
        folder, _, name = path.rpartition("/")
        if f"{folder}/" in _FOLDERS:
            found.add(name)
        elif folder == "/etc/containers/systemd":
            stem, dot, suffix = name.rpartition(".")
            if dot + suffix in _QUADLET:
                found.add(f"{stem}{_QUADLET[dot + suffix]}.service")
    return found
