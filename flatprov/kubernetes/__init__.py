"""Kubernetes on Flatcar: settings, secrets and node roles as Ignition. Pure: no I/O, and Pulumi is not needed.

Names load when first used: only what makes certificates needs the package cryptography.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flatprov.kubernetes.audit import AuditPolicy
    from flatprov.kubernetes.endpoints import LoadBalancer, VirtualIP
    from flatprov.kubernetes.names import Taint
    from flatprov.kubernetes.networks import Calico, Cilium, Flannel, Manifest
    from flatprov.kubernetes.settings import ControlPlane, Kubernetes, Pool
    from flatprov.kubernetes.sysext import Extension

_PLACES = {
    "AuditPolicy": "audit",
    **dict.fromkeys(("LoadBalancer", "VirtualIP"), "endpoints"),
    "Taint": "names",
    **dict.fromkeys(("Calico", "Cilium", "Flannel", "Manifest"), "networks"),
    **dict.fromkeys(("ControlPlane", "Kubernetes", "Pool"), "settings"),
    "Extension": "sysext",
}

__all__ = [
    "AuditPolicy",
    "Calico",
    "Cilium",
    "ControlPlane",
    "Extension",
    "Flannel",
    "Kubernetes",
    "LoadBalancer",
    "Manifest",
    "Pool",
    "Taint",
    "VirtualIP",
]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
