"""The plugin's line to the engine: log lines, status lines, and whether the engine is still there."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable

import grpc
from pulumi.runtime import proto as pb

from flatprov.provider.context import Severity

#: Pulumi's own limit for messages between engine and plugins (sdk/python/lib/pulumi/runtime/_grpc_settings.py).
CHANNEL_OPTIONS = [("grpc.max_receive_message_length", 400 << 20), ("grpc.max_send_message_length", 400 << 20)]
_SEVERITIES = {"debug": pb.DEBUG, "info": pb.INFO, "warning": pb.WARNING, "error": pb.ERROR}
_LOG_TIMEOUT_SECONDS = 5.0


class Engine:
    """A connection to the engine at ``host:port``."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._channel = grpc.insecure_channel(address, CHANNEL_OPTIONS)
        self._stub = pb.EngineStub(self._channel)

    def log(self, severity: Severity, urn: str, text: str, ephemeral: bool = False) -> None:
        """Send a line. A lost line must not fail the operation that sent it."""
        request = pb.LogRequest(severity=_SEVERITIES[severity], urn=urn, message=text, ephemeral=ephemeral)
        try:
            self._stub.Log(request, timeout=_LOG_TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            logging.getLogger(__name__).debug("the engine took no log line: %s", error.code())

    def is_alive(self) -> bool:
        """Whether something still listens where the engine was."""
        host, _, port = self.address.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=5):
                return True
        except ConnectionRefusedError:
            return False
        except (OSError, ValueError):  # busy or odd: not a proof that it is gone
            return True


def watch(is_alive: Callable[[], bool], on_gone: Callable[[], None], every_seconds: float = 1.0) -> threading.Thread:
    """Call ``on_gone`` once when the engine has vanished (killed, say), so that no plugin stays behind."""
    parent = os.getppid()

    def look() -> None:
        pause = threading.Event()
        while not pause.wait(every_seconds):
            if os.getppid() != parent or not is_alive():
                on_gone()
                return

    thread = threading.Thread(target=look, name="watchdog", daemon=True)
    thread.start()
    return thread
