"""Lines for a person: steps with their seconds, a table, and errors that say what to do."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class LabError(Exception):
    """What went wrong and what to do, in one sentence."""


def line(name: str, began: float | None, text: str) -> None:
    """One step in the form that steps.sh uses too."""
    took = "..." if began is None else f"{time.monotonic() - began:.1f} s"
    sys.stdout.write(f"  {name:<18} {took:>8}  {text}\n")
    sys.stdout.flush()


@contextmanager
def step(name: str, doing: str = "") -> Iterator[list[str]]:
    """Time a step; what the caller puts into the list is its result."""
    began = time.monotonic()
    if doing:
        line(name, None, doing)
    result: list[str] = []
    yield result
    line(name, began, "; ".join(result) or "done")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, the last one open."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])
