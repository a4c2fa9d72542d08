"""libvirt hosts: ``fp.libvirt.Platform``, ``Host`` and ``Network``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flatprov.platforms.libvirt.platform import Host, Network, Platform

__all__ = ["Host", "Network", "Platform"]


def __getattr__(name: str) -> Any:
    # late: the plugin imports this package too, and must not load the Pulumi SDK
    if name in __all__:
        from flatprov.platforms.libvirt import platform

        return getattr(platform, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
