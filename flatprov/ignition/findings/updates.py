"""Update policies that are half set, or that switch off what marks a booted slot as good."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from flatprov.ignition.findings.codes import Path, entry
from flatprov.ignition.findings.view import View
from flatprov.ignition.report import Entry

_PATHS: Final = ("/etc/flatcar/update.conf", "/etc/coreos/update.conf")
_STRATEGIES: Final = ("reboot", "etcd-lock", "off")
_KEYS: Final = (
    "GROUP", "SERVER", "REBOOT_STRATEGY", "LOCKSMITHD_REBOOT_WINDOW_START", "LOCKSMITHD_REBOOT_WINDOW_LENGTH",
    "REBOOT_WINDOW_START", "REBOOT_WINDOW_LENGTH", "MACHINE_ALIAS", "DOWNLOAD_USER", "DOWNLOAD_PASSWORD",
    "PCR_POLICY_SERVER", "FLATCAR_RELEASE_VERSION", "FLATCAR_RELEASE_BOARD", "FLATCAR_RELEASE_APPID",
)  # fmt: skip
#: Keys that locksmith and its settings file read from the same place.
_LOCKSMITH: Final = ("LOCKSMITHD_", "LOCKSMITHCTL_")


def find(view: View) -> Iterator[Entry]:
    """Find a masked update-engine, and settings of update.conf that contradict each other or nobody reads."""
    masked = {one.text("name"): one.path for one in view.units if one.data.get("mask") is True}
    masked |= {
        one.text("path").rpartition("/")[2]: one.path
        for one in view.links
        if one.data.get("target") == "/dev/null" and one.text("path").startswith("/etc/systemd/system/")
    }
    if "update-engine.service" in masked:
        message = (
            "update-engine.service is masked: the booted slot is never marked good, so a later start may fall back"
        )
        fix = "leave it running and write SERVER=disabled to /etc/flatcar/update.conf: the immutable policy"
        yield entry("update-engine-masked", masked["update-engine.service"], message, fix)
    for path in _PATHS:
        text = view.text_of(path)
        if text is not None:
            place = ("storage", "files", view.files_by_path[path])
            yield from _settings(_read(text), place, locksmith="locksmithd.service" not in masked)


def _read(text: str) -> dict[str, str]:
    found = {}
    for line in map(str.strip, text.splitlines()[:1000]):
        if line and not line.startswith("#") and "=" in line:
            name, _, value = line.partition("=")
            found[name.strip()] = value.strip().strip("\"'")
    return found


def _settings(settings: dict[str, str], place: Path, *, locksmith: bool) -> Iterator[Entry]:
    strategy, fetches = settings.get("REBOOT_STRATEGY", ""), settings.get("SERVER") != "disabled"
    if strategy == "off" and fetches and locksmith:
        message = "half an update policy: nothing reboots the machine, but updates are still downloaded and staged"
        fix = (
            "write SERVER=disabled too (nodes are replaced), or mask locksmithd.service (something else reboots them); "
            "Updates.immutable() and Updates.manual() do this"
        )
        yield entry("update-policy-half", place, message, fix)
    elif strategy in ("reboot", "etcd-lock") and not locksmith:
        message = f"half an update policy: REBOOT_STRATEGY={strategy} needs locksmithd.service, which is masked"
        yield entry("update-policy-half", place, message, "do not mask it, or write REBOOT_STRATEGY=off")
    for prefix in ("LOCKSMITHD_", ""):
        start, length = (f"{prefix}REBOOT_WINDOW_{part}" in settings for part in ("START", "LENGTH"))
        if start != length:
            missing = f"{prefix}REBOOT_WINDOW_{'LENGTH' if start else 'START'}"
            message = f"half an update policy: a reboot window without {missing} is none"
            yield entry("update-policy-half", place, message, f"add {missing}")
    if strategy and strategy not in _STRATEGIES:
        near = get_close_matches(strategy[:40], _STRATEGIES, n=1)
        fix = f"did you mean {near[0]}?" if near else f"write one of {', '.join(_STRATEGIES)}"
        yield entry("update-setting", place, "REBOOT_STRATEGY has a value that locksmith does not know", fix)
    for name in settings:
        if name in _KEYS or name.startswith(_LOCKSMITH):
            continue
        near = get_close_matches(name[:60], _KEYS, n=1)
        fix = f"did you mean {near[0]}?" if near else "remove it"
        shown = name if name.isidentifier() and len(name) <= 60 else "a line that is no setting"
        yield entry("update-setting", place, f"update.conf: nothing reads {shown}", fix)
