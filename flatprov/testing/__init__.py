"""Public fakes for users' own tests: flatprov's resources run against them without a hypervisor.

::

    from flatprov.testing import FakeLibvirt, operation

    with FakeLibvirt("qemu:///system") as host:
        made = NodeResource().create(operation(), inputs)
        assert host.machines() == {"web-0"}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flatprov.testing.fake_libvirt import FakeLibvirt
    from flatprov.testing.faults import Killed
    from flatprov.testing.operations import FakeOperation, operation
    from flatprov.testing.reports import boot_report

__all__ = ["FakeLibvirt", "FakeOperation", "Killed", "boot_report", "operation"]

_PLACES = {
    "FakeLibvirt": "fake_libvirt",
    "FakeOperation": "operations",
    "Killed": "faults",
    "boot_report": "reports",
    "operation": "operations",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        import importlib

        return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
