"""Faults for fakes: an error at the n-th call, or the end of the process there."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

When = Literal["before", "during", "after"]
F = TypeVar("F", bound=Callable[..., Any])


class Killed(BaseException):
    """The process was killed at this call: no handler of flatprov may tidy up, so it is no ``Exception``."""


@dataclass
class _Plan:
    at: int
    error: BaseException
    when: When


class Faults:
    """The base of a fake: it counts its calls and fails where it is told to.

    Attributes:
        calls: the names of the calls so far.
        refuses: errors that each call of a method raises, by its name; ``"*"`` for all.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.refuses: dict[str, Exception] = {}
        self._plan: _Plan | None = None
        self._dead = False
        self._inside = threading.local()

    def fail(self, at: int, error: Exception, when: When = "before") -> None:
        """Raise once, ``at`` calls from now; ``after`` means that it was done and the answer was lost."""
        self._plan = _Plan(len(self.calls) + at, error, when)

    def kill(self, at: int, when: When = "before") -> None:
        """End the process ``at`` calls from now: that call and every later one raises, until ``revive``."""
        self._plan = _Plan(len(self.calls) + at, Killed(f"at call {at}"), when)

    def revive(self) -> None:
        """A new process: calls work again."""
        self._plan, self._dead = None, False

    @property
    def was_hit(self) -> bool:
        """Whether the planned fault happened."""
        return self._plan is None or self._plan.at < len(self.calls)

    def _due(self, when: When) -> None:
        plan = self._plan
        if plan and plan.at == len(self.calls) - 1 and plan.when == when:
            self._dead = isinstance(plan.error, Killed)
            raise plan.error


def counted(method: F) -> F:
    """A method that is one call; what it calls of its own fake is not counted again."""

    @functools.wraps(method)
    def call(self: Faults, *args: Any, **kwargs: Any) -> Any:
        if getattr(self._inside, "counted", False):
            return method(self, *args, **kwargs)
        self._inside.counted = True
        try:
            if self._dead:
                raise Killed("the process is gone")
            self.calls.append(method.__name__)
            refused = self.refuses.get(method.__name__) or self.refuses.get("*")
            if refused is not None:
                raise refused
            self._due("before")
            found = method(self, *args, **kwargs)
            self._due("after")
            return found
        finally:
            self._inside.counted = False

    return call  # type: ignore[return-value]
