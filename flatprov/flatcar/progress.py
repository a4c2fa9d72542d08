"""Where a boot is and what goes wrong in it, line by line: firmware, boot loader, kernel, Ignition, systemd."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import NamedTuple

from flatprov.flatcar.reasons import (
    DEVICE,
    FATAL,
    HOST_TOO_SLOW,
    PROMPTS,
    Clues,
    Table,
    emergency_reason,
    ignition_reason,
    shorten,
)

_IGNITION = re.compile(r"\bignition\[\d+\]: (.*)")
_UNIT_FAILED = re.compile(
    r"(Failed to (?:start|mount|activate swap|listen on)|Dependency failed for|Timed out waiting for device) "
    r"([^ …]+\.(?:service|mount|swap|socket|device|target|automount|path|timer))(?= |\.|$)"
)
_URL = re.compile(r"\b(?:GET|PUT|HEAD) ([a-z0-9]+://\S+): attempt #(\d+)")
_URL_ERROR = re.compile(r"\b(?:GET|PUT|HEAD) (?:error|result): (.*)")
_RESULT = re.compile(r"systemd\[1\]: (\S+): Failed with result '([\w-]+)'")
_ERRORS = {"Dependency failed for": "what it needs failed", "Timed out waiting for device": DEVICE}
_STARTED = re.compile(r"\[started\] +(.*)")
_START_JOB = re.compile(r"A (?:start|stop) job is running for (.+)|Job (\S+)/start running( \(.+\))")
_STATUS = re.compile(r"^(?:\[ *(?:OK|FAILED|DEPEND) *\] |Welcome to |         Starting )")
_STAGES = {
    "fetch-offline": "Ignition fetch",
    "fetch": "Ignition fetch",
    "kargs": "Ignition kernel arguments",
    "disks": "Ignition disks",
    "mount": "Ignition mount",
    "files": "Ignition files",
    "umount": "Ignition unmount",
}
#: Stage by what the console says, tried in this order.
_WORDS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"SeaBIOS|iPXE|BdsDxe|UEFI firmware|Booting from"), "firmware"),
    (re.compile(r"GNU GRUB|Welcome to GRUB|GRUB loading|Booting `"), "bootloader"),
    (re.compile(r"systemd\[1\]: Running in initrd"), "initramfs"),
    (re.compile(r"Switching root"), "switching root"),
    (re.compile(r"reboot: Restarting system|kernel arguments changed, rebooting"), "restarting"),
)
_MOST_RESULTS = 100


class Rank(IntEnum):
    """How much a failure explains: a later one replaces the reason only if it explains more."""

    NONE = 0
    GENERAL = 1
    UNIT = 2
    EXACT = 3


class Failure(NamedTuple):
    """A line that ends the boot, in words.

    Attributes:
        again: the same machine may well boot when it is started once more, and nothing has run in it that forbids it.
    """

    rank: Rank
    reason: str
    unit: str = ""
    again: bool = False


class Progress:
    """Follows the stages of a boot.

    Attributes:
        stage: where the boot is, in words.
        unit: the unit it waits for, or empty.
        clues: what was said before a failure.
    """

    def __init__(self) -> None:
        self.stage = "power on"
        self.unit = ""
        self.clues = Clues()
        self._boots = 0
        self._in_dump = False

    def waiting(self, unit: str, words: str) -> None:
        """The machine itself says what it waits for."""
        self.unit, self.stage = unit, words

    def animation(self, line: str) -> bool:
        """Take a line that systemd repeats twice a second while a job runs; False if it is none."""
        found = _START_JOB.search(line)
        if not found:
            return False
        if not self.stage.startswith("Ignition"):  # which says more itself
            self.waiting(found[2] or "", f"waiting for {shorten(found[1] or found[2] + found[3])}")
        return True

    def dumped(self, line: str) -> bool:
        """Tell a line of the config, which Ignition prints as a whole when its files stage fails."""
        found = _IGNITION.search(line)
        if not found:
            return False
        if found[1].startswith("Full config:"):
            self._in_dump = True
            return True
        return self._in_dump and found[1][:1] in ("{", "}", " ", "\t", "")

    def line(self, line: str) -> Failure | None:
        """Take one line; give the failure that it announces."""
        if "Linux version " in line:
            self._new_boot()
            return None
        if found := _IGNITION.search(line):
            return self._ignition(found[1])
        return self._system(line)

    def prompt(self, partial: str) -> Failure | None:
        """Take a line that has no end yet."""
        return _fatal(partial, PROMPTS)

    def _new_boot(self) -> None:
        self._boots += 1
        self.clues = Clues()
        self.unit = ""
        self.stage = "kernel" if self._boots == 1 else f"kernel (boot {self._boots})"

    def _ignition(self, text: str) -> Failure | None:
        clues = self.clues
        if text.startswith("Ignition failed: "):
            unit = f"ignition-{clues.stage}.service" if clues.stage else ""
            return Failure(Rank.EXACT, ignition_reason(text.removeprefix("Ignition failed: "), clues), unit)
        if text.startswith("Stage: "):
            clues.stage = text.removeprefix("Stage: ").strip()
            self._in_dump = False
            self.stage = _STAGES.get(clues.stage, f"Ignition {clues.stage}")
        elif found := re.match(r"Ignition v?(\d\S*)", text):
            clues.ignition = found[1]
        elif found := _URL.search(text):
            if found[1] != clues.url:
                clues.url, clues.url_error = found[1], ""
            clues.attempt = int(found[2])
            self.stage = self._fetching()
        elif clues.url and (found := _URL_ERROR.search(text)):
            clues.url_error = "" if found[1] == "OK" else _short_error(found[1])
            self.stage = self._fetching()
        elif "[failed]" in text:
            clues.failed_op = text
        elif found := _STARTED.search(text):
            clues.url = clues.url_error = ""
            self.stage = self._base()
            if found[1].startswith("waiting for"):
                self.stage += f": {shorten(found[1])}"
        else:
            clues.add_config_error(text)
        return None

    def _base(self) -> str:
        return _STAGES.get(self.clues.stage, "Ignition")

    def _fetching(self) -> str:
        clues = self.clues
        error = f": {clues.url_error}" if clues.url_error else ""
        return f"{self._base()}: GET {clues.url} attempt {clues.attempt}{error}"

    def _system(self, line: str) -> Failure | None:
        clues = self.clues
        if len(clues.results) < _MOST_RESULTS and (found := _RESULT.search(line)):
            clues.results[found[1]] = found[2]
        elif found := _UNIT_FAILED.search(line):
            error = _ERRORS.get(found[1]) or clues.results.get(found[2], "")
            if len(clues.results) < _MOST_RESULTS:
                clues.results.setdefault(found[2], error)
            if not clues.unit:
                clues.unit, clues.unit_error = found[2], error
        elif self.stage == "switching root" and _STATUS.search(line):
            self.stage = "starting services"
        elif stage := next((stage for words, stage in _WORDS if words.search(line)), ""):
            self.stage = stage
            if stage == "switching root":
                clues.unit = clues.unit_error = ""  # what failed before did not matter
                clues.results.clear()
        if "Reached target emergency.target" in line or "You are in emergency mode" in line:
            return Failure(Rank.UNIT if clues.unit else Rank.GENERAL, emergency_reason(clues), clues.unit)
        return _fatal(line, HOST_TOO_SLOW, again=True) or _fatal(line, FATAL)


def _fatal(line: str, table: Table, *, again: bool = False) -> Failure | None:
    for words, sentence in table:
        if found := words.search(line):
            return Failure(Rank.UNIT, sentence.format(*map(shorten, found.groups())), again=again)
    return None


def _short_error(text: str) -> str:
    """``Get "http://h/": dial tcp 10.0.0.1:80: connect: connection refused`` without what is known already."""
    text = re.sub(r'^(?:Get|Head|Put) "[^"]*": ', "", text)
    text = re.sub(r"^dial tcp \S+: (?:connect: )?", "", text)
    return shorten(text)
