"""Tell what a text is that is no Ignition JSON, so that the error can say what to do with it."""

from __future__ import annotations

import re
from typing import Final

from flatprov.errors import ConfigError

_TOP_KEY: Final = re.compile(r"^([A-Za-z_]+):(?:\s|$)", re.M)
#: Sections of a Container Linux Config that Ignition 3 does not have, and what does their work today.
_OLD_SECTIONS: Final = {
    "etcd": "a drop-in for etcd-member.service",
    "update": "a file /etc/flatcar/update.conf, or updates= of the pool",
    "locksmith": "a file /etc/flatcar/update.conf, or updates= of the pool",
    "flannel": "a drop-in for flanneld.service",
    "docker": "a drop-in for docker.service, or a file /etc/docker/daemon.json",
    "networkd": "files below /etc/systemd/network",
}
_OTHER_SECTIONS: Final = ("passwd", "storage", "systemd", "ignition")


def explain(config: str | bytes) -> ConfigError | None:
    """Give the error for a text that is clearly something else than JSON, or None."""
    if isinstance(config, bytes):
        if config.startswith(b"\x1f\x8b"):
            return ConfigError("config", "is compressed with gzip", "decompress it first")
        return None
    text = config.lstrip("\ufeff").lstrip()
    if not text:
        return ConfigError("config", "is empty", 'the smallest config is {"ignition":{"version":"3.3.0"}}')
    if config.startswith("\ufeff"):
        return ConfigError(
            "config", "begins with a byte order mark, which Ignition does not read", "save it without one"
        )
    if text.startswith(("{", "[")):
        return None
    first = text.splitlines()[0].strip()
    if first == "#cloud-config":
        fix = "write its users, files and units as an Ignition config"
        return ConfigError("config", "is a cloud-config, not Ignition", fix)
    if first.startswith("#!"):
        fix = "put the script into a file and start it from a unit"
        return ConfigError("config", "is a script, not Ignition", fix)
    if first.lower().startswith(("content-type: multipart", "mime-version:")):
        return ConfigError(
            "config", "is a MIME multi-part document for cloud-init, not Ignition", "write an Ignition config"
        )
    return _yaml(text)


def _yaml(text: str) -> ConfigError | None:
    sections = set(_TOP_KEY.findall(text))
    if "variant" in sections:
        return ConfigError(
            "config", "is Butane YAML, not Ignition JSON", "translate it first: butane FILE > config.json"
        )
    old = [name for name in _OLD_SECTIONS if name in sections]
    if old:
        fix = "; ".join(f"instead of {name} use {_OLD_SECTIONS[name]}" for name in old)
        return ConfigError("config", f"is a Container Linux Config (section {', '.join(old)}), which is retired", fix)
    if sections & set(_OTHER_SECTIONS):
        fix = "if it is Butane, add 'variant: flatcar' and 'version: 1.1.0' and translate it: butane FILE > config.json"
        return ConfigError("config", "is YAML, of Butane without its variant or of a Container Linux Config", fix)
    return None
