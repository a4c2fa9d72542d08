"""Sizes and durations as people write them."""

from __future__ import annotations

import re

from flatprov.errors import ConfigError

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(MiB|GiB|TiB)")
_MIB_OF = {"MiB": 1, "GiB": 1024, "TiB": 1024 * 1024}
_DURATION = re.compile(r"(?:(\d+)h)?\s*(?:(\d+)m)?\s*(?:(\d+)s)?")


def mebibytes(value: str | int, path: str, subject: str) -> int:
    """A size in MiB from text (``"4GiB"``) or a number of MiB.

    Raises:
        ConfigError: it is not a size; units without i are refused, since 4GB is not what 4GiB is.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise _bad(subject, path, value, '"4GiB", "512MiB" or a number of MiB')
    if isinstance(value, int):
        if value <= 0:
            raise _bad(subject, path, value, '"4GiB", "512MiB" or a number of MiB')
        return value
    match = _SIZE.fullmatch(value.strip())
    size = float(match.group(1)) * _MIB_OF[match.group(2)] if match else 0.0
    if size <= 0 or not size.is_integer():
        raise _bad(subject, path, value, '"4GiB", "512MiB" or a number of MiB')
    return int(size)


def seconds(value: str | int, path: str, subject: str) -> int:
    """A duration in seconds from text (``"20m"``, ``"1h30m"``) or a number of seconds.

    Raises:
        ConfigError: it is not a duration.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if not match or not any(match.groups()):
        raise _bad(subject, path, value, '"20m", "90s" or "1h30m"')
    hours, minutes, rest = (int(part or 0) for part in match.groups())
    total = hours * 3600 + minutes * 60 + rest
    if not total:
        raise _bad(subject, path, value, '"20m", "90s" or "1h30m"')
    return total


def _bad(subject: str, path: str, value: object, example: str) -> ConfigError:
    return ConfigError(subject, f"{path} is {value!r}, which is not understood", f"write {example}", path=path)
