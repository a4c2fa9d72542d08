"""What the rules share: where they put what they find, and which config and which Ignition they judge for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from flatprov.ignition.report import Level
from flatprov.ignition.validate.units import UnitText, read_unit

Path: TypeAlias = tuple[str | int, ...]
Found: TypeAlias = tuple[Level, Path, str]
#: So many entries are given; who has more is told so. It keeps a hostile config from filling the memory.
MOST_ENTRIES: Final = 10_000
AND_MORE: Final[Found] = ("error", (), f"there are more than {MOST_ENTRIES} entries: only the first are given")


class TooManyError(Exception):
    """There are more entries than anyone reads."""


class Findings:
    """The entries of one walk, in its order.

    Args:
        spec: the config's spec version.
        ignition: the version of Ignition to be like, as two numbers.
        oem: accept ``oem://`` URLs.
    """

    __slots__ = ("_units", "ignition", "list", "oem", "spec")

    def __init__(self, spec: str, ignition: tuple[int, int], oem: bool) -> None:
        self.spec = spec
        self.oem = oem
        self.ignition = ignition
        self.list: list[Found] = []
        self._units: dict[str, UnitText] = {}

    def error(self, path: Path, message: str) -> None:
        """Note an error, unless there is no message."""
        if message:
            self.list.append(("error", path, message))
            if len(self.list) > MOST_ENTRIES:
                raise TooManyError

    def warn(self, path: Path, message: str) -> None:
        """Note a warning."""
        self.list.append(("warning", path, message))
        if len(self.list) > MOST_ENTRIES:
            raise TooManyError

    def unit(self, text: str) -> UnitText:
        """Read a unit file, each once."""
        found = self._units.get(text)
        if found is None:
            found = self._units[text] = read_unit(text, numbers=self.ignition < (2, 15))
        return found


Rule: TypeAlias = Callable[[dict[str, Any], Path, Findings], None]
