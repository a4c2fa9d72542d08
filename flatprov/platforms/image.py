"""What nodes run: a release of the publisher, or an own image. The program side."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pulumi

from flatprov.arguments import Arguments
from flatprov.errors import ConfigError, ImageError
from flatprov.flatcar.artifacts import canonical_platform, platform_of
from flatprov.images.formats import check_declared, detect_format, read_header, virtual_size
from flatprov.provider import releases
from flatprov.provider.program import PluginResource

_IGNITION = re.compile(r"\d+\.\d+(\.\d+)?")
_VERSION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._+-]*[A-Za-z0-9])?")
_SOFTWARE = ("ignition", "kernel", "containerd", "docker", "systemd")
_SHA512 = re.compile(r"[0-9a-fA-F]{128}")


class Release(Arguments, PluginResource):
    """A Flatcar release: resolved once, then pinned in the state.

    Args:
        name: the resource's name.
        channel: ``stable``, ``beta``, ``alpha``, ``lts`` or an LTS stream such as ``lts-2024``.
        version: an exact version, in place of the channel's newest (``current``).
        architecture: ``amd64`` or ``arm64``.
        mirror: base URL that serves the publisher's paths: feed, key, images and digests are read from there, and
            verified all the same. ``FLATPROV_MIRROR`` in the environment stands in where it is left out.
        upgrade: any new text moves the release to the channel's newest.
        key_file: an own signing key on this machine, in place of the publisher's.
        fingerprint: that key's primary fingerprint.
    """

    def __init__(
        self,
        name: str,
        *,
        channel: str = "stable",
        version: str | None = None,
        architecture: Literal["amd64", "arm64"] = "amd64",
        mirror: str | None = None,
        upgrade: str = "",
        key_file: str | None = None,
        fingerprint: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        # not "architecture" and "mirror": the SDK turns attributes named like inputs into Outputs
        self.label, self.board_architecture, self.mirror_url = name, architecture, mirror
        self.key_file, self.fingerprint = key_file, fingerprint
        inputs = {
            "channel": channel,
            "version": version,
            "architecture": architecture,
            "mirror": mirror,
            "upgrade": upgrade or None,
        }
        super().__init__(releases.TOKEN, releases.ReleaseState, name, inputs, opts)

    @property
    def flatcar_version(self) -> pulumi.Output[str]:
        """The version that was resolved."""
        return self.output("resolvedVersion")

    @property
    def release_date(self) -> pulumi.Output[str]:
        """When it was published, as the feed says."""
        return self.output("releaseDate")

    @property
    def software(self) -> pulumi.Output[dict[str, str]]:
        """The versions of ``ignition``, ``kernel``, ``containerd``, ``docker`` and ``systemd`` in it."""
        return pulumi.Output.all(**{name: self.output(name) for name in _SOFTWARE})

    @property
    def artifacts(self) -> pulumi.Output[dict[str, str]]:
        """Its image file for each platform (``libvirt``, ``metal``, …), by the server's own list."""
        return self.output("imageFiles")

    def file_name(self, platform: str) -> pulumi.Output[str]:
        """Its image file for one platform.

        Args:
            platform: ``libvirt`` (or ``qemu``), ``metal``, ``vmware``, …

        Raises:
            ImageError: no such platform, or, once the release is known, no image of it for that one.
        """
        name = canonical_platform(platform)
        return self.artifacts.apply(lambda files: _file_of(files, name, self.label))

    @property
    def max_ignition_spec(self) -> pulumi.Output[str]:
        """The newest Ignition spec it reads."""
        return self.output("maxIgnitionSpec")

    @property
    def facts(self) -> dict[str, pulumi.Input[str]]:
        """What a config is checked against: version, Ignition and architecture."""
        return {
            "version": self.flatcar_version,
            "ignition": self.output("ignition"),
            "architecture": self.board_architecture,
        }


def _file_of(files: dict[str, str] | None, platform: str, label: str) -> str:
    found = (files or {}).get(platform)
    if not found:
        raise ImageError(
            f"release {label}",
            f"has no image for {platform}",
            f"it has images for: {', '.join(sorted(files or {})) or 'no platform that is known'}",
        )
    return found


@dataclass(frozen=True)
class Image(Arguments):
    """An own image, wherever a release could stand.

    Args:
        name: the resource's name.
        path: a file on this machine.
        url: or a URL.
        sha512: its digest, 128 hex digits; needed for an unsigned image.
        unsigned: it has no signature.
        version: the Flatcar version in it, as far as it is known.
        ignition: the version of Ignition in it, ``"2.24.0"``.
        format: refuse it unless it is of this format.
        key_file: the public key it is signed with, on this machine.
        fingerprint: that key's primary fingerprint.
        platform: what the image was made for (``libvirt``, ``metal``, …): it reads its config from there. Where left
            out, a name of the publisher's tells (``flatcar_production_image.bin`` is for metal).
        mirror: where the publisher's key is read from, for an image that the publisher signed.

    Raises:
        ConfigError: neither or both of path and url, or no version of Ignition.
        ImageError: the file is missing, of another format, or has another digest.
    """

    name: str
    path: str | os.PathLike[str] | None = None
    url: str | None = None
    sha512: str | None = None
    unsigned: bool = False
    version: str = "own"
    ignition: str = ""
    format: Literal["qcow2", "raw"] | None = None
    key_file: str | None = None
    fingerprint: str | None = None
    platform: str | None = None
    mirror: str | None = None

    def __post_init__(self) -> None:
        what = f"image {self.name}"
        if self.platform is not None:
            canonical_platform(self.platform)
        if (self.path is None) == (self.url is None):
            raise ConfigError(what, "it needs either path or url", "give one of the two", path="path")
        if self.unsigned and not self.sha512:
            raise ConfigError(
                what,
                "it is unsigned and has no sha512, so nothing could tell it from another file",
                "give sha512= (run `sha512sum FILE`)",
                path="sha512",
            )
        if self.sha512 is not None and not _SHA512.fullmatch(self.sha512.strip()):
            raise ConfigError(
                what, "its sha512 is no digest", "give the 128 hex digits that `sha512sum FILE` prints", path="sha512"
            )
        if not self.ignition:
            raise ConfigError(
                what,
                "it does not say which Ignition is in it, so no config could be checked against it",
                'give ignition=, e.g. "2.24.0" (Flatcar\'s release notes name it)',
                path="ignition",
            )
        if not _IGNITION.fullmatch(self.ignition):
            raise ConfigError(
                what, f"{self.ignition!r} is no version of Ignition", 'write it like "2.24.0"', path="ignition"
            )
        if not _VERSION.fullmatch(self.version):
            raise ConfigError(
                what,
                f"its version {self.version!r} cannot be part of a file's name",
                "use letters, digits, dots and inner hyphens, like 4593.2.5",
                path="version",
            )
        if self.path is not None:
            self._look(Path(self.path), what)

    def _look(self, path: Path, what: str) -> None:
        """Judge a local file at the user's own line, before anything exists."""
        if not path.is_file():
            raise ImageError(what, f"there is no file {path}", "check the path", path="path")
        header = read_header(path)
        found = detect_format(header)
        check_declared(self.format, found, path.name)
        if self.sha512 is not None:
            from flatprov.images.store import Store

            digest = Store().digests.sha512(path)
            if digest != self.sha512.strip().lower():
                raise ImageError(
                    what,
                    f"{path.name} has sha512 {digest[:16]}… and {self.sha512[:16]}… was given",
                    "check which file is meant, and its digest with `sha512sum FILE`",
                    path="sha512",
                )

    @property
    def source(self) -> str:
        """Path, absolute, or URL."""
        return self.url or str(Path(os.fspath(self.path or "")).resolve())

    @property
    def virtual_bytes(self) -> int:
        """Size of the guest's disk; 0 where it is known only after a download or unpacking."""
        if self.path is None:
            return 0
        path = Path(self.path)
        header = read_header(path)
        found = detect_format(header)
        return virtual_size(path, found, header) if found in ("qcow2", "raw") else 0

    @property
    def facts(self) -> dict[str, pulumi.Input[str]]:
        """What a config is checked against: version, Ignition and architecture."""
        return {"version": self.version, "ignition": self.ignition, "architecture": "amd64"}


def require_platform(image: Image | Release, platform: str, what: str) -> None:
    """Refuse an own image that was made for another platform: it would look for its config in another place.

    Args:
        image: what nodes run; a release always has its own file for each platform.
        platform: where they run.
        what: the pool, for the message.

    Raises:
        ImageError: both platforms are named.
    """
    if not isinstance(image, Image):
        return
    made_for = canonical_platform(image.platform) if image.platform else platform_of(image.source.partition("?")[0])
    if made_for and made_for != canonical_platform(platform):
        raise ImageError(
            what,
            f"image {image.name} is made for {made_for} and the nodes are on {platform}: "
            f"it would look for its config where {made_for} has it",
            f'take the image for {platform}, or say platform="{platform}" if the file is named wrongly',
            path="image",
        )


def flatcar_version(image: Image | Release) -> pulumi.Input[str]:
    """The version in an image."""
    return image.version if isinstance(image, Image) else image.flatcar_version
