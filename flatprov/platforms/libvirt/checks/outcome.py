"""The four outcomes of a check."""

from __future__ import annotations

from flatprov.errors import FlatprovError, PlatformError
from flatprov.platforms.finding import Finding, Level


def ok(check: str, subject: str, text: str = "ok") -> Finding:
    """All is well."""
    return Finding(check=check, level=Level.OK, subject=subject, text=text)


def warning(check: str, subject: str, text: str, fix: str, path: str = "") -> Finding:
    """It works, but not as well as it could; or something that is not always needed is missing."""
    return Finding(check=check, level=Level.WARNING, subject=subject, text=text, fix=fix, path=path)


def error(
    check: str, subject: str, text: str, fix: str, path: str = "", raised_as: type[FlatprovError] = PlatformError
) -> Finding:
    """Nodes cannot be made."""
    return Finding(check=check, level=Level.ERROR, subject=subject, text=text, fix=fix, path=path, error=raised_as)


def unknown(check: str, subject: str, text: str, fix: str = "") -> Finding:
    """It cannot be seen from here; the text says why, the fix how to see it."""
    return Finding(check=check, level=Level.UNKNOWN, subject=subject, text=text, fix=fix)
