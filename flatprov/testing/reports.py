"""What a booting machine writes to its console."""

from __future__ import annotations

import json
from typing import Any

from flatprov.flatcar.report import FORMAT


def boot_report(name: str, *, version: str = "4593.2.5", **other: Any) -> bytes:
    """The line of ``flatprov-report.service`` after a good first boot.

    Args:
        name: the machine's host name.
        version: its release.
        other: further or other fields of the report, such as ``state="degraded"`` or ``failed=[...]``.
    """
    report = {
        "format": FORMAT,
        "boot_id": "1e40f808-f6a9-4d21-8520-29211c3900e0",
        "first_boot": True,
        "ignition": {"date": "2026-01-01T00:00:00Z", "user_config": True},
        "state": "running",
        "failed": [],
        "missing": [],
        "unstarted": [],
        "restarting": [],
        "addresses": {},
        "hostname": name,
        "version": version,
        "kernel": "6.12.0",
        "uptime": 3.0,
        **other,
    }
    text = json.dumps(report, separators=(",", ":"))
    return f"\nFLATPROV-REPORT {len(text)} {text}\n".encode()
