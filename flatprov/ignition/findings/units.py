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
_FOLDERS: Final = ("/etc/systemd/system", "/usr/local/lib/systemd/system")
_EXTENSION_FOLDERS: Final = ("/usr/lib/systemd/system", "/usr/local/lib/systemd/system")
_MOST_GUESSES: Final = 20  # a nearest name costs time
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
    unsure, guesses = view.fetches_config, _MOST_GUESSES
    for name in extension_names(view):
        brought = view.target.extension_units.get(name)
        unsure = unsure or brought is None
        known |= brought or frozenset()
    for one, enabled in wanted:
        name = one.text("name")
        if _template(name) in known or name in known or name.endswith(_MADE):
            continue
        near = _nearest(name, known) if guesses else ""
        guesses -= 1
        if not near and (unsure or not enabled):
            continue
        fix = f"did you mean {near}?" if near else "give its contents, or add the extension that brings it"
        if enabled:
            message = f"{name} is enabled, and neither the config, a known extension nor the release brings it"
            yield entry("unit-not-found", (*one.path, "name"), message, fix)
        else:
            message = f"{name} gets drop-ins, and neither the config, a known extension nor the release brings it"
            yield entry("dropin-not-found", (*one.path, "name"), message, fix)


def find_useless(view: View) -> Iterator[Entry]:
    """Find units that say two things at once, and texts of which systemd reads nothing."""
    for path, data in view.units:
        if data.get("mask") is True and (data.get("enabled") is True or data.get("contents")):
            other = "enabled" if data.get("enabled") is True else "written"
            message = f"{str(data.get('name'))[:100]} is masked and {other}: masked, it never starts"
            yield entry("unit-masked", path, message, "leave out mask, or the rest")
    for path, name, text in view.unit_texts:
        if "[" not in text or not any(line.startswith("[") for line in map(str.lstrip, text.splitlines())):
            if not any(line[:1] not in ("", "#", ";") for line in map(str.strip, text.splitlines())):
                continue  # comments alone are meant to do nothing
            message = f"no section in this text of {name[:100]}: systemd reads nothing of it"
            yield entry("unit-without-section", path, message, "begin with the section, such as [Service] or [Unit]")


def _needs(unit: Item) -> bool:
    data = unit.data
    name = data.get("name")
    if not isinstance(name, str) or "." not in name or data.get("contents") or data.get("mask") is True:
        return False
    return data.get("enabled") is True or bool(data.get("dropins"))


def _template(name: str) -> str:
    stem, _, suffix = name.rpartition(".")
    return f"{stem.partition('@')[0]}@.{suffix}" if "@" in stem else name


def _nearest(name: str, known: set[str]) -> str:
    """Give the known unit of the same kind whose name is nearly this one."""
    stem, _, suffix = name[:100].rpartition(".")
    base, at, instance = stem.partition("@")
    kind = f"@.{suffix}" if at else f".{suffix}"
    stems = {one.removesuffix(kind): one for one in known if one.endswith(kind) and ("@" in one) == bool(at)}
    near = get_close_matches(base, sorted(stems), n=1, cutoff=0.8)
    return f"{near[0]}{at}{instance}.{suffix}" if near else ""


def _written(view: View) -> set[str]:
    """Name the units that the config writes: as units, as files, or as Podman's quadlets."""
    found = {one.text("name") for one in view.units if one.data.get("contents")}
    for path in view.paths:
        folder, _, name = path.rpartition("/")
        if folder in _FOLDERS or (folder.startswith("/etc/extensions/") and folder.endswith(_EXTENSION_FOLDERS)):
            found.add(name)
        elif folder == "/etc/containers/systemd":
            stem, dot, suffix = name.rpartition(".")
            if dot + suffix in _QUADLET:
                found.add(f"{stem}{_QUADLET[dot + suffix]}.service")
    return found
