"""Each example is a program that registers what it says, judged with Pulumi's mocks in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB6bV1kAQnUQG1lqRkJ0nQn5j0mZ1S6R0w9Xn4yQ5d3A example"
RUNNER = """
import asyncio, json, runpy, sys
import pulumi

seen = []

class Mocks(pulumi.runtime.Mocks):
    def new_resource(self, args):
        seen.append([args.typ, args.name])
        return f"{args.name}-id", {**args.inputs, "resolvedVersion": "4593.2.5", "maxIgnitionSpec": "3.5.0"}

    def call(self, args):
        return {}

asyncio.set_event_loop(asyncio.new_event_loop())
pulumi.runtime.set_mocks(Mocks(), project="example", stack="dev")
pulumi.runtime.set_all_config(json.loads(sys.argv[2]), ["example:token"])

@pulumi.runtime.test
def run():
    runpy.run_path(sys.argv[1], run_name="__main__")

run()
print(json.dumps(sorted(seen)))
"""
CONFIG = {"example:uri": "qemu:///system", "example:sshKey": KEY, "example:token": "s3cret-token"}


def run(example: Path) -> list[list[str]]:
    """Types and names of what an example registers."""
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, str(example), json.dumps(CONFIG)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found: list[list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_registers_a_pool_and_its_nodes(example: Path) -> None:
    seen = run(example)
    types = [kind for kind, _ in seen]
    assert "flatprov:index:NodePool" in types
    assert types.count("flatprov:libvirt:Node") == 2
    assert ["flatprov:libvirt:Node", "web-0"] in seen


def test_there_are_examples() -> None:
    assert EXAMPLES
