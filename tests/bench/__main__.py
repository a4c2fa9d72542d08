"""`make bench`: all measurements, or those that are named: `python -m tests.bench ignition libvirt`.

Each part runs alone, in a process of its own. Nothing is asserted; figures are ratios within one run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = sorted(
    path.stem
    for path in Path(__file__).parent.glob("*.py")
    if "def main(" in path.read_text() and path.stem != "__main__"
)


def run(parts: list[str]) -> int:
    """Run the parts one after another; 1 if one of them failed."""
    tools = f"{ROOT / 'tests' / 'lab' / 'out' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    failed = 0
    for part in parts:
        print(f"\n{part}", flush=True)
        command = [sys.executable, "-m", f"tests.bench.{part}"]
        failed |= subprocess.run(command, cwd=ROOT, env={**os.environ, "PATH": tools}).returncode != 0
    return int(failed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("part", nargs="*", help=f"one or more of {', '.join(PARTS)}; all by default")
    chosen = parser.parse_args().part
    unknown = sorted(set(chosen) - set(PARTS))
    if unknown:
        parser.error(f"there is no part {unknown[0]}; there are {', '.join(PARTS)}")
    sys.exit(run(chosen or PARTS))
