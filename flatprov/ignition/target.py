"""What a config is checked against: the release and the platform that will boot it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Target:
    """The machine that will read the config. What is not known is left empty, and then not checked.

    Plain data: ``flatprov.flatcar`` fills it from the release feed and from its tables of what a release ships.

    Args:
        release: the Flatcar version, for messages: ``4593.2.5``.
        ignition: the version of Ignition in it: ``2.24.0``.
        architecture: ``amd64`` or ``arm64``.
        platform: ``qemu``, ``aws``, ``azure``, ``gcp``, ``vmware``, ``hyperv``, ``metal``, or
            ``pxe`` for metal that boots from the network each time.
        units: every systemd unit the release ships.
        files: every path below ``/etc`` that exists before Ignition writes its first file.
        unverified_files: paths of which this is only inferred.
        users: every user the release has.
        groups: every group the release has.
        release_extensions: the extensions of the release itself, by the names of ``enabled-sysext.conf``.
        extension_units: which units an extension brings, by the extension's name.
        boot_arguments: kernel arguments that the machine has before Ignition runs, from the image or the platform.
    """

    release: str = ""
    ignition: str = ""
    architecture: str = ""
    platform: str = ""
    units: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    unverified_files: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    release_extensions: frozenset[str] = frozenset()
    extension_units: Mapping[str, frozenset[str]] = field(default_factory=dict, hash=False)
    boot_arguments: tuple[str, ...] = ()
