"""Say of a config what the real ``ignition-validate`` says: the same verdict, entries, words and places.

``validate`` is the whole of it. ``positions.locate`` gives other findings their lines and columns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from flatprov.errors import ConfigError
from flatprov.ignition.report import Entry, Report
from flatprov.ignition.validate import walks
from flatprov.ignition.validate.findings import Found
from flatprov.ignition.validate.plan import plan_of
from flatprov.ignition.versions import NEWEST_IGNITION, ignition_numbers, readable_spec

__all__ = ["validate"]

_HUGE: Final = 1 << 64  #: stands for numbers that are too long to be read


def validate(
    config: Mapping[str, Any] | str | bytes, *, ignition_version: str = NEWEST_IGNITION, oem: bool = False
) -> Report:
    """Check a config by the rules of Ignition.

    Args:
        config: the JSON text, or the object it stands for; only of a text the entries have lines and columns.
        ignition_version: the version of Ignition to be like, from 2.14.0 on: they differ in some rules and words, and
            an older one does not know the newer specs.
        oem: accept ``oem://`` URLs, as Flatcar's Ignition does; the upstream tool never does.

    Returns:
        The entries in the order of ``ignition-validate``. Where it gives an error and no report, such as for an empty
        text, this is one entry without a path.

    Raises:
        ConfigError: the object holds something that JSON cannot.
    """
    ignition = ignition_numbers(ignition_version)
    value = config if isinstance(config, dict) else _read(config) if isinstance(config, (str, bytes)) else None
    if value is not None:
        spec = _spec(value, ignition)
        plan = plan_of(min(spec, "3.6.0")) if spec else None
        if plan and walks.is_regular(value, plan):
            found = walks.check(value, plan, spec, ignition, oem)
            return _report(config, found) if found else Report()
    from flatprov.ignition.validate.irregular import validate_text  # what follows is rare, and slower

    if isinstance(config, (str, bytes)):
        return validate_text(config, ignition, oem)
    report = validate_text(_dump(config), ignition, oem)
    return Report(tuple(Entry(entry.level, entry.path, entry.message) for entry in report))


def _spec(value: dict[str, Any], ignition: tuple[int, int]) -> str:
    """Give the spec version that a regular config states and this Ignition reads, or ``""``."""
    section = value.get("ignition")
    version = section.get("version") if section.__class__ is dict else None
    return readable_spec(version, ignition) if isinstance(version, str) else ""


def _read(text: str | bytes) -> dict[str, Any] | None:
    """Read a text in which nothing is special, or give None."""
    try:
        if isinstance(text, bytes):
            text = text.decode()
        if "\\ud" in text or "\\uD" in text:
            return None  # perhaps half of a surrogate pair
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a property stands twice")
    return found


def _integer(digits: str) -> int:
    return int(digits) if len(digits) < 20 else _HUGE


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_integer, parse_constant=_constant)


def _dump(config: object) -> str:
    try:
        return json.dumps(config, ensure_ascii=False, allow_nan=False, default=_plain)
    except (TypeError, ValueError, RecursionError):
        raise ConfigError("config", "holds something that JSON cannot", "give plain values only") from None


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


def _report(config: Mapping[str, Any] | str | bytes, found: list[Found]) -> Report:
    entries = [Entry(level, path, message) for level, path, message in found]
    if isinstance(config, (str, bytes)):
        from flatprov.ignition.validate.positions import locate

        entries = locate(config, entries)
    return Report(tuple(entries))
