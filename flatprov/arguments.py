"""Classes of settings that answer a misspelt or forgotten argument with an error of flatprov, not a stack trace."""

from __future__ import annotations

import difflib
import inspect
from functools import cache
from typing import TYPE_CHECKING, Any

from flatprov.errors import ConfigError


class Arguments:
    """The base of what users construct by keywords. Type checkers see only the class's own ``__init__``."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            """Judge the arguments' names before ``__init__`` gets them."""
            signature = _signature(cls)
            try:
                signature.bind(None, *args, **kwargs)
            except TypeError as error:
                raise _named(cls.__name__, list(signature.parameters)[1:], kwargs, error) from None
            return super().__new__(cls)


@cache
def _signature(kind: type[Any]) -> inspect.Signature:
    return inspect.signature(kind.__init__)


def _named(kind: str, known: list[str], given: dict[str, Any], error: TypeError) -> ConfigError:
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            fix = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"
            return ConfigError(kind, f"it has no setting {name!r}", fix, path=name)
    return ConfigError(kind, str(error), f"its settings are {', '.join(known)}")
