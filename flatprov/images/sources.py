"""Where images and feeds come from: the publisher, or a mirror."""

from __future__ import annotations

import os

from flatprov.images.failures import image_error

MIRROR_VARIABLE = "FLATPROV_MIRROR"
"""Names a mirror for everything that is not told one: every run of the CLI and of the plugin."""


def chosen_mirror(mirror: str | None = None) -> str | None:
    """The mirror that was given, else the environment's; None for the publisher's own servers.

    Raises:
        ImageError: no http or https address.
    """
    found = (mirror or os.environ.get(MIRROR_VARIABLE, "")).strip()
    if not found:
        return None
    if not found.startswith(("http://", "https://")):
        origin = "mirror" if mirror else MIRROR_VARIABLE
        raise image_error("protocol", origin, "is not an http or https address", "write http://HOST/PATH")
    return found
