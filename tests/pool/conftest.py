from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pulumi
import pytest

from flatprov.platforms.libvirt.settings import IMAGE_TOKEN, NETWORK_TOKEN, NODE_TOKEN


class Recorder(pulumi.runtime.Mocks):
    """What the program registered, and outputs as the plugin would give."""

    def __init__(self) -> None:
        self.seen: list[pulumi.runtime.MockResourceArgs] = []

    def new_resource(self, args):
        self.seen.append(args)
        inputs = dict(args.inputs)
        outputs = {
            NODE_TOKEN: {"nodeAddress": inputs.get("address"), "hostName": "fake", "release": "1.2.3", "ready": True},
            NETWORK_TOKEN: {"network": inputs.get("name"), "gateway": "10.17.3.1", "uuid": "1"},
            IMAGE_TOKEN: {"volume": "base", "path": "/base", "format": "qcow2", "virtualBytes": 5},
            "flatprov:index:Release": {
                "resolvedVersion": "4593.2.5",
                "resolvedChannel": "stable",
                "maxIgnitionSpec": "3.6.0",
                "releaseDate": "2026-08-13 15:48:35 +0000",
                "ignition": "2.24.0",
                "kernel": "6.12.1",
                "imageFiles": {
                    "libvirt": "flatcar_production_qemu_image.img",
                    "metal": "flatcar_production_image.bin.bz2",
                },
            },
        }
        return f"{args.name}-id", {**inputs, **outputs.get(args.typ, {})}

    def call(self, args):
        return {}

    def of(self, token: str) -> dict[str, dict[str, Any]]:
        return {args.name: args.inputs for args in self.seen if args.typ == token}


class Program:
    """Runs programs as Pulumi would, each to its end.

    In a thread of its own, so that nothing of the SDK's nested event loops stays behind in pytest's.
    """

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.parents: dict[str, str] = {}
        self.objects: dict[str, Any] = {}
        self.dependencies: dict[str, dict[str, set[str]]] = {}

    def run(self, body: Callable[[], Any], *, preview: bool = False) -> Any:
        """The value of what the body returns, its Outputs resolved."""
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(self._run, body, preview).result()

    def _run(self, body: Callable[[], Any], preview: bool) -> Any:
        found: list[Any] = []
        loop = asyncio.new_event_loop()  # there before the mocks
        asyncio.set_event_loop(loop)
        try:
            pulumi.runtime.set_mocks(self.recorder, project="proj", stack="dev", preview=preview)
            self._watch(pulumi.runtime.settings.get_monitor())

            @pulumi.runtime.test
            def test():
                return pulumi.Output.from_input(body()).apply(found.append)

            test()
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            loop.close()
        assert len(found) == 1, "an Output of the program was never resolved"
        return found[0]

    def _watch(self, monitor: Any) -> None:
        register = monitor.RegisterResource

        def seen(request: Any) -> Any:
            self.parents[request.name] = request.parent.rpartition("::")[2] if request.parent else ""
            self.objects[request.name] = request.object
            self.dependencies[request.name] = {
                name: {urn.rpartition("::")[2] for urn in found.urns}
                for name, found in request.propertyDependencies.items()
            }
            try:
                return register(request)
            finally:  # the mocks give each worker thread a loop and close none
                with contextlib.suppress(RuntimeError):
                    asyncio.get_event_loop().close()
                    asyncio.set_event_loop(None)

        monitor.RegisterResource = seen


@pytest.fixture
def program() -> Program:
    return Program()
