"""Public fakes for users' own tests: flatprov's resources run against them without a hypervisor or a network.

::

    from flatprov.testing import FakeLibvirt, operation

    with FakeLibvirt("qemu:///system") as host:
        made = NodeResource().create(operation(), inputs)
        assert host.machines() == {"web-0"}

`ReleaseServer` publishes signed releases on 127.0.0.1 and misbehaves on request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flatprov.testing.fake_libvirt import FakeLibvirt
    from flatprov.testing.faults import Killed
    from flatprov.testing.operations import FakeOperation, operation
    from flatprov.testing.release_server import ReleaseServer
    from flatprov.testing.reports import boot_report
    from flatprov.testing.serving import Served
    from flatprov.testing.signing import Signer, SigningKey

__all__ = [
    "FakeLibvirt",
    "FakeOperation",
    "Killed",
    "ReleaseServer",
    "Served",
    "Signer",
    "SigningKey",
    "boot_report",
    "operation",
]

_PLACES = {
    "FakeLibvirt": "fake_libvirt",
    "FakeOperation": "operations",
    "Killed": "faults",
    "ReleaseServer": "release_server",
    "Served": "serving",
    "Signer": "signing",
    "SigningKey": "signing",
    "boot_report": "reports",
    "operation": "operations",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        import importlib

        return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
