"""The boot report: the unit that writes it, and how its line on the console is read.

``flatprov-report.service`` writes ``FLATPROV-REPORT LENGTH {json}`` when the boot's job queue is empty, three times
within five seconds, and ``FLATPROV-WAITING LENGTH {json}`` each ten seconds until then. Other output may cut a line;
the length tells, and what is known to come from the kernel or from systemd is taken out of it again.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from flatprov.flatcar.templates import read_template
from flatprov.ignition import dataurl

#: The unit's name; it belongs to flatprov, whatever a user's config says.
UNIT = "flatprov-report.service"

_SCRIPT = "/opt/flatprov/report"
_UNITS = "/opt/flatprov/report-units"
#: The version of the lines' contents.
FORMAT = 1

_FRAME = re.compile(r"FLATPROV-(REPORT|WAITING) (\d{1,7}) (\{.*)")
_NOISE = re.compile(
    r"(?:\[ *\d+\.\d{6}\] "
    r"|\[ *(?:OK|FAILED|DEPEND|WARN|INFO|TIME|SKIP|\*{1,3}) *\] "
    r"| {9}(?:Starting|Stopping|Mounting|Unmounting|Activating|Expecting|Listening) "
    r")[^\n]*(?:\n|$)"
)
_SLACK = 16 * 1024  # so much foreign text may stand in one line


@dataclass(frozen=True)
class FailedUnit:
    """One unit in the state ``failed``.

    Attributes:
        name: the unit.
        result: systemd's word for it: ``exit-code``, ``signal``, ``timeout``...
        code: how the main process ended: 1 exited, 2 killed, 3 dumped core, 0 unknown.
        status: its exit status or signal.
        journal: the last lines its processes wrote.
    """

    name: str
    result: str = ""
    code: int = 0
    status: int = 0
    journal: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} failed: {self.why}"

    @property
    def why(self) -> str:
        """The result in words."""
        if self.result == "exit-code" and self.status == 203:
            return "its program could not be started (status 203/EXEC)"
        if self.result == "exit-code":
            return f"exit status {self.status}" if self.status else "a process of it ended with an error (exit-code)"
        if self.result in ("signal", "core-dump"):
            return f"killed by signal {self.status} ({self.result})"
        words = {
            "timeout": "it did not finish in its time",
            "oom-kill": "the machine ran out of memory",
            "start-limit-hit": "it was restarted too often",
            "watchdog": "its watchdog was not served",
        }
        return f"{words[self.result]} ({self.result})" if self.result in words else (self.result or "no result")


@dataclass(frozen=True)
class Report:
    """What a machine said about its boot.

    Attributes:
        boot_id: the kernel's id of this boot.
        first_boot: Ignition ran in this very boot.
        ignition_date: when Ignition ran, as it wrote it; empty if there is no Ignition result.
        user_config: Ignition was given a config.
        state: systemd's word: ``running``, ``degraded``, ``maintenance``...
        failed: the units that failed.
        missing: enabled units of the config that exist nowhere.
        unstarted: enabled units of the config that were never tried: what they need failed, or nothing wants them.
        restarting: enabled units of the config that ended and wait to be started again.
        addresses: addresses with prefix length, by interface.
        hostname: the host's name.
        version: ``VERSION_ID`` of the system.
        kernel: the kernel's release.
        uptime: seconds since the kernel started.
    """

    boot_id: str
    first_boot: bool
    state: str
    ignition_date: str = ""
    user_config: bool = False
    failed: tuple[FailedUnit, ...] = ()
    missing: tuple[str, ...] = ()
    unstarted: tuple[str, ...] = ()
    restarting: tuple[str, ...] = ()
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    hostname: str = ""
    version: str = ""
    kernel: str = ""
    uptime: float = 0.0


@dataclass(frozen=True)
class Waiting:
    """What the boot waits for.

    Attributes:
        unit: the unit that has been at it the longest.
        seconds: for how long, 0 if that is not known.
        others: the other units being worked on.
        uptime: seconds since the kernel started.
    """

    unit: str
    seconds: int
    others: tuple[str, ...] = ()
    uptime: float = 0.0

    def __str__(self) -> str:
        time = f" (running for {self.seconds}s)" if self.seconds else ""
        more = f" and {len(self.others)} more" if self.others else ""
        return f"waiting for {self.unit}{time}{more}"


def report_fragment(units: Sequence[str]) -> dict[str, Any]:
    """The Ignition config that makes a machine report each of its boots.

    Args:
        units: names of the units the config enables; those that do not exist are named in the report.
    """
    names = dict.fromkeys(name for name in units if name != UNIT and "@." not in name)
    return {
        "ignition": {"version": "3.3.0"},
        "storage": {
            "files": [
                _file(_SCRIPT, 0o755, read_template("flatcar/report.sh")),
                _file(_UNITS, 0o644, "".join(f"{name}\n" for name in names)),
            ]
        },
        "systemd": {
            "units": [{"name": UNIT, "enabled": True, "contents": read_template(f"flatcar/{UNIT}")}],
        },
    }


def _file(path: str, mode: int, text: str) -> dict[str, Any]:
    source, compression = dataurl.encode(text.encode())
    contents = {"source": source, "compression": compression}
    return {"path": path, "mode": mode, "overwrite": True, "contents": contents}


class Frames:
    """Finds the lines of ``flatprov-report.service`` among all others, also those that were cut."""

    def __init__(self) -> None:
        self._kind = ""
        self._length = 0
        self._text = ""

    @property
    def open(self) -> bool:
        """A line has begun and its end is not found yet."""
        return bool(self._kind)

    def feed(self, line: str) -> tuple[str, dict[str, Any]] | None:
        """Take one line; give the kind (``REPORT`` or ``WAITING``) and the contents that it completes."""
        if start := _FRAME.search(line):
            self._kind, self._length, self._text = start[1], int(start[2]), start[3]
        elif self._kind:
            self._text += "\n" + line
        else:
            return None
        contents = self._read()
        if contents is None:
            if len(self._text) > self._length + _SLACK:
                self._kind = self._text = ""
            return None
        kind, self._kind, self._text = self._kind, "", ""
        return kind, contents

    def _read(self) -> dict[str, Any] | None:
        if len(self._text) < self._length:
            return None
        for text in (self._text, _NOISE.sub("", self._text).replace("\n", "")):
            if text[self._length - 1 : self._length] != "}":
                continue
            try:
                contents = json.loads(text[: self._length])
            except ValueError:
                continue
            if isinstance(contents, dict):
                return contents
        return None


def read_report(contents: Mapping[str, Any], redact: Callable[[str], str] = str) -> Report:
    """Turn the JSON of a report into a ``Report``; every text in it goes through ``redact``."""

    def texts(value: object) -> tuple[str, ...]:
        return tuple(redact(str(item)) for item in value) if isinstance(value, list) else ()

    ignition = contents.get("ignition") or {}
    addresses = contents.get("addresses") or {}
    return Report(
        boot_id=str(contents.get("boot_id", "")),
        first_boot=contents.get("first_boot") is True,
        state=str(contents.get("state", "")),
        ignition_date=str(ignition.get("date", "")),
        user_config=ignition.get("user_config") is True,
        failed=tuple(_failed(unit, redact) for unit in contents.get("failed") or ()),
        missing=texts(contents.get("missing")),
        unstarted=texts(contents.get("unstarted")),
        restarting=texts(contents.get("restarting")),
        addresses=MappingProxyType({redact(str(name)): texts(found) for name, found in addresses.items()}),
        hostname=redact(str(contents.get("hostname", ""))),
        version=str(contents.get("version", "")),
        kernel=str(contents.get("kernel", "")),
        uptime=float(contents.get("uptime", 0)),
    )


def _failed(unit: Mapping[str, Any], redact: Callable[[str], str]) -> FailedUnit:
    try:
        journal = base64.b64decode(str(unit.get("journal", "")), validate=True).decode("utf-8", "replace")
    except binascii.Error:
        journal = ""
    return FailedUnit(
        name=redact(str(unit.get("unit", ""))),
        result=str(unit.get("result", "")),
        code=int(unit.get("code", 0)),
        status=int(unit.get("status", 0)),
        journal=tuple(line for line in redact(journal).splitlines() if line.strip()),
    )


def read_waiting(contents: Mapping[str, Any], redact: Callable[[str], str] = str) -> Waiting | None:
    """Turn the JSON of a waiting line into a ``Waiting``; None if it names no unit."""
    jobs = [(int(job.get("seconds", 0)), redact(str(job["unit"]))) for job in contents.get("jobs") or ()]
    if not jobs:
        return None
    longest = max(jobs, key=lambda job: job[0])
    others = tuple(unit for _, unit in jobs if unit != longest[1])
    return Waiting(longest[1], longest[0], others, float(contents.get("uptime", 0)))
