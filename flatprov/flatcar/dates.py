"""When a release can have been signed: what tells an old image under a newer version's path from the real one.

The signed digests name a file and not a version, so a mirror can serve an old, truly signed image as a newer version.
Two dates stand against that:

- MAJOR counts days since 2013-07-01, and no image of a major version exists before its day. The number itself says
  that, so no server can lie about it. It also keeps a stolen sub-key that has expired from signing new versions.
- Within one major version, an image is made after the release before it was published. The release feed says when, and
  the feed is not signed: this holds as long as feed and image do not come from the same liar.

Not detected: an image that was published less than two weeks before the wanted version. The first boot's report names
the version that runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

from flatprov.flatcar.versions import Version

_FIRST_DAY = datetime(2013, 7, 1, tzinfo=timezone.utc)
_MARGIN = timedelta(days=7)
_BUILT_BEFORE_PUBLISHED = timedelta(days=14)  # at most so long before its publication an image is built
_PUBLISHED = "%Y-%m-%d %H:%M:%S %z"


def first_day(version: Version) -> datetime:
    """The moment before which nothing of this major version was built or signed."""
    return _FIRST_DAY + timedelta(days=version.major) - _MARGIN


def published(release_date: str) -> datetime | None:
    """A feed's ``release_date`` (``2026-08-13 15:48:35 +0000``); None where it cannot be read."""
    try:
        return datetime.strptime(release_date, _PUBLISHED)
    except ValueError:
        return None


def release_before(version: Version, dates: Mapping[Version, str]) -> str:
    """The publication of the newest release of the same major that is safely older than this one's image.

    Args:
        version: the wanted release.
        dates: every known release's ``release_date``.

    Returns:
        ``2026-07-20T09:00:00+00:00``, or ``""`` where the feed shows none.
    """
    mine = published(dates.get(version, ""))
    if mine is None:
        return ""
    latest = mine - _BUILT_BEFORE_PUBLISHED
    others = (
        moment
        for other, date in dates.items()
        if other.major == version.major and other != version and (moment := published(date)) and moment <= latest
    )
    found = max(others, default=None)
    return found.astimezone(timezone.utc).isoformat() if found else ""


def why_too_early(created: datetime, version: Version, before: str = "") -> str:
    """Why a signature cannot be of a release; ``""`` where its time tells nothing against it.

    Args:
        created: when the signature was made.
        version: the release.
        before: from `release_before`, or ``""``.
    """
    if created < first_day(version):
        return f"{version.major} stands for the day {_FIRST_DAY + timedelta(days=version.major):%Y-%m-%d}"
    try:
        previous = datetime.fromisoformat(before) if before else None
    except ValueError:
        return ""
    if previous is not None and previous.tzinfo is not None and created < previous:
        return f"an older release of {version.major} was published on {previous:%Y-%m-%d}"
    return ""
