"""The release feed over the network: the only call that resolving a release needs."""

from __future__ import annotations

from flatprov.flatcar.artifacts import feed_url
from flatprov.flatcar.releases import Feed, parse_feed
from flatprov.images.fetch import fetch_bytes
from flatprov.images.http import ATTEMPTS, TIMEOUT_SECONDS, Cancelled


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
        channel: ``stable``, ``beta``, ``alpha``, ``lts``, or a stream (``lts-2024``).
        mirror: read ``MIRROR/releases-json/releases-CHANNEL.json`` instead of the publisher's website.
        timeout_seconds: without a byte.
        attempts: how many in a row may fail.
        cancelled: asked all the time.

    Raises:
        ImageError: not reachable, or no feed; ``code`` says why.
    """
    url = feed_url(channel, mirror)
    return parse_feed(fetch_bytes(url, timeout_seconds=timeout_seconds, attempts=attempts, cancelled=cancelled))
