"""Every code of a finding: its level, what it is in one line, and the page that explains it.

Codes are API: users silence them by name, and pages are found by them. A code is never given another meaning.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final, TypeAlias

from flatprov.errors import ConfigError
from flatprov.ignition.report import Entry, Level

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True)
class Code:
    """One kind of finding.

    Attributes:
        code: the word to silence and to look it up by.
        level: ``error``, ``warning`` or ``info``.
        summary: what it is, in one line.
        page: the page below ``docs/findings`` that explains it, without ``.md``.
    """

    code: str
    level: Level
    summary: str
    page: str


_TABLE: Final[tuple[Code, ...]] = (
    # keys
    Code("unknown-key", "error", "a property that no spec has, or one in the wrong case", "keys"),
    Code("key-too-new", "error", "a property that the config's own spec version does not have yet", "keys"),
    Code("old-key", "error", "a property of a Container Linux Config or of Ignition 2", "keys"),
    Code("butane-key", "error", "a property of Butane YAML in an Ignition config", "keys"),
    # text
    Code("foreign-format", "error", "the text is YAML, cloud-config, a script or something else than JSON", "text"),
    Code("json-comment", "error", "a comment in JSON, which has none", "text"),
    Code("json-syntax", "error", "the text is no well-formed JSON", "text"),
    Code("json-duplicate", "error", "one property stands twice in an object, and only the last counts", "text"),
    # place-holders
    Code("placeholder", "error", "a place-holder that was never filled in", "placeholders"),
    # accounts
    Code("ssh-key", "error", "an SSH key that is no complete OpenSSH public key line", "accounts"),
    Code("password-hash", "warning", "a password hash that is none", "accounts"),
    Code("group-missing", "warning", "a user is put into a group that nothing makes", "accounts"),
    Code("owner-missing", "warning", "a file belongs to a user or group that nothing makes", "accounts"),
    # modes
    Code("mode-decimal", "warning", "a mode that was written in decimal", "modes"),
    Code("mode-owner", "warning", "a mode that lets others do what the owner may not", "modes"),
    Code("directory-mode", "warning", "a directory that can be read and not entered", "modes"),
    # fetching
    Code("remote-without-hash", "warning", "contents are fetched and never verified", "fetching"),
    Code("compression-scheme", "error", "gzip with a source scheme that cannot be decompressed", "fetching"),
    Code("needs-network", "info", "the first boot needs the network", "network"),
    Code("network-after-fetch", "warning", "the first boot fetches, and its network is set up only later", "network"),
    Code("slow-link", "warning", "fetching behind a bond or VLAN with the default time limits", "network"),
    Code("network-catches-pods", "warning", "a network file that also takes over the interfaces of pods", "network"),
    Code("replace-ignores", "warning", "a config that is replaced has parts of its own, which are ignored", "fetching"),
    # inline contents
    Code("inline-gzip", "error", "inline contents are marked as gzip and cannot be decompressed", "inline"),
    Code("inline-hash", "error", "inline contents do not have the hash that is given", "inline"),
    # files
    Code("file-exists", "error", "contents for a path that the release already has, without overwrite", "files"),
    Code("file-may-exist", "warning", "contents for a path that the release may have, without overwrite", "files"),
    Code("os-file", "warning", "a file that the operating system manages itself", "files"),
    Code("volatile-path", "error", "a path below /proc, /sys, /dev, /run or /tmp, where nothing stays", "files"),
    Code("read-only-path", "error", "a path below /usr, which cannot be written", "files"),
    Code("home-parents", "warning", "directories in a user's home that will belong to root", "files"),
    Code("secret-readable", "warning", "a secret that every user of the machine can read", "secrets"),
    # units
    Code("unit-not-found", "warning", "a unit is enabled that nothing brings", "units"),
    Code("dropin-not-found", "warning", "a drop-in for a unit that nothing brings", "units"),
    Code("unit-masked", "warning", "a unit is masked and at the same time enabled or written", "units"),
    Code("unit-without-section", "warning", "text of a unit without a section: systemd reads nothing of it", "units"),
    # updates
    Code("update-engine-masked", "warning", "update-engine is masked: a booted slot is never marked good", "updates"),
    Code("update-policy-half", "warning", "half an update policy", "updates"),
    Code("update-setting", "warning", "a setting in update.conf that means nothing", "updates"),
    # extensions
    Code("extension-version", "warning", "an extension's file name and source name different versions", "extensions"),
    Code("extension-architecture", "error", "an extension for another architecture", "extensions"),
    Code("extension-link", "warning", "a link in /etc/extensions to a file that nothing makes", "extensions"),
    Code("extension-unknown", "error", "a release extension that the release does not have", "extensions"),
    # devices
    Code("label-twice", "warning", "one partition label on two disks", "devices"),
    Code("device-not-made", "warning", "a device or label that must exist already and that nothing makes", "devices"),
    Code("mount-device-not-made", "info", "a mount unit of a label that nothing in the config makes", "devices"),
    Code("second-device", "info", "a device named only in mkfs options, which Ignition does not wait for", "devices"),
    Code("mounted-twice", "warning", "two filesystems at one path", "devices"),
    Code("not-mounted", "info", "a filesystem that no unit mounts after the first boot", "devices"),
    # luks
    Code("tang-advertisement", "warning", "a Tang advertisement that Ignition loses", "encryption"),
    Code("root-locked", "warning", "an encrypted root that nothing unlocks at the second boot", "encryption"),
    # kernel
    Code("kernel-arguments-reboot", "info", "kernel arguments that cost a second boot", "kernel"),
    Code("kernel-argument-libvirt", "warning", "a kernel argument that fights the hypervisor", "kernel"),
    Code("kernel-arguments-pxe", "error", "kernel arguments on a machine that boots from the network", "kernel"),
)  # fmt: skip

#: Every finding by its code.
CODES: Final = MappingProxyType({one.code: one for one in _TABLE})


def entry(code: str, path: Path, message: str, fix: str) -> Entry:
    """Make the entry of a finding; its level is that of its code.

    Args:
        code: a code of the table.
        path: keys and indexes from the root.
        message: what is wrong, without any value of the config but names and paths.
        fix: what to do, without a full stop.
    """
    return Entry(CODES[code].level, path, message, code=code, fix=fix)


def checked(codes: Iterable[str]) -> frozenset[str]:
    """Give the codes to silence after checking that each exists.

    Raises:
        ConfigError: a code that no finding has; the message has the nearest one.
    """
    wanted = [codes] if isinstance(codes, str) else list(codes)
    given: list[object] = [*wanted]  # whatever a program without types hands over
    for one in given:
        if not isinstance(one, str) or one not in CODES:
            near = get_close_matches(str(one)[:60].lower().replace("_", "-"), CODES, n=1)
            fix = f"did you mean {near[0]}?" if near else "docs/findings/index.md lists all codes"
            raise ConfigError("silence", f"there is no finding {str(one)[:60]!r}", fix, path="silence")
    return frozenset(wanted)
