"""Which host a node runs on: decided once, when it is created, and kept in the state."""

from __future__ import annotations

import threading
from collections import defaultdict

from flatprov.platforms.libvirt import client as libvirt
from flatprov.platforms.libvirt import identity
from flatprov.platforms.libvirt.settings import HostChoice, NodeInputs
from flatprov.provider.context import Context

_lock = threading.Lock()
_promised_mib: dict[str, int] = defaultdict(int)  # memory given to nodes that this process created just now


def choose(ctx: Context, inputs: NodeInputs, uuid: str) -> HostChoice:
    """The host that has the node already (an interrupted run), else the one with the most memory available."""
    if len(inputs.hosts) == 1:
        return inputs.hosts[0]
    disk = identity.root_volume(inputs.name, uuid)
    for host in inputs.hosts:
        client = libvirt.connect(host.uri, ctx.name)
        if client.find_domain(uuid) is not None or client.find_volume(host.storage_pool, disk) is not None:
            return host
    available = {host.uri: libvirt.connect(host.uri, ctx.name).memory_mib()[1] for host in inputs.hosts}
    with _lock:
        best = max(inputs.hosts, key=lambda host: available[host.uri] - _promised_mib[host.uri])
        _promised_mib[best.uri] += inputs.memory_mib
    return best


def current(inputs: NodeInputs, uri: str) -> HostChoice | None:
    """The entry of the host a node runs on; None when the program no longer lists that host."""
    return next((host for host in inputs.hosts if host.uri == uri), None)
