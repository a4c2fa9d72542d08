"""A Pulumi project in a temporary folder, driven through the real CLI with a file backend."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
VENV = Path(sys.prefix)
PASSPHRASE = "correct horse"


@dataclass(frozen=True)
class Done:
    """One finished CLI call."""

    code: int
    output: str
    seconds: float

    def ok(self) -> Done:
        """Fail the test with the CLI's own words unless it succeeded."""
        assert self.code == 0, self.output
        return self

    def failed(self) -> Done:
        """Fail the test if it succeeded; no run may show a stack trace either."""
        assert self.code != 0, self.output
        assert "Traceback" not in self.output, self.output
        return self


class Stack:
    """One stack. ``program`` is Python source, or None for a copy of stacks/homelab.

    Args:
        folder: an empty folder; project, state and PULUMI_HOME lie below it.
        pulumi: the CLI; its folder has the language host.
        plugin: folder with ``pulumi-resource-flatprov``; the virtualenv's by default.
    """

    def __init__(
        self,
        folder: Path,
        pulumi: Path,
        *,
        program: str | None = None,
        project: str = "homelab",
        stack: str = "dev",
        plugin: Path | None = None,
        backend: Path | None = None,
    ) -> None:
        self.folder, self.stack, self.project = folder / "project", stack, project
        self.state = backend or folder / "state"
        self._pulumi = pulumi
        self.folder.mkdir(parents=True)
        self.state.mkdir(parents=True, exist_ok=True)
        for name in ("Pulumi.yaml", "__main__.py"):
            shutil.copy(ROOT / "stacks" / "homelab" / name, self.folder)
        text = (self.folder / "Pulumi.yaml").read_text()
        text = text.replace("name: homelab", f"name: {project}", 1)
        text = text.replace("path: ../../.venv/bin", f"path: {plugin or VENV / 'bin'}")
        text = text.replace("virtualenv: ../../.venv", f"virtualenv: {VENV}")
        (self.folder / "Pulumi.yaml").write_text(text)
        if program is not None:
            self.program(program)
        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")},
            "PATH": f"{pulumi.parent}:{os.environ['PATH']}",
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{self.state}",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
            "PULUMI_PYTHON_HOST": str(VENV / "bin" / "python"),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }
        self.run("stack", "init", stack).ok()

    def program(self, source: str) -> None:
        """Replace the program."""
        (self.folder / "__main__.py").write_text(source)

    def set(self, config: Mapping[str, Any]) -> None:
        """Set config keys, in the file that ``pulumi config set`` writes; dicts and lists are set as a whole."""
        path = self.folder / f"Pulumi.{self.stack}.yaml"
        settings = yaml.safe_load(path.read_text()) if path.exists() else {}
        settings.setdefault("config", {}).update({f"{self.project}:{key}": value for key, value in config.items()})
        path.write_text(yaml.safe_dump(settings))

    def start(self, *words: str, cwd: Path | None = None) -> subprocess.Popen[str]:
        """Start the CLI in a process group of its own; output is collected in one pipe."""
        return subprocess.Popen(
            [str(self._pulumi), *words, "--non-interactive", "--color", "never"],
            cwd=cwd or self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str, timeout: float = 420, cwd: Path | None = None) -> Done:
        """Run the CLI to its end."""
        begin = time.monotonic()
        process = self.start(*words, cwd=cwd)
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            raise AssertionError(f"pulumi {' '.join(words)} did not end within {timeout} s:\n{output}") from None
        return Done(process.returncode, output, time.monotonic() - begin)

    def preview(self, *words: str) -> Done:
        """``pulumi preview``."""
        return self.run("preview", "--diff", *words)

    def up(self, *words: str, timeout: float = 420) -> Done:
        """``pulumi up`` without questions; a preview runs first, as for users."""
        return self.run("up", "--yes", *words, timeout=timeout)

    def refresh(self, *words: str) -> Done:
        """``pulumi refresh``."""
        return self.run("refresh", "--yes", *words)

    def destroy(self, *words: str, cwd: Path | None = None) -> Done:
        """``pulumi destroy``."""
        return self.run("destroy", "--yes", *words, cwd=cwd)

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs."""
        found: dict[str, Any] = json.loads(self.run("stack", "output", "--json").ok().output)
        return found

    def resources(self) -> list[dict[str, Any]]:
        """The state's resources, as exported (secrets encrypted)."""
        exported = json.loads(self.run("stack", "export").ok().output)
        found: list[dict[str, Any]] = exported["deployment"].get("resources", [])
        return found

    def nodes(self) -> dict[str, dict[str, Any]]:
        """The state's nodes by name."""
        return {
            entry["urn"].rpartition("::")[2]: entry
            for entry in self.resources()
            if entry["type"] == "flatprov:libvirt:Node"
        }

    def state_text(self) -> str:
        """Every byte the backend keeps, history and backups included."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.state.rglob("*")) if path.is_file())


def summary(done: Done) -> dict[str, int]:
    """The counts below the last ``Resources:`` (``{"created": 3, "unchanged": 3}``); of an up, not of its preview."""
    counts: dict[str, int] = {}
    inside = False
    for line in done.output.splitlines():
        if line.startswith("Resources:"):
            inside, counts = True, {}
        elif inside and line.strip():
            words = line.replace("+-", " ").replace("+", " ").replace("~", " ").replace("-", " ").split()
            if len(words) < 2 or not words[0].isdigit():
                inside = False
                continue
            counts[words[-1]] = int(words[0])
    return counts
