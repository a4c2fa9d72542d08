"""Classes of settings that answer a misspelt or forgotten argument with an error of flatprov, not a stack trace."""

from __future__ import annotations

import difflib
import inspect
from dataclasses import fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from flatprov.errors import ConfigError

_TYPES = {"str": (str, "text"), "int": (int, "a whole number"), "bool": (bool, "True or False")}


class Arguments:
    """The base of what users construct by keywords. Type checkers see only the class's own ``__init__``.

    The names of arguments are judged, and the types of a dataclass's fields that are plain text, number or truth value
    (what may be an Output is judged once it is known).
    """

    __slots__ = ()

    if not TYPE_CHECKING:

        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            """Judge the arguments before ``__init__`` gets them."""
            signature = _signature(cls)
            try:
                given = signature.bind(None, *args, **kwargs).arguments
            except TypeError as error:
                raise _named(cls.__name__, list(signature.parameters)[1:], kwargs, error) from None
            if is_dataclass(cls):
                _refuse_types(cls, given)
            return super().__new__(cls)


@cache
def _signature(kind: type[Any]) -> inspect.Signature:
    return inspect.signature(kind.__init__)


def _refuse_types(kind: type[Any], given: dict[str, Any]) -> None:
    for field in fields(kind):
        if field.name not in given or not isinstance(field.type, str):
            continue
        name, bar, _ = field.type.partition(" | None")
        wanted, value = _TYPES.get(name), given[field.name]
        if wanted is None or (bar and value is None):
            continue
        if not isinstance(value, wanted[0]) or (isinstance(value, bool) and wanted[0] is not bool):
            raise ConfigError(
                kind.__name__, f"{field.name} is of type {type(value).__name__}", f"give {wanted[1]}", path=field.name
            )


def _named(kind: str, known: list[str], given: dict[str, Any], error: TypeError) -> ConfigError:
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            fix = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"
            return ConfigError(kind, f"it has no setting {name!r}", fix, path=name)
    return ConfigError(kind, str(error), f"its settings are {', '.join(known)}")
