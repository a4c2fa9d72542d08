"""Why a boot failed, in one sentence for a human: what, where, and what to do.

The texts matched here come from Ignition, systemd, dracut, the kernel, GRUB and firmware.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from flatprov.flatcar.report import Report

_HASH = re.compile(r"hash verification failed \(calculated (\w+) but expected (\w+)\)")
_PATH = re.compile(r'(?:error creating|writing file|failed to create (?:file|directory|link)) "?(/[^":]+)')
_CONFIG_ERROR = re.compile(r"\berror at (\S+?,? line \d+ col \d+|\$\S*|line \d+ col \d+): (.+)")
_DEVICE = re.compile(r'(?:waiting for devices \[([^\]]+)\]|device unit (\S+\.device) timeout|device "?(/dev/[^"\s:]+))')
_LONG = 400

#: What is said of a device unit that systemd waited for in vain.
DEVICE = "the device never appeared"


@dataclass
class Clues:
    """What the console said before it said that it failed."""

    ignition: str = ""  # the version of Ignition
    stage: str = ""  # its stage
    url: str = ""  # what it fetched last
    url_error: str = ""  # and why that did not work
    attempt: int = 0
    errors: list[str] = field(default_factory=list)  # what it said about the config
    failed_op: str = ""  # the last operation that failed
    unit: str = ""  # the first unit that failed in this boot
    unit_error: str = ""
    results: dict[str, str] = field(default_factory=dict)  # by unit, as systemd says them

    def add_config_error(self, text: str) -> None:
        """Keep what Ignition says is wrong in the config, at most three of them."""
        if len(self.errors) < 3 and (found := _CONFIG_ERROR.search(text)):
            where, what = found.groups()
            place = where.split(",")[0].removeprefix("$.")
            known = f"{what} at {place}" if place.startswith("$") or "." in place else what
            if known not in self.errors:
                self.errors.append(known)


def ignition_reason(text: str, clues: Clues) -> str:
    """The sentence for ``Ignition failed: TEXT``."""
    for words, sentence in _IGNITION:
        if words.search(text):
            return sentence(text, clues)
    return f"Ignition failed in its {clues.stage or 'first'} stage: {shorten(text)}"


def _hash(text: str, clues: Clues) -> str:
    found = _HASH.search(text)
    calculated, expected = found.groups() if found else ("", "")
    kind = {64: "sha256", 128: "sha512"}.get(len(calculated), "hash")
    says = f"its {kind} is {calculated[:12]}… but the config says {expected[:12]}…"
    fix = "correct verification.hash in the config, or the source it belongs to"
    path = _path(text) or _path(clues.failed_op)
    if path:
        source = f" (from {clues.url})" if clues.url else ""
        return f"Ignition could not write {path}{source}: {says}; {fix}"
    return f"Ignition refused what it fetched{f' from {clues.url}' if clues.url else ''}: {says}; {fix}"


def _invalid(text: str, clues: Clues) -> str:
    if any("JSON" in error or "invalid character" in error for error in clues.errors):
        return (
            f"Ignition cannot read the config: it is not JSON ({'; '.join(clues.errors)}); "
            "give the node a rendered Ignition config, not Butane, YAML or a cut file"
        )
    if clues.errors:
        return f"Ignition refused the config: {'; '.join(clues.errors)}; correct it (ignition-validate says the same)"
    return "Ignition refused the config as not valid; ignition-validate says what is wrong in it"


def _version(text: str, clues: Clues) -> str:
    own = f"Ignition {clues.ignition}" if clues.ignition else "Ignition of this release"
    return (
        f"{own} does not know the config's spec version: unsupported config version; "
        "take a newer Flatcar release or render the config for an older spec"
    )


def _empty(text: str, clues: Clues) -> str:
    return "Ignition was given an empty config, or none that it knows as one; check what the node's carrier holds"


def _exists(text: str, clues: Clues) -> str:
    path = _path(text) or _path(clues.failed_op) or "a file"
    return f"Ignition could not write {path}: it exists already in the image; set overwrite for it, or use a drop-in"


def _fetch(text: str, clues: Clues) -> str:
    what = _path(text) or _path(clues.failed_op)
    goal = f"Ignition could not write {what}: fetching" if what else "Ignition could not fetch"
    url = f" {clues.url}" if clues.url else " what the config refers to"
    failed = " failed" if what else ""
    why = clues.url_error or shorten(text)
    return f"{goal}{url}{failed}: {why}; check the URL, and that the node's network reaches it"


def _device(text: str, clues: Clues) -> str:
    found = _DEVICE.search(clues.failed_op) or _DEVICE.search(text)
    device = next(filter(None, found.groups()), "a device") if found else "a device"
    return f"Ignition waited for {device}, which never appeared; attach that disk, or correct its path in the config"


def _file(text: str, clues: Clues) -> str:
    path = _path(text)
    what = f"Ignition could not write {path}" if path else f"Ignition failed in its {clues.stage or 'files'} stage"
    return f"{what}: {shorten(text.rsplit(': ', 1)[-1])}"


_IGNITION: tuple[tuple[re.Pattern[str], Callable[[str, Clues], str]], ...] = (
    (_HASH, _hash),
    (re.compile(r"unsupported config version"), _version),
    (re.compile(r"config is not valid"), _invalid),
    (re.compile(r"not a config|config is empty|empty config"), _empty),
    (re.compile(r"overwrite is false|exists there already|already exists and overwrite", re.I), _exists),
    (re.compile(r"timed? ?out waiting for device|device unit .* timeout|failed to wait on .* devs", re.I), _device),
    (re.compile(r"fetch|resource not found|GET |HTTP|no such host|dial tcp", re.I), _fetch),
    (re.compile(r"error creating|failed to create"), _file),
)


def _path(text: str) -> str:
    """The path Ignition speaks of, as the config writes it."""
    found = _PATH.search(text)
    if not found:
        return ""
    path = found[1].strip()
    return path.removeprefix("/sysroot") if path.startswith("/sysroot/") else path


def shorten(text: str) -> str:
    """A text of the console in the length a sentence bears."""
    text = text.replace('"/sysroot/', '"/').replace(" /sysroot/", " /").strip()
    return text if len(text) <= _LONG else text[:_LONG] + "…"


def emergency_reason(clues: Clues) -> str:
    """The sentence for emergency mode that Ignition did not announce."""
    if clues.unit:
        why = f" ({clues.unit_error})" if clues.unit_error else ""
        return f"the machine went into emergency mode: {clues.unit} failed{why}; the console lines before it say more"
    return "the machine went into emergency mode; the console lines say why"


_NOTHING_TO_BOOT = (
    "the firmware found nothing to boot; check that the disk is attached, that it holds a Flatcar image, "
    "and that firmware (BIOS or UEFI) and image fit"
)

#: A pattern and the sentence it stands for, which gets the groups of the match.
Table: TypeAlias = tuple[tuple[re.Pattern[str], str], ...]

#: Prompts that end a boot; their line never ends.
PROMPTS: Table = (
    (
        re.compile(r"^grub rescue>"),
        "GRUB found no system to boot (rescue mode); the image is damaged or incomplete",
    ),
    (
        re.compile(r"^grub>"),
        "GRUB stopped at its prompt: it found no grub.cfg; the image is damaged or not Flatcar's",
    ),
    (re.compile(r"^Shell>"), _NOTHING_TO_BOOT),
)

#: What the kernel says when its clock did not tick while it looked: the hypervisor did not get to run in time, as
#: emulation on a busy host now and then. Nothing of the system has run, so another start is safe and mostly helps.
HOST_TOO_SLOW: Table = (
    (
        re.compile(r"Kernel panic - not syncing: (IO-APIC \+ timer doesn't work)"),
        "the kernel saw no timer tick and panicked ({}); the host is too busy to emulate a machine",
    ),
)

#: What ends a boot outside of Ignition.
FATAL: Table = (
    *PROMPTS,
    (
        re.compile(r"Kernel panic - not syncing: (.+)"),
        "the kernel panicked: {}; check the image and the machine's memory",
    ),
    (
        re.compile(r"No bootable device|No bootable option or device was found|^UEFI Interactive Shell"),
        _NOTHING_TO_BOOT,
    ),
    (
        re.compile(r"error: (file `/flatcar/[^']*' not found)"),
        "GRUB cannot load the kernel: {}; the image is damaged or incomplete",
    ),
    (
        re.compile(r"[Dd]racut.*(?:Could not boot|starting timeout scripts)|Entering emergency mode\. Exit the shell"),
        "the initramfs gave up waiting for the root disk; check that the disk is attached and whole",
    ),
)


def _belongs(name: str, units: frozenset[str]) -> bool:
    """The unit, or the template it is an instance of, is in the config."""
    return name in units or re.sub(r"@.*(\.\w+)$", r"@\1", name) in units


def judge(report: Report, units: frozenset[str], clues: Clues) -> tuple[str, str, tuple[str, ...]]:
    """What a report means: the reason of a failure and its unit, both empty for a good boot, and warnings."""
    ours = [unit for unit in report.failed if _belongs(unit.name, units)]
    others = [unit for unit in report.failed if unit not in ours]
    # A mount that nothing started is data written to the wrong disk; a service may wait for its timer or socket.
    unmounted = [name for name in report.unstarted if name in units and name.endswith((".mount", ".swap"))]
    warnings = [
        *(f"{name} is enabled in the config but exists nowhere; check its name" for name in report.missing),
        *(str(unit) for unit in others),
        *(f"{name} ended and is being started again" for name in report.restarting),
        *(f"{name} was not started: what it needs failed, or nothing wants it" for name in report.unstarted),
    ]
    gone = [f"{name}: {DEVICE}" for name, error in clues.results.items() if error == DEVICE]
    never = f"not started: {', '.join(gone) or 'what it needs failed, or nothing wants it'}"
    if ours:
        first = ours[0]
        said = f"; its last line: {first.journal[-1]}" if first.journal else ""
        also = [*(unit.name for unit in ours[1:]), *(f"{name}: {never}" for name in unmounted)]
        more = f"; also {', '.join(also)}" if also else ""
        return f"{first}{said}{more}", first.name, tuple(warnings)
    if unmounted:
        return f"{unmounted[0]} was {never}", unmounted[0], tuple(warnings)
    if report.state == "maintenance":
        first_other = others[0] if others else None
        why = f": {first_other}" if first_other else ""
        return f"the machine is in emergency mode{why}", first_other.name if first_other else "", tuple(warnings)
    return "", "", tuple(warnings)
