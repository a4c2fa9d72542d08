"""Flatcar version numbers: ``MAJOR.BRANCH.PATCH``, ordered as numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from flatprov.errors import ImageError

_VERSION = re.compile(r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})")
_CHANNEL_OF_BRANCH = {0: "alpha", 1: "beta", 2: "stable"}


class Version(NamedTuple):
    """A release number; compares as numbers, so 4593.2.10 is newer than 4593.2.9.

    Attributes:
        major: days since 2013-07-01.
        branch: 0 alpha, 1 beta, 2 stable, 3 LTS (old LTS releases counted on from 10).
        patch: counts the releases of one branch.
    """

    major: int
    branch: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read ``4593.2.5``.

        Raises:
            ImageError: the text is not three numbers.
        """
        found = cls.parse_or_none(text)
        if found is None:
            raise ImageError(
                f"release {text!r}", "is not a Flatcar version", 'write MAJOR.BRANCH.PATCH, for example "4593.2.5"'
            )
        return found

    @classmethod
    def parse_or_none(cls, text: str) -> Version | None:
        """Read a version, or give None for the alias keys of a feed (``current``, ``current-2024``)."""
        match = _VERSION.fullmatch(text)
        return cls(int(match[1]), int(match[2]), int(match[3])) if match else None

    @property
    def usual_channel(self) -> str:
        """The channel that this branch number stands for; what a feed says counts more."""
        return _CHANNEL_OF_BRANCH.get(self.branch, "lts")

    def __str__(self) -> str:
        return f"{self.major}.{self.branch}.{self.patch}"


def nearest(wanted: Version, existing: Iterable[Version], count: int = 5) -> list[Version]:
    """The existing versions around a wanted one, oldest first; same major and branch count as near."""

    def distance(other: Version) -> tuple[int, int, int]:
        return (
            abs(other.major - wanted.major),
            abs(other.branch - wanted.branch),
            abs(other.patch - wanted.patch),
        )

    return sorted(sorted(set(existing), key=distance)[:count])
