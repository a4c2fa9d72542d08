"""What Ignition configs cost beside ``butane`` and ``ignition-validate``: `python -m tests.bench ignition`.

Both sides run in turn, and the median of the ratios of neighbours counts, in CPU seconds. The other side is a process
of its own, so its start counts; the row says what is left when the start (the same tool on an empty config) is taken
off. A tool that is missing is named, and its rows are left out. Nothing is asserted.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [] if str(ROOT) in sys.path else [str(ROOT)]

from flatprov.ignition import File, Ignition, Unit, User, dumps, render  # noqa: E402
from flatprov.ignition.rendering import render_many  # noqa: E402
from flatprov.ignition.validate import validate  # noqa: E402

OUT = ROOT / "tests" / "lab" / "out" / "bin"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA62SAoOxQFNmrArQtwOVV+XoKKRCQB0Rpsc0eX7Y7P7 me@here"
EMPTY = "variant: flatcar\nversion: 1.1.0\n"
ROUNDS = {"typical": 25, "big": 7}
NODES = 1000
STARTS = 60  # measured starts of each tool; a thousand are this many times a thousand


@dataclass(frozen=True)
class Sample:
    """One config in the three forms in which it is an input."""

    name: str
    typed: Ignition
    butane: str
    json: str


def sample(name: str, files: int, units: int, users: int) -> Sample:
    """Make a config: files of 40 bytes to 3 KB of words, units with five lines."""
    source = random.Random(7)
    words = ["".join(source.choices("abcdefghijklmnopqrstuvwxyz", k=source.randint(3, 9))) for _ in range(300)]

    def text(size: int) -> str:
        lines: list[str] = []
        while sum(map(len, lines)) < size:
            lines.append(" ".join(source.choices(words, k=8)) + "\n")
        return "".join(lines)

    contents = {f"/etc/app/{number}.conf": text(source.choice([40, 200, 600, 1500, 3000])) for number in range(files)}
    services = {
        f"app-{number}.service": f"[Unit]\nDescription={text(30).splitlines()[0]}\n[Service]\n"
        f"ExecStart=/opt/bin/app-{number}\n[Install]\nWantedBy=multi-user.target\n"
        for number in range(units)
    }
    names = [f"user{number}" for number in range(users)]
    typed = Ignition(
        users=[User(one, ssh_keys=[KEY]) for one in names],
        files=[File(path, one, mode=0o644) for path, one in contents.items()],
        units=[Unit(one, contents=body, enabled=True) for one, body in services.items()],
        version="3.4.0",
    )
    return Sample(name, typed, _butane(names, contents, services), dumps(render(typed)))


def _butane(users: list[str], contents: dict[str, str], services: dict[str, str]) -> str:
    def block(body: str, indent: int) -> list[str]:
        return [" " * indent + line for line in body.splitlines()]

    lines = [EMPTY.rstrip(), "passwd:", "  users:"]
    for name in users:
        lines += [f"    - name: {name}", "      ssh_authorized_keys:", f"        - {KEY}"]
    lines += ["storage:", "  files:"]
    for path, body in contents.items():
        lines += [f"    - path: {path}", "      mode: 0644", "      contents:", "        inline: |", *block(body, 10)]
    lines += ["systemd:", "  units:"]
    for name, body in services.items():
        lines += [f"    - name: {name}", "      enabled: true", "      contents: |", *block(body, 8)]
    return "\n".join(lines) + "\n"


def tool(name: str) -> str | None:
    """Find a tool in the test bed or on PATH; None after saying that it is missing."""
    path = OUT / name
    found = str(path) if path.exists() else shutil.which(name)
    if found is None:
        print(f"{name} is missing (tests/lab/build.sh builds it): its rows are left out")
    return found


def own(work: Callable[[], object]) -> float:
    """CPU seconds of this process for one piece of work."""
    before = time.process_time()
    work()
    return time.process_time() - before


def child(command: list[str], text: str, environment: dict[str, str] | None = None) -> float:
    """CPU seconds of a process from start to exit, fed by standard input."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, input=text.encode(), stdout=subprocess.DEVNULL, check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def pairwise(rounds: int, ours: Callable[[], float], theirs: Callable[[], float]) -> tuple[float, float, float]:
    """Measure in turn; give the median ratio of neighbours, and both medians in seconds."""
    ours(), theirs()  # both warm
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    ratio = statistics.median(one / max(other, 1e-6) for one, other in pairs)
    return ratio, statistics.median(one for one, _ in pairs), statistics.median(other for _, other in pairs)


def row(name: str, ratio: float, ours: float, theirs: float, goal: str, more: str = "") -> None:
    """Print one line of the table."""
    print(f"{name:<46} x{ratio:<6.3f} ours {ours * 1e3:8.2f} ms  theirs {theirs * 1e3:8.2f} ms  goal {goal}{more}")


def without_start(ours: float, theirs: float, start: float) -> str:
    """Say what the ratio is when the other side's start is taken off."""
    left = theirs - start
    return f"  (x{ours / left:.3f} without their start)" if left > 0 else ""


def costs(samples: list[Sample], butane: str | None, validator: str | None) -> None:
    """Compare rendering and validating in process, each with processes of the real tools."""
    empty = '{"ignition":{"version":"3.4.0"}}'
    for one in samples:
        rounds = ROUNDS[one.name]
        if butane and validator:
            butane_command, validate_command = [butane], [validator, "-"]

            def ours(one: Sample = one) -> float:
                return own(lambda: (rendered := render(one.typed), validate(rendered), dumps(rendered)))

            def theirs(
                one: Sample = one, first: list[str] = butane_command, second: list[str] = validate_command
            ) -> float:
                return child(first, one.butane) + child(second, one.json)

            start = statistics.median(child([butane], EMPTY) + child([validator, "-"], empty) for _ in range(9))
            found = pairwise(rounds, ours, theirs)
            row(f"render and validate, {one.name}", *found, "0.20", without_start(*found[1:], start))
        if validator:
            command = [validator, "-"]
            start = statistics.median(child(command, empty) for _ in range(9))
            found = pairwise(
                rounds,
                lambda one=one: own(lambda: validate(one.json)),  # type: ignore[misc]
                lambda one=one, command=command: child(command, one.json),  # type: ignore[misc]
            )
            row(f"validate alone, {one.name}", *found, "0.35", without_start(*found[1:], start))


def sizes(samples: list[Sample], butane: str | None) -> None:
    """Compare the bytes of the rendered configs on the same input."""
    from flatprov.ignition.butane import translate

    for one in samples if butane else []:
        done = subprocess.run([str(butane)], input=one.butane.encode(), capture_output=True, check=True)
        theirs, ours = len(done.stdout.rstrip()), len(dumps(translate(one.butane)[0]))
        print(
            f"{f'rendered size, {one.name}':<46} x{ours / theirs:<6.4f} ours {ours} bytes, theirs {theirs}  goal 1.00"
        )


def overlays(count: int) -> Iterator[Ignition]:
    """Give what is a node's own: a name and an address."""
    for number in range(count):
        address = f"[Match]\nName=eth0\n[Network]\nAddress=10.0.{number // 250}.{number % 250 + 1}/16\n"
        yield Ignition(
            files=[
                File("/etc/hostname", f"node-{number}\n", mode=0o644, overwrite=True),
                File("/etc/systemd/network/10-static.network", address, mode=0o644),
            ]
        )


def nodes(one: Sample, butane: str | None, validator: str | None) -> None:
    """Make a thousand nodes, beside a thousand starts of both tools."""
    if not butane or not validator:
        return

    def ours() -> float:
        return own(lambda: [dumps(config) for config in render_many(one.typed, overlays(NODES))])

    ours()
    mine = statistics.median(ours() for _ in range(3))
    theirs = sum(child([butane], one.butane) + child([validator, "-"], one.json) for _ in range(STARTS))
    theirs *= NODES / STARTS
    row(f"{NODES} nodes, each validated", mine / theirs, mine, theirs, "0.08", f"  ({STARTS} starts measured)")


_MEMORY = """
import re, sys
sys.path.insert(0, ROOT)
def peak():  # not ru_maxrss: a process inherits that of its parent
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
base = peak()
from tests.bench.ignition import sample, overlays, NODES
from flatprov.ignition import render, dumps
from flatprov.ignition.rendering import render_many
from flatprov.ignition.validate import validate
WORK
print(peak(), base)
"""


def memory() -> None:
    """Give the peak memory of the big config, and of a thousand nodes above the bare interpreter."""
    big = "one = sample('big', 500, 100, 2); text = dumps(render(one.typed)); validate(text)"
    many = "one = sample('typical', 10, 8, 2); kept = [dumps(c) for c in render_many(one.typed, overlays(NODES))]"
    for name, work, goal in (("big config, whole process", big, 60), ("1000 nodes, all kept", many, 100)):
        program = _MEMORY.replace("WORK", work).replace("ROOT", repr(str(ROOT)), 1)
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        peak, base = (int(word) / 1024 for word in done.stdout.split())
        print(f"{f'peak memory, {name}':<46} {peak:.0f} MB, {peak - base:.0f} above the interpreter  goal {goal} MB")


def starts(one: Sample, butane: str | None) -> None:
    """Compare ``flatprov ignition render`` from start to exit, its modules compiled as in an installed package."""
    if not butane:
        return
    with tempfile.TemporaryDirectory(prefix="flatprov-bench-") as name:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": name}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        program = (
            "import sys; sys.argv = ['flatprov', 'ignition', 'render', '-']; from flatprov.cli import main; main()"
        )
        command = [sys.executable, "-c", program]
        child(command, one.butane, environment)  # compiles
        found = pairwise(15, lambda: child(command, one.butane, environment), lambda: child([str(butane)], one.butane))
        row("flatprov ignition render, start to exit", *found, "6.0")


def main() -> None:
    """Measure all of it."""
    samples = [sample("typical", 10, 8, 2), sample("big", 500, 100, 2)]
    butane, validator = tool("butane"), tool("ignition-validate")
    if shutil.which("tofu") is None:
        print("tofu is missing: `tofu plan` with the ct provider is not measured")
    costs(samples, butane, validator)
    sizes(samples, butane)
    nodes(samples[0], butane, validator)
    starts(samples[0], butane)
    memory()
    print(f"sizes of the samples: {', '.join(f'{one.name} {len(one.json)} bytes' for one in samples)}")


if __name__ == "__main__":
    main()
