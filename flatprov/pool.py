"""The node pool: a number of equal machines, on any platform."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import pulumi

from flatprov.arguments import Arguments
from flatprov.errors import ConfigError
from flatprov.flatcar.targets import target_for_image
from flatprov.flatcar.updates import Updates
from flatprov.ignition import Ignition, is_sensitive, merge, pack, render
from flatprov.ignition.inspection import inspect, require, require_whole
from flatprov.platforms import units
from flatprov.platforms.base import Machine, Node, NodeOverride, Platform, PoolSpec, Rollout, Timeouts
from flatprov.platforms.image import Image, Release
from flatprov.provider.outputs import map_model

TOKEN = "flatprov:index:NodePool"  # noqa: S105 - a type token
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_NAME_LIMIT = 63  # a host name's, RFC 1123


class NodePool(Arguments, pulumi.ComponentResource):
    """Equal machines named ``POOL-INDEX``. Growing and shrinking touches only the nodes concerned.

    Args:
        name: the pool's name: lower-case letters, digits and inner hyphens.
        platform: where it runs.
        image: a ``Release`` or an own ``Image``.
        count: how many nodes.
        machine: their hardware.
        ignition: what they shall be at first boot; flatprov's own parts are merged below it.
        updates: how their operating system is updated; ``Updates.immutable()`` by default.
        rollout: how they are rebuilt when config or image change.
        timeouts: time limits.
        wait: ``boot`` waits until each node reports, ``none`` for nothing.
        running: false leaves the machines defined and off.
        first_address: where the pool's addresses begin, in place of the address plan's choice.
        overrides: what single nodes have of their own, by node name.

    Attributes:
        nodes: the nodes, in order.
        addresses: their addresses, in order.

    Raises:
        ConfigError: a plain value is wrong; nothing was registered.
    """

    nodes: list[Node]
    addresses: pulumi.Output[Sequence[str]]

    def __init__(
        self,
        name: str,
        *,
        platform: Platform,
        image: Image | Release,
        count: int = 1,
        machine: Machine | None = None,
        ignition: Ignition | None = None,
        updates: Updates | None = None,
        rollout: Rollout | None = None,
        timeouts: Timeouts | None = None,
        wait: Literal["boot", "none"] = "boot",
        running: bool = True,
        first_address: str | None = None,
        overrides: Mapping[str, NodeOverride] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        nodes = node_names(name, count, platform.prefix)
        unknown = sorted(set(overrides or {}) - set(nodes))
        if unknown:
            raise ConfigError(
                f"pool {name}", f"overrides names {unknown[0]}", f"its nodes are {', '.join(nodes)}", path="overrides"
            )
        rollout = Rollout() if rollout is None else rollout
        if rollout.max_unavailable < 1:
            raise ConfigError(
                f"pool {name}", "max_unavailable is less than 1", "give 1 or more", path="rollout.max_unavailable"
            )
        spec = PoolSpec(
            name=name,
            nodes=nodes,
            image=image,
            machine=Machine() if machine is None else machine,
            ignition=_packed(
                name,
                Ignition() if ignition is None else ignition,
                updates if updates is not None else Updates.immutable(),
                image,
                platform.flatcar_platform,
            ),
            rollout=rollout,
            boot_seconds=units.seconds(
                (Timeouts() if timeouts is None else timeouts).boot, "timeouts.boot", f"pool {name}"
            ),
            wait=wait,
            running=running,
            first_address=first_address,
            overrides=overrides or {},
            custom_timeouts=opts.custom_timeouts if opts else None,
        )
        register = platform.plan_nodes(spec)  # raises while nothing is registered yet
        super().__init__(TOKEN, name, {"count": count}, opts)
        self.nodes = register(self)
        self.addresses = pulumi.Output.all(*[node.address for node in self.nodes])
        self.register_outputs({"addresses": self.addresses})


def node_names(pool: str, count: int, prefix: str = "") -> list[str]:
    """The names of a pool's nodes.

    Raises:
        ConfigError: a name that no host can have, or a count below 0.
    """
    if type(count) is not int or count < 0:  # True is an int too
        raise ConfigError(f"pool {pool}", f"count is {count!r}", "give a whole number from 0", path="count")
    names = [f"{prefix}{pool}-{index}" for index in range(count)]
    longest = max([*names, f"{prefix}{pool}-0"], key=len)
    if not _NAME.fullmatch(f"{prefix}{pool}") or len(longest) > _NAME_LIMIT:
        raise ConfigError(
            f"pool {pool!r}",
            f"{longest!r} cannot be a host name",
            f"use lower-case letters, digits and inner hyphens, at most {_NAME_LIMIT} in all",
            path="name",
        )
    return names


def _packed(
    pool: str, ignition: Ignition, updates: Updates, image: Image | Release, platform: str
) -> pulumi.Input[str]:
    """The pool's config, judged and rendered once. Secret where a leaf is, or where it holds a secret by nature."""

    def pack_known(model: dict[str, Any]) -> pulumi.Input[str]:
        own = render(model["ignition"])
        target = target_for_image(**model["release"], platform=platform)
        subject = f"pool {pool}"
        for warning in require(inspect(own, target=target, silence=ignition.silenced()), subject):
            pulumi.log.warn(f"{subject}: {warning}")
        config = merge(updates.fragment(), own)
        require_whole(config, subject, target=target)
        packed = pack(config)
        return pulumi.Output.secret(packed) if is_sensitive(config) else packed

    model: dict[str, Any] = {"ignition": ignition, "release": image.facts}
    found: Any = map_model(model, pack_known)  # apply() opens the Output inside the Output
    return cast("pulumi.Input[str]", found)
