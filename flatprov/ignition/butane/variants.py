"""Which configs are translated: variant flatcar 1.0.0 and 1.1.0. Everything else is refused with what to do."""

from __future__ import annotations

import re
from typing import Final

from flatprov.ignition.butane.fields import SPECS
from flatprov.ignition.recognize import OLD_SECTIONS, OTHER_SECTIONS, old_sections
from flatprov.ignition.report import Entry

_VERSION: Final = re.compile(r"(\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?\Z")
_HEAD: Final = "write variant: flatcar and version: 1.1.0 at the top"
_FOREIGN: Final = {
    "fcos": "Fedora CoreOS",
    "openshift": "OpenShift",
    "r4e": "RHEL for Edge",
    "fiot": "Fedora IoT",
    "rhcos": "RHEL CoreOS",
}
#: Sections that only the other variants have.
_FOREIGN_SECTIONS: Final = "boot_device, grub, extensions, metadata and openshift have no counterpart in it"


def spec_of(top: dict[str, str]) -> tuple[str, Entry | None]:
    """Give the spec version that a config makes, or the entry that says why it is not translated.

    Args:
        top: the keys of the config and, of ``variant`` and ``version``, the values.
    """
    variant, version = top.get("variant", ""), top.get("version", "")
    if not variant:
        return "", _without_variant(top)
    parsed = _VERSION.match(version)
    if not parsed:
        message = "error parsing version; must be a valid semver"
        return "", Entry("error", ("version",), message, fix="write version: 1.1.0")
    number = ".".join(str(int(digits)) for digits in parsed.groups()[:3])
    number += (parsed[4] or "") + (parsed[5] or "")
    if variant == "flatcar":
        return SPECS.get(number, ""), None if number in SPECS else _version(number)
    if variant in _FOREIGN:
        message = f"the variant {variant} is for {_FOREIGN[variant]}, not for Flatcar"
        fix = f"write variant: flatcar and version: 1.1.0; {_FOREIGN_SECTIONS}"
    else:
        message, fix = "no such variant exists", "write variant: flatcar"
    return "", Entry("error", ("variant",), message, fix=fix)


def _version(number: str) -> Entry:
    if number == "1.2.0-experimental":
        message = "version 1.2.0-experimental makes an Ignition spec that no Flatcar release reads"
    else:
        message = "no such version of the variant flatcar exists"
    return Entry("error", ("version",), message, fix=f"write one of {', '.join(SPECS)}")


def _without_variant(top: dict[str, str]) -> Entry:
    old = [name for name in OLD_SECTIONS if name in top]
    if old:
        problem, fix = old_sections(old)
        return Entry("error", (old[0],), f"this {problem}", fix=fix)
    if "ignition" in top and not top["ignition"]:
        return Entry("error", (), "this is Ignition JSON, not Butane YAML", fix="load it with Ignition.from_json")
    message = "error parsing variant; must be specified"
    if set(top) & set(OTHER_SECTIONS):
        return Entry("error", ("variant",), message, fix=_HEAD)
    return Entry("error", ("variant",), message, fix=f"{_HEAD}, if this is Butane YAML at all")
