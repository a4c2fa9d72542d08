"""What every part of a config checks when it is constructed.

Only plain values are looked at. A Pulumi output may stand wherever a value may; it is checked once it is known, when
the object is built again with the real values.
"""

from __future__ import annotations

import itertools
import re
from base64 import b64decode
from collections.abc import Iterable
from functools import cache
from typing import Any, ClassVar, Final

from flatprov.arguments import Arguments
from flatprov.errors import ConfigError
from flatprov.ignition.schema import CEX, OWNER, RESOURCE, Field, Kind, Shape

_PLAIN: Final = (str, bytes, bytearray, int, float, list, tuple, dict, set, frozenset)
_JSON_NAMES: Final = {
    "ssh_keys": "sshAuthorizedKeys",
    "size_mib": "sizeMiB",
    "start_mib": "startMiB",
    "http_response_headers": "httpResponseHeaders",
}
_PYTHON_NAMES: Final = {json: python for python, json in _JSON_NAMES.items()}


class LoadedText(str):
    """Text read from JSON: what Ignition accepts there is kept, even where it looks like a mistake."""

    __slots__ = ()


class LoadedNumber(int):
    """A number read from JSON, kept like ``LoadedText``."""


@cache
def python_name(json_name: str) -> str:
    """Give the attribute that stands for a property of the spec: ``homeDir`` becomes ``home_dir``."""
    return _PYTHON_NAMES.get(json_name) or re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", json_name).lower()


class Part(Arguments):
    """The base of every part of a config: it knows its shape, and checks its plain values when it is made."""

    SHAPE: ClassVar[Shape]
    PLACE: ClassVar[str]

    def __init_subclass__(cls, *, shape: Shape, place: str) -> None:
        cls.SHAPE, cls.PLACE = shape, place

    def __post_init__(self) -> None:
        for item in self.SHAPE.fields:
            attribute = python_name(item.name)
            value = getattr(self, attribute, None)
            if value is not None:
                self._typed(item, attribute, value)
        self._check()

    def _check(self) -> None:
        """Check what is special to this part."""

    def identity(self) -> str:
        """Give what an error calls this part: its name, path or device; ``?`` while that is unknown."""
        name = getattr(self, self.SHAPE.key, None)
        if self.SHAPE.key == "number":
            name = name or getattr(self, "label", None)
        return str(name) if isinstance(name, (str, int)) else "?"

    def _where(self) -> str:
        return f"{self.PLACE}[{self.identity()}]" if self.SHAPE.key else self.PLACE

    def fail(self, attribute: str, problem: str, fix: str) -> ConfigError:
        """Make the error for a property of this part."""
        path = f"{self._where()}.{attribute}" if attribute else self._where()
        return ConfigError(path, problem, fix, path=path)

    def _typed(self, item: Field, attribute: str, value: Any) -> None:
        scalar = item.kind not in (Kind.OBJECT, Kind.OBJECTS, Kind.BOOLEAN)
        if (isinstance(value, bool) and scalar) or isinstance(value, float):
            raise self.fail(attribute, f"must be {item.kind.value}", "give a value of that type")
        if item.kind in (Kind.STRINGS, Kind.OBJECTS):
            if isinstance(value, _PLAIN) and not isinstance(value, (list, tuple)):
                raise self.fail(attribute, "must be a list", f"write {attribute}=[...]")
            for number, one in enumerate(value if isinstance(value, (list, tuple)) else ()):
                self._element(item, f"{attribute}[{number}]", one)
        else:
            self._element(item, attribute, value)

    def _element(self, item: Field, attribute: str, value: Any) -> None:
        wanted: tuple[type, ...]
        if item.kind in (Kind.STRING, Kind.STRINGS):
            wanted = (str,)
        elif item.kind is Kind.INTEGER:
            wanted = (int,)
        elif item.kind is Kind.BOOLEAN:
            wanted = (bool,)
        else:
            loose = item.shape in (RESOURCE, OWNER, CEX)  # these may be written as plain values
            other = isinstance(value, Part) and not loose and value.SHAPE is not item.shape
            if isinstance(value, dict) or other or (not loose and (value is None or isinstance(value, _PLAIN))):
                raise self.fail(
                    attribute,
                    "must be an object of flatprov",
                    f"construct the class for {item.shape.name if item.shape else item.name}",
                )
            return
        if value is None or (isinstance(value, _PLAIN) and not isinstance(value, wanted)):
            kind = "a string" if item.kind is Kind.STRINGS else item.kind.value
            raise self.fail(attribute, f"must be {kind}", "give a value of that type")


def plain_texts(value: object) -> Iterable[tuple[int, str]]:
    """Give the texts of a list that are known already, with their positions."""
    if isinstance(value, (list, tuple)):
        yield from ((number, one) for number, one in enumerate(value) if isinstance(one, str))


def path_problem(path: str) -> str:
    """Say what is wrong with an absolute path, or ``""``."""
    if not path:
        return "the path is empty"
    if not path.startswith("/"):
        return "the path is not absolute"
    parts = path.split("/")[1:]
    if path != "/" and any(part in ("", ".", "..") for part in parts):
        return "the path has a part that is empty, '.' or '..'"
    return ""


_KEY: Final = re.compile(
    r"(?:^|[\s,\"])((?:ssh-|ecdsa-sha2-|sk-ssh-|sk-ecdsa-)[a-z0-9@.-]+)\s+([A-Za-z0-9+/]+={0,2})(?=\s|$)"
)


def key_problem(text: str) -> str:
    """Say why a text is no line of ``authorized_keys``, or ``""``. Never quotes the text."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines and not text.strip().startswith("#"):
        return "is empty"
    if "PRIVATE KEY" in text:
        return "is a private key"
    for line in lines:
        found = _KEY.findall(line)  # options in front and the comment behind may look like a key as well
        if not found:
            return "is no OpenSSH public key line"
        if not any(_holds(kind, data) for kind, data in found):
            return "is cut short or altered: its data do not hold a complete key of the type in front of it"
    return ""


def _holds(kind: str, data: str) -> bool:
    """Tell whether base64 data is a sequence of length-prefixed fields of which the first names the key type."""
    try:
        blob = b64decode(data, validate=True)
    except ValueError:
        return False
    fields = []
    while len(blob) >= 4:
        size = int.from_bytes(blob[:4], "big")
        fields.append(blob[4 : 4 + size])
        if len(fields[-1]) != size:
            return False
        blob = blob[4 + size :]
    return not blob and len(fields) > 1 and fields[0] == kind.encode()


_FILE_SPECIAL, _DIRECTORY_SPECIAL = 0o1000, 0o4000


def mode_problem(mode: int, *, directory: bool) -> str:
    """Say what is wrong with a mode, or ``""``: out of range, or written without the ``0o`` in front."""
    if not 0 <= mode <= 0o7777:
        return "is no file mode"
    digits = str(mode)
    if isinstance(mode, LoadedNumber) or not set(digits) <= set("01234567") or int(digits, 8) > 0o7777:
        return ""
    if _usual(int(digits, 8), directory) and not _usual(mode, directory):
        return f"is decimal {mode}, which is 0o{mode:o}"
    return ""


def _usual(mode: int, directory: bool) -> bool:
    """Tell whether people write such a mode: owner, group and others never gain rights in this order."""
    if mode == 0:
        return True
    user, group, other = mode >> 6 & 7, mode >> 3 & 7, mode & 7
    classes = (user, group, other)
    if group & ~user or other & ~group or any(one and not one & 4 for one in classes):
        return False
    if any(low & 1 and not high & 1 for high, low in itertools.pairwise(classes)) or not user & 4:
        return False
    if directory:
        return bool(user & 1) and not mode & _DIRECTORY_SPECIAL and (not mode & 0o3000 or bool(mode & 0o222))
    return not mode & _FILE_SPECIAL and (not mode & 0o6000 or (bool(mode & 0o111) and not other & 2))
