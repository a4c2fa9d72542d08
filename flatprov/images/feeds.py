"""The release feed over the network, and the release in it that was asked for."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from flatprov.errors import ImageError
from flatprov.flatcar.artifacts import feed_url
from flatprov.flatcar.releases import Feed, ReleaseInfo, parse_feed, resolve, without_alias
from flatprov.flatcar.versions import Version, nearest
from flatprov.images.failures import disk_error, image_error
from flatprov.images.fetch import fetch_bytes
from flatprov.images.http import ATTEMPTS, TIMEOUT_SECONDS, Cancelled
from flatprov.images.sources import chosen_mirror
from flatprov.images.store import name_of

ALL = "all"
"""In a channel's place: the feed of every release there is."""


@dataclass(frozen=True)
class FeedSource:
    """How feeds are had.

    Attributes:
        mirror: a base URL; None for the environment's mirror, or the publisher's website.
        cache: a folder that keeps the feeds; None to keep none.
        offline: only what the folder has.
        timeout_seconds: without a byte.
        attempts: how many in a row may fail.
        cancelled: asked all the time.
    """

    mirror: str | None = None
    cache: Path | None = None
    offline: bool = False
    timeout_seconds: float = TIMEOUT_SECONDS
    attempts: int = ATTEMPTS
    cancelled: Cancelled | None = None


@dataclass(frozen=True)
class FeedCopy:
    """A feed and where it is from.

    Attributes:
        feed: its content.
        data: as published.
        url: its address.
        age_seconds: how old the kept copy is; None for one that was just fetched.
        reason: why a kept copy was taken.
    """

    feed: Feed
    data: bytes
    url: str
    age_seconds: float | None = None
    reason: str = ""


def fetch_feed(
    channel: str = "stable",
    mirror: str | None = None,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
    attempts: int = ATTEMPTS,
    cancelled: Cancelled | None = None,
) -> Feed:
    """Fetch and read a channel's release feed.

    Args:
        channel: ``stable``, ``beta``, ``alpha``, ``lts``, a stream (``lts-2024``), or ``all``.
        mirror: read ``MIRROR/releases-json/releases-CHANNEL.json`` instead of the publisher's website.
        timeout_seconds: without a byte.
        attempts: how many in a row may fail.
        cancelled: asked all the time.

    Raises:
        ImageError: not reachable, or no feed; ``code`` says why.
    """
    source = FeedSource(mirror, timeout_seconds=timeout_seconds, attempts=attempts, cancelled=cancelled)
    return read_feed(channel, source).feed


def read_feed(channel: str, source: FeedSource) -> FeedCopy:
    """A channel's feed; a stream's own one, or that of all LTS releases where a mirror has no other.

    Raises:
        ImageError: not reachable and not kept, or no feed; ``code`` says why.
    """
    family = channel.partition("-")[0]
    try:
        return _read(channel, source)
    except ImageError as error:
        if family == channel or error.code not in ("image-not-found", "image-local-file"):
            raise
    return _read(family, source)


def find_release(
    channel: str | None = None,
    version: str | None = None,
    architecture: str = "amd64",
    source: FeedSource | None = None,
) -> tuple[ReleaseInfo, FeedCopy]:
    """Resolve one release, with as few feeds as it takes.

    Args:
        channel: ``stable``, ``beta``, ``alpha``, ``lts`` or an LTS stream. None: the channel that the version's number
            stands for, else the one that the feed of all releases names; ``stable`` without a version.
        version: an exact version, ``current`` or ``current-2024``; None for the newest.
        architecture: ``amd64`` or ``arm64``.
        source: how feeds are had.

    Returns:
        The release, and the feed that told.

    Raises:
        ImageError: no such channel, version or architecture (what exists near it is listed), or no feed.
    """
    source = source or FeedSource()
    wanted, exact = without_alias(channel or "stable", version)
    number = Version.parse(exact) if exact is not None else None
    if channel is None and number is not None:
        wanted = number.usual_channel
    copy = read_feed(wanted, source)
    try:
        return resolve([copy.feed], wanted, exact, architecture), copy
    except ImageError as error:
        if number is None or number in copy.feed.releases:
            raise
        everywhere = _elsewhere(number, wanted, channel is None, source)
        if everywhere is None:
            raise
        entry = everywhere.feed.releases.get(number)
        if channel is None and entry is not None:
            wanted = entry.channel or number.usual_channel
        elif entry is None:
            other = number.usual_channel
            if other == wanted.partition("-")[0]:
                raise error from None
            near = ", ".join(str(one) for one in nearest(number, everywhere.feed.releases))
            problem = f"{error.problem}, nor in {other}, for which its number stands"
            raise ImageError(error.subject, problem, f"near it: {near}") from None
        return resolve([copy.feed, everywhere.feed], wanted, exact, architecture), everywhere


def _elsewhere(number: Version, searched: str, any_channel: bool, source: FeedSource) -> FeedCopy | None:
    """The feed in which a release may be that is not in its channel's; None where there is no such feed."""
    name = ALL if any_channel or number.usual_channel == searched.partition("-")[0] else number.usual_channel
    try:
        return read_feed(name, source)
    except ImageError:  # the first error says more than one about a feed that nobody asked for
        return None


def _read(channel: str, source: FeedSource) -> FeedCopy:
    url = feed_url(channel, chosen_mirror(source.mirror))
    kept = source.cache / f"{name_of(url)}.json" if source.cache else None
    if source.offline:
        return _kept(kept, url, "offline")
    try:
        data = fetch_bytes(
            url, timeout_seconds=source.timeout_seconds, attempts=source.attempts, cancelled=source.cancelled
        )
        feed = parse_feed(data)
    except ImageError as error:
        if kept is None or not kept.is_file() or error.code == "image-not-found":
            raise
        return _kept(kept, url, " ".join(str(error).split()))
    if kept is not None:
        with contextlib.suppress(OSError):  # a feed that cannot be kept is fetched again
            kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = kept.with_name(f"{kept.name}.{time.monotonic_ns()}")
            new.write_bytes(data)
            new.replace(kept)
    return FeedCopy(feed, data, url)


def _kept(kept: Path | None, url: str, reason: str) -> FeedCopy:
    if kept is None or not kept.is_file():
        raise image_error("local-file", url, "is not kept on this machine", "run once with a network, or give a mirror")
    try:
        data = kept.read_bytes()
        age = max(0.0, time.time() - kept.stat().st_mtime)
    except OSError as error:
        raise disk_error(url, error, str(kept)) from None
    return FeedCopy(parse_feed(data), data, url, age, reason)
