"""The small parts at the top of a config."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flatprov.ignition.checks import Part
from flatprov.ignition.schema import KERNEL_ARGUMENTS, PROXY, TIMEOUTS

if TYPE_CHECKING:
    from pulumi import Input


@dataclass(frozen=True, kw_only=True)
class KernelArguments(Part, shape=KERNEL_ARGUMENTS, place="kernel_arguments"):
    """Kernel arguments. A change makes the machine boot a second time during its first boot.

    Args:
        should_exist: arguments the kernel shall have.
        should_not_exist: arguments it shall not have.
    """

    should_exist: Input[Sequence[Input[str]]] = ()
    should_not_exist: Input[Sequence[Input[str]]] = ()


@dataclass(frozen=True, kw_only=True)
class Proxy(Part, shape=PROXY, place="proxy"):
    """Proxies for what Ignition fetches.

    Args:
        http_proxy: URL of the proxy for http.
        https_proxy: URL of the proxy for https.
        no_proxy: hosts that are reached directly.
    """

    http_proxy: Input[str] | None = None
    https_proxy: Input[str] | None = None
    no_proxy: Input[Sequence[Input[str]]] = ()


@dataclass(frozen=True, kw_only=True)
class Timeouts(Part, shape=TIMEOUTS, place="timeouts"):
    """Limits for what Ignition fetches, in seconds.

    Args:
        http_response_headers: how long to wait for an answer's headers; 10 when left out.
        http_total: how long to try in all; 0 or left out is without limit.
    """

    http_response_headers: Input[int] | None = None
    http_total: Input[int] | None = None
