"""Tell a file mode that was written in decimal, by Butane's own measure of what is usual."""

from __future__ import annotations

from itertools import pairwise


def written_in_decimal(mode: int, *, directory: bool) -> bool:
    """Tell whether a mode is unusual while its digits, read as octal, are a usual one: 644 for 0644."""
    digits = str(mode)
    if not 0 <= mode <= 7777 or not set(digits) <= set("01234567"):
        return False
    return usual(int(digits, 8), directory=directory) and not usual(mode, directory=directory)


def usual(mode: int, *, directory: bool) -> bool:
    """Tell whether a mode surprises nobody.

    No class may do what the class before it may not, writing or executing needs reading, and where one class executes,
    a later one that reads executes too.
    """
    if mode == 0:
        return True
    classes = [mode >> 6 & 7, mode >> 3 & 7, mode & 7]
    if any(one and not one & 4 for one in classes) or not classes[0]:
        return False
    for higher, lower in pairwise(classes):
        if lower & ~higher or (higher & 1 and lower and not lower & 1):
            return False
    special, anyone = mode >> 9, classes[0]
    if directory:
        return bool(anyone & 1) and not special & 4 and (not special & 3 or bool(anyone & 2))
    return not special & 1 and (not special & 6 or bool(anyone & 1 and not mode & 2))
