"""Every error flatprov raises, in one tree.

::

    FlatprovError
    ├── ConfigError               what the user wrote is wrong; ``path`` names the property
    │   ├── BudgetError           a config is too large for its carrier
    │   └── DuplicateError        one MAC, address or name is used twice
    ├── ImageError                an image cannot be found, verified or used
    ├── PlatformError             a platform refused or failed; ``host`` names where
    │   ├── UnreachableError      no connection: says nothing about whether objects exist
    │   ├── DeniedError           connected, but not allowed
    │   ├── OutOfSpaceError       no room for a volume or for memory
    │   └── ForeignObjectError    an object of that name exists and is not ours
    ├── BootError                 a first boot failed or never reported; carries unit and console tail
    ├── CancelledError            the user stopped the run
    ├── DeadlineError             a time limit passed
    ├── MissingDependencyError    an optional package or program is not installed
    └── UnsupportedError          the platform cannot do this, with reason, link and alternatives

A message names the object, says what is wrong and what to do next. Values of the user's config never go into one:
paths and names do.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    _Base = Exception
else:
    # Inside a Pulumi program (the language host has loaded the SDK by then) an error is also a pulumi.RunError: Pulumi
    # prints the message of those and a stack trace of all others. Nothing is imported here: the pure core stays pure.
    _Base = getattr(sys.modules.get("pulumi"), "RunError", Exception)


class FlatprovError(_Base):
    """The base of all errors of this package.

    Args:
        subject: the object it is about: a resource, host, file or config path.
        problem: what is wrong, without a full stop.
        fix: what to do next, without a full stop; may be empty where nothing can be done.
        path: the property path of the input that is wrong (``machine.memory``), if there is one.
    """

    code = "flatprov"  #: a stable word to search the documentation for

    def __init__(self, subject: str, problem: str, fix: str = "", *, path: str = "") -> None:
        self.subject = subject
        self.problem = problem
        self.fix = fix
        self.path = path
        super().__init__(str(self))

    def __str__(self) -> str:
        where = f"{self.subject}: " if self.subject else ""
        todo = f". {self.fix[:1].upper()}{self.fix[1:]}" if self.fix else ""
        return f"{where}{self.problem}{todo}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.__dict__.copy()))


def _rebuild(kind: type[FlatprovError], fields: dict[str, object]) -> FlatprovError:
    error = kind.__new__(kind)
    error.__dict__.update(fields)
    Exception.__init__(error, str(error))
    return error


class ConfigError(FlatprovError):
    """What the user wrote is wrong; raised before anything exists."""

    code = "config"


class BudgetError(ConfigError):
    """A config is larger than its carrier takes.

    Args:
        limit: bytes the carrier takes.
        sizes: bytes of each form that was tried, by its name.
        largest: the largest parts of the config and their bytes, largest first.
    """

    code = "budget"

    def __init__(
        self,
        subject: str,
        problem: str,
        fix: str = "",
        *,
        path: str = "",
        limit: int = 0,
        sizes: Mapping[str, int] | None = None,
        largest: Sequence[tuple[str, int]] = (),
    ) -> None:
        self.limit = limit
        self.sizes = dict(sizes or {})
        self.largest = tuple(largest)
        super().__init__(subject, problem, fix, path=path)


class DuplicateError(ConfigError):
    """One MAC address, IP address or name stands for two machines."""

    code = "duplicate"


class ImageError(FlatprovError):
    """An image cannot be found, verified or used."""

    code = "image"


class PlatformError(FlatprovError):
    """A platform refused or failed.

    Args:
        host: the host or account that answered.
    """

    code = "platform"

    def __init__(self, subject: str, problem: str, fix: str = "", *, path: str = "", host: str = "") -> None:
        self.host = host
        super().__init__(subject, problem, fix, path=path)


class UnreachableError(PlatformError):
    """No connection to the platform. Never a reason to believe that an object is gone."""

    code = "unreachable"


class DeniedError(PlatformError):
    """The platform answered and said that this user may not."""

    code = "denied"


class OutOfSpaceError(PlatformError):
    """No room for a volume, or for a machine's memory."""

    code = "out-of-space"


class ForeignObjectError(PlatformError):
    """An object of that name exists and does not carry this stack's mark; it was not touched."""

    code = "foreign-object"


class BootError(FlatprovError):
    """A first boot failed, or did not report in time.

    Args:
        unit: the systemd unit that failed, or ``""``.
        tail: the last console lines, redacted.
    """

    code = "boot"

    def __init__(self, subject: str, problem: str, fix: str = "", *, unit: str = "", tail: Sequence[str] = ()) -> None:
        self.unit = unit
        self.tail = tuple(tail)
        super().__init__(subject, problem, fix)

    def __str__(self) -> str:
        if not self.tail:
            return super().__str__()
        lines = "\n".join(f"  | {line}" for line in self.tail)
        return f"{super().__str__()}\n  the last {len(self.tail)} console lines:\n{lines}"


class CancelledError(FlatprovError):
    """The user stopped the run."""

    code = "cancelled"


class DeadlineError(FlatprovError):
    """A time limit passed."""

    code = "deadline"


class MissingDependencyError(FlatprovError):
    """An optional package or a program of the system is not installed."""

    code = "missing-dependency"


class UnsupportedError(FlatprovError):
    """The platform cannot do this.

    Args:
        link: where the platform says so.
    """

    code = "unsupported"

    def __init__(self, subject: str, problem: str, fix: str = "", *, path: str = "", link: str = "") -> None:
        self.link = link
        super().__init__(subject, problem, fix, path=path)

    def __str__(self) -> str:
        return super().__str__() + (f" ({self.link})" if self.link else "")
