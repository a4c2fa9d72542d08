"""The linters, one test each."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent  # not resolved: the virtualenv's folder


def tracked() -> list[Path]:
    """Every file that is in git or would be added to it."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return [path for name in listing.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def texts() -> dict[Path, str]:
    """The tracked files that are text."""
    return {path.relative_to(ROOT): data.decode() for path in tracked() if b"\0" not in (data := path.read_bytes())}


def lines_with(pattern: str, *, but_not: str = r"$^") -> list[str]:
    """``file:line: text`` of every tracked line that matches, without the files whose path matches ``but_not``."""
    wanted = re.compile(pattern)
    return [
        f"{path}:{number}: {line.strip()[:100]}"
        for path, text in texts().items()
        if path != Path("tests/test_linters.py") and not re.search(but_not, str(path))
        for number, line in enumerate(text.splitlines(), 1)
        if wanted.search(line)
    ]


def run(*command: str, **env: str) -> None:
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"{' '.join(command)[:200]}\n{done.stdout}{done.stderr}", pytrace=False)


def test_ruff_check() -> None:
    run(str(BIN / "ruff"), "check", "--no-cache", ".")


def test_ruff_format() -> None:
    run(str(BIN / "ruff"), "format", "--check", "--no-cache", ".")


def test_mypy() -> None:
    run(str(BIN / "mypy"), "--strict", "-p", "flatprov")


def test_mypy_of_the_test_bed() -> None:
    lab = ROOT / "tests" / "lab"
    run(str(BIN / "mypy"), "--strict", str(lab / "up.py"), str(lab / "local"), MYPYPATH=str(lab))


def test_imports_go_one_way() -> None:
    run(str(BIN / "lint-imports"), "--no-cache")


def test_shellcheck() -> None:
    if not shutil.which("shellcheck"):
        pytest.fail("shellcheck is missing; run tests/lab/bootstrap.sh", pytrace=False)
    scripts = [
        str(path) for path, text in texts().items() if re.match(r"#!(/usr)?/bin/(env )?(ba)?sh\b|# shellcheck ", text)
    ]
    assert scripts
    run("shellcheck", "-x", *scripts)


def test_no_tabs_and_no_space_at_the_end_of_a_line() -> None:
    recorded = r"^tests/cases/"
    assert lines_with(r"[ \t]+$", but_not=recorded) == []
    assert lines_with(r"\t", but_not=rf"{recorded}|^Makefile$|go\.(mod|sum)$") == []


def test_no_registry_is_named() -> None:
    """Packages come through the ordinary clients, configured on each machine."""
    hosts = (
        r"pypi\.org|pythonhosted\.org|(proxy|sum)\.golang\.org|deb\.debian\.org|archive\.ubuntu\.com"
        r"|registry\.npmjs|crates\.io|repo1?\.maven"
    )
    assert lines_with(hosts) == []


def test_no_path_of_one_machine() -> None:
    assert lines_with(r"(?<![\w.{}$)-])/(work|root|tmp/seed)/") == []
