"""``flatprov image ls``, ``gc`` and ``verify``: what is in the image store."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from flatprov.cli.image_fetch import progress
from flatprov.cli.image_releases import print_table
from flatprov.images.garbage import collect_garbage
from flatprov.images.inventory import Stored, list_store, verify_store
from flatprov.images.store import Store

_DAY_SECONDS = 86400.0


def show_store(options: argparse.Namespace) -> None:
    """Print the files, the last used first."""
    store = Store(options.store)
    files = list_store(store)
    if options.json:
        print(json.dumps([_fields(one) for one in files]))
        return
    rows = [
        (one.kind, one.sha512[:16] or "-", _mebibytes(one.disk_bytes), _used(one), _state(one), one.file_name)
        for one in files
    ]
    if rows:
        print_table(("KIND", "SHA512", "ON DISK", "LAST USED", "STATE", "FILE"), rows)
    print(f"{len(files)} files, {_mebibytes(sum(one.disk_bytes for one in files))}, in {store.root}", file=sys.stderr)


def collect(options: argparse.Namespace) -> None:
    """Remove what nobody needs, and tell what was removed and why the rest stays."""
    done = collect_garbage(
        Store(options.store),
        retain=options.retain,
        keep=options.keep,
        max_age_seconds=options.days * _DAY_SECONDS,
        max_bytes=options.max_gib * 2**30 if options.max_gib is not None else None,
        dry_run=options.dry_run,
    )
    if options.json:
        kept = [{**_fields(one), "reason": reason} for one, reason in done.kept]
        removed = [_fields(one) for one in done.removed]
        print(json.dumps({"removed": removed, "kept": kept, "freed_bytes": done.freed_bytes}))
        return
    word = "would go" if options.dry_run else "removed"
    rows = [
        *((word, _mebibytes(one.disk_bytes), one.file_name, "") for one in done.removed),
        *(("kept", _mebibytes(one.disk_bytes), one.file_name, reason) for one, reason in done.kept),
    ]
    print_table((), rows)
    print(f"{'would free' if options.dry_run else 'freed'} {_mebibytes(done.freed_bytes)}", file=sys.stderr)


def verify(options: argparse.Namespace) -> None:
    """Read every byte again. Exit status 1 where a file did not hold; it is removed unless told otherwise."""
    results = verify_store(Store(options.store), remove=not options.keep, progress=progress())
    if options.json:
        print(json.dumps([{**_fields(one.file), "problem": one.problem, "removed": one.removed} for one in results]))
    else:
        rows = [
            ("removed" if one.removed else "bad" if one.problem else "good", one.file.file_name, one.problem)
            for one in results
        ]
        print_table((), rows)
    bad = sum(bool(one.problem) for one in results)
    if bad:
        sys.exit(f"flatprov: image store: {bad} of {len(results)} files are not what was verified")


def _fields(one: Stored) -> dict[str, Any]:
    return {
        "path": str(one.path),
        "kind": one.kind,
        "sha512": one.sha512,
        "file_name": one.file_name,
        "size_bytes": one.size_bytes,
        "disk_bytes": one.disk_bytes,
        "used_at": one.used_at,
        "in_use": one.in_use,
        "references": list(one.references),
    }


def _state(one: Stored) -> str:
    return "in use" if one.in_use else f"needed by {', '.join(one.references)}" if one.references else "-"


def _used(one: Stored) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(one.used_at))


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"
