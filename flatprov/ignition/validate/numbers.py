"""Numbers that Go's JSON decoder cannot hold."""

from __future__ import annotations

import math
import re
from typing import Final

from flatprov.ignition.validate import scanning

_SUSPECT: Final = re.compile(r"[eE]|[0-9]{300}")
_NUMBER: Final = re.compile(r"-?[0-9][0-9.eE+-]*")


def has_huge_number(view: str) -> bool:
    """Tell whether valid JSON holds a number beyond the range of a 64 bit float, which Go refuses."""
    bare = scanning.bare(view)
    if not _SUSPECT.search(bare):
        return False
    return any(math.isinf(float(number)) for number in _NUMBER.findall(bare) if _SUSPECT.search(number))
