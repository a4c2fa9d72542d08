"""When a release can have been signed; the publisher's own feeds must all pass."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from flatprov.flatcar.dates import first_day, published, release_before, why_too_early
from flatprov.flatcar.releases import parse_feed, resolve
from flatprov.flatcar.versions import Version

DATA = Path(__file__).parents[2].parent / "shared" / "data"
DATES = {
    Version(4593, 0, 0): "2026-01-28 10:00:00 +0000",
    Version(4593, 1, 0): "2026-03-01 10:00:00 +0000",
    Version(4593, 2, 0): "2026-03-20 10:00:00 +0000",
    Version(4593, 2, 1): "2026-03-24 10:00:00 +0000",
    Version(4628, 0, 0): "2026-03-10 10:00:00 +0000",
}


SECOND = timedelta(seconds=1)


def test_the_number_is_a_day() -> None:
    day, version = datetime(2026, 1, 20, tzinfo=timezone.utc), Version(4593, 2, 5)
    assert first_day(version) == day
    assert why_too_early(day, version) == ""
    assert "4593 stands for the day 2026-01-27" in why_too_early(day - SECOND, version)


@pytest.mark.parametrize(
    ("version", "before"),
    [
        ("4593.0.0", ""),
        ("4593.1.0", "2026-01-28T10:00:00+00:00"),
        ("4593.2.0", "2026-03-01T10:00:00+00:00"),
        ("4593.2.1", "2026-03-01T10:00:00+00:00"),  # 4593.2.0 came out four days before: too near to tell
        ("4628.0.0", ""),  # an older major says nothing
        ("9999.0.0", ""),
    ],
)
def test_the_release_before(version: str, before: str) -> None:
    number = Version.parse(version)
    assert release_before(number, DATES) == before
    if before:
        moment = datetime.fromisoformat(before)
        assert why_too_early(moment, number, before) == ""
        assert f"published on {moment:%Y-%m-%d}" in why_too_early(moment - SECOND, number, before)


@pytest.mark.parametrize("text", ["", "soon", "2026-03-01T10:00:00", "2026-13-01T10:00:00+00:00"])
def test_what_cannot_be_read_leaves_the_number(text: str) -> None:
    version = Version(4593, 2, 0)
    assert why_too_early(first_day(version), version, text) == ""
    assert "stands for the day" in why_too_early(first_day(version) - SECOND, version, text)


@pytest.mark.parametrize("text", ["", "2026-03-01", "yesterday"])
def test_dates_of_a_feed(text: str) -> None:
    assert published(text) is None
    assert published("2026-08-13 15:48:35 +0000") == datetime(2026, 8, 13, 15, 48, 35, tzinfo=timezone.utc)


def test_the_publishers_releases_pass_and_their_elders_do_not() -> None:
    """A release passes that was signed 13 days before its publication; one that was out by then does not pass as it."""
    path = DATA / "releases.json"
    if not path.exists():
        pytest.skip("the publisher's feeds are not beside this repository (../shared/data)")
    feed = parse_feed(path.read_bytes())
    when = {version: published(entry.release_date) for version, entry in feed.releases.items()}
    told = {True: 0, False: 0}
    for version, entry in feed.releases.items():
        before = resolve([feed], entry.channel, str(version)).release_before
        mine = when[version]
        assert mine is not None
        built = max(mine - timedelta(days=13), first_day(version) + timedelta(days=7))
        assert why_too_early(built, version, before) == "", f"{version} would be refused"
        for other, moment in when.items():
            if moment is None or not other < version:
                continue
            out_before = moment < first_day(version) or (
                other.major == version.major and moment <= mine - timedelta(days=14)
            )
            if out_before:
                assert why_too_early(moment - SECOND, version, before), f"{other} passes as {version}"
            told[out_before] += 1
    assert told[True] > 50_000
    assert told[False] < told[True] / 10, "what the two rules cannot tell stays a small part"
