"""Numbers that Go's JSON decoder cannot hold."""

from __future__ import annotations

import math
import re
from typing import Final

from flatprov.ignition.validate import scanning

#: A number without one of these is below the limit, whatever its other digits are.
_SUSPECT: Final = re.compile(r"[eE]\+?[0-9]{3}|[0-9.]{200}")
_NUMBER: Final = re.compile(r"-?[0-9][0-9.eE+-]*")


def has_huge_number(view: str) -> bool:
    """Tell whether valid JSON holds a number beyond the range of a 64 bit float, which Go refuses."""
    bare = scanning.bare(view)
    if not _SUSPECT.search(bare):
        return False
    return any(math.isinf(float(number)) for number in _NUMBER.findall(bare) if _SUSPECT.search(number))
