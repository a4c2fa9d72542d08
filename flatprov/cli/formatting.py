"""How help is laid out."""

from __future__ import annotations

import argparse
import os
from typing import Any


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of descriptions, and loads nothing.

    argparse makes a formatter for every argument that is added, and asks ``shutil`` for the terminal's width each time;
    that alone loads the compression modules.
    """

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, **{"width": _columns() - 2, **options})


def _columns() -> int:
    said = os.environ.get("COLUMNS", "")
    if said.isdigit() and int(said):
        return int(said)
    try:
        return os.get_terminal_size(1).columns or 80
    except (OSError, ValueError):
        return 80
