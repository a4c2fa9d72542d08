"""systemd units and their drop-ins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from flatprov.ignition.checks import Part
from flatprov.ignition.schema import DROPIN, UNIT, Field

if TYPE_CHECKING:
    from typing import Literal

    from pulumi import Input

_SUFFIXES: Final = (
    ".service", ".socket", ".device", ".mount", ".automount", ".swap",
    ".target", ".path", ".timer", ".snapshot", ".slice", ".scope",
)  # fmt: skip


@dataclass(frozen=True)
class DropIn(Part, shape=DROPIN, place="dropins"):
    """A piece of configuration for a unit, in ``UNIT.d/``.

    Args:
        name: ends in ``.conf``.
        contents: the text.

    Raises:
        ConfigError: the name does not end in ``.conf``.
    """

    name: Input[str]
    contents: Input[str] | None = field(default=None, repr=False)

    def _check(self) -> None:
        if isinstance(self.name, str) and not self.name.endswith(".conf"):
            raise self.fail("name", "does not end in .conf", "name it like 10-limits.conf")


@dataclass(frozen=True)
class Unit(Part, shape=UNIT, place="units"):
    """A systemd unit: its text, its drop-ins, and whether it starts at boot.

    Args:
        name: with its suffix, such as ``app.service``.
        contents: the text; left out for a unit the system brings.
        enabled: True or False enables or disables it. ``"auto"`` enables it when ``contents`` has an ``[Install]``
            section that says something (for a template ``x@.service`` also ``DefaultInstance=``), and otherwise says
            nothing. None always says nothing.
        mask: True makes it impossible to start.
        dropins: its drop-ins.

    Raises:
        ConfigError: the suffix is no suffix of a unit, or a type is wrong.
    """

    name: Input[str]
    _: KW_ONLY
    contents: Input[str] | None = field(default=None, repr=False)
    enabled: Input[bool] | Literal["auto"] | None = "auto"
    mask: Input[bool] | None = None
    dropins: Sequence[DropIn] = ()

    def _check(self) -> None:
        if isinstance(self.name, str) and (not self.name.endswith(_SUFFIXES) or "/" in self.name):
            raise self.fail("name", "is no name of a systemd unit", "give it a suffix such as .service or .timer")

    def _typed(self, item: Field, attribute: str, value: Any) -> None:
        if attribute != "enabled" or not isinstance(value, str) or value != "auto":
            super()._typed(item, attribute, value)

    def starts(self) -> bool | None:
        """Give what ``enabled`` comes to: True, False, or None to say nothing."""
        if isinstance(self.enabled, bool) or self.enabled is None:
            return self.enabled
        if not isinstance(self.contents, str) or self.mask:
            return None
        options = _install_options(self.contents)
        template = isinstance(self.name, str) and self.name.rpartition(".")[0].endswith("@")
        return True if (options and (not template or "DefaultInstance" in options)) else None


def _install_options(text: str) -> set[str]:
    """Name the options of the ``[Install]`` section."""
    section, options, continued = "", set(), False
    for line in text.splitlines():
        part, continues = line.strip(), line.rstrip().endswith("\\")
        if not continued and part and part[0] not in "#;":
            if part.startswith("["):
                section = part
            elif section == "[Install]" and "=" in part:
                options.add(part.partition("=")[0].strip())
        continued = continues
    return options
