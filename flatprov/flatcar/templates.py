"""The files of ``templates/``: in the wheel they lie inside the package, in a checkout beside it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_FOLDERS = (_PACKAGE / "templates", _PACKAGE.parent / "templates")


@cache
def read_template(name: str) -> str:
    """The text of one packaged file, read once.

    Args:
        name: the path below ``templates/``, for example ``flatcar/report.sh``.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    for folder in _FOLDERS:
        file = folder / name
        if file.is_file():
            return file.read_text(encoding="utf-8")
    raise FileNotFoundError(f"flatprov's own file templates/{name} is missing: reinstall flatprov")
