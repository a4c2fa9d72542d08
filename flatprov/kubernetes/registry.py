"""Where containerd gets images from, where that is not the public registries."""

from __future__ import annotations

import json
import re
from typing import Any

from flatprov.errors import ConfigError
from flatprov.kubernetes import fragments

_URL = re.compile(r"https?://[A-Za-z0-9.\[\]:_-]+(?:/[A-Za-z0-9._/-]*)?\Z")
_CONFIG = "/etc/containerd/config.toml"
_HOSTS = "/etc/containerd/certs.d"


def check_mirror(mirror: str, subject: str) -> None:
    """Judge the URL of a registry mirror.

    Raises:
        ConfigError: it is none.
    """
    if mirror and not _URL.match(mirror):
        raise ConfigError(
            subject,
            "kubernetes.image_mirror is no URL",
            "write it like http://10.17.3.1:5000",
            path="kubernetes.image_mirror",
        )


def mirror_fragment(mirror: str) -> dict[str, Any]:
    """Make containerd ask a mirror first, for every registry.

    containerd's own default names two folders joined by a colon, which its CRI part does not search: so one is named.
    """
    settings = (
        "version = 3\n"
        'imports = ["/usr/share/containerd/config.toml"]\n'
        '[plugins."io.containerd.cri.v1.images".registry]\n'
        f"config_path = {json.dumps(_HOSTS)}\n"
    )
    hosts = f'[host.{json.dumps(mirror.rstrip("/"))}]\n  capabilities = ["pull", "resolve"]\n'
    drop_in = f"[Service]\nEnvironment=CONTAINERD_CONFIG={_CONFIG}\n"
    return fragments.config(
        files=[fragments.file(_CONFIG, settings), fragments.file(f"{_HOSTS}/_default/hosts.toml", hosts)],
        units=[fragments.drop_in("containerd.service", "10-flatprov-registry.conf", drop_in)],
    )
