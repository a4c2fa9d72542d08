"""Which resources the plugin has. A module is imported when its first resource arrives, not before."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Mapping
from typing import Any

from flatprov.errors import UnsupportedError
from flatprov.provider.resource import Resource


class Registry:
    """Resources by type token.

    Args:
        places: token -> ``module:Class``.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = dict(places)
        self._lock = threading.Lock()
        self._made: dict[str, Resource[Any, Any]] = {}

    def get(self, token: str) -> Resource[Any, Any]:
        """The one instance for a token.

        Raises:
            UnsupportedError: this version of flatprov has no such resource.
        """
        with self._lock:
            if token not in self._made:
                if token not in self._places:
                    raise UnsupportedError(
                        token,
                        "this version of the flatprov plugin has no such resource",
                        f"upgrade flatprov; it has {', '.join(sorted(self._places))}",
                    )
                module, _, name = self._places[token].partition(":")
                self._made[token] = getattr(importlib.import_module(module), name)()
            return self._made[token]

    def all(self) -> dict[str, Resource[Any, Any]]:
        """Every resource, loaded."""
        return {token: self.get(token) for token in sorted(self._places)}
