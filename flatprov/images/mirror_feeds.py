"""The release feeds of a mirror: only what is there, so that ``current`` is the newest of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from flatprov.flatcar.artifacts import feed_url
from flatprov.flatcar.releases import ReleaseInfo
from flatprov.flatcar.versions import Version
from flatprov.images.feeds import ALL, FeedCopy
from flatprov.images.mirror import Mirror, mirrored_versions

_YEARS = "current-"


def write_feeds(mirror: Mirror, added: Sequence[tuple[ReleaseInfo, FeedCopy]]) -> list[str]:
    """Write the feeds of everything that a mirror has.

    Args:
        mirror: its images are in place.
        added: the releases of this run and the feeds that named them; those of earlier runs are in the mirror's feed.

    Returns:
        Their paths below the mirror's folder.

    Raises:
        ImageError: the disk refused.
    """
    with mirror.work.lock("feeds", mirror.cancelled):
        known = _kept(mirror)
        years = _years(known)
        for info, copy in added:
            published: dict[str, Any] = json.loads(copy.data)
            years |= _years(published)
            known[info.version] = {**published[info.version], "release_before": info.release_before}
        there = mirrored_versions(mirror.folder)
        releases = {
            Version.parse(version): {**known[version], "architectures": architectures}
            for version, architectures in there.items()
            if version in known and Version.parse_or_none(version)
        }
        feeds = _feeds(releases, years)
        paths = []
        for name, feed in sorted(feeds.items()):
            below = feed_url(name, mirror="http://m").removeprefix("http://m/")
            mirror.write(below, json.dumps(feed, sort_keys=True).encode())
            paths.append(below)
        return paths


def _feeds(releases: Mapping[Version, dict[str, Any]], years: Mapping[int, str]) -> dict[str, dict[str, Any]]:
    """Every feed by its name (``stable``, ``lts-2024``, ``all``)."""
    feeds: dict[str, dict[str, Any]] = {}
    for version in sorted(releases):
        entry = releases[version]
        channel = entry.get("channel") or version.usual_channel
        stream = years.get(version.major, "") if channel == "lts" else ""
        aliases = ["current", *([stream] if stream else [])]
        names = [channel, *([f"lts-{stream.removeprefix(_YEARS)}"] if stream else [])]
        for name in names:
            feeds.setdefault(name, {}).update({str(version): entry, **dict.fromkeys(aliases, entry)})
        everywhere = feeds.setdefault(ALL, {})
        everywhere[str(version)] = entry
        for alias in aliases:
            if alias != "current" or channel == "stable":
                everywhere[alias] = entry
    return feeds


def _years(feed: Mapping[str, Any]) -> dict[int, str]:
    """The LTS streams of a feed: major version to alias (``current-2024``)."""
    found = {}
    for alias in (key for key in feed if key.startswith(_YEARS)):
        same = [Version.parse_or_none(version) for version, entry in feed.items() if entry == feed[alias]]
        newest = max((number for number in same if number), default=None)
        if newest is not None:
            found[newest.major] = alias
    return found


def _kept(mirror: Mirror) -> dict[str, Any]:
    path = mirror.folder / feed_url(ALL, mirror="http://m").removeprefix("http://m/")
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_bytes())
        if isinstance(found, dict):
            return found
    return {}
