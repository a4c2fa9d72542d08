"""What an operation gets: whose it is, how to report progress, how to wait so that Cancel and time limits hold."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from flatprov.errors import CancelledError, DeadlineError
from flatprov.provider.values import Secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flatprov.provider.gate import Gates
    from flatprov.provider.resource import State

Severity = Literal["debug", "info", "warning", "error"]
Log = Callable[[Severity, str, str, bool], None]  #: severity, urn, text, ephemeral


class Context:
    """One operation on one resource."""

    def __init__(
        self,
        urn: str,
        *,
        log: Log,
        cancelled: threading.Event,
        gates: Gates,
        limit_seconds: float = 0.0,
        secret_inputs: frozenset[str] = frozenset(),
    ) -> None:
        self.urn = urn
        self._log, self._cancelled, self.gates = log, cancelled, gates
        self.deadline = time.monotonic() + limit_seconds if limit_seconds else float("inf")
        self.secret_inputs = secret_inputs  #: wire names of the inputs that came as secrets
        self.secrets = Secrets()  #: what must not stand in any line that people read
        self.partial: tuple[str, State] | None = None
        self.refresh_before_update = False  #: what the engine is told with a partial state

    @property
    def owner(self) -> str:
        """``project/stack``: the owner mark that objects on a platform carry."""
        parts = self.urn.split("::")
        return f"{parts[1]}/{parts[0].removeprefix('urn:pulumi:')}"

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.urn.split("::", 3)[3]

    def created(self, id_: str, state: State) -> None:
        """It exists now: a later failure is recorded with it in the state instead of losing it."""
        self.partial = id_, state

    def status(self, text: str) -> None:
        """Show progress in the engine's status column; nothing is kept."""
        self._log("info", self.urn, self.secrets.redact(text), True)

    def warn(self, text: str) -> None:
        """Tell the user something that is kept in the run's summary."""
        self._log("warning", self.urn, self.secrets.redact(text), False)

    def debug(self, text: str) -> None:
        """Tell those who run with ``--debug``."""
        self._log("debug", self.urn, self.secrets.redact(text), False)

    def remaining_seconds(self, limit: float = float("inf")) -> float:
        """Seconds left of the resource's ``customTimeouts``, at most ``limit``."""
        return min(limit, self.deadline - time.monotonic())

    @property
    def is_cancelled(self) -> bool:
        """Whether the user stopped the run, for code that polls."""
        return self._cancelled.is_set()

    def check(self) -> None:
        """Raise when the user stopped the run or the time is up."""
        self.wait(0)

    def wait(self, seconds: float) -> None:
        """Sleep.

        Raises:
            CancelledError: the user stopped the run; at once, not at the end of the sleep.
            DeadlineError: the resource's ``customTimeouts`` passed.
        """
        if self._cancelled.wait(min(seconds, max(0.0, self.remaining_seconds()))):
            raise CancelledError(self.name, "the run was cancelled", "run `pulumi up` again to continue")
        if time.monotonic() > self.deadline:
            raise DeadlineError(
                self.name,
                "the time limit of its customTimeouts passed",
                "raise it, or run `pulumi up` again to continue",
            )

    @contextmanager
    def slot(self, semaphore: threading.Semaphore) -> Iterator[None]:
        """Hold one of a host's slots; waiting for it ends on Cancel."""
        while not semaphore.acquire(timeout=0.1):
            self.check()
        try:
            yield
        finally:
            semaphore.release()
