"""A true signature of another version's image is refused: what a mirror can do without any key.

Which of it can be detected and which cannot: `flatprov.flatcar.dates`.
"""

from __future__ import annotations

import re

from flatprov.flatcar.dates import why_too_early
from flatprov.flatcar.releases import ReleaseInfo
from flatprov.flatcar.versions import Version
from flatprov.images.failures import image_error
from flatprov.images.verify import Signature

_VERSION = re.compile(rb"(?<![0-9.])[1-9][0-9]{3,4}\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9.]*[0-9])")


def check_recent(signature: Signature, info: ReleaseInfo, subject: str) -> None:
    """Refuse a signature from before the release can have been built.

    Raises:
        ImageError: it is; both dates are shown.
    """
    number = Version.parse_or_none(info.version)
    if number is None:
        return
    why = why_too_early(signature.created, number, info.release_before)
    if why:
        raise image_error(
            "stale",
            subject,
            f"was signed on {signature.created:%Y-%m-%d}, before {info.version} can have been built ({why}): "
            "it is an older image under this version's name",
            "use the publisher's server or another mirror; number own builds by the day they are made",
        )


def check_names(digests: bytes, info: ReleaseInfo, subject: str) -> None:
    """Refuse signed digests that name another version. The publisher's name none, so this alone proves nothing.

    Raises:
        ImageError: they do; both versions are shown.
    """
    others = {found.decode() for found in _VERSION.findall(digests)} - {info.version}
    if others:
        raise image_error(
            "stale",
            subject,
            f"its signed digests are of version {', '.join(sorted(others))}, wanted {info.version}",
            "the server mixes versions up; use another mirror",
        )
