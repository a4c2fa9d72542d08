"""The rolling gate: how many nodes of a pool may be rebuilt at once, and when to stop."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flatprov.errors import PlatformError

if TYPE_CHECKING:
    from flatprov.provider.context import Context


class Gate:
    """One per pool and process. The first node through is the canary: it goes alone.

    Args:
        max_unavailable: nodes that may be down at the same time, at least 1.
    """

    def __init__(self, max_unavailable: int) -> None:
        self._condition = threading.Condition()
        self._limit = max_unavailable
        self._inside = 0
        self._proven = False  # the canary came back healthy
        self._failed = ""

    @contextmanager
    def turn(self, ctx: Context, node: str) -> Iterator[None]:
        """Wait for this node's turn and hold it while the node is down.

        Raises:
            PlatformError: another node failed its turn, so this one was left as it is.
        """
        with self._condition:
            while not self._failed and self._inside >= (self._limit if self._proven else 1):
                self._condition.wait(0.1)
                ctx.check()
            if self._failed:
                raise PlatformError(
                    node,
                    f"not started, because {self._failed} did not come back healthy; this node is untouched",
                    f"mend {self._failed} and run `pulumi up` again",
                )
            self._inside += 1
        try:
            yield
        except BaseException:
            self._leave(failed=node)
            raise
        self._leave()

    def _leave(self, failed: str = "") -> None:
        with self._condition:
            self._inside -= 1
            if failed:
                self._failed = self._failed or failed
            else:
                self._proven = True
            self._condition.notify_all()


class Gates:
    """All gates of this process, by pool."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gates: dict[str, Gate] = {}

    def of(self, pool: str, max_unavailable: int) -> Gate:
        """The gate of a pool; the first caller's limit holds for the run."""
        with self._lock:
            return self._gates.setdefault(pool, Gate(max(1, max_unavailable)))
