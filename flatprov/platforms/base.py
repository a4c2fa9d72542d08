"""What every platform has in common: the settings of machines and pools, and what a pool asks of a platform."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from flatprov.arguments import Arguments

if TYPE_CHECKING:
    import pulumi

    from flatprov.platforms.image import Image, Release


@dataclass(frozen=True)
class Machine(Arguments):
    """The hardware of each node in a pool.

    Args:
        vcpus: virtual processors, 2 by default.
        memory: ``"4GiB"`` or MiB, 2 GiB by default.
        disk: size of the system disk, 20 GiB by default; it grows, never shrinks.
    """

    vcpus: pulumi.Input[int] = 2
    memory: pulumi.Input[str | int] = "2GiB"
    disk: pulumi.Input[str | int] = "20GiB"


@dataclass(frozen=True, kw_only=True)
class Rollout(Arguments):
    """How a pool is rebuilt when its config or image changes.

    Args:
        max_unavailable: nodes that may be down at once; the first goes alone, as a canary.
    """

    max_unavailable: int = 1


@dataclass(frozen=True, kw_only=True)
class Timeouts(Arguments):
    """Time limits.

    Args:
        boot: from power-on to the first boot's report, ``"15m"`` by default.
    """

    boot: str | int = "15m"


@dataclass(frozen=True, kw_only=True)
class NodeOverride(Arguments):
    """What one node of a pool has of its own.

    Args:
        address: its IPv4 address, in place of the planned one.
        mac: its MAC address, in place of the derived one.
    """

    address: str | None = None
    mac: str | None = None


@dataclass(frozen=True, kw_only=True)
class PoolSpec:
    """A node pool as a platform gets it: checked and rendered.

    Args:
        name: the pool.
        nodes: node names, in order.
        image: what the nodes run.
        machine: their hardware.
        ignition: the packed config, common to all nodes.
        rollout: how they are rebuilt.
        boot_seconds: how long a first boot may take.
        wait: ``boot`` or ``none``.
        running: false leaves the machines defined and off.
        first_address: where the pool's addresses begin; None lets the address plan decide.
        overrides: by node name.
        custom_timeouts: the engine's own limits for each node's operations, from the pool's options.
    """

    name: str
    nodes: Sequence[str]
    image: Image | Release
    machine: Machine
    ignition: pulumi.Input[str]
    rollout: Rollout
    boot_seconds: int
    wait: str
    running: bool
    first_address: str | None = None
    overrides: Mapping[str, NodeOverride] = field(default_factory=dict)
    custom_timeouts: pulumi.CustomTimeouts | None = None


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node as a program sees it.

    Attributes:
        name: host name.
        address: its address.
        host: the machine it runs on.
        version: the Flatcar version it runs.
        boot_seconds: how long its first boot took; 0 where nothing waited.
        ready: its first boot reported success.
        accelerator: ``kvm`` or ``tcg``, where the platform can be either.
    """

    name: str
    address: pulumi.Output[str]
    host: pulumi.Output[str]
    version: pulumi.Output[str]
    boot_seconds: pulumi.Output[float]
    ready: pulumi.Output[bool]
    accelerator: pulumi.Output[str]


class Platform(Protocol):
    """What a pool asks of a platform."""

    @property
    def prefix(self) -> str:
        """What node names begin with."""

    @property
    def flatcar_platform(self) -> str:
        """Flatcar's name of what its nodes run on, such as ``qemu`` or ``aws``."""

    def plan_nodes(self, pool: PoolSpec) -> Callable[[pulumi.Resource], list[Node]]:
        """Judge the pool before anything is registered; the answer registers one resource per node below a parent."""
