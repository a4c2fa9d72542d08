"""The user's own networkd files: those that would take pods' links away from the pod network."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from flatprov.errors import ConfigError
from flatprov.ignition import dataurl

_LINKS = ("veth1a2b3c4d", "cni0", "flannel.1", "cilium_host", "lxc1a2b3c", "cali1a2b3c")
_FOLDER = "/etc/systemd/network/"


def check_networkd_files(config: dict[str, Any], subject: str) -> None:
    """Refuse a ``.network`` file that matches the links of pods: they would have addresses and no traffic.

    Args:
        config: the user's Ignition config, rendered.
        subject: the pool.

    Raises:
        ConfigError: one does; its path is named.
    """
    for file in (config.get("storage") or {}).get("files") or ():
        path, contents = str(file.get("path")), file.get("contents") or {}
        if (
            not path.startswith(_FOLDER)
            or not path.endswith(".network")
            or not dataurl.is_inline(contents.get("source"))
        ):
            continue
        text = dataurl.decode(contents["source"], contents.get("compression")).decode("utf-8", "replace")
        if takes_pod_links(text):
            raise ConfigError(
                subject,
                f"{path} matches the links of pods (veth*, cni*): networkd would take them out of the pod network",
                "match the machine's own links by MACAddress= or Name=en* eth*",
                path=f"ignition.storage.files[{path}]",
            )


def takes_pod_links(text: str) -> bool:
    """Tell whether a .network file matches links of pods and manages them."""
    matches: list[tuple[str, str]] = []
    section = ""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            section = stripped
        elif "=" in stripped and not stripped.startswith(("#", ";")):
            key, _, value = (part.strip() for part in stripped.partition("="))
            if section == "[Link]" and key == "Unmanaged" and value.lower() in ("yes", "true", "1", "on"):
                return False
            if section == "[Match]":
                matches.append((key, value))
    names = [pattern for key, value in matches if key in ("Name", "OriginalName") for pattern in value.split()]
    others = [key for key, _ in matches if key not in ("Name", "OriginalName", "Architecture", "Host", "KernelVersion")]
    if others:
        return False  # a MAC address, driver, path or type tells them apart: not to be judged from here
    if not names:
        return True
    if any(pattern.startswith("!") for pattern in names):
        kept = [pattern.lstrip("!") for pattern in names]
        return any(not any(fnmatchcase(link, pattern) for pattern in kept) for link in _LINKS)
    return any(fnmatchcase(link, pattern) for link in _LINKS for pattern in names)
