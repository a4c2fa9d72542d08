"""``flatprov image list``, ``show`` and ``resolve``: what the release feed says."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from flatprov.errors import ImageError
from flatprov.flatcar.releases import ReleaseInfo
from flatprov.images.feeds import ALL, FeedCopy, FeedSource, find_release, read_feed
from flatprov.images.store import Store

_SHOWN = ("version", "channel", "release_date", "ignition", "kernel", "containerd", "docker", "systemd")


def feed_source(options: argparse.Namespace) -> FeedSource:
    """How this run has feeds: they are kept in the store, for runs without a network."""
    return FeedSource(options.mirror, cache=Store(options.store).root / "feeds", offline=options.offline)


def show_list(options: argparse.Namespace) -> None:
    """Print the releases of a channel."""
    copy = read_feed(options.channel, feed_source(options))
    tell_age(copy)
    family = options.channel.partition("-")[0]
    rows = []
    for version, entry in sorted(copy.feed.releases.items(), reverse=True):
        channel = entry.channel or version.usual_channel
        built_for = entry.architectures or ("amd64",)
        if (family in (ALL, channel)) and (options.arch is None or options.arch in built_for):
            rows.append(
                {
                    "version": str(version),
                    "channel": channel,
                    "release_date": entry.release_date,
                    "architectures": list(built_for),
                    "ignition": entry.software("ignition"),
                    "kernel": entry.software("kernel"),
                }
            )
    rows = rows[: options.limit or None]
    if options.json:
        print(json.dumps(rows))
        return
    table = [(row["version"], row["channel"], str(row["release_date"])[:10], *_last(row)) for row in rows]
    print_table(("VERSION", "CHANNEL", "DATE", "ARCH", "IGNITION", "KERNEL"), table)


def show_release(options: argparse.Namespace) -> None:
    """Print what is in one release, and the image file of each platform."""
    from flatprov.images.listing import platform_files

    info, copy = find_release(options.channel, options.version, options.arch, feed_source(options))
    tell_age(copy)
    files: dict[str, str] | None = None
    if not options.offline:
        try:
            files = platform_files(info, options.mirror)
        except ImageError as error:
            print(f"files: {' '.join(str(error).split())}", file=sys.stderr)
    if options.json:
        print(json.dumps({**release_fields(info), "files": files}))
        return
    for name in _SHOWN:
        print(f"{name.replace('_', ' '):14} {getattr(info, name) or 'not known'}")
    print(f"{'ignition spec':14} {info.max_ignition_spec or '2.x only'}")
    print(f"{'architectures':14} {', '.join(info.architectures)}")
    if files is not None:
        print(f"{'files':14} {len(files)} platforms for {info.architecture}")
        print_table((), [(f"  {platform}", name) for platform, name in files.items()])


def show_resolved(options: argparse.Namespace) -> None:
    """Print the version that the channel stands for now."""
    info, copy = find_release(options.channel, options.version, options.arch, feed_source(options))
    tell_age(copy)
    print(json.dumps(release_fields(info)) if options.json else info.version)


def release_fields(info: ReleaseInfo) -> dict[str, Any]:
    """A release as JSON shows it."""
    return {key: value for key, value in dataclasses.asdict(info).items() if key != "release_before"}


def tell_age(copy: FeedCopy) -> None:
    """Say that the feed is a kept copy, how old, and why."""
    if copy.age_seconds is not None:
        print(f"release feed: a kept copy, {_age(copy.age_seconds)} old ({copy.reason})", file=sys.stderr)


def print_table(titles: Sequence[str], rows: Sequence[Sequence[object]], file: TextIO | None = None) -> None:
    """Columns, as wide as their content."""
    texts = [[str(cell) for cell in row] for row in (*([titles] if titles else []), *rows)]
    if not texts:
        return
    widths = [max(len(row[column]) for row in texts) for column in range(len(texts[0]))]
    for row in texts:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip(), file=file)


def _last(row: dict[str, Any]) -> tuple[str, str, str]:
    return ",".join(row["architectures"]), row["ignition"] or "-", row["kernel"] or "-"


def _age(seconds: float) -> str:
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {name}{'s' if count != 1 else ''}"
    return "less than a minute"
