"""What a preflight check found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from flatprov.errors import ConfigError, FlatprovError


class Level(Enum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    UNKNOWN = "unknown"  # it cannot be seen from here, and the text says why


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One named check and its outcome.

    Args:
        check: the check's name, a short sentence (``the network's range is free``).
        level: how bad it is.
        subject: the object it is about.
        text: what was found.
        fix: what to do; empty when all is well.
        path: the property to change, if it is one.
        error: the class of error this finding is raised as.
    """

    check: str
    level: Level
    subject: str
    text: str
    fix: str = ""
    path: str = ""
    error: type[FlatprovError] = ConfigError


def require(findings: Iterable[Finding]) -> list[Finding]:
    """Raise the first error among findings; the warnings are handed back."""
    warnings = []
    for finding in findings:
        if finding.level is Level.ERROR:
            raise finding.error(finding.subject, finding.text, finding.fix, path=finding.path)
        if finding.level is Level.WARNING:
            warnings.append(finding)
    return warnings
