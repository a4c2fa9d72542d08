"""``flatprov support``: one file with what a helper needs to see of a host, and no secrets in it."""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path


def add_to(support: argparse.ArgumentParser) -> None:
    """Fill in this command's parser."""
    support.description = __doc__
    platforms = support.add_subparsers(required=True, metavar="PLATFORM")
    libvirt = platforms.add_parser("libvirt", help="a libvirt host")
    libvirt.add_argument("uri", metavar="URI", help="qemu:///system, qemu+ssh://root@nas/system, …")
    libvirt.add_argument("node", nargs="?", default="", metavar="NODE", help="one node; all of flatprov without it")
    libvirt.add_argument("--pool", default="default", metavar="NAME", help="storage pool (default)")
    libvirt.add_argument("--output", type=Path, metavar="FILE", help="where to; a new file in this folder without it")
    libvirt.set_defaults(run=_libvirt)


def _libvirt(options: argparse.Namespace) -> None:
    from flatprov.errors import FlatprovError
    from flatprov.platforms.libvirt import doctor, reach, support

    files = support.collect(options.uri, options.node, doctor.Wanted(pool=options.pool))
    host = re.sub(r"[^A-Za-z0-9.-]+", "-", reach.address(options.uri).host or "local")
    path = options.output or Path(f"flatprov-support-{host}-{time.strftime('%Y%m%d-%H%M%S')}.tar.gz")
    try:
        write(path, files)
    except OSError as error:
        raise FlatprovError(
            str(path), f"it cannot be written ({error.strerror})", "give another --output that does not exist yet"
        ) from error
    print(path)
    print(f"flatprov: {len(files)} files; look through them before you send them to anybody", file=sys.stderr)


def write(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a tar.gz that only this user can read.

    Raises:
        OSError: it cannot be written, or exists already.
    """
    folder = path.name.removesuffix(".tar.gz")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, data in sorted(files.items()):
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mode, entry.mtime = len(data), 0o600, int(time.time())
            archive.addfile(entry, io.BytesIO(data))
