"""Tell what a text is that was given to the wrong loader, so that the error can say what to do with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from flatprov.errors import ConfigError

_TOP_KEY: Final = re.compile(r"^([A-Za-z_]+):(?:\s|$)", re.M)
#: Sections of a Container Linux Config that neither Butane nor Ignition 3 has, and what does their work today.
OLD_SECTIONS: Final = {
    "etcd": "a drop-in for etcd-member.service",
    "update": "a file /etc/flatcar/update.conf, or updates= of the pool",
    "locksmith": "a file /etc/flatcar/update.conf, or updates= of the pool",
    "flannel": "a drop-in for flanneld.service",
    "docker": "a drop-in for docker.service, or a file /etc/docker/daemon.json",
    "networkd": "files below /etc/systemd/network",
}
#: Sections that Butane and a Container Linux Config have in common.
OTHER_SECTIONS: Final = ("passwd", "storage", "systemd", "ignition")


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
    foreign = _foreign(text)
    if foreign:
        kind, fix = foreign
        return ConfigError("config", f"is {kind}, not Ignition", fix)
    return _yaml(text)


def explain_butane(config: str | bytes) -> tuple[str, str] | None:
    """Give what is wrong with a text that is clearly something else than Butane YAML, and what to do; or None."""
    if isinstance(config, bytes) and config.startswith(b"\x1f\x8b"):
        return "this is compressed with gzip", "decompress it first"
    head = config[:4096]
    text = (head.decode(errors="replace") if isinstance(head, bytes) else head).lstrip("\ufeff").lstrip()
    foreign = _foreign(text)
    if foreign:
        kind, fix = foreign
        return f"this is {kind}, not Butane YAML", fix
    if text.startswith("{") and re.match(r'\{\s*"ignition"\s*:\s*\{\s*"', text):
        return "this is Ignition JSON, not Butane YAML", "load it with Ignition.from_json"
    return None


def old_sections(names: Sequence[str]) -> tuple[str, str]:
    """Say what a config with these sections is, and what does their work today."""
    fix = "; ".join(f"instead of {name} use {OLD_SECTIONS[name]}" for name in names)
    return f"is a Container Linux Config (section {', '.join(names)}), which is retired", fix


def _foreign(text: str) -> tuple[str, str] | None:
    """Say what a text is that no loader reads, and what to do, or None."""
    first = text.split("\n", 1)[0].strip()
    if re.match(r"#cloud-config\b", first):
        return "a cloud-config", "write its users, files and units as a Butane or Ignition config"
    if first.startswith("#!"):
        return "a script", "put the script into a file and start it from a unit"
    if first.lower().startswith(("content-type: multipart", "mime-version:")):
        return "a MIME multi-part document for cloud-init", "write a Butane or Ignition config"
    return None


def _yaml(text: str) -> ConfigError | None:
    sections = set(_TOP_KEY.findall(text))
    if "variant" in sections:
        return ConfigError("config", "is Butane YAML, not Ignition JSON", "load it with Ignition.from_butane")
    old = [name for name in OLD_SECTIONS if name in sections]
    if old:
        return ConfigError("config", *old_sections(old))
    if sections & set(OTHER_SECTIONS):
        fix = (
            "if it is Butane, add 'variant: flatcar' and 'version: 1.1.0' and load it with Ignition.from_butane; "
            "a Container Linux Config has to be rewritten as Butane"
        )
        return ConfigError("config", "is YAML, of Butane without its variant or of a Container Linux Config", fix)
    return None
