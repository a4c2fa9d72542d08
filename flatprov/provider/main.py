"""Entry point of ``pulumi-resource-flatprov``: the process that the engine starts.

The engine passes its address as the last word and reads the port from the first line of standard output; nothing else
may be printed there. This module is imported before anything heavy, and by nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from flatprov.provider import protocol

if TYPE_CHECKING:
    from flatprov.provider.server import Servicer

#: Every resource of the plugin: token -> module:Class. Modules load when their first resource arrives.
RESOURCES = {
    "flatprov:index:Release": "flatprov.provider.releases:ReleaseResource",
    "flatprov:libvirt:Network": "flatprov.platforms.libvirt.networks:NetworkResource",
    "flatprov:libvirt:Image": "flatprov.platforms.libvirt.images:ImageResource",
    "flatprov:libvirt:Node": "flatprov.platforms.libvirt.nodes:NodeResource",
}
_GRACE_SECONDS = 8.0  # what running operations get to record their partial state once the engine is gone


def main() -> None:
    """Serve until the engine ends."""
    with contextlib.suppress(KeyboardInterrupt):  # a signal during the start as well
        _main()
    # worker threads may still sit in a call of a platform that answers nobody: the engine has what it needs
    os._exit(0)


def _main() -> None:
    protocol.prepare()
    from flatprov import __version__
    from flatprov.provider.engine import Engine
    from flatprov.provider.registry import Registry
    from flatprov.provider.server import Servicer

    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    servicer = Servicer(Registry(RESOURCES), __version__, Engine(words[-1]) if words else None)
    asyncio.run(_serve(servicer))


async def _serve(servicer: Servicer) -> None:
    import grpc
    from pulumi.runtime import proto as pb

    from flatprov.provider.engine import CHANNEL_OPTIONS, watch

    server = grpc.aio.server(options=CHANNEL_OPTIONS)
    pb.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    os.dup2(2, 1)  # whatever prints later, a library of C included, cannot disturb the protocol
    sys.stdout = sys.stderr

    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def end() -> None:
        servicer.cancelled.set()
        stop.set()

    def engine_gone() -> None:
        servicer.cancelled.set()
        threading.Timer(_GRACE_SECONDS, os._exit, (1,)).start()
        loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    if servicer.engine is not None:
        watch(servicer.is_engine_alive, engine_gone)
    await stop.wait()
    await server.stop(_GRACE_SECONDS)


if __name__ == "__main__":
    main()
