"""The consoles of first boots, kept for ``flatprov logs``: redacted, on the machine that ran them, for its user only.

libvirt could write a log of the serial line itself (``<log file=>``). It would lie on the host, belong to root, be out
of reach of the API, and hold what Ignition prints of a config, secrets included. So the plugin keeps what its boot
monitor gave out, and that has no secret of the config in it.

One folder a node, one file a boot, the last :data:`BOOTS` of them; each is written whole. The first line says which
node it was.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

BOOTS = 3  #: kept of each node
_LIMIT_BYTES = 512 * 1024  # of one boot; the end is kept
_OLD_SECONDS = 90 * 86400.0  # nodes that another machine deleted leave their history here


@dataclass(frozen=True)
class About:
    """Which boot a file shows.

    Args:
        node: the node's name.
        uri: its host.
        owner: ``project/stack``.
        uuid: the domain's UUID.
        at: when it was written, Unix time.
        outcome: how the boot went, in words.
    """

    node: str
    uri: str
    owner: str
    uuid: str
    at: float
    outcome: str


@dataclass(frozen=True)
class Boot:
    """One boot of a node."""

    about: About
    lines: Sequence[str]


def folder() -> Path:
    """``$XDG_STATE_HOME/flatprov/console``, else ``~/.local/state/flatprov/console``."""
    base = os.environ.get("XDG_STATE_HOME", "")
    root = Path(base) if os.path.isabs(base) else Path.home() / ".local" / "state"
    return root / "flatprov" / "console"


class Recorder:
    """Keeps one boot of one node. Nothing of it may fail a boot: what cannot be written is not kept."""

    def __init__(self, *, node: str, uri: str, owner: str, uuid: str) -> None:
        self._about = About(node, uri, owner, uuid, 0.0, "")
        self._path: Path | None = None

    def write(self, lines: Iterable[str], outcome: str) -> None:
        """Write the boot's console as far as it is known, in place of what was written of it before.

        Args:
            lines: redacted, oldest first.
            outcome: how it goes or went, in words, without a secret.
        """
        with contextlib.suppress(OSError):
            home = _private(folder() / self._about.uuid)
            if self._path is None:
                _forget_old()
                self._path = _make_room(home)
            about = About(**{**asdict(self._about), "at": time.time(), "outcome": outcome})
            body = "\n".join(lines).encode()[-_LIMIT_BYTES:].decode("utf-8", "ignore")
            _write_whole(self._path, f"{json.dumps(asdict(about))}\n{body}\n")


def forget(uuid: str) -> None:
    """Delete what is kept of a node; nothing being there is no error."""
    with contextlib.suppress(OSError):
        shutil.rmtree(folder() / uuid)


def read(node: str, uri: str = "") -> list[Boot]:
    """The boots of a node, newest first.

    Args:
        node: its name.
        uri: its host; empty for any.
    """
    found = [boot for boot in map(_read, folder().glob("*/*.log")) if boot is not None]
    found = [boot for boot in found if boot.about.node == node and uri in ("", boot.about.uri)]
    return sorted(found, key=lambda boot: boot.about.at, reverse=True)


def known() -> list[About]:
    """Every boot that is kept, newest first."""
    found = [boot.about for boot in map(_read, folder().glob("*/*.log")) if boot is not None]
    return sorted(found, key=lambda about: about.at, reverse=True)


def _read(path: Path) -> Boot | None:
    try:
        head, _, body = path.read_text("utf-8", "replace").partition("\n")
        about = About(**json.loads(head))
    except (OSError, ValueError, TypeError):  # gone meanwhile, or of another version
        return None
    return Boot(about, body.splitlines())


def _private(path: Path) -> Path:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for one in (path, path.parent):
        one.chmod(0o700)
    return path


def _make_room(home: Path) -> Path:
    """The file for one more boot: ``1.log`` is the newest; the oldest goes."""
    (home / f"{BOOTS}.log").unlink(missing_ok=True)
    for number in range(BOOTS - 1, 0, -1):
        with contextlib.suppress(FileNotFoundError):
            (home / f"{number}.log").rename(home / f"{number + 1}.log")
    return home / "1.log"


def _write_whole(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")  # mode 0600
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _forget_old() -> None:
    """Drop the history of nodes that nothing was written about for long."""
    for home in folder().iterdir():
        with contextlib.suppress(OSError):
            newest = max((one.stat().st_mtime for one in home.iterdir()), default=home.stat().st_mtime)
            if time.time() - newest > _OLD_SECONDS:
                shutil.rmtree(home)
