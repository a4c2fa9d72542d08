"""What was found in a config: by Ignition's own rules, and by ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Entry:
    """One thing that was found.

    Args:
        level: ``error`` keeps the machine from booting, or is surely a mistake; ``warning`` boots, but not as meant;
            ``info`` is worth knowing.
        path: where, as keys and list indexes from the root: ``("storage", "files", 0, "path")``.
        message: what is wrong. A rule of Ignition has the text of ``ignition-validate``.
        code: the stable word of a finding of ours, to look it up and to silence it; ``""`` for Ignition's rules.
        fix: what to do; may be empty for Ignition's rules.
        line: 1-based in the text the config came from; 0 where it came from none.
        column: 1-based, in bytes of UTF-8.
        at_end: the place is the very end of the text, which Ignition calls line 0, column 0.
    """

    level: Level
    path: tuple[str | int, ...]
    message: str
    code: str = ""
    fix: str = ""
    line: int = 0
    column: int = 0
    at_end: bool = False

    def where(self) -> str:
        """Give the path as the real tool prints it: ``$.storage.files.0.path``."""
        return ".".join(["$", *map(str, self.path)])

    def __str__(self) -> str:
        place = f" at {self.where()}" if self.path else ""
        if self.line or self.at_end:
            place += f"{',' if place else ' at'} line {self.line} col {self.column}"
        code = f" [{self.code}]" if self.code else ""
        fix = f". {self.fix[:1].upper()}{self.fix[1:]}" if self.fix else ""
        return f"{self.level}{place}: {self.message}{fix}{code}"


@dataclass(frozen=True)
class Report:
    """All that was found, in the order it was found."""

    entries: tuple[Entry, ...] = ()

    @property
    def errors(self) -> tuple[Entry, ...]:
        """Only the errors."""
        return tuple(entry for entry in self.entries if entry.level == "error")

    @property
    def warnings(self) -> tuple[Entry, ...]:
        """Only the warnings."""
        return tuple(entry for entry in self.entries if entry.level == "warning")

    def without(self, codes: Iterable[str]) -> Report:
        """Give the report without the findings of these codes; Ignition's own rules cannot be silenced."""
        silenced = frozenset(codes)
        return Report(tuple(entry for entry in self.entries if not entry.code or entry.code not in silenced))

    def __add__(self, other: Report) -> Report:
        return Report(self.entries + other.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __bool__(self) -> bool:
        return bool(self.entries)

    def __str__(self) -> str:
        return "\n".join(map(str, self.entries))
