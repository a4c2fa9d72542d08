"""Findings: what Ignition accepts and a person would not. Every code is explained in ``docs/findings``.

::

    from flatprov.ignition.findings import findings

    for entry in findings(config, target=target):
        print(entry)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flatprov.ignition.findings.codes import CODES, Code, checked
    from flatprov.ignition.findings.run import findings
    from flatprov.ignition.findings.text import text_findings

_PLACES = {
    **dict.fromkeys(("CODES", "Code", "checked"), "flatprov.ignition.findings.codes"),
    "findings": "flatprov.ignition.findings.run",
    "text_findings": "flatprov.ignition.findings.text",
}

__all__ = ["CODES", "Code", "checked", "findings", "text_findings"]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
