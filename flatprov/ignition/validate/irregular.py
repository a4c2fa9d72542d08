"""The whole way that Ignition goes with a text, for those that are not plainly a config."""

from __future__ import annotations

import re
from typing import Final

from flatprov.ignition.report import Entry, Report
from flatprov.ignition.validate import scanning, syntax, walks
from flatprov.ignition.validate.decoding import decode
from flatprov.ignition.validate.findings import Found
from flatprov.ignition.validate.numbers import has_huge_number
from flatprov.ignition.validate.plan import plan_of, stub
from flatprov.ignition.validate.positions import indexes, places
from flatprov.ignition.versions import readable_spec

_VERSION: Final = re.compile(r"([0-9]+)\.([0-9]+)\.([0-9]+)(?:-([0-9A-Za-z.-]*))?(?:\+([0-9A-Za-z.-]*))?", re.ASCII)
_INT64: Final = 1 << 63


def validate_text(text: str | bytes, ignition: tuple[int, int], oem: bool) -> Report:
    """Check a text of any kind."""
    view = scanning.view(text)
    if not view:
        return _refuse("not a config (empty)")
    wrong = syntax.problem(view)
    if wrong:
        return _broken(view, wrong.message, wrong.at + 1)
    document = scanning.Document(view)
    first = decode(document, stub())
    if first.problem:
        return _broken(view, first.problem.message, first.problem.at)
    version = _version((first.value.get("Ignition") or {}).get("Version") or "")
    if version is None:
        return _refuse("invalid config version (couldn't parse)")
    spec = readable_spec(version, ignition)
    if not spec:
        return _refuse("unsupported config version")
    plan = plan_of(min(spec, "3.6.0"))
    decoded = decode(document, plan)
    if decoded.problem:
        return _broken(view, decoded.problem.message, decoded.problem.at)
    found = [(entry, False) for entry in walks.check(decoded.value, plan, spec, ignition, oem)]
    if has_huge_number(view):  # what knows the places cannot read it: neither places nor unknown properties
        return Report(tuple(Entry(*entry) for entry, _ in found))
    return _located(document, found + walks.unused(document, decoded.value, plan, ignition))


def _refuse(message: str) -> Report:
    return Report((Entry("error", (), message),))


def _broken(view: str, message: str, index: int) -> Report:
    ((line, column),) = places(view, [index])
    return Report((Entry("error", (), message, line=line, column=column, at_end=not line),))


def _located(document: scanning.Document, found: list[tuple[Found, bool]]) -> Report:
    where = indexes(document, [path for (_, path, _), _ in found], [name for _, name in found])
    return Report(
        tuple(
            Entry(level, path, message, line=line if path else 0, column=column if path else 0)
            for ((level, path, message), _), (line, column) in zip(found, places(document.view, where), strict=True)
        )
    )


def _version(text: str) -> str | None:
    """Read a version as Ignition does, which takes ``03.4.0-`` for 3.4.0; None for what is none."""
    found = _VERSION.fullmatch(text)
    if not found:
        return None
    numbers = [int(digits) if len(digits) < 21 else _INT64 for digits in found.group(1, 2, 3)]
    if any(not -_INT64 <= number < _INT64 for number in numbers):
        return None
    release, build = found[4] or "", found[5] or ""
    if not (_identifiers(release) and _identifiers(build)):
        return None
    return ".".join(map(str, numbers)) + (f"-{release}" if release else "") + (f"+{build}" if build else "")


def _identifiers(text: str) -> bool:
    return not text or all(text.split("."))
