"""What the API server writes down about who did what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flatprov.arguments import Arguments
from flatprov.errors import ConfigError

#: Below ``/etc/kubernetes``.
FILE: Final = "flatprov/audit-policy.json"
LOG_FOLDER: Final = "/var/log/kubernetes/audit"
_LEVELS = ("None", "Metadata", "Request", "RequestResponse")


@dataclass(frozen=True, kw_only=True)
class AuditPolicy(Arguments):
    """An audit policy and how much of the log is kept.

    Args:
        rules: Kubernetes' own rules, the first that fits decides; by default who changed what, without contents.
        days: how long a log file is kept.
        files: how many are kept.
        megabytes: how large each gets.

    Raises:
        ConfigError: a rule has no level, or a number is none.
    """

    rules: Sequence[Mapping[str, Any]] = (
        {"level": "None", "verbs": ["get", "list", "watch"]},
        {
            "level": "None",
            "resources": [
                {"group": "", "resources": ["events"]},
                {"group": "events.k8s.io", "resources": ["events"]},
                {"group": "coordination.k8s.io", "resources": ["leases"]},
            ],
        },
        {"level": "Metadata", "omitStages": ["RequestReceived"]},
    )
    days: int = 30
    files: int = 10
    megabytes: int = 100

    def __post_init__(self) -> None:
        if not self.rules:
            raise ConfigError("audit policy", "it has no rules", "give one, or audit=None", path="kubernetes.audit")
        for number, rule in enumerate(self.rules):
            if rule.get("level") not in _LEVELS:
                path = f"kubernetes.audit.rules[{number}]"
                raise ConfigError(
                    "audit policy", f"rule {number} has no known level", f"take {', '.join(_LEVELS)}", path=path
                )
        if min(self.days, self.files, self.megabytes) < 1:
            raise ConfigError("audit policy", "a limit is below 1", "give 1 or more", path="kubernetes.audit")

    def document(self) -> dict[str, Any]:
        """The policy as the API server reads it."""
        return {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [dict(rule) for rule in self.rules]}

    def arguments(self) -> dict[str, str]:
        """The API server's arguments for it."""
        return {
            "audit-policy-file": f"/etc/kubernetes/{FILE}",
            "audit-log-path": f"{LOG_FOLDER}/audit.log",
            "audit-log-maxage": str(self.days),
            "audit-log-maxbackup": str(self.files),
            "audit-log-maxsize": str(self.megabytes),
        }
