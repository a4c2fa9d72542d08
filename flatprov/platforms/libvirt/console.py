"""The serial console as a stream of bytes, libvirt's event loop behind it, and the guest agent's file reads."""

from __future__ import annotations

import base64
import contextlib
import json
import queue
import threading
from typing import Any

_READ_BYTES = 65536
_NONBLOCK = 1
_READABLE, _ERROR, _HANGUP = 1, 4, 8
_WOULD_BLOCK = -2
_AGENT_TIMEOUT_SECONDS = 5
_started = threading.Lock()
_running = False


def start_event_loop(libvirt: Any) -> None:
    """Run libvirt's event loop in a thread, once per process and before the first connection."""
    global _running
    with _started:
        if _running:
            return
        libvirt.registerErrorHandler(lambda *_: None, None)  # it would print every handled error
        libvirt.virEventRegisterDefaultImpl()

        def run() -> None:
            while True:
                libvirt.virEventRunDefaultImpl()

        threading.Thread(target=run, name="libvirt events", daemon=True).start()
        _running = True


class Console:
    """An attached console. Bytes arrive in the event thread and wait in a queue for the reader."""

    def __init__(self, libvirt: Any, connection: Any, domain: Any, flags: int) -> None:
        self._libvirt = libvirt
        self._queue: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.ended = threading.Event()
        self._stream = connection.newStream(_NONBLOCK)
        domain.openConsole(None, self._stream, flags)
        self._stream.eventAddCallback(_READABLE | _ERROR | _HANGUP, self._arrived, None)

    def _arrived(self, stream: Any, events: int, _opaque: Any) -> None:
        try:
            while True:
                data = stream.recv(_READ_BYTES)
                if data == _WOULD_BLOCK:
                    return
                if not data:
                    break
                self._queue.put(data)
        except self._libvirt.libvirtError:  # the domain ended or the connection broke
            pass
        self.ended.set()
        with contextlib.suppress(self._libvirt.libvirtError):
            stream.eventRemoveCallback()

    def read(self, wait_seconds: float) -> bytes:
        """What arrived; waits for the first byte at most so long."""
        try:
            parts = [self._queue.get(timeout=wait_seconds)]
        except queue.Empty:
            return b""
        with contextlib.suppress(queue.Empty):
            while True:
                parts.append(self._queue.get_nowait())
        return b"".join(parts)

    def close(self) -> None:
        """Detach."""
        with contextlib.suppress(self._libvirt.libvirtError):
            self._stream.eventRemoveCallback()
        with contextlib.suppress(self._libvirt.libvirtError):
            self._stream.abort()


def read_guest_file(libvirt: Any, domain: Any, path: str) -> bytes:
    """A file of the guest through qemu-guest-agent.

    Raises:
        libvirt.libvirtError: the agent does not run, or there is no such file.
    """
    import libvirt_qemu

    def ask(command: str, **arguments: Any) -> Any:
        request = json.dumps({"execute": command, "arguments": arguments})
        answer = libvirt_qemu.qemuAgentCommand(domain, request, _AGENT_TIMEOUT_SECONDS, 0)
        return json.loads(answer)["return"]

    handle = ask("guest-file-open", path=path, mode="r")
    content = b""
    try:
        while True:
            part = ask("guest-file-read", handle=handle, count=_READ_BYTES)
            content += base64.b64decode(part["buf-b64"])
            if part["eof"] or not part["count"]:
                return content
    finally:
        with contextlib.suppress(libvirt.libvirtError):
            ask("guest-file-close", handle=handle)
