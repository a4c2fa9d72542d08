"""Butane YAML of the variant flatcar: read, translated and checked as Butane does it.

``translate`` gives the Ignition JSON and a report whose paths, lines and columns are those of the YAML. Everything here
is pure but ``local.py``, which reads the files a config names.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flatprov.ignition.butane.files import LocalError, LocalFiles, Memory
    from flatprov.ignition.butane.local import Folder
    from flatprov.ignition.butane.translation import translate

_PLACES = {
    "Folder": "flatprov.ignition.butane.local",
    "LocalError": "flatprov.ignition.butane.files",
    "LocalFiles": "flatprov.ignition.butane.files",
    "Memory": "flatprov.ignition.butane.files",
    "translate": "flatprov.ignition.butane.translation",
}

__all__ = ["Folder", "LocalError", "LocalFiles", "Memory", "translate"]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
