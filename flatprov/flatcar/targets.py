"""What a config is checked against, from a version alone: no feed, no network."""

from __future__ import annotations

from dataclasses import replace

from flatprov.errors import ConfigError
from flatprov.flatcar.contents import target_for
from flatprov.flatcar.versions import Version
from flatprov.ignition.target import Target
from flatprov.ignition.versions import FLATCAR_SINCE


def ignition_of(release: Version) -> str:
    """Give the version of Ignition in a release; ``""`` for releases before 3185, which read spec 2 only."""
    found = next((numbers for major, numbers in FLATCAR_SINCE if release.major >= major), None)
    return f"{found[0]}.{found[1]}.0" if found else ""


def target_for_image(*, version: str, ignition: str, architecture: str, platform: str) -> Target:
    """Give the target for an image whose Ignition is known, whatever its version is called.

    Args:
        version: the Flatcar version, or any other text for an own image.
        ignition: the version of Ignition in it; ``""`` where the feed did not say.
        architecture: ``amd64`` or ``arm64``.
        platform: as in ``Target``.
    """
    found = Version.parse_or_none(version)
    known = version if found and ignition_of(found) else ""
    target = target_of(known, platform=platform, architecture=architecture)
    return replace(target, release=version if found else "", ignition=ignition or target.ignition)


def target_of(version: str = "", *, platform: str = "", architecture: str = "") -> Target:
    """Give the target for what a user writes.

    Args:
        version: of Flatcar (``4593.2.5``) or of Ignition (``2.24.0``); ``""`` stands for any newer release.
        platform: as in ``Target``; ``""`` where it is not known.
        architecture: ``amd64`` or ``arm64``; ``""`` where it is not known.

    Raises:
        ConfigError: it is neither, or the release reads no spec 3.
    """
    if not version:
        return target_for(None, platform, architecture=architecture)
    found = Version.parse_or_none(version)
    if found is None or (found.major != 2 and found.major < 1000):
        fix = "write a Flatcar version such as 4593.2.5, or one of Ignition such as 2.24.0"
        raise ConfigError(f"target {version!r}", "is no version", fix, path="target")
    if found.major == 2:
        return replace(target_for(None, platform, architecture=architecture), ignition=version)
    ignition = ignition_of(found)
    if not ignition:
        problem, fix = "is a release that reads no Ignition config of spec 3", "choose a release from 3185 on"
        raise ConfigError(f"target {version!r}", problem, fix, path="target")
    from flatprov.flatcar.releases import ReleaseInfo, max_ignition_spec  # they load msgspec

    release = ReleaseInfo(
        version=version, channel=found.usual_channel, architecture=architecture, architectures=(), release_date="",
        ignition=ignition, kernel="", containerd="", docker="", systemd="",
        max_ignition_spec=max_ignition_spec(found, ignition),
    )  # fmt: skip
    return target_for(release, platform)
