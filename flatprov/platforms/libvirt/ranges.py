"""Which network ranges are in use, and which are free. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence

from flatprov.platforms.libvirt.facts import Range

#: where a free range is looked for: the private blocks of RFC 1918, the least used first
_PRIVATE = tuple(ipaddress.IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
_FIRST = 17  # 10.17.0.0 and upwards: the ranges below it are what offices and VPNs take first


def overlapping(wanted: ipaddress.IPv4Network, used: Iterable[Range]) -> list[Range]:
    """What is in use within a range."""
    return [one for one in used if one.network.prefixlen and one.network.overlaps(wanted)]


def free(like: ipaddress.IPv4Network, used: Sequence[Range]) -> ipaddress.IPv4Network | None:
    """A private range of the same size in which nothing is in use; None when there is none.

    The nearest one after ``like`` in its own block is taken, so that a proposal is the same each time.
    """
    for candidate in _candidates(like):
        if not overlapping(candidate, used):
            return candidate
    return None


def _candidates(like: ipaddress.IPv4Network) -> Iterator[ipaddress.IPv4Network]:
    size = like.num_addresses
    step = max(size, 256)  # whole /24 at least: easier to read, and seldom what somebody else cut
    home = next((block for block in _PRIVATE if like.subnet_of(block)), None)
    blocks = [home] if home else []
    blocks += [block for block in _PRIVATE if block is not home]
    for block in blocks:
        start = int(like.network_address) + size if block is home else int(block.network_address)
        if block is _PRIVATE[0] and block is not home:
            start += _FIRST << 16
        first = -(-start // step) * step
        end = int(block.broadcast_address) + 1
        yield from (ipaddress.IPv4Network((at, like.prefixlen)) for at in range(first, end - size + 1, step))
        if block is home:  # and what lies before it
            at = int(block.network_address)
            yield from (ipaddress.IPv4Network((low, like.prefixlen)) for low in range(at, first - size + 1, step))
