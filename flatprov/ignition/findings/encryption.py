"""What Ignition loses of an encrypted device's settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flatprov.ignition.findings.codes import entry
from flatprov.ignition.findings.view import View, inner, items
from flatprov.ignition.report import Entry

_ROOT: Final = ("/dev/disk/by-partlabel/ROOT", "/dev/disk/by-label/ROOT")


def find(view: View) -> Iterator[Entry]:
    """Find Tang advertisements that the translation from spec 3.4.0 to the newer internal ones drops.

    Seen with Ignition 2.24.0, which keeps those of a 3.5.0 config. Releases whose own newest spec is 3.4.0 (Ignition
    2.15 to 2.19) have nothing to translate.
    """
    if view.version != "3.4.0" or _reads_as_its_own(view.target.ignition):
        return
    for path, data in view.luks:
        for place, tang in items(inner(data, "clevis"), (*path, "clevis"), "tang"):
            if tang.get("advertisement"):
                message = "Ignition from 2.20 on loses the advertisement of a 3.4.0 config: it asks the server instead"
                yield entry("tang-advertisement", (*place, "advertisement"), message, "set ignition.version to 3.5.0")


def _reads_as_its_own(ignition: str) -> bool:
    parts = [int(one) for one in ignition.split(".")[:2] if one.isdigit()]
    return len(parts) == 2 and [2, 15] <= parts < [2, 20]


def find_locked(view: View) -> Iterator[Entry]:
    """Find a root that is encrypted with a key file only: that file lies on the root itself."""
    for path, data in view.luks:
        clevis, device = inner(data, "clevis"), data.get("device")
        bound = (
            any(clevis.get(name) for name in ("tpm2", "tang", "custom")) or inner(data, "cex").get("enabled") is True
        )
        if bound or device not in _ROOT or view.fetches_config:
            continue
        if not any(word in text for _, _, text in view.unit_texts for word in ("cryptenroll", "clevis")):
            message = "the root's key lies on the root itself, and nothing unlocks it at the second boot"
            fix = "add clevis with tpm2 or tang, or a unit that runs systemd-cryptenroll at the first boot"
            yield entry("root-locked", path, message, fix)
