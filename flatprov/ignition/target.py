"""What a config is checked against: the release and the platform that will boot it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Target:
    """The machine that will read the config. What is not known is left empty, and then not checked.

    Plain data: ``flatprov.flatcar`` fills it from the release feed and from its tables of what a release ships.

    Args:
        release: the Flatcar version, for messages: ``4593.2.5``.
        ignition: the version of Ignition in it: ``2.24.0``.
        architecture: ``amd64`` or ``arm64``.
        platform: ``qemu``, ``aws``, ``azure``, ``gcp``, ``vmware``, ``hyperv`` or ``metal``.
        units: every systemd unit the release ships.
        files: every path below ``/etc`` that exists before Ignition writes its first file.
    """

    release: str = ""
    ignition: str = ""
    architecture: str = ""
    platform: str = ""
    units: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
