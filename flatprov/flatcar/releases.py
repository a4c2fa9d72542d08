"""The release feed: which Flatcar versions exist, and what is in them.

Pure: the caller brings the feed's bytes (``flatprov.images.feeds`` fetches them). A feed is one JSON object whose keys
are versions and aliases (``current``, ``current-2024``). An alias holds a copy of a release, not its number, so its
number is found by comparing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from flatprov.errors import ImageError
from flatprov.flatcar.dates import release_before
from flatprov.flatcar.versions import Version, nearest
from flatprov.ignition.versions import newest_spec, newest_spec_of_flatcar

CHANNELS = ("stable", "beta", "alpha", "lts")


class FeedRelease(msgspec.Struct, frozen=True):
    """One entry of a feed, as published; every key may be missing."""

    channel: str = ""
    architectures: tuple[str, ...] = ()
    release_date: str = ""
    major_software: Mapping[str, tuple[str, ...] | str | None] = {}
    release_before: str = ""  # only in the feeds of our own mirrors, which leave the other releases out

    def software(self, name: str) -> str:
        """The version of one program in it, or ``""`` where the feed does not say."""
        value = self.major_software.get(name) or ""
        return value if isinstance(value, str) else value[0]


@dataclass(frozen=True, kw_only=True)
class Feed:
    """A parsed feed.

    Attributes:
        releases: the entries by version.
        aliases: the entries by alias (``current``, ``current-2024``).
    """

    releases: Mapping[Version, FeedRelease]
    aliases: Mapping[str, FeedRelease]


@dataclass(frozen=True, kw_only=True)
class ReleaseInfo:
    """One release for one architecture.

    Attributes:
        version: ``4593.2.5``.
        channel: ``stable``, ``beta``, ``alpha`` or ``lts``.
        architecture: the one that was asked for: ``amd64`` or ``arm64``.
        architectures: all it was built for.
        release_date: as published (``2026-08-13 15:48:35 +0000``), or ``""``.
        ignition: the version of Ignition, or ``""`` where the feed does not say; so for the programs below.
        kernel: the version of the Linux kernel.
        containerd: the version of containerd.
        docker: the version of Docker.
        systemd: the version of systemd.
        max_ignition_spec: the newest Ignition spec that it reads; ``""`` for releases that only know spec 2.
        release_before: when the release before it was published (`flatprov.flatcar.dates`), or ``""``.
    """

    version: str
    channel: str
    architecture: str
    architectures: tuple[str, ...]
    release_date: str
    ignition: str
    kernel: str
    containerd: str
    docker: str
    systemd: str
    max_ignition_spec: str
    release_before: str = ""


def parse_feed(data: bytes | str) -> Feed:
    """Read a release feed (``https://www.flatcar.org/releases-json/releases-stable.json``).

    Keys that are neither a version nor an alias are skipped, and unknown fields are ignored.

    Raises:
        ImageError: not JSON, or not of the feed's shape.
    """
    try:
        entries = msgspec.json.decode(data, type=dict[str, FeedRelease])
    except msgspec.DecodeError as error:
        raise ImageError("release feed", f"cannot be read: {error}", "check the mirror or proxy it came from") from None
    releases = {found: entry for key, entry in entries.items() if (found := Version.parse_or_none(key))}
    aliases = {key: entry for key, entry in entries.items() if key == "current" or key.startswith("current-")}
    return Feed(releases=releases, aliases=aliases)


def resolve(
    feeds: Iterable[Feed], channel: str = "stable", version: str | None = None, architecture: str = "amd64"
) -> ReleaseInfo:
    """Find one release in the feeds.

    Args:
        feeds: one or more parsed feeds.
        channel: ``stable``, ``beta``, ``alpha``, ``lts``, or one LTS stream (``lts-2024``).
        version: an exact version; None or ``current`` for the channel's current one, ``current-2024`` for that of an
            LTS stream.
        architecture: ``amd64`` or ``arm64``.

    Raises:
        ImageError: no such channel, version or architecture; the message lists what exists near it.
    """
    merged = _merged(feeds)
    channel, version = without_alias(channel, version)
    family, _, stream = channel.partition("-")
    in_channel = {v: e for v, e in merged.releases.items() if (e.channel or v.usual_channel) == family}
    if not in_channel or (stream and family != "lts"):
        known = sorted({entry.channel or v.usual_channel for v, entry in merged.releases.items()})
        streams = sorted(f"lts-{alias[8:]}" for alias in merged.aliases if alias != "current") if "lts" in known else []
        raise ImageError(
            f"channel {channel!r}", "is not in the release feed", _listed("channels", [*known, *streams] or CHANNELS)
        )
    if stream:
        in_channel = _lts_stream(merged, in_channel, channel, stream)
    chosen = _chosen(merged, in_channel, channel, version)
    entry = in_channel[chosen]
    architectures = entry.architectures or ("amd64",)
    if architecture not in architectures:
        raise ImageError(
            f"release {chosen} ({channel})", f"does not exist for {architecture}", _listed("built for", architectures)
        )
    return ReleaseInfo(
        version=str(chosen),
        channel=family,
        architecture=architecture,
        architectures=tuple(architectures),
        release_date=entry.release_date,
        ignition=entry.software("ignition"),
        kernel=entry.software("kernel"),
        containerd=entry.software("containerd"),
        docker=entry.software("docker"),
        systemd=entry.software("systemd"),
        max_ignition_spec=max_ignition_spec(chosen, entry.software("ignition")),
        release_before=entry.release_before
        or release_before(chosen, {other: known.release_date for other, known in merged.releases.items()}),
    )


def without_alias(channel: str, version: str | None) -> tuple[str, str | None]:
    """``current`` is no version but asks for the newest; ``current-2024`` for that of ``lts-2024``."""
    if version is None or not version.startswith("current"):
        return channel, version
    if version == "current":
        return channel, None
    stream = version.removeprefix("current-")
    if version == f"current-{stream}" and stream.isdigit() and channel.partition("-")[0] in ("lts", "stable"):
        return f"lts-{stream}", None  # "stable" is the channel of those who named none
    raise ImageError(
        f"release {version!r}", f"is not an alias of channel {channel}", 'write "current", or "current-2024" for LTS'
    )


def max_ignition_spec(version: Version, ignition: str) -> str:
    """The newest Ignition spec a release reads: by its Ignition, or by its major version where that is not known.

    Returns:
        ``3.3.0`` to ``3.6.0``; ``""`` for releases before 3185, which read spec 2 only.
    """
    if ignition:
        numbers = [int(part) for part in ignition.split(".")[:2] if part.isdigit()]
        if len(numbers) == 2:
            return newest_spec((numbers[0], numbers[1]))
    return newest_spec_of_flatcar(version.major)


def _merged(feeds: Iterable[Feed]) -> Feed:
    releases: dict[Version, FeedRelease] = {}
    aliases: dict[str, FeedRelease] = {}
    for feed in feeds:
        releases.update(feed.releases)
        aliases.update(feed.aliases)
    return Feed(releases=releases, aliases=aliases)


def _lts_stream(
    feed: Feed, in_channel: Mapping[Version, FeedRelease], channel: str, year: str
) -> dict[Version, FeedRelease]:
    """The releases of one LTS stream: those of the major version that the alias ``current-YEAR`` points to."""
    alias = feed.aliases.get(f"current-{year}")
    found = _same_as(alias, in_channel) if alias else None
    if found is None:
        streams = sorted(f"lts-{name[8:]}" for name in feed.aliases if name.startswith("current-"))
        raise ImageError(f"channel {channel!r}", "is not in the release feed", _listed("LTS streams", streams))
    return {version: entry for version, entry in in_channel.items() if version.major == found.major}


def _chosen(feed: Feed, in_channel: Mapping[Version, FeedRelease], channel: str, version: str | None) -> Version:
    if version is None:
        alias = feed.aliases.get("current") if "-" not in channel else None
        return (_same_as(alias, in_channel) if alias else None) or max(in_channel)
    wanted = Version.parse(version)
    if wanted in in_channel:
        return wanted
    elsewhere = feed.releases.get(wanted)
    near = _listed("near it", [str(v) for v in nearest(wanted, in_channel)])
    if elsewhere is not None:
        true_channel = elsewhere.channel or wanted.usual_channel
        raise ImageError(
            f"release {wanted}",
            f"is in channel {true_channel}, not in {channel}",
            f'use channel="{true_channel}", or {near}',
        )
    usual = wanted.usual_channel
    hint = f'its number is one of {usual}: channel="{usual}"; ' if usual != channel.partition("-")[0] else ""
    raise ImageError(
        f"release {wanted}", f"does not exist in channel {channel}", f"{hint}{near}; newest: {max(in_channel)}"
    )


def _same_as(alias: FeedRelease, entries: Mapping[Version, FeedRelease]) -> Version | None:
    """The newest version whose entry equals the alias's copy."""
    return max((version for version, entry in entries.items() if entry == alias), default=None)


def _listed(title: str, names: Iterable[str]) -> str:
    return f"{title}: {', '.join(names) or 'none'}"
