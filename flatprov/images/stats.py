"""Time, CPU and memory of each step, for ``--stats``. Costs nothing where nobody asks."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


@dataclass(frozen=True)
class Step:
    """One measured step.

    Attributes:
        name: ``feed``, ``key``, ``signature``, ``download``, ``unpack``.
        wall_seconds: from begin to end.
        cpu_seconds: of this process and of the children it waited for, all threads.
        peak_bytes: the most memory that was resident during the step; where the kernel cannot tell that, since the
            process began.
    """

    name: str
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int


_collecting: ContextVar[list[Step] | None] = ContextVar("_collecting", default=None)


@contextlib.contextmanager
def collect() -> Iterator[list[Step]]:
    """Measure the steps that run inside; the list fills as they end."""
    steps: list[Step] = []
    token = _collecting.set(steps)
    try:
        yield steps
    finally:
        _collecting.reset(token)


@contextlib.contextmanager
def step(name: str) -> Iterator[None]:
    """Measure one step, if somebody collects."""
    steps = _collecting.get()
    if steps is None:
        yield
        return
    with contextlib.suppress(OSError):
        _CLEAR.write_text("5")  # the peak counts from here
    wall, cpu = time.monotonic(), _cpu_seconds()
    try:
        yield
    finally:
        steps.append(Step(name, time.monotonic() - wall, _cpu_seconds() - cpu, peak_bytes()))


def _cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def peak_bytes() -> int:
    """The most memory this process had; not ``ru_maxrss``, in which the peak of its parent lives on."""
    with contextlib.suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
