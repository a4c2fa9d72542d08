"""Locks between processes and threads that end with the process that holds them."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flatprov.images.failures import disk_error, image_error


@contextmanager
def in_use(path: Path) -> Iterator[None]:
    """Keep a file of the store from being removed while it is read.

    Raises:
        ImageError: it is gone already.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise disk_error(path.name, error, str(path.parent)) from None
    try:
        with contextlib.suppress(OSError):  # a file system without locks, or an own image on a share
            fcntl.flock(handle, fcntl.LOCK_SH)
        if not path.exists():
            raise image_error("local-file", path.name, "was removed to make room", "run again")
        yield
    finally:
        os.close(handle)


def try_lock(path: Path, root: Path, flags: int = os.O_RDWR | os.O_CREAT) -> int | None:
    """Lock a file for this process and thread alone; None where another has it. Close the handle to free it.

    Raises:
        ImageError: the folder refused.
    """
    while True:
        try:
            handle = os.open(path, flags | os.O_CLOEXEC, 0o600)
        except FileNotFoundError as error:
            if not flags & os.O_CREAT:
                return None
            raise disk_error("image store", error, str(root)) from None
        except OSError as error:
            raise disk_error("image store", error, str(root)) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
        except BlockingIOError:
            os.close(handle)
            return None
        except FileNotFoundError:
            pass
        os.close(handle)  # it was removed between the two calls: lock the one that took its place


def is_held(path: Path) -> bool:
    """Whether a process holds a lock on a file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
