"""Memory and huge pages."""

from __future__ import annotations

from flatprov.errors import OutOfSpaceError
from flatprov.platforms.finding import Finding
from flatprov.platforms.libvirt.checks import outcome
from flatprov.platforms.libvirt.facts import HugePages

_KIB_OF_GIB = 1 << 20


def enough(subject: str, uri: str, wanted_mib: int, total_mib: int, available_mib: int) -> Finding:
    """Whether a machine's memory fits into the host's, and into what is free of it now.

    Args:
        subject: the machine.
        uri: its host.
        wanted_mib: what it asks for.
        total_mib: what the host has in all.
        available_mib: what machines could use now.
    """
    check = "the host has the memory"
    if wanted_mib > total_mib:
        text = f"it wants {wanted_mib} MiB of memory and {uri} has {total_mib} MiB in all"
        return outcome.error(check, subject, text, "ask for less, or use another host", "memoryMib", OutOfSpaceError)
    if wanted_mib > available_mib:
        text = f"it wants {wanted_mib} MiB of memory and {uri} has {available_mib} MiB available now"
        return outcome.warning(check, subject, text, "stop something there, or expect it to swap")
    return outcome.ok(
        check, subject, f"{available_mib} MiB of {total_mib} MiB are available, a node wants {wanted_mib}"
    )


def huge_pages(subject: str, pages: tuple[HugePages, ...]) -> Finding:
    """How many huge pages the host has set aside; none is no fault, nodes use usual pages."""
    there = [f"{one.free} of {one.total} of {_size(one.size_kib)} free" for one in pages if one.total]
    text = ", ".join(there) or "none set aside; nodes use usual pages"
    return outcome.ok("huge pages", subject, text)


def _size(kib: int) -> str:
    return f"{kib // _KIB_OF_GIB} GiB" if kib >= _KIB_OF_GIB else f"{kib >> 10} MiB"
