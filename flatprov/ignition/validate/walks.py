"""The three walks over a config that make a report: all rules, then all duplicates, then all unknown properties."""

from __future__ import annotations

from typing import Any, Final

from flatprov.ignition.validate.findings import AND_MORE, MOST_ENTRIES, Findings, Found, Path, TooManyError
from flatprov.ignition.validate.plan import Plan
from flatprov.ignition.validate.scanning import Document

_INT64: Final = 1 << 63
_EMPTY: Final[dict[str, Any]] = {}


def is_regular(value: dict[str, Any], plan: Plan) -> bool:
    """Tell whether all names are known, as they are written, and all values of their types; null is irregular."""
    checks = plan.checks
    for name, member in value.items():
        if name not in checks:
            return False
        python, item, inner = checks[name]
        kind = member.__class__
        if kind is not python:
            return False
        if kind is dict:
            if inner is not None and not is_regular(member, inner):
                return False
        elif kind is list:
            if inner is not None:
                for one in member:
                    if one.__class__ is not dict or not is_regular(one, inner):
                        return False
            else:
                for one in member:
                    if one.__class__ is not item:
                        return False
        elif kind is int and not -_INT64 <= member < _INT64:
            return False
    return True


def check(value: dict[str, Any], plan: Plan, spec: str, ignition: tuple[int, int], oem: bool) -> list[Found]:
    """Give what the rules find, and then what stands twice."""
    found = Findings(spec, ignition, oem)
    duplicates: list[Found] = []
    try:
        _check(value, plan, (), found, duplicates)
    except TooManyError:
        return [*(found.list + duplicates)[:MOST_ENTRIES], AND_MORE]
    return found.list + duplicates


def _check(value: dict[str, Any], plan: Plan, path: Path, found: Findings, duplicates: list[Found]) -> None:
    if plan.rule:
        plan.rule(value, path, found)
    for group in plan.unique:
        _duplicates(value, group, path, duplicates)
    for name, is_list, inner in plan.children:
        member = value.get(name)
        if not member:
            continue
        if is_list:
            for number, item in enumerate(member):
                _check(item or _EMPTY, inner, (*path, name, number), found, duplicates)
        else:
            _check(member, inner, (*path, name), found, duplicates)


def _duplicates(value: dict[str, Any], group: tuple[tuple[str, Any], ...], path: Path, duplicates: list[Found]) -> None:
    count, seen = 0, set()
    for name, key in group:
        items = value.get(name)
        if not items:
            continue
        keys = [item or "" for item in items] if key is None else list(map(key, items))
        seen.update(keys)
        count += len(keys)
    if len(seen) == count:
        return
    seen = set()
    for name, key in group:
        for number, item in enumerate(value.get(name) or ()):
            text = (item or "") if key is None else key(item)
            if text in seen:
                duplicates.append(("error", (*path, name, number), "duplicate entry defined"))
                if len(duplicates) > MOST_ENTRIES:
                    raise TooManyError
            seen.add(text)


def unused(
    document: Document, value: dict[str, Any], plan: Plan, ignition: tuple[int, int]
) -> list[tuple[Found, bool]]:
    """Give the properties of a text that the spec does not know; each with whether it is about the property's name.

    Args:
        document: the text.
        value: what Go makes of it.
        plan: that of the config's version.
        ignition: the version of Ignition to be like, as two numbers.
    """
    found: list[tuple[Found, bool]] = []
    try:
        _Unused(document, ignition, found).object(value, plan, document.start, ())
    except TooManyError:
        return [*found[:MOST_ENTRIES], (AND_MORE, False)]
    return found


class _Unused:
    def __init__(self, document: Document, ignition: tuple[int, int], found: list[tuple[Found, bool]]) -> None:
        self.document, self.view = document, document.view
        self.found = found
        self.word, self.stop = ("unused", "") if ignition >= (2, 24) else ("Unused", ".")

    def object(self, value: dict[str, Any], plan: Plan, start: int, path: Path) -> None:
        if self.view[start] != "{":
            where = ".".join(["$", *map(str, path)])
            message = (
                f"context tree does not match content tree at {where}. "
                f"Line and column reporting may be inconsistent. Unused keys may not be reported{self.stop}"
            )
            self._warn(path, message, name=False)
            return
        places = {name: at for name, _, at in self.document.members(start)}
        for name in places:
            if name not in plan.members:
                self._warn((*path, name), f"{self.word} key {name}", name=True)
        for name, is_list, inner in plan.children:
            if name not in places:
                continue
            at, member = places[name], value.get(name)
            if is_list:
                if member and self.view[at] == "[":
                    for number, (item, place) in enumerate(zip(member, self.document.items(at))):  # noqa: B905
                        self.object(item or _EMPTY, inner, place, (*path, name, number))
            elif member is not None or plan.members[name].plain:
                self.object(member or _EMPTY, inner, at, (*path, name))

    def _warn(self, path: Path, message: str, *, name: bool) -> None:
        self.found.append((("warning", path, message), name))
        if len(self.found) > MOST_ENTRIES:
            raise TooManyError
