"""What a YAML scalar means where an integer or a boolean is wanted, by the rules of Butane's YAML library."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Final

from yaml import ScalarNode

TAG: Final = "tag:yaml.org,2002:"
_INTEGER: Final = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[oO]?([0-7]+)|0[bB]([01]+)|([1-9][0-9]*|0))\Z")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?\Z")
_BOOLEANS: Final = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
#: Words of YAML 1.1 that the library still takes where a boolean is wanted, quoted or not.
_OLD_BOOLEANS: Final = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_BASES: Final = (16, 8, 2, 10)
_INT64: Final = 1 << 63


def integer(node: ScalarNode) -> int | None:
    """Give the integer a scalar stands for, or None where it stands for none.

    ``0644`` and ``0o644`` are octal, ``644`` is decimal, ``_`` may separate digits, and a float without a fraction is
    an integer. Other than Butane, a number with a fraction and one such as ``0689`` are refused: it would cut off the
    fraction, and read the other as decimal.
    """
    if not _plain(node, "int", "float") or node.value.startswith("_") or len(node.value) > 100:
        return None
    text = node.value.replace("_", "")
    found = _INTEGER.match(text)
    if found:
        number = next(int(digits, base) for digits, base in zip(found.groups()[1:], _BASES, strict=True) if digits)
        number = -number if found[1] == "-" else number
    elif (
        node.tag != f"{TAG}int"
        and _FLOAT.match(text)
        and not (text.lstrip("+-")[:1] == "0" and text.lstrip("+-")[1:].isdigit())
    ):
        value = float(text)
        if value != value // 1 or abs(value) >= _INT64:
            return None
        number = int(value)
    else:
        return None
    return number if -_INT64 <= number < _INT64 else None


def boolean(node: ScalarNode) -> bool | None:
    """Give the boolean a scalar stands for, or None where it stands for none."""
    if _plain(node, "bool") and node.value in _BOOLEANS:
        return _BOOLEANS[node.value]
    return _OLD_BOOLEANS.get(node.value) if not node.tag.startswith(TAG) or node.tag == f"{TAG}str" else None


def binary(node: ScalarNode) -> bytes | None:
    """Give the bytes of a ``!!binary`` scalar, or None where the base64 in it is malformed."""
    try:
        return b64decode(node.value.replace("\n", "").replace("\r", ""), validate=True)
    except ValueError:
        return None


def _plain(node: ScalarNode, *tags: str) -> bool:
    if node.tag:
        return node.tag in [TAG + tag for tag in tags]
    return not node.style
