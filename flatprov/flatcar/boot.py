"""From the bytes of a serial console to how a boot goes and how it ended.

``BootMonitor`` is pure: no clock, no thread, no I/O. It is fed bytes as they come and asked for its state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from flatprov.flatcar.console import ConsoleLines, History
from flatprov.flatcar.progress import Failure, Progress, Rank
from flatprov.flatcar.reasons import judge
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
        again: the cause lies with a busy host and nothing has run in the machine: start it once more.
    """

    reason: str
    unit: str = ""
    tail: tuple[str, ...] = ()
    report: Report | None = None
    again: bool = False


State = Booting | Ready | Failed


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
        self._progress = Progress()
        self._heard = False
        self._rank = Rank.NONE
        self._end: Ready | Failed | None = None

    # --- what a caller asks ------------------------------------------------------------------------------------------
    def feed(self, data: bytes) -> State:
        """Take the console's next bytes, cut anywhere, and give the state after them."""
        self._heard = self._heard or bool(data)
        for line in self._lines.feed(data):
            self._line(line)
        self._note(self._progress.prompt(self._lines.partial))
        return self.state

    @property
    def state(self) -> State:
        """Where the boot is."""
        return self._end or Booting(self._redact(self._progress.stage))

    @property
    def ended(self) -> bool:
        """The boot is over, for good or bad; see ``explained`` for a failure."""
        return self._end is not None

    @property
    def explained(self) -> bool:
        """No later line can give a failure a better reason.

        systemd writes to the console itself, while Ignition's words take the way through journal and kernel: on a slow
        console they come seconds after "emergency mode".
        """
        end = self._end
        return self._rank is Rank.EXACT or isinstance(end, Ready) or (isinstance(end, Failed) and end.again)

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
        elif self._progress.stage.startswith("waiting for"):
            reason = f"{after}: still {self._progress.stage}; that unit hangs, or needs a longer timeout"
        elif self._progress.clues.url_error:
            reason = f"{after}: still at {self._progress.stage}; check the URL, and that the node's network reaches it"
        else:
            reason = f"{after}: the console's last stage was {self._progress.stage}"
        return Failed(self._redact(reason), self._redact(self._progress.unit), self.tail())

    def tail(self, lines: int = _TAIL) -> tuple[str, ...]:
        """The last lines of the console, clean and redacted."""
        # A secret may lie over several lines, of which the first is not wanted: redact more than is shown.
        kept = self._history.last(lines + 200)
        shown = self._redact("\n".join(kept)).split("\n")[-lines:] if kept and lines > 0 else []
        return tuple(line if len(line) <= _WIDE else f"{line[:_WIDE]}…" for line in map(str.rstrip, shown))

    # --- one line ----------------------------------------------------------------------------------------------------
    def _line(self, line: str) -> None:
        was_open = self._frames.open
        if frame := self._frames.feed(line):
            self._framed(*frame)
            return
        if self._frames.open:  # a cut line of the report unit, or what came between its parts
            if was_open and line.startswith("[") and not self._progress.dumped(line):
                self._history.add(line)
            self._note(self._progress.line(line))
            return
        if self._progress.animation(line):
            return
        if self._progress.dumped(line):  # secrets included, so none of it is kept
            if "Full config:" in line:
                self._history.add("ignition: the whole config (left out)")
            return
        self._history.add(line)
        self._note(self._progress.line(line))

    def _note(self, failure: Failure | None) -> None:
        if failure:
            self._fail(failure)

    # --- lines of flatprov-report.service ----------------------------------------------------------------------------
    def _framed(self, kind: str, contents: dict[str, Any]) -> None:
        try:
            if contents["format"] != FORMAT:
                raise ValueError
            if kind == "REPORT":
                self._reported(read_report(contents, self._redact))
            elif waiting := read_waiting(contents, self._redact):
                self._progress.waiting(waiting.unit, str(waiting))
                self._history.add(f"flatprov: {waiting}")
        except (KeyError, TypeError, ValueError, AttributeError):
            self._history.add("flatprov: a line of the report unit has another format; versions differ")

    def _reported(self, report: Report) -> None:
        if report.state == "stopping":
            self._progress.stage = "shutting down"
            return
        reason, unit, warnings = judge(report, self._units, self._progress.clues)
        if reason:
            journal = tuple(f"{found.name}: {text}" for found in report.failed for text in found.journal)
            self._fail(Failure(Rank.EXACT, reason, unit), report, journal)
        elif not isinstance(self._end, Failed):
            self._end = Ready(report, warnings)

    def _fail(self, failure: Failure, report: Report | None = None, journal: tuple[str, ...] = ()) -> None:
        if failure.rank <= self._rank or isinstance(self._end, Ready):
            return
        self._rank = failure.rank
        tail = (*self.tail(), *journal)
        self._end = Failed(self._redact(failure.reason), self._redact(failure.unit), tail, report, failure.again)
