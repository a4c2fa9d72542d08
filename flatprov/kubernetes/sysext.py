"""The Kubernetes programs: a system extension of Flatcar's community, pinned by digest."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from typing import Any, Final

from flatprov.arguments import Arguments
from flatprov.errors import ConfigError
from flatprov.kubernetes import fragments
from flatprov.kubernetes.texts import render_text
from flatprov.kubernetes.versions import KubernetesVersion

SERVER: Final = "https://extensions.flatcar.org/extensions"
ARCHITECTURES: Final = {"amd64": "x86-64", "arm64": "arm64"}
_DIGEST = re.compile(r"sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{128})\Z")
_URL = re.compile(r"https?://[^\s\"'`$\\]+\Z")


@dataclass(frozen=True)
class Extension(Arguments):
    """Where the extension comes from.

    Args:
        digest: ``sha256-HEX`` or ``sha512-HEX`` of the image; the publisher lists sha256 in SHA256SUMS.
        server: in place of the publisher's, a mirror with the same file names.
        patches: newer patch versions are fetched on the machine (by systemd-sysupdate, which checks no signature
            there) and take effect at a reboot, which somebody else has to coordinate (kured).

    Raises:
        ConfigError: the digest or the server's URL is malformed.
    """

    digest: str
    _: KW_ONLY
    server: str = SERVER
    patches: bool = False

    def __post_init__(self) -> None:
        if not _DIGEST.match(self.digest):
            raise ConfigError(
                "Kubernetes extension",
                "its digest is malformed",
                "write sha256- and the 64 hex digits from SHA256SUMS of the release",
                path="kubernetes.extension.digest",
            )
        if not _URL.match(self.server):
            raise ConfigError(
                "Kubernetes extension",
                "its server is no URL",
                "give http:// or https://",
                path="kubernetes.extension.server",
            )


def extension_fragment(extension: Extension, version: KubernetesVersion, architecture: str) -> dict[str, Any]:
    """The files and units that bring the programs.

    Args:
        extension: where from.
        version: the cluster's version: kubeadm of another one refuses it.
        architecture: ``amd64`` or ``arm64``.

    Raises:
        ConfigError: no such architecture.
    """
    if architecture not in ARCHITECTURES:
        raise ConfigError(
            "Kubernetes extension",
            "it is not built for this architecture",
            f"take {' or '.join(ARCHITECTURES)}",
            path="image",
        )
    server = extension.server.rstrip("/")
    name = f"kubernetes-{version}-{ARCHITECTURES[architecture]}.raw"
    path = f"/opt/extensions/kubernetes/{name}"
    files = [fragments.remote_file(path, f"{server}/{name}", extension.digest)]
    links = [fragments.link("/etc/extensions/kubernetes.raw", path)]
    units: list[dict[str, Any]] = []
    if extension.patches:
        minor = f"v{version.major}.{version.minor}"
        transfer = render_text("sysupdate.conf", server=f"{server}/kubernetes/", minor=minor)
        files += [
            fragments.file(f"/etc/sysupdate.kubernetes.d/kubernetes-{minor}.conf", transfer),
            # the service's own run, without a component, fails where nothing at all is defined
            fragments.file("/etc/sysupdate.d/noop.conf", render_text("sysupdate-nothing.conf")),
        ]
        units = [
            fragments.unit("systemd-sysupdate.timer", enabled=True),
            fragments.drop_in(
                "systemd-sysupdate.service", "10-flatprov-kubernetes.conf", render_text("sysupdate-dropin.conf")
            ),
            {"name": "locksmithd.service", "mask": True},
        ]
    return fragments.config(files=files, links=links, units=units)
