"""How a machine's operating system is updated: the files and units that say so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from flatprov.errors import ConfigError
from flatprov.ignition import dataurl

_PATH = "/etc/flatcar/update.conf"
_SERVER = re.compile(r"https?://[^\s\"'`$\\]+\Z")
_GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_START = re.compile(r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?(?:[01]?[0-9]|2[0-3]):[0-5][0-9]\Z")
_LENGTH = re.compile(r"(?=.)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?\Z")


@dataclass(frozen=True)
class Updates:
    """An update policy; make one with the class methods.

    ``update-engine.service`` runs under each of them: it is what marks a booted slot as good.

    Attributes:
        settings: the lines of ``update.conf``.
        masked: units that must not run.
    """

    settings: tuple[tuple[str, str], ...]
    masked: tuple[str, ...] = ()

    @classmethod
    def immutable(cls) -> Updates:
        """A machine never changes: a new version is a new node. The default for pools."""
        return cls((("SERVER", "disabled"), ("REBOOT_STRATEGY", "off")), ("locksmithd.service",))

    @classmethod
    def disabled(cls) -> Updates:
        """No update is looked for; by hand (``flatcar-update``) one can still be made, and locksmith stays as it is."""
        return cls((("SERVER", "disabled"),))

    @classmethod
    def manual(cls, *, group: str = "", server: str = "") -> Updates:
        """Updates are fetched and staged; whoever runs the machine reboots it.

        Args:
            group: the channel, or a group of an own update server; empty keeps the image's.
            server: an own update server's URL; empty keeps the public one.
        """
        return cls((*_source(group, server), ("REBOOT_STRATEGY", "off")), ("locksmithd.service",))

    @classmethod
    def automatic(
        cls, *, group: str = "", window_start: str = "", window_length: str = "", server: str = ""
    ) -> Updates:
        """The machine updates and reboots on its own.

        Args:
            group: the channel, or a group of an own update server; empty keeps the image's.
            window_start: when reboots may begin: ``14:00`` each day, or ``Thu 23:00``; empty is at any time.
            window_length: for how long: ``1h30m``.
            server: an own update server's URL; empty keeps the public one.

        Raises:
            ConfigError: a value cannot be what it should be; ``path`` names it.
        """
        window: tuple[tuple[str, str], ...] = ()
        if window_start or window_length:
            window = _window(window_start, window_length)
        return cls((*_source(group, server), ("REBOOT_STRATEGY", "reboot"), *window))

    def fragment(self) -> dict[str, Any]:
        """The policy as an Ignition config."""
        text = "".join(f"{key}={value}\n" for key, value in self.settings)
        source, compression = dataurl.encode(text.encode())
        contents = {"source": source, "compression": compression}
        config: dict[str, Any] = {
            "ignition": {"version": "3.3.0"},
            "storage": {"files": [{"path": _PATH, "mode": 0o644, "overwrite": True, "contents": contents}]},
        }
        if self.masked:
            config["systemd"] = {"units": [{"name": name, "mask": True} for name in self.masked]}
        return config


def _source(group: str, server: str) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    if group:
        if not _GROUP.match(group):
            raise ConfigError(
                "updates",
                "is no name of a group",
                "give stable, beta, alpha, lts or your own group's",
                path="updates.group",
            )
        found.append(("GROUP", group))
    if server:
        if not _SERVER.match(server):
            raise ConfigError(
                "updates", "is no URL", "give http:// or https:// and the whole path", path="updates.server"
            )
        found.append(("SERVER", server))
    return tuple(found)


def _window(start: str, length: str) -> tuple[tuple[str, str], ...]:
    if not _START.match(start):
        raise ConfigError(
            "updates",
            "a reboot window needs a start" if not start else "is no start of a reboot window",
            'write "14:00" for each day or "Thu 23:00" for one day of the week (UTC unless the machine says otherwise)',
            path="updates.window_start",
        )
    found = _LENGTH.match(length)
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    total = hours * 3600 + minutes * 60 + seconds
    longest = 7 * 86400 if " " in start else 86400
    if not 0 < total <= longest:
        raise ConfigError(
            "updates",
            "a reboot window needs a length" if not length else "is no length of a reboot window",
            f'write it like "1h30m"; at most {longest // 3600}h for this start',
            path="updates.window_length",
        )
    return (
        ("LOCKSMITHD_REBOOT_WINDOW_START", f'"{start}"' if " " in start else start),
        ("LOCKSMITHD_REBOOT_WINDOW_LENGTH", length),
    )
