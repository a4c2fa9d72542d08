"""``flatprov image fetch``: one verified image on this machine's disk."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from flatprov.cli.image_releases import feed_source, print_table, tell_age
from flatprov.images.download import Progress
from flatprov.images.feeds import find_release
from flatprov.images.keys import PINNED
from flatprov.images.obtain import obtain_release
from flatprov.images.stats import Step, collect, step
from flatprov.images.store import Store


def fetch(options: argparse.Namespace) -> None:
    """Fetch, verify, unpack, and print path, version and digests."""
    store = Store(options.store)
    with collect() as steps:
        with step("feed"):
            info, copy = find_release(options.channel, options.version, options.arch, feed_source(options))
        tell_age(copy)
        got = obtain_release(
            info,
            options.platform,
            mirror=options.mirror,
            key_file=options.key,
            fingerprint=options.fingerprint or PINNED,
            store=store,
            progress=progress(),
        )
    found: dict[str, Any] = {
        "version": info.version,
        "channel": info.channel,
        "architecture": info.architecture,
        "path": os.path.abspath(got.path),
        "file_name": got.file_name,
        "format": got.format,
        "virtual_size_bytes": got.virtual_size_bytes,
        "sha512": got.sha512,
        "sha512_of_path": store.digests.recorded(got.path).get("sha512", ""),  # not known of what was unpacked
        "signed_by": got.signature.signing_key if got.signature else "",
        "signed_at": got.signature.created.isoformat() if got.signature else "",
        "ignition": info.ignition,
        "max_ignition_spec": info.max_ignition_spec,
    }
    if options.json:
        print(json.dumps({**found, **({"steps": [_step(one) for one in steps]} if options.stats else {})}))
        return
    print_table((), [(name, value) for name, value in found.items() if value != ""])
    if options.stats:
        print_steps(steps)


def print_steps(steps: Sequence[Step]) -> None:
    """The table of ``--stats``, on standard error."""
    rows = [
        (one.name, f"{one.wall_seconds:.2f} s", f"{one.cpu_seconds:.2f} s", f"{one.peak_bytes / 2**20:.0f} MiB")
        for one in steps
    ]
    print_table(("STEP", "TIME", "CPU", "PEAK MEMORY"), rows, sys.stderr)


def progress() -> Progress | None:
    """Bytes, percent, rate and the time that is left, on a terminal; None elsewhere."""
    if not sys.stderr.isatty():
        return None
    began, at_begin, last = time.monotonic(), -1, 0

    def show(done: int, total: int) -> None:
        nonlocal began, at_begin, last
        if at_begin < 0 or done < last:  # a resumed download begins with what is there; the next file at zero
            began, at_begin = time.monotonic(), done
        last = done
        line = progress_line(done, total, done - at_begin, time.monotonic() - began)
        print(f"\r{line:<60}", end="\n" if total and done >= total else "", file=sys.stderr, flush=True)

    return show


def progress_line(done: int, total: int, moved: int, seconds: float) -> str:
    """``12.0 of 500.0 MiB, 2 %, 6.0 MiB/s, 1:21 left``; without what is not known yet."""
    parts = [f"{done / 2**20:.1f} MiB"]
    if total:
        parts = [f"{done / 2**20:.1f} of {total / 2**20:.1f} MiB", f"{100 * done // total} %"]
    if moved and seconds > 0:
        rate = moved / seconds
        parts.append(f"{rate / 2**20:.1f} MiB/s")
        if total > done:
            minutes, rest = divmod(round((total - done) / rate), 60)
            parts.append(f"{minutes}:{rest:02} left")
    return ", ".join(parts)


def _step(one: Step) -> dict[str, Any]:
    return {
        "step": one.name,
        "wall_seconds": round(one.wall_seconds, 4),
        "cpu_seconds": round(one.cpu_seconds, 4),
        "peak_bytes": one.peak_bytes,
    }
