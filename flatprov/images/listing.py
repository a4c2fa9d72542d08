"""Which files a release has: the server's own list of its folder, or each name asked for where it shows none.

Only names come from there. What a file is worth is told by its signature.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flatprov.errors import ImageError
from flatprov.flatcar.artifacts import ARTIFACTS, candidate_files, release_url
from flatprov.flatcar.releases import ReleaseInfo
from flatprov.images.fetch import fetch_or_none
from flatprov.images.http import Cancelled, check_response, new_client, translate, with_retries
from flatprov.images.sources import chosen_mirror

if TYPE_CHECKING:
    import httpx

_NAME = re.compile(rb"""href=["']?(?:\./|[^"'>\s]*/)?(flatcar[A-Za-z0-9._+-]+)["'\s>]""", re.IGNORECASE)
_MAX_LIST_BYTES = 4 << 20
_AT_ONCE = 8


def folder_files(folder_url: str, cancelled: Cancelled | None = None) -> tuple[str, ...]:
    """The names of a release's files as its server lists them; empty where it lists none.

    Raises:
        ImageError: the server cannot be reached.
    """
    try:
        page = fetch_or_none(f"{folder_url.rstrip('/')}/", max_bytes=_MAX_LIST_BYTES, cancelled=cancelled)
    except ImageError as error:
        if error.code in ("image-refused", "image-too-large"):  # no lists here (403), or another page
            return ()
        raise
    return tuple(sorted({name.decode() for name in _NAME.findall(page or b"")}))


def platform_files(info: ReleaseInfo, mirror: str | None = None, cancelled: Cancelled | None = None) -> dict[str, str]:
    """The image file of each platform that this release has: platform to file name, the preferred one of each.

    Raises:
        ImageError: the server cannot be reached.
    """
    folder = release_url(info.channel, info.architecture, info.version, "", chosen_mirror(mirror)).rstrip("/")
    wanted = {
        platform: candidate_files(platform, info.architecture)
        for platform, artifact in ARTIFACTS.items()
        if info.architecture in artifact.architectures
    }
    there = set(folder_files(folder, cancelled))
    if not there:
        there = _probed(folder, {name for names in wanted.values() for name in names}, cancelled)
    chosen = {platform: next((name for name in names if name in there), "") for platform, names in wanted.items()}
    return {platform: name for platform, name in sorted(chosen.items()) if name}


def _probed(folder: str, names: Iterable[str], cancelled: Cancelled | None) -> set[str]:
    """Ask for each name, over a few connections that are kept."""
    from concurrent.futures import ThreadPoolExecutor

    ordered = sorted(names)
    with new_client() as client, ThreadPoolExecutor(_AT_ONCE) as pool:
        first = _exists(client, f"{folder}/{ordered[0]}", cancelled)  # a server that is down is asked only once
        rest = pool.map(lambda name: _exists(client, f"{folder}/{name}", cancelled), ordered[1:])
        return {name for name, found in zip(ordered, [first, *rest], strict=True) if found}


def _exists(client: httpx.Client, url: str, cancelled: Cancelled | None) -> bool:
    import httpx

    def attempt() -> bool:
        try:
            response = client.head(url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise translate(error, url) from None
        if response.status_code in (404, 410):
            return False
        check_response(response, url)
        return True

    return with_retries(attempt, url, cancelled)
