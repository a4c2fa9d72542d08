"""Make a config fit its carrier: plain, else compressed, else stored elsewhere with its hash."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

from flatprov.errors import BudgetError, ConfigError
from flatprov.ignition.carriers import CARRIERS, Carrier
from flatprov.ignition.dataurl import gzip_bytes
from flatprov.ignition.repacking import loosened
from flatprov.ignition.schema import DEFAULT_VERSION
from flatprov.ignition.transport import dumps

Form: TypeAlias = Literal["plain", "gzip", "remote"]

_NAMES: Final[dict[Form, str]] = {"plain": "plain", "gzip": "in the gzip wrapper", "remote": "as a remote object"}
_LARGEST: Final = 5
_WRAPPER_SINCE: Final = "3.1.0"  # compression of references
_FOR_FETCHING: Final = ("proxy", "security", "timeouts")


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A config in the form that its carrier takes.

    Args:
        form: ``plain``, ``gzip`` (a config that holds the real one compressed) or ``remote`` (one that refers to it).
        data: the bytes to hand over, the carrier's encoding applied.
        encoding: what the carrier has to be told: ``""``, ``base64`` or ``gzip+base64``.
        size: bytes as the carrier counts them.
        sizes: bytes of each form that was tried.
        stored: for ``remote``: the bytes that have to be at the URL; else None.
    """

    form: Form
    data: bytes
    encoding: str
    size: int
    sizes: dict[str, int]
    stored: bytes | None = None

    def parts(self, carrier: Carrier) -> list[bytes]:
        """Cut the bytes into the parts in which the carrier takes them."""
        step = carrier.part or max(len(self.data), 1)
        return [self.data[begin : begin + step] for begin in range(0, len(self.data), step)]


class Forms:
    """The forms of one config, each made once however many carriers are asked.

    Args:
        config: a rendered config.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config

    @property
    def version(self) -> str:
        """The spec version of the config."""
        return str((self.config.get("ignition") or {}).get("version") or DEFAULT_VERSION)

    @cached_property
    def plain(self) -> bytes:
        """Compact JSON."""
        return dumps(self.config).encode()

    @cached_property
    def ascii(self) -> bytes:
        """Compact JSON without characters outside ASCII."""
        return (
            self.plain if self.plain.isascii() else json.dumps(json.loads(self.plain), separators=(",", ":")).encode()
        )

    @cached_property
    def compressed(self) -> bytes:
        """The JSON as gzip, its inline texts written so that they compress together."""
        return gzip_bytes(dumps(loosened(self.config)).encode())

    @cached_property
    def wrapped(self) -> bytes:
        """A config that is replaced by the one it holds compressed: needs no network, and works on every platform."""
        source = "data:;base64," + base64.b64encode(self.compressed).decode("ascii")
        reference = {"compression": "gzip", "source": source}
        version = max(self.version, _WRAPPER_SINCE)
        return dumps({"ignition": {"version": version, "config": {"replace": reference}}}).encode()

    def pointer(self, url: str) -> bytes:
        """A config that is replaced by the one at a URL, provided it is this one.

        What fetching needs (proxy, authorities, time limits) stands in both.
        """
        ignition = self.config.get("ignition") or {}
        digest = hashlib.sha512(self.plain).hexdigest()
        reference = {"source": url, "verification": {"hash": f"sha512-{digest}"}}
        fetching = {name: ignition[name] for name in _FOR_FETCHING if name in ignition}
        return dumps({"ignition": {**fetching, "version": self.version, "config": {"replace": reference}}}).encode()


@dataclass(frozen=True)
class Sizes:
    """Bytes of a config in each form.

    Args:
        plain: compact JSON.
        gzip: in the gzip wrapper.
        packed: as gzip and base64, which only VMware and VirtualBox unpack themselves.
    """

    plain: int
    gzip: int
    packed: int


def sizes(config: dict[str, Any] | Forms) -> Sizes:
    """Give the bytes of a config in each form."""
    forms = _forms(config)
    return Sizes(len(forms.plain), len(forms.wrapped), _base64_length(len(forms.compressed)))


def largest(config: dict[str, Any], count: int = _LARGEST) -> list[tuple[str, int]]:
    """Name the largest files and units with the bytes their contents take in the config, largest first."""
    return sorted(_parts(config), key=lambda part: -part[1])[:count]


def fit(
    config: dict[str, Any] | Forms, carrier: Carrier | str, *, remote: Callable[[bytes], str] | None = None
) -> Fitted:
    """Give the first form that fits: plain, else the gzip wrapper, else a reference to a remote object.

    Args:
        config: a rendered config, or its forms where several carriers are asked.
        carrier: one of ``CARRIERS``, or its name.
        remote: called with the bytes of the config where nothing else fits; it places them, and gives their URL
            (``https``, ``s3``, ``gs``). The reference carries the sha512.

    Raises:
        BudgetError: nothing fits; it has all sizes and the five largest files.
        ConfigError: there is no carrier of that name.
    """
    forms, carrier = _forms(config), find(carrier)
    tried: dict[str, int] = {}
    fitting: list[Fitted] = []
    for form, text in _candidates(forms, carrier):
        one = _fitted(form, text, carrier, tried)
        if carrier.limit is None or one.size <= carrier.limit:
            fitting.append(one)
            if not carrier.smallest:
                break
    if fitting:
        return min(fitting, key=lambda one: one.size)
    if remote is not None:
        one = _fitted("remote", forms.pointer(remote(forms.plain)), carrier, tried, forms.plain)
        if one.size <= (carrier.limit or 0):
            return one
    raise _too_large(forms, carrier, tried)


def find(carrier: Carrier | str) -> Carrier:
    """Give the carrier of a name.

    Raises:
        ConfigError: there is none.
    """
    if isinstance(carrier, Carrier):
        return carrier
    if carrier not in CARRIERS:
        raise ConfigError(f"carrier {carrier!r}", "is unknown", f"use one of {', '.join(CARRIERS)}")
    return CARRIERS[carrier]


def line(config: dict[str, Any] | Forms, carrier: Carrier | str) -> str:
    """Say in one line how a config fits a carrier, and what each step gains."""
    forms, carrier = _forms(config), find(carrier)
    takes = "no limit" if carrier.limit is None else f"limit {carrier.limit:,}"
    try:
        fitted = fit(forms, carrier)
    except BudgetError as error:
        said = ", ".join(f"{_NAMES[form]} {size:,}" for form, size in _tried(error.sizes))
        return f"{carrier.name}: too large: {said} bytes ({carrier.title}, {takes}); store it elsewhere, with its hash"
    said = ", ".join(f"{_NAMES[form]} {size:,}" for form, size in _tried(fitted.sizes))
    how = f", sent as {fitted.encoding}" if fitted.encoding else ""
    cut = f" in {len(fitted.parts(carrier))} parts" if carrier.part else ""
    slow = f"; slow: {carrier.note}" if carrier.slow_above and fitted.size > carrier.slow_above else ""
    return f"{carrier.name}: fits {_NAMES[fitted.form]}{cut}: {said} bytes ({carrier.title}, {takes}{how}){slow}"


def _tried(found: dict[str, int]) -> list[tuple[Form, int]]:
    return [(form, found[form]) for form in _NAMES if form in found]


def _forms(config: dict[str, Any] | Forms) -> Forms:
    return config if isinstance(config, Forms) else Forms(config)


def _candidates(forms: Forms, carrier: Carrier) -> Iterator[tuple[Form, bytes]]:
    if carrier.encoding == "gzip+base64":
        yield "plain", base64.b64encode(forms.compressed)  # the wrapper would only compress it twice
        return
    yield "plain", forms.ascii if carrier.ascii else forms.plain
    yield "gzip", forms.wrapped


def _fitted(form: Form, text: bytes, carrier: Carrier, tried: dict[str, int], stored: bytes | None = None) -> Fitted:
    data = base64.b64encode(gzip_bytes(text)) if form == "remote" and carrier.encoding == "gzip+base64" else text
    size = _base64_length(len(data)) if carrier.counts_base64 else len(data)
    tried[form] = size
    return Fitted(form=form, data=data, encoding=carrier.encoding, size=size, sizes=tried, stored=stored)


def _base64_length(count: int) -> int:
    return (count + 2) // 3 * 4


def _too_large(forms: Forms, carrier: Carrier, tried: dict[str, int]) -> BudgetError:
    found = largest(forms.config)
    said = " and ".join(f"{size:,} bytes {_NAMES[form]}" for form, size in _tried(tried))
    heavy = ", ".join(f"{name} {size:,}" for name, size in found)
    fix = "have the largest fetched at boot: Remote(url, hash=...)" + (f"; they are {heavy} bytes" if heavy else "")
    problem = f"the config has {said}, and {carrier.title} takes {carrier.limit:,}"
    return BudgetError(
        carrier.name, problem, fix, path="ignition", limit=carrier.limit or 0, sizes=tried, largest=found
    )


def _parts(config: dict[str, Any]) -> Iterator[tuple[str, int]]:
    for file in (config.get("storage") or {}).get("files") or []:
        sources = [(one or {}).get("source") or "" for one in [file.get("contents"), *(file.get("append") or [])]]
        yield str(file.get("path")), sum(len(source.encode()) for source in sources)
    for unit in (config.get("systemd") or {}).get("units") or []:
        texts = [one.get("contents") or "" for one in [unit, *(unit.get("dropins") or [])]]
        yield str(unit.get("name")), sum(len(text.encode()) for text in texts)
