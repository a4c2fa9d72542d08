"""From the bytes of a serial console to how a boot goes and how it ended.

``BootMonitor`` is pure: no clock, no thread, no I/O. It is fed bytes as they come and asked for its state.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from flatprov.flatcar.console import ConsoleLines, History
from flatprov.flatcar.reasons import FATAL, PROMPTS, Clues, Table, emergency_reason, ignition_reason, judge, shorten
from flatprov.flatcar.report import FORMAT, Frames, Report, read_report, read_waiting

_TAIL = 20
_WIDE = 500  # a line of a tail is no longer


@dataclass(frozen=True)
class Booting:
    """The machine is on its way.

    Attributes:
        stage: where it is, in words.
    """

    stage: str


@dataclass(frozen=True)
class Ready:
    """The machine is up and has said so.

    Attributes:
        report: what it said.
        warnings: what is not as it should be, though the boot counts as good.
    """

    report: Report
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failed:
    """The boot failed; nothing that comes later makes it good.

    Attributes:
        reason: one sentence: what failed, where, and what to do.
        unit: the systemd unit that failed, or empty.
        tail: the last lines before it, and those of the unit's journal.
        report: what the machine said, if it came so far.
    """

    reason: str
    unit: str = ""
    tail: tuple[str, ...] = ()
    report: Report | None = None


State = Booting | Ready | Failed

_IGNITION = re.compile(r"\bignition\[\d+\]: (.*)")
_UNIT_FAILED = re.compile(
    r"(Failed to (?:start|mount|activate swap|listen on)|Dependency failed for|Timed out waiting for device) "
    r"([^ …]+\.(?:service|mount|swap|socket|device|target|automount|path|timer))(?= |\.|$)"
)
_URL = re.compile(r"\b(?:GET|PUT|HEAD) ([a-z0-9]+://\S+): attempt #(\d+)")
_URL_ERROR = re.compile(r"\b(?:GET|PUT|HEAD) (?:error|result): (.*)")
_RESULT = re.compile(r"systemd\[1\]: (\S+): Failed with result '([\w-]+)'")
_ERRORS = {"Dependency failed for": "what it needs failed", "Timed out waiting for device": "the device never appeared"}
_STARTED = re.compile(r"\[started\] +(.*)")
_START_JOB = re.compile(r"A (?:start|stop) job is running for (.+)")
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
# How much a failure explains: a later one replaces the reason only if it explains more.
_GENERAL, _UNIT, _EXACT = 1, 2, 3


class BootMonitor:
    """Follows one machine's console.

    Args:
        units: names of the units of the machine's config; one of these that fails is a failed boot, another a warning.
        redact: applied to every text that leaves the monitor; takes the config's secrets out.
    """

    def __init__(self, units: Iterable[str] = (), redact: Callable[[str], str] = str) -> None:
        self._units = frozenset(units)
        self._redact = redact
        self._lines = ConsoleLines()
        self._frames = Frames()
        self._history = History()
        self._clues = Clues()
        self._stage = "power on"
        self._unit = ""  # what the boot waits for
        self._boots = 0
        self._heard = False
        self._in_dump = False
        self._rank = 0
        self._end: Ready | Failed | None = None

    # --- what a caller asks ------------------------------------------------------------------------------------------
    def feed(self, data: bytes) -> State:
        """Take the console's next bytes, cut anywhere, and give the state after them."""
        self._heard = self._heard or bool(data)
        for line in self._lines.feed(data):
            self._line(line)
        self._fatal(self._lines.partial, PROMPTS)  # a prompt never ends its line
        return self.state

    @property
    def state(self) -> State:
        """Where the boot is."""
        return self._end or Booting(self._redact(self._stage))

    @property
    def ended(self) -> bool:
        """The boot is over, for good or bad; a failure may still get a better reason within the next second."""
        return self._end is not None

    def timeout_reason(self, seconds: float) -> Failed:
        """The failure to report for a machine that has not come up within the time."""
        if isinstance(self._end, Failed):
            return self._end
        after = f"no report after {seconds:g} s"
        if not self._heard:
            reason = (
                f"{after}: the console stayed silent; check that the machine runs, that its image boots with this "
                "firmware, and that the kernel has console=ttyS0"
            )
        elif self._stage.startswith("waiting for"):
            reason = f"{after}: still {self._stage}; that unit hangs, or needs a longer timeout"
        elif self._clues.url_error:
            reason = f"{after}: still at {self._stage}; check the URL, and that the node's network reaches it"
        else:
            reason = f"{after}: the console's last stage was {self._stage}"
        return Failed(self._redact(reason), self._redact(self._unit), self.tail())

    def tail(self, lines: int = _TAIL) -> tuple[str, ...]:
        """The last lines of the console, clean and redacted."""
        # A secret may lie over several lines, of which the first is not wanted: redact more than is shown.
        text = self._redact("\n".join(self._history.last(lines + 200)))
        shown = text.split("\n")[-lines:] if lines > 0 else []
        return tuple(line if len(line) <= _WIDE else f"{line[:_WIDE]}…" for line in map(str.rstrip, shown))

    # --- one line ----------------------------------------------------------------------------------------------------
    def _line(self, line: str) -> None:
        was_open = self._frames.open
        if found := self._frames.feed(line):
            self._framed(*found)
            return
        if self._frames.open:  # a cut line of the report unit, or what came between its parts
            if was_open and line.startswith("["):
                self._history.add(line)
            self._system(line)
            return
        ignition = _IGNITION.search(line)
        if ignition and self._dumped(ignition[1]):
            return
        self._history.add(line)
        if "Linux version " in line:
            self._new_boot()
        elif ignition:
            self._ignition(ignition[1])
        else:
            self._system(line)

    def _new_boot(self) -> None:
        self._boots += 1
        self._clues = Clues()
        self._unit = ""
        self._stage = "kernel" if self._boots == 1 else f"kernel (boot {self._boots})"

    def _dumped(self, text: str) -> bool:
        """When its files stage fails, Ignition prints the whole config; none of that is kept."""
        if text.startswith("Full config:"):
            self._in_dump = True
            self._history.add("ignition: Full config: (left out)")
            return True
        return self._in_dump and text[:1] in ("{", "}", " ", "\t", "")

    def _ignition(self, text: str) -> None:
        clues = self._clues
        if text.startswith("Ignition failed: "):
            unit = f"ignition-{clues.stage}.service" if clues.stage else ""
            self._fail(_EXACT, ignition_reason(text.removeprefix("Ignition failed: "), clues), unit)
        elif text.startswith("Stage: "):
            clues.stage = text.removeprefix("Stage: ").strip()
            self._in_dump = False
            self._stage = _STAGES.get(clues.stage, f"Ignition {clues.stage}")
        elif found := re.match(r"Ignition v?(\d\S*)", text):
            clues.ignition = found[1]
        elif found := _URL.search(text):
            if found[1] != clues.url:
                clues.url, clues.url_error = found[1], ""
            clues.attempt = int(found[2])
            self._stage = self._fetching()
        elif clues.url and (found := _URL_ERROR.search(text)):
            clues.url_error = "" if found[1] == "OK" else _short_error(found[1])
            self._stage = self._fetching()
        elif "[failed]" in text:
            clues.failed_op = text
        elif found := _STARTED.search(text):
            clues.url = clues.url_error = ""
            self._stage = self._base()
            if found[1].startswith("waiting for"):
                self._stage += f": {shorten(found[1])}"
        else:
            clues.add_config_error(text)

    def _base(self) -> str:
        return _STAGES.get(self._clues.stage, "Ignition")

    def _fetching(self) -> str:
        clues = self._clues
        error = f": {clues.url_error}" if clues.url_error else ""
        return f"{self._base()}: GET {clues.url} attempt {clues.attempt}{error}"

    def _system(self, line: str) -> None:
        clues = self._clues
        if found := _RESULT.search(line):
            clues.results[found[1]] = found[2]
        elif (found := _UNIT_FAILED.search(line)) and not clues.unit:
            clues.unit, clues.unit_error = found[2], _ERRORS.get(found[1]) or clues.results.get(found[2], "")
        elif found := _START_JOB.search(line):
            self._stage = f"waiting for {shorten(found[1])}"
        elif self._stage == "switching root" and _STATUS.search(line):
            self._stage = "starting services"
        elif stage := next((stage for words, stage in _WORDS if words.search(line)), ""):
            self._stage = stage
            if stage == "switching root":
                clues.unit = clues.unit_error = ""  # what failed before did not matter
        if "Reached target emergency.target" in line or "You are in emergency mode" in line:
            self._fail(_UNIT if clues.unit else _GENERAL, emergency_reason(clues), clues.unit)
        self._fatal(line, FATAL)

    def _fatal(self, line: str, table: Table) -> None:
        for words, sentence in table:
            if found := words.search(line):
                self._fail(_UNIT, sentence.format(*map(shorten, found.groups())), "")
                return

    # --- lines of flatprov-report.service ----------------------------------------------------------------------------
    def _framed(self, kind: str, contents: dict[str, Any]) -> None:
        try:
            if contents["format"] != FORMAT:
                raise ValueError
            if kind == "REPORT":
                self._reported(read_report(contents, self._redact))
            elif waiting := read_waiting(contents, self._redact):
                self._stage, self._unit = str(waiting), waiting.unit
                self._history.add(f"flatprov: {waiting}")
        except (KeyError, TypeError, ValueError, AttributeError):
            self._history.add("flatprov: a line of the report unit has another format; versions differ")

    def _reported(self, report: Report) -> None:
        if report.state == "stopping":
            self._stage = "shutting down"
            return
        reason, unit, warnings = judge(report, self._units)
        if reason:
            journal = tuple(f"{found.name}: {text}" for found in report.failed for text in found.journal)
            self._fail(_EXACT, reason, unit, report, journal)
        elif not isinstance(self._end, Failed):
            self._end = Ready(report, warnings)

    def _fail(
        self, rank: int, reason: str, unit: str, report: Report | None = None, journal: tuple[str, ...] = ()
    ) -> None:
        if rank <= self._rank or isinstance(self._end, Ready):
            return
        self._rank = rank
        redact = self._redact
        self._end = Failed(redact(reason), redact(unit), (*self.tail(), *journal), report)


def _short_error(text: str) -> str:
    """``Get "http://h/": dial tcp 10.0.0.1:80: connect: connection refused`` without what is known already."""
    text = re.sub(r'^(?:Get|Head|Put) "[^"]*": ', "", text)
    text = re.sub(r"^dial tcp \S+: (?:connect: )?", "", text)
    return shorten(text)
