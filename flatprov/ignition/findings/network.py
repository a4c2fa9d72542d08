"""Whether the first boot can fetch: the network of the initramfs is not the one that the config describes.

Ignition runs before any of its files exist. The network it fetches over comes from DHCP or from kernel arguments that
the machine has at its first start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

from flatprov.ignition.findings.codes import Path, entry
from flatprov.ignition.findings.view import View, inner
from flatprov.ignition.report import Entry

#: Kernel arguments of dracut that set up a network.
_ARGUMENT: Final = re.compile(r"(?:ip|bond|team|vlan|bridge|rd\.route|ifname)=")
_SLOW_ARGUMENT: Final = re.compile(
    r"(?:bond|team|vlan)=|ip=\S*(?:bond|vlan|team)|ip=(?:\S*:)?[a-z][\w-]*\.[0-9]{1,4}(?::|\Z)"
)
_NETDEV: Final = re.compile(rb"^\s*Kind\s*=\s*(bond|vlan|team)\s*$", re.M)
_DHCP: Final = re.compile(rb"^\s*DHCP\s*=\s*(?:yes|true|on|1|ipv4|ipv6)\b", re.M | re.I)
_STATIC: Final = re.compile(rb"^\s*Gateway\s*=", re.M)
_CLOUDS: Final = frozenset({"aws", "azure", "gcp"})  # a network with DHCP is part of every machine
_EXTENSIONS: Final = "/etc/flatcar/enabled-sysext.conf"
_PODS: Final = ("veth0", "veth1a2b3c4d", "cali1a2b3c4d5e6", "lxc1a2b3c4d5e6", "cni0", "flannel.1", "cilium_host")
_KUBERNETES: Final = re.compile(r"^(?:kubelet|kubeadm|k3s|k3s-agent|rke2-server|rke2-agent|k0s\w*|containerd-k8s)\b")


def find(view: View) -> Iterator[Entry]:
    """Find fetches that the network comes too late for, and network files that catch too much."""
    yield from _catches(view)
    places = _fetches(view)
    if not places:
        return
    first = places[0]
    more = f" ({len(places)} sources)" if len(places) > 1 else ""
    message = f"the first boot depends on what is fetched here{more}: it waits, or fails, while that cannot be reached"
    yield entry("needs-network", first, message, "make sure that the machine reaches it when it first starts")
    own, slow = _own_network(view), _slow_link(view)
    given = any(_ARGUMENT.match(one) for one in view.target.boot_arguments)
    if own and not given and view.target.platform not in _CLOUDS:
        message = f"this is fetched before the network that the config sets up at {_shown(own)} exists"
        fix = (
            "give the network by the platform's settings or the image's kernel arguments, put the contents inline, "
            "or silence this where DHCP serves the machine as well"
        )
        yield entry("network-after-fetch", first, message, fix)
    limits = inner(view.ignition, "timeouts")
    if slow is not None and not limits.get("httpTotal") and not limits.get("httpResponseHeaders"):
        where = "at the machine's own kernel arguments" if slow == () else "here"
        message = f"a bond, team or VLAN is set up {where}, and what is fetched has the default time limits"
        fix = "set ignition.timeouts to more than the link needs to come up: bonds with LACP take over a minute"
        yield entry("slow-link", slow or first, message, fix)


def _fetches(view: View) -> list[Path]:
    """Name everything that needs the network at first boot."""
    found: list[Path] = [(*one.path, "source") for one in view.remote]
    for path, data in view.luks:
        clevis = inner(data, "clevis")
        if clevis.get("tang") or inner(clevis, "custom").get("needsNetwork"):
            found.append((*path, "clevis"))
    text = view.text_of(_EXTENSIONS) or ""
    if any(line.strip()[:1] not in ("", "#", "-") for line in text.splitlines()):
        found.append(("storage", "files", view.files_by_path[_EXTENSIONS]))
    return found


def _own_network(view: View) -> Path | None:
    for path, argument in view.arguments:
        if _ARGUMENT.match(argument) and not re.match(r"ip=(?:[\w.-]+:)?(?:dhcp6?|on|any|auto6?)\Z", argument):
            return path
    networks = [one for one in _network_files(view) if not one[1].endswith(".link")]
    dhcp = any(_DHCP.search(data) for _, name, data in networks if name.endswith(".network"))
    for path, name, data in networks:
        if name.endswith(".netdev") and _NETDEV.search(data) and not dhcp:
            return path
        if name.endswith(".network") and _STATIC.search(data) and not dhcp:
            return path
    return None


def _slow_link(view: View) -> Path | None:
    if any(_SLOW_ARGUMENT.match(one) for one in view.target.boot_arguments):
        return ()
    for path, argument in view.arguments:
        if _SLOW_ARGUMENT.match(argument):
            return path
    for path, name, data in _network_files(view):
        if name.endswith(".netdev") and _NETDEV.search(data):
            return path
    return None


def _network_files(view: View) -> list[tuple[Path, str, bytes]]:
    found = []
    for (path, data), source in zip(view.files, view.contents, strict=True):
        name = data.get("path")
        if source is not None and isinstance(name, str) and name.startswith("/etc/systemd/network/"):
            content = source.content(view)
            if content:
                found.append((path, name, content))
    return found


def _catches(view: View) -> Iterator[Entry]:
    files = [one for one in _network_files(view) if one[1].endswith(".network")]
    if not files or not _is_kubernetes(view):
        return
    for path, _, data in files:
        match = _section(data.decode("utf-8", "replace"))
        caught = _caught(match) if match is not None else ""
        if caught:
            message = (
                f"it matches interfaces such as {caught}: networkd takes the pods' interfaces from the network plugin"
            )
            fix = "match the machine's own interfaces by Name= or MACAddress=, or add Type=ether and Kind=!*"
            yield entry("network-catches-pods", (*path, "path"), message, fix)


def _section(text: str) -> dict[str, str] | None:
    """Give the settings of [Match]; None where the file leaves what it matches alone."""
    found: dict[str, str] = {}
    section, managed = "", True
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line
        elif "=" in line and line[0] not in "#;":
            name, _, value = (part.strip() for part in line.partition("="))
            if section == "[Match]":
                found[name] = f"{found.get(name, '')} {value}".strip()
            elif name == "Unmanaged" and value.lower() in ("yes", "true", "on", "1"):
                managed = False
    return found if managed else None


def _caught(match: dict[str, str]) -> str:
    if any(match.get(name) for name in ("MACAddress", "PermanentMACAddress", "Path", "Driver", "Property")):
        return ""
    if match.get("Kind", "").startswith("!*"):
        return ""
    names = match.get("Name", "").split()
    inverted = bool(names) and names[0].startswith("!")
    patterns = [names[0][1:], *names[1:]] if inverted else names
    for interface in _PODS:
        hit = any(fnmatchcase(interface, pattern) for pattern in patterns)
        if (not names) or hit != inverted:
            return interface
    return ""


def _is_kubernetes(view: View) -> bool:
    names = (one.text("name") for one in view.units)
    return any(_KUBERNETES.match(name) for name in names) or any(
        path.startswith(
            ("/etc/kubernetes/", "/etc/rancher/", "/etc/extensions/kubernetes", "/opt/extensions/kubernetes")
        )
        for path in view.paths
    )


def _shown(path: Path) -> str:
    return ".".join(["$", *map(str, path)])
