"""What checking a config costs beside ``ignition-validate``: CPU seconds of both, pair by pair, and their ratio."""

from __future__ import annotations

import base64
import json
import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flatprov.ignition.validate import validate

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "tests" / "lab" / "out" / "bin" / "ignition-validate"
GOAL = 0.35
_UNIT = """[Unit]
Description=Service {0}
After=network-online.target
Requires=network-online.target

[Service]
Type=simple
Environment=A={0}
ExecStartPre=/usr/bin/mkdir -p /var/lib/app{0}
ExecStart=/opt/bin/app --n={0} \\
  --verbose
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Ratio:
    """One line of the result.

    Attributes:
        name: which config.
        ours: CPU seconds of a call in a running process, the median.
        theirs: CPU seconds of a process, the median.
        ratio: the median of the ratios of each pair.
    """

    name: str
    ours: float
    theirs: float
    ratio: float


def config(files: int, units: int, users: int, size: int = 1500) -> str:
    """Make a valid config: half of the files in base64, half percent-encoded."""
    text = "".join(f"line {number} of a file, with some = and % and /\n" for number in range(size // 45))
    plain = "data:," + "".join(letter if letter.isalnum() else f"%{ord(letter):02X}" for letter in text)
    packed = "data:;base64," + base64.b64encode(text.encode()).decode()
    storage = [
        {
            "path": f"/etc/app/{number}.conf", "mode": 420, "user": {"id": 0}, "group": {"name": "root"},
            "contents": {"source": packed if number % 2 else plain, "compression": ""},
        }
        for number in range(files)
    ]  # fmt: skip
    services = [
        {"name": f"app{number}.service", "enabled": True, "contents": _UNIT.format(number)} for number in range(units)
    ]
    people: list[dict[str, Any]] = [
        {"name": f"user{number}", "groups": ["sudo"], "sshAuthorizedKeys": [f"ssh-ed25519 {'A' * 68} {number}"]}
        for number in range(users)
    ]
    whole = {
        "ignition": {"version": "3.3.0"}, "passwd": {"users": people}, "storage": {"files": storage},
        "systemd": {"units": services},
    }  # fmt: skip
    return json.dumps(whole, separators=(",", ":"))


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _process(path: Path, count: int) -> float:
    before = _children()
    for _ in range(count):
        subprocess.run([PROGRAM, path], check=True, stdout=subprocess.DEVNULL, close_fds=False)
    return (_children() - before) / count


def _call(work: Callable[[], object], count: int) -> float:
    begin = time.process_time()
    for _ in range(count):
        work()
    return (time.process_time() - begin) / count


def measure(pairs: int = 15) -> list[Ratio]:
    """Measure the typical config (10 files, 8 units, 2 users) and a big one (500 files, 100 units).

    Args:
        pairs: how many times both sides are measured, one after the other.
    """
    if not PROGRAM.exists():
        raise FileNotFoundError(f"{os.path.relpath(PROGRAM)} is missing; run tests/lab/build.sh ignition")
    found = []
    for name, text, calls in (("typical", config(10, 8, 2), 50), ("big", config(500, 100, 2), 2)):
        data = text.encode()
        assert not validate(data)
        with tempfile.NamedTemporaryFile(suffix=".ign") as file:
            file.write(data)
            file.flush()
            both = [
                (_call(lambda data=data: validate(data), calls), _process(Path(file.name), 10))  # type: ignore[misc]
                for _ in range(pairs)
            ]
        ours, theirs = (statistics.median(side) for side in zip(*both, strict=True))
        found.append(Ratio(name, ours, theirs, statistics.median(one / other for one, other in both)))
    return found


def main() -> None:
    """Print the result."""
    for one in measure():
        print(
            f"validate, {one.name:<8} {one.ours * 1000:7.2f} ms  ignition-validate {one.theirs * 1000:7.2f} ms  "
            f"x{one.ratio:.3f} CPU (goal {GOAL})"
        )


if __name__ == "__main__":
    main()
