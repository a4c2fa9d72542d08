"""Where each part of the Ignition JSON came from in the YAML."""

from __future__ import annotations

from typing import TypeAlias

from flatprov.ignition.butane.fields import snake

Path: TypeAlias = tuple[str | int, ...]


class Origins:
    """Gives the YAML path for a path of the JSON.

    Most paths are the same but for their spelling. What sugar made comes from somewhere else and is written down here.
    """

    def __init__(self) -> None:
        self._moved: dict[Path, tuple[Path, bool]] = {}

    def add(self, path: Path, source: Path, *, whole: bool = False) -> None:
        """Note that what is at ``path`` and below came from ``source``.

        Args:
            path: in the JSON.
            source: in the YAML.
            whole: everything below ``path`` came from ``source`` itself, which has no parts that match.
        """
        self._moved[path] = (source, whole)

    def source(self, path: Path) -> Path:
        """Give the YAML path for a path of the JSON."""
        for length in range(len(path), 0, -1):
            found = self._moved.get(path[:length])
            if found:
                source, whole = found
                return source if whole else (*source, *_spelled(path[length:]))
        return _spelled(path)


def _spelled(path: Path) -> Path:
    return tuple(snake(step) if isinstance(step, str) else step for step in path)
