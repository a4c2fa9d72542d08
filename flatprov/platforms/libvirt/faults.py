"""libvirt's error codes as flatprov's errors.

Codes from libvirt's ``virErrorNumber``. Only four of them mean that an object is gone; everything else, a lost
connection above all, says nothing about it.
"""

from __future__ import annotations

from flatprov.errors import DeniedError, ForeignObjectError, OutOfSpaceError, PlatformError, UnreachableError
from flatprov.platforms.libvirt import reach

GONE = frozenset({42, 43, 49, 50})  # NO_DOMAIN, NO_NETWORK, NO_STORAGE_POOL, NO_STORAGE_VOL
EXISTS = frozenset({28, 37, 90})  # DOM_EXIST, NETWORK_EXIST, STORAGE_VOL_EXIST
_CONNECTION = frozenset({5, 26, 38, 39, 40})  # NO_CONNECT, CALL_FAILED, SYSTEM_ERROR, RPC, GNUTLS_ERROR
_DENIED = frozenset({29, 45, 88})  # OPERATION_DENIED, AUTH_FAILED, ACCESS_DENIED
_NO_SPACE = ("no space left", "cannot allocate memory", "not enough free space", "disk quota exceeded")


def translate(code: int, text: str, subject: str, host: str) -> PlatformError:
    """The error for one libvirt failure.

    Args:
        code: ``virErrorNumber``.
        text: libvirt's message; it never holds file contents.
        subject: the object that was worked on.
        host: the connection URI.
    """
    said = " ".join(text.split())
    if any(words in said.lower() for words in _NO_SPACE):
        return OutOfSpaceError(
            subject, f"no room on {host} ({said})", "free some, or use another storage pool", host=host
        )
    if code in _DENIED or code in _CONNECTION:
        reason = reach.refusal(said, host)
        if reason is not None and not reason.denied:
            return unreachable(subject, said, host)
        if reason is not None:
            return DeniedError(subject, f"libvirt at {host}: {reason.problem} ({said})", reason.fix, host=host)
    if code in _DENIED or ("permission denied" in said.lower() and code in _CONNECTION):
        return DeniedError(
            subject,
            f"{host} does not let this user manage machines ({said})",
            "add the user to the group libvirt, or run as root",
            host=host,
        )
    if code in _CONNECTION:
        return unreachable(subject, said, host)
    if code in EXISTS:
        return ForeignObjectError(subject, f"it exists on {host} already ({said})", "choose another name", host=host)
    return PlatformError(subject, f"{host} says: {said} (libvirt error {code})", host=host)


def unreachable(subject: str, said: str, host: str) -> UnreachableError:
    """The error for a host that does not answer, with what to try for its transport."""
    reason = reach.explain(said, host)
    why = said if reason.problem == reach.NO_ANSWER else f"{reason.problem}: {said}"
    return UnreachableError(subject, f"libvirt at {host} does not answer ({why})", reason.fix, host=host)
