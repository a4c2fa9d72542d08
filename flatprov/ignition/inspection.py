"""Judge a rendered config by Ignition's rules and by ours, before anything exists."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from flatprov.errors import ConfigError
from flatprov.ignition.findings import findings
from flatprov.ignition.report import Report
from flatprov.ignition.target import Target
from flatprov.ignition.validate import validate
from flatprov.ignition.versions import NEWEST_IGNITION, check_target

_SHOWN: Final = 10


def inspect(config: dict[str, Any], *, target: Target, silence: Iterable[str] = ()) -> Report:
    """Give all that Ignition's rules and our findings say of a config.

    Args:
        config: the rendered config, without what flatprov adds, so that the paths are those of the user's own lists.
        target: the machine that will read it.
        silence: codes of findings that are meant to be so.

    Raises:
        ConfigError: the target's Ignition cannot read the config's spec, or a code to silence does not exist.
    """
    check_target(config, target)
    return _rules(config, target) + findings(config, target=target, silence=silence)


def _rules(config: dict[str, Any], target: Target) -> Report:
    """What Ignition's rules say; ``oem://`` is Flatcar's own addition, and ``check_target`` knows where it works."""
    return validate(config, ignition_version=target.ignition or NEWEST_IGNITION, oem=True)


def require(report: Report, subject: str) -> Report:
    """Raise what keeps a machine from booting; the rest is handed back.

    Args:
        report: what was found.
        subject: whose config it is, for the message.

    Raises:
        ConfigError: there is an error; the message has all of them, and ``path`` names the first.
    """
    errors = report.errors
    if errors:
        shown = [str(entry) for entry in errors[:_SHOWN]]
        more = [f"and {len(errors) - _SHOWN} more"] if len(errors) > _SHOWN else []
        count = "an error" if len(errors) == 1 else f"{len(errors)} errors"
        lines = "".join(f"\n  {line}" for line in [*shown, *more])
        path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in errors[0].path).lstrip(".")
        ours = ", or silence what is meant to be so by its code" if any(entry.code for entry in errors) else ""
        fix = f"correct {'it' if len(errors) == 1 else 'them'}{ours}:{lines}"
        raise ConfigError(subject, f"its Ignition config has {count}", fix, path=path or "ignition")
    return Report(tuple(entry for entry in report if entry.level == "warning"))


def require_whole(config: dict[str, Any], subject: str, *, target: Target) -> None:
    """Check the config that a machine will get, with everything merged into it.

    Parts that are valid one by one can make an invalid whole, and need a newer Ignition than each of them.

    Raises:
        ConfigError: it is invalid, or the target's Ignition cannot read it.
    """
    check_target(config, target)
    require(Report(_rules(config, target).errors), f"{subject}, with what flatprov adds")
