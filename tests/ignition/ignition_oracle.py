"""The real ``ignition-validate``, and whether it accepts a config."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

from flatprov.ignition import dumps

ROOT = Path(__file__).resolve().parents[2]


@cache
def _program() -> Path:
    folder = Path(os.environ.get("FLATPROV_LAB_BIN") or ROOT / "tests" / "lab" / "out" / "bin")
    program = folder / "ignition-validate"
    if not program.exists():
        pytest.fail("ignition-validate is missing; `make test` builds it", pytrace=False)
    return program


def report(config: dict[str, object] | str) -> list[str]:
    """Give what the real validator says about a config, one line per finding."""
    text = config if isinstance(config, str) else dumps(config)
    # 2.24 knows spec 3.6 only under the name it had before it became stable.
    text = text.replace('"version":"3.6.0"', '"version":"3.6.0-experimental"')
    done = subprocess.run([str(_program()), "-"], input=text, capture_output=True, text=True, timeout=30)
    return (done.stdout + done.stderr).splitlines()


def errors(config: dict[str, object] | str) -> list[str]:
    """Give what makes the config invalid; nothing for a valid one."""
    return [line for line in report(config) if not line.startswith(("warning", "info"))]
