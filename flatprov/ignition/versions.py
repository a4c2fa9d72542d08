"""Which spec version a config needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from flatprov.ignition.schema import DEFAULT_VERSION, ROOT, VERSIONS, Kind, Shape

_SOURCES: Final = {"arn": "3.4.0", "gs": "3.2.0"}
_PINS: Final = ("", "tpm2", "tang", "sss")
SPECIAL_BITS: Final = 0o7000


def lowest_version(config: dict[str, Any], *, values: bool = True) -> str:
    """Give the lowest spec version, but at least 3.3.0, that knows every property the config uses.

    Args:
        config: a config; its own ``ignition.version`` does not count.
        values: also count what older versions accept and then ignore: setuid, setgid and sticky bits, and Clevis pins
            of other names. False for a config that states its version, because it works as it does with that version.
    """
    return max(DEFAULT_VERSION, *_needs(ROOT, config, values), VERSIONS[0])


def _needs(shape: Shape, data: dict[str, Any], values: bool) -> Iterator[str]:
    for name, value in data.items():
        item = shape.by_name.get(name)
        if item is None or value in (None, [], {}):
            continue
        yield item.since
        if item.shape and item.kind is Kind.OBJECT:
            yield from _needs(item.shape, value, values)
        elif item.shape:
            for one in value:
                yield from _needs(item.shape, one, values)
        elif name == "source":
            yield _SOURCES.get(str(value).partition(":")[0].lower(), "3.0.0")
        elif values and (
            (name == "mode" and isinstance(value, int) and value & SPECIAL_BITS)
            or (name == "pin" and value not in _PINS)
        ):
            yield "3.6.0"
