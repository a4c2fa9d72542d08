"""Ignition's own rules, for a config that was translated."""

from __future__ import annotations

from typing import Any

from flatprov.ignition.report import Report
from flatprov.ignition.validate import validate


def rules(config: dict[str, Any], ignition_version: str | None) -> Report:
    """Give what Ignition finds in a config; of the validator's default version where none is named."""
    return validate(config) if ignition_version is None else validate(config, ignition_version=ignition_version)
