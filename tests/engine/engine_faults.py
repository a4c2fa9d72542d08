"""A plugin that is killed, kills its engine, or lingers at a chosen step, once.

``Plugin.make(folder)`` builds a folder that stands in ``plugins.providers.path`` of a stack. Its program is flatprov's
own entry point; only the function of the armed step is wrapped, so what lies on the host afterwards is what a crash at
exactly that point leaves. This module is imported by the tests and by that program.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

HERE = Path(__file__).resolve().parent
Victim = Literal["plugin", "cli", "all", "none"]

#: Steps of a stack's creation -> where they are: (module, class or "", function).
STEPS = {
    "network defined": ("client", "Client", "define_network"),
    "image half uploaded": ("machine", "_Upload", "sent"),
    "root volume": ("machine", "", "make_root_volume"),
    "ignition volume": ("machine", "", "make_ignition_volume"),
    "reservation": ("client", "Client", "reserve"),
    "defined": ("machine", "", "define"),
    "started": ("machine", "", "start"),
    "config gone from the definition": ("machine", "", "define"),
}


@dataclass(frozen=True)
class Plugin:
    """A folder with a plugin in which a step can be armed."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Plugin:
        """Write the program."""
        folder.mkdir(parents=True)
        program = folder / "pulumi-resource-flatprov"
        lines = (
            f"#!{sys.executable}",
            "import sys",
            f"sys.path.insert(0, {str(HERE)!r})",
            "import engine_faults",
            f"engine_faults.run({str(folder)!r})",
        )
        program.write_text("\n".join(lines) + "\n")
        program.chmod(0o755)
        return cls(folder)

    def arm(self, step: str, victim: Victim) -> None:
        """Let the next run end right after this step."""
        assert step in STEPS
        (self.folder / "fired").unlink(missing_ok=True)
        (self.folder / "armed").write_text(json.dumps({"step": step, "victim": victim}))

    @property
    def has_fired(self) -> bool:
        """The step was reached."""
        return (self.folder / "fired").exists()

    def moments(self) -> dict[str, float]:
        """When each node's console showed its failure: node name -> time."""
        found = {}
        for path in self.folder.glob("failed.*"):
            found[path.name.partition(".")[2]] = float(path.read_text())
        return found


# --- inside the plugin's process -------------------------------------------------------------------------------------
def run(folder: str) -> None:
    """The plugin's program: the real one, with the armed step wrapped."""
    from flatprov.provider import main, protocol

    protocol.prepare()
    from flatprov.platforms.libvirt import images

    images._STALLED_SECONDS = 2.0  # how long a half uploaded image has to rest before it counts as left over
    _note_failures(Path(folder))
    with contextlib.suppress(FileNotFoundError):
        armed = json.loads((Path(folder) / "armed").read_text())
        _wrap(Path(folder), armed["step"], armed["victim"])
    main.main()


def _wrap(folder: Path, step: str, victim: Victim) -> None:
    from flatprov.platforms.libvirt import client, machine

    module, owner, name = STEPS[step]
    place: Any = {"client": client, "machine": machine}[module]
    place = getattr(place, owner) if owner else place
    real = getattr(place, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        if step == "image half uploaded":
            upload, done, total = arguments
            if victim == "none":
                time.sleep(0.1)  # long enough for someone to press Ctrl-C
            if upload._what == "upload" and done >= total // 2:
                _fire(folder, victim)
            return real(*arguments)
        answer = real(*arguments, **named)
        if step != "config gone from the definition" or not arguments[1].ignition_path:
            _fire(folder, victim)
        return answer

    setattr(place, name, wrapped)


def _fire(folder: Path, victim: Victim) -> None:
    """Kill; ``all`` is the engine with everything it started, as when a machine loses power."""
    try:
        os.rename(folder / "armed", folder / "fired")
    except FileNotFoundError:
        return
    engine = os.getppid()
    program = os.path.basename(os.readlink(f"/proc/{engine}/exe"))
    if victim != "none" and program != "pulumi":  # killed from elsewhere: whoever adopted this process lives on
        raise RuntimeError(f"the plugin's parent is {program}")
    if victim == "all":
        for pid in [engine, *_descendants(engine)]:
            if pid != os.getpid():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    if victim == "cli":
        os.kill(engine, signal.SIGKILL)
    if victim in ("plugin", "all"):
        os.kill(os.getpid(), signal.SIGKILL)


def _note_failures(folder: Path) -> None:
    """Write down when a console's bytes first told of a failure, to compare with when the user reads it."""
    from flatprov.flatcar.boot import Failed
    from flatprov.platforms.libvirt import firstboot

    real: Callable[..., Any] = firstboot.monitor

    def monitor(ctx: Any, build: Any) -> Any:
        found = real(ctx, build)
        feed = found.feed

        def fed(data: bytes) -> Any:
            arrived = time.time()
            state = feed(data)
            note = folder / f"failed.{build.inputs.name}"
            if isinstance(state, Failed) and not note.exists():
                note.write_text(str(arrived))
            return state

        found.feed = fed
        return found

    firstboot.monitor = monitor


# --- processes -------------------------------------------------------------------------------------------------------
def _processes() -> Iterator[int]:
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            yield int(entry)


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for found in _processes():
        children.setdefault(_parent(found), []).append(found)
    below, rest = [], [pid]
    while rest:
        for child in children.get(rest.pop(), ()):
            below.append(child)
            rest.append(child)
    return below


def processes_in(folder: Path) -> dict[int, str]:
    """Living processes that work in a stack's folder or below: the CLI and whatever it started."""
    found = {}
    for pid in _processes():
        with contextlib.suppress(OSError):
            where = Path(os.readlink(f"/proc/{pid}/cwd"))
            if where == folder or folder in where.parents:
                found[pid] = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    return {pid: words for pid, words in found.items() if words}  # a zombie has no words


def wait_until(what: str, ready: Callable[[], Any], seconds: float, every: float = 0.1) -> float:
    """Seconds until something is the case; fails the test when it does not become so in time."""
    begin = time.monotonic()
    while not ready():
        assert time.monotonic() - begin < seconds, f"{what}: not within {seconds} s"
        time.sleep(every)
    return time.monotonic() - begin


# --- guests of one boot sector ---------------------------------------------------------------------------------------
_HALT = bytes.fromhex("fa f4 eb fd")  # cli; hlt; jmp to hlt
_WRITE = bytes.fromhex(
    "31c0 8ed8 be307c"  # xor ax,ax; mov ds,ax; mov si,0x7c30: the text begins there
    "ac 84c0 7412"  # lodsb; test al,al; jz to halt
    "88c4 bafd03 ec a820 74fb"  # mov ah,al; mov dx,0x3fd; in al,dx; test al,0x20; jz: wait for the line
    "88e0 baf803 ee ebe9"  # mov al,ah; mov dx,0x3f8; out dx,al; jmp to lodsb
)


def boot_sector(text: str = "") -> bytes:
    """A disk's first 512 bytes: a program that writes a text to the first serial line, then halts."""
    if not text:
        return _HALT.ljust(510, b"\0") + b"\x55\xaa"
    program = (_WRITE + _HALT).ljust(0x30, b"\x90") + text.encode() + b"\0"
    assert len(program) <= 510, len(program)
    return program.ljust(510, b"\0") + b"\x55\xaa"


def reporting_text() -> str:
    """What a machine that is up says, in as few words as count."""
    report = '{"format":1,"boot_id":"b","first_boot":true,"state":"running","version":"4593.2.5"}'
    return f"\nFLATPROV-REPORT {len(report)} {report}\n"
