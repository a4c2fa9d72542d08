"""What a platform can and cannot do, as data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flatprov.errors import UnsupportedError


@dataclass(frozen=True, kw_only=True)
class Capability:
    """One ability of a platform.

    Args:
        name: what it is about.
        supported: whether flatprov does it on this platform today.
        reason: what holds, or why not.
        alternative: what to do instead.
        link: where this can be read.
    """

    name: str
    supported: bool
    reason: str
    alternative: str = ""
    link: str = ""


def require(capabilities: Iterable[Capability], name: str, subject: str) -> None:
    """Raise unless a platform can do it.

    Raises:
        UnsupportedError: it cannot; with reason, alternative and link.
    """
    for capability in capabilities:
        if capability.name == name and not capability.supported:
            raise UnsupportedError(subject, capability.reason, capability.alternative, link=capability.link)
