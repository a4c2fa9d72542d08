"""Where things lie: .flatprov/ in the checkout, closed to other users."""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]  # tests/lab
ROOT = HERE.parents[1]
OUT = HERE / "out"
HOME = ROOT / ".flatprov"


def private_folder(path: Path) -> Path:
    """A folder only this user can look into."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def private_file(path: Path, text: str) -> Path:
    """Write a file only this user can read, all at once."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
    return path
