"""The connection: whether the host answers, why not, and whether this user may manage machines there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from flatprov.errors import DeniedError, FlatprovError, MissingDependencyError, PlatformError, UnreachableError
from flatprov.platforms.finding import Finding
from flatprov.platforms.libvirt import client as libvirt
from flatprov.platforms.libvirt import reach
from flatprov.platforms.libvirt.checks import certificates, firmware, outcome
from flatprov.platforms.libvirt.client import Client

T = TypeVar("T")

LIMIT_SECONDS = 30.0  #: time to connect; a passphrase may have to be typed


def reachable(uri: str, limit_seconds: float = LIMIT_SECONDS) -> tuple[Client | None, Finding]:
    """Connect, within a time limit: a firewall that swallows packets would hold libvirt for minutes.

    Args:
        uri: the host.
        limit_seconds: how long to wait.
    """
    check, subject = "the host answers", reach.without_password(uri)
    found, error = _within(lambda: _connected(uri), limit_seconds)
    if found is not None:
        client, name = found
        there = reach.address(uri)
        by = f"by {there.transport}" if there.host else "on this machine"
        return client, outcome.ok(check, subject, f"connected {by} to {name}")
    if isinstance(error, MissingDependencyError):
        return None, outcome.error(check, subject, error.problem, error.fix, raised_as=type(error))
    if isinstance(error, PlatformError):
        said = _line(error.__cause__ or error)
        if "TLS" in said or "certificate" in said:
            said = certificates.complaint(uri) or said
        reason = reach.explain(said, uri)
        raised_as = DeniedError if reason.denied else UnreachableError
        return None, outcome.error(check, subject, f"{reason.problem} ({said})", reason.fix, raised_as=raised_as)
    if error is not None:
        return None, outcome.error(check, subject, _line(error), "", raised_as=UnreachableError)
    text = f"it did not answer within {limit_seconds:.0f} s"
    fix = "check the address and the firewall between; `ssh` to it by hand shows whether it waits for a password"
    return None, outcome.error(check, subject, text, fix, raised_as=UnreachableError)


def permission(client: Client, subject: str, architecture: str) -> Finding:
    """Whether this connection may change anything; nothing is changed to find out."""
    check = "this user may manage machines"
    session = reach.address(client.uri).path == "/session"
    try:
        client.refusal(firmware.machine(architecture, "qemu"))
    except DeniedError as error:
        reason = reach.explain(error.problem, client.uri)
        return outcome.error(check, subject, reason.problem, reason.fix, raised_as=DeniedError)
    if session:
        text = "yes, in a session of its own: such a daemon cannot make networks"
        return outcome.warning(check, subject, text, "use the system's daemon: qemu:///system")
    return outcome.ok(check, subject, "it may; rules for single objects (access_drivers) cannot be seen from here")


def _connected(uri: str) -> tuple[Client, str]:
    client = libvirt.connect(uri, "doctor")
    return client, client.host_name()


def _within(call: Callable[[], T], limit_seconds: float) -> tuple[T | None, Exception | None]:
    """The result of a call, or its error; neither when the time is up. The call itself cannot be stopped."""
    found: list[T] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            found.append(call())
        except FlatprovError as error:
            failed.append(error)
        except Exception as error:  # what a broken URI makes libvirt-python raise
            failed.append(error)

    thread = threading.Thread(target=run, name="connect", daemon=True)
    thread.start()
    thread.join(limit_seconds)
    return (found[0] if found else None), (failed[0] if failed else None)


def _line(error: object) -> str:
    return " ".join(str(error).split())
