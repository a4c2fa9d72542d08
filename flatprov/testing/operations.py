"""The context of one operation, for calling a resource without engine and plugin."""

from __future__ import annotations

import threading

from flatprov.provider.context import Context
from flatprov.provider.gate import Gates


class FakeOperation(Context):
    """An operation whose lines are kept.

    Attributes:
        lines: what it said: severity and text.
    """

    def __init__(self, urn: str, limit_seconds: float, cancelled: threading.Event, gates: Gates) -> None:
        self.lines: list[tuple[str, str]] = []
        super().__init__(urn, log=self._keep, cancelled=cancelled, gates=gates, limit_seconds=limit_seconds)

    def _keep(self, severity: str, urn: str, text: str, ephemeral: bool) -> None:
        del urn, ephemeral
        self.lines.append((severity, text))


def operation(
    name: str = "web-0",
    *,
    project: str = "proj",
    stack: str = "dev",
    token: str = "flatprov:libvirt:Node",  # noqa: S107 - a type token
    limit_seconds: float = 60.0,
    cancelled: threading.Event | None = None,
    gates: Gates | None = None,
) -> FakeOperation:
    """An operation on the resource ``name`` of a stack."""
    return FakeOperation(
        f"urn:pulumi:{stack}::{project}::{token}::{name}",
        limit_seconds,
        threading.Event() if cancelled is None else cancelled,
        Gates() if gates is None else gates,
    )
