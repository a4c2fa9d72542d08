"""`flatprov plugin install`: what the Pulumi CLI finds, whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flatprov import __version__
from flatprov.cli import main


def test_the_installed_plugin_starts_and_prints_its_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    main(["plugin", "install"])
    program = tmp_path / "home" / "plugins" / f"resource-flatprov-v{__version__}" / "pulumi-resource-flatprov"
    with subprocess.Popen([str(program)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) > 1024
        process.terminate()


def test_installing_again_replaces_it_and_leaves_nothing_else(tmp_path: Path) -> None:
    for _ in range(2):
        main(["plugin", "install", "--home", str(tmp_path)])
    assert [path.name for path in (tmp_path / "plugins").iterdir()] == [f"resource-flatprov-v{__version__}"]
    main(["plugin", "uninstall", "--home", str(tmp_path)])
    assert list((tmp_path / "plugins").iterdir()) == []


def test_a_plugin_whose_environment_is_gone_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone" / "python"))
    main(["plugin", "install", "--home", str(tmp_path)])
    program = next((tmp_path / "plugins").glob("*/pulumi-resource-flatprov"))
    done = subprocess.run([program], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "flatprov plugin install" in done.stderr


def test_a_home_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "flatprov.cli", "plugin", "install", "--home", str(blocked)],
        capture_output=True,
        text=True,
        env=dict(os.environ),
    )
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
