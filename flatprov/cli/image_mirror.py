"""``flatprov image mirror``: a folder for machines without a network."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys

from flatprov.cli.image_fetch import progress
from flatprov.errors import FlatprovError
from flatprov.flatcar.releases import ReleaseInfo
from flatprov.images.feeds import FeedCopy, FeedSource, find_release
from flatprov.images.keys import PINNED
from flatprov.images.mirror import Mirror, Mirrored
from flatprov.images.mirror_feeds import write_feeds
from flatprov.images.mirror_sysexts import add_sysext, parse_sysext


def mirror(options: argparse.Namespace) -> None:
    """Fill the folder, telling each file as it gets its place; the feeds come last."""
    architectures = list(dict.fromkeys(options.arch)) or ["amd64"]
    platforms = list(dict.fromkeys(options.platform)) or ["qemu"]
    sysexts = [one for text in options.sysext for one in parse_sysext(text, architectures)]
    if not options.version and not sysexts:
        options.parser.error("nothing to do: give --version or --sysext")
    target = Mirror(
        options.folder,
        source=options.mirror,
        key_file=options.key,
        fingerprint=options.fingerprint or PINNED,
        progress=progress(),
    )
    source = FeedSource(options.mirror)
    wanted = [
        find_release(options.channel, version, architecture, source)
        for version in dict.fromkeys(options.version)
        for architecture in architectures
    ]
    files: list[Mirrored] = []

    def tell(file: Mirrored) -> None:
        files.append(file)
        if not options.json:
            print(f"{'fetched' if file.fetched else 'there':8} {file.path}  {file.size_bytes} bytes  {file.digest}")
            sys.stdout.flush()

    whole: list[tuple[ReleaseInfo, FeedCopy]] = []
    try:
        for release in wanted:
            for platform in platforms:
                for file in target.add_images(release[0], platform):
                    tell(file)
            whole.append(release)
        for sysext in sysexts:
            tell(add_sysext(target, sysext))
        if options.with_key:
            tell(target.add_key(wanted[0][0].channel if wanted else "stable"))
    except BaseException:
        with contextlib.suppress(FlatprovError):  # the first error is the one to tell; what is whole can be used
            if whole:
                write_feeds(target, whole)
        raise
    feeds = write_feeds(target, whole) if whole else []
    if options.json:
        found = [{"path": one.path, "digest": one.digest, "size_bytes": one.size_bytes} for one in files]
        print(json.dumps({"folder": str(target.folder), "files": found, "feeds": feeds}))
        return
    for feed in feeds:
        print(f"{'feed':8} {feed}")
