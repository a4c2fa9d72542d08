"""A node: one machine on one libvirt host, from its volumes to its first boot's report."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from flatprov.errors import BootError, ConfigError, ForeignObjectError, PlatformError
from flatprov.ignition import diff, unpack
from flatprov.platforms.finding import require
from flatprov.platforms.libvirt import accelerator, change, history, identity, machine, placement, preflight
from flatprov.platforms.libvirt import client as libvirt
from flatprov.platforms.libvirt.domain import PHASE_READY, Machine, parse
from flatprov.platforms.libvirt.machine import Build, config_digest
from flatprov.platforms.libvirt.settings import GIB, MINIMUM_MEMORY_MIB, NODE_TOKEN, HostChoice, NodeInputs, NodeState
from flatprov.provider.context import Context
from flatprov.provider.resource import Created, Failure, Found, Resource
from flatprov.provider.values import has_unknown, reveal

_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class NodeResource(Resource[NodeInputs, NodeState]):
    """A Flatcar machine on a libvirt host. A changed config or image makes it anew in place, by its pool's gate."""

    token = NODE_TOKEN
    inputs = NodeInputs
    state = NodeState
    replaces = ("name",)
    refresh_before_update = True

    # --- offline -----------------------------------------------------------------------------------------------------

    def validate(self, inputs: NodeInputs) -> Iterable[Failure]:
        """What can be known to be wrong without a host."""
        if not _HOST_NAME.fullmatch(inputs.name):
            yield Failure("name", f"{inputs.name!r} is no host name; use lower-case letters, digits and inner hyphens")
        if inputs.memory_mib < MINIMUM_MEMORY_MIB:
            yield Failure(
                "memoryMib",
                f"{inputs.name} has {inputs.memory_mib} MiB of memory and Flatcar needs {MINIMUM_MEMORY_MIB} MiB; "
                'write memory="2GiB" or more',
            )
        largest = max(host.image_bytes for host in inputs.hosts)
        if inputs.disk_bytes < largest:
            yield Failure(
                "diskBytes",
                f"the disk of {inputs.name} has {inputs.disk_bytes / GIB:.1f} GiB and its image needs "
                f"{largest / GIB:.1f} GiB; make the disk larger",
            )
        try:
            ipaddress.IPv4Address(inputs.address)
        except ValueError:
            yield Failure("address", f"{inputs.address!r} is no IPv4 address; write it like 10.17.3.20")
        if not inputs.ignition.startswith("sha256:"):
            try:
                config_digest(inputs.ignition)
            except ConfigError as error:
                yield Failure("ignition", str(error))

    def compare(self, field: str, old: Any, new: Any, state: Mapping[str, Any]) -> Sequence[str]:
        """Only what means something: host lists by the node's own host, configs by their contents."""
        if field == "hosts":
            return _compare_hosts(old, new, str(state.get("host", "")))
        if field == "ignition":
            return _compare_configs(old, new)
        if field == "mac" and new is None:
            return ()  # it keeps the one it has
        if field == "accelerator" and new in ("auto", state.get("acceleration")):
            return ()
        return (field,)

    def unfinished(self, inputs: NodeInputs, state: NodeState) -> Sequence[str]:
        """A node that was to boot and has not, or failed to."""
        return () if state.ready or not inputs.running or inputs.wait == "none" else ("ready",)

    def plan(self, ctx: Context, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Names and addresses are known before anything exists; what the host holds against them stops the preview."""
        goal = _without_unknowns(inputs)
        if goal is None:
            return {}
        uuid = identity.domain_uuid(ctx.owner, goal.name)
        known = {"uuid": uuid, "nodeAddress": goal.address, "macAddress": _mac(ctx, goal)}
        if len(goal.hosts) == 1:
            host = goal.hosts[0]
            client = libvirt.connect(host.uri, ctx.name)
            require(preflight.node(client, goal, host, uuid, _mac(ctx, goal)))
            known["host"] = host.uri
        return known

    # --- life --------------------------------------------------------------------------------------------------------

    def create(self, ctx: Context, inputs: NodeInputs) -> Created:
        """Make it, or take over what an interrupted run of this stack left."""
        uuid = identity.domain_uuid(ctx.owner, inputs.name)
        build = _build(ctx, inputs, placement.choose(ctx, inputs, uuid), uuid, _mac(ctx, inputs))
        id_ = identity.node_id(build.host.uri, uuid)
        there = _there(build)
        if there is None or not change.is_as_wanted(build, there):
            with ctx.slot(build.client.slots):
                for finding in require(preflight.node(build.client, inputs, build.host, uuid, build.mac)):
                    ctx.warn(f"{finding.text}. {finding.fix}")
            return Created(id_, boot_anew(ctx, build, id_))
        ctx.status("found from an earlier run, continuing")
        return Created(id_, settle(ctx, build, id_, there))

    def read(self, ctx: Context, id_: str, inputs: NodeInputs | None, state: NodeState | None) -> Found | None:
        """What the host has of it. The ID alone is enough: the rest is noted in the domain."""
        try:
            uri, uuid = identity.split_id(id_)
        except ValueError:
            raise ConfigError(
                ctx.name, f"{id_!r} is not the ID of a node", "write it as URI|UUID, e.g. 'qemu:///system|<uuid>'"
            ) from None
        client = libvirt.connect(uri, ctx.name)
        with ctx.slot(client.slots):
            there = client.find_domain(uuid)
            if there is None:
                return None
            found = parse(there.xml)
            if found is None:
                raise ForeignObjectError(
                    there.name,
                    f"this domain on {uri} was not made by flatprov",
                    "import only nodes of flatprov",
                    host=uri,
                )
            return change.describe(ctx, client, id_, there, found, inputs, state)

    def update(self, ctx: Context, id_: str, old: NodeInputs, new: NodeInputs, state: NodeState) -> NodeState:
        """The smallest step that gets there; a new machine in its place only where nothing less will do."""
        uri, uuid = identity.split_id(id_)
        host = placement.current(new, uri)
        if host is None:
            raise PlatformError(
                new.name,
                f"it runs on {uri}, which the platform no longer lists",
                "list that host again, or remove the node first",
                host=uri,
                path="hosts",
            )
        build = _build(
            ctx, new, host, uuid, (new.mac or state.mac_address or _mac(ctx, new)).lower(), state.acceleration
        )
        there = _there(build)
        why = "it is gone" if there is None else change.reason_to_rebuild(build, there, state)
        if there is not None and not why:
            change.apply(ctx, build, there)
            return settle(ctx, build, id_, there, state.release)
        with ctx.gates.of(f"{ctx.owner}/{new.pool}", new.max_unavailable).turn(ctx, new.name):
            ctx.status(f"making it anew: {why}")
            ctx.created(id_, change.state_of(build, phase="defined"))  # the old machine goes first: no longer ready
            return boot_anew(ctx, build, id_)

    def delete(self, ctx: Context, id_: str, inputs: NodeInputs | None, state: NodeState) -> None:
        """Domain, volumes and reservation."""
        uri, uuid = identity.split_id(id_)
        client = libvirt.connect(uri, ctx.name)
        with ctx.slot(client.slots):
            there = client.find_domain(uuid)
            found = parse(there.xml) if there else None
            if there is not None and found is None:
                raise ForeignObjectError(
                    there.name, f"this domain on {uri} no longer carries flatprov's mark", "remove it by hand", host=uri
                )
            host = placement.current(inputs, uri) if inputs else None
            if host is not None and inputs is not None:
                machine.remove(client, inputs.name, uuid, host, state.mac_address)
            elif found is not None:  # the state says too little: the domain itself knows where its parts are
                host = change.host_of(client, found)
                machine.remove(client, found.name, uuid, host, found.mac)
        history.forget(uuid)


def boot_anew(ctx: Context, build: Build, id_: str) -> NodeState:
    """Make the machine from nothing, start it and wait for its first boot."""
    state = change.state_of(build, phase="defined")
    with ctx.slot(build.client.slots):
        machine.make(ctx, build)
        ctx.created(id_, state)
        if not build.inputs.running:
            return state
        console = machine.start(build)
    state = msgspec.structs.replace(state, phase="booting")
    ctx.created(id_, state)
    if build.inputs.wait == "none":
        console.close()
        return state
    return _await(ctx, build, id_, console, resumed=False)


def settle(ctx: Context, build: Build, id_: str, there: Machine, release: str = "") -> NodeState:
    """Bring a machine that is as wanted to the end of its first boot, if it has not got there."""
    if there.mark.phase == PHASE_READY:
        build.client.delete_volume(build.host.storage_pool, build.ignition_volume)  # a run may have died before this
        release = there.mark.release or release
        return change.state_of(build, phase="ready", boot_seconds=there.mark.boot_seconds, release=release)
    if not build.inputs.running:
        return change.state_of(build, phase="defined")
    state = change.state_of(build, phase="booting")
    ctx.created(id_, state)
    with ctx.slot(build.client.slots):
        if build.client.is_running(build.uuid, build.inputs.name):
            console, resumed = build.client.attach_console(build.uuid, build.inputs.name), True
        else:
            console, resumed = machine.start(build), False
    if build.inputs.wait == "none":
        console.close()
        return state
    return _await(ctx, build, id_, console, resumed=resumed)


def _await(ctx: Context, build: Build, id_: str, console: Any, *, resumed: bool) -> NodeState:
    from flatprov.platforms.libvirt import firstboot  # late: most operations wait for no boot

    def restart() -> Any:
        with ctx.slot(build.client.slots):
            build.client.stop_domain(build.uuid, build.inputs.name)
            return machine.start(build)

    try:
        outcome = firstboot.wait(ctx, build, console, restart, resumed=resumed)
    except firstboot.BootFailedError:
        ctx.created(id_, change.state_of(build, phase="failed"))
        raise
    with ctx.slot(build.client.slots):
        there = _there(build)
        if there is None:
            raise BootError(build.inputs.name, "the domain vanished during its first boot", "run `pulumi up` again")
        machine.finish(build, there, outcome.seconds, outcome.ready.report.version)
    for warning in outcome.ready.warnings:
        ctx.warn(f"{build.inputs.name}: {warning}")
    ctx.status(f"ready after {outcome.seconds:.1f} s")
    return change.state_of(
        build, phase="ready", boot_seconds=round(outcome.seconds, 1), release=outcome.ready.report.version
    )


def _there(build: Build) -> Machine | None:
    """The node's machine as the host has it; None when there is none.

    Raises:
        ForeignObjectError: a domain of this UUID carries no mark of ours.
    """
    found = build.client.find_domain(build.uuid)
    if found is None:
        return None
    own = parse(found.xml)
    if own is None:
        raise ForeignObjectError(
            build.inputs.name,
            f"the domain {found.name} on {build.client.uri} has its UUID but no mark of flatprov; it was left alone",
            "undefine it by hand",
            host=build.client.uri,
        )
    return own


def _build(ctx: Context, inputs: NodeInputs, host: HostChoice, uuid: str, mac: str, now: str = "") -> Build:
    client = libvirt.connect(host.uri, ctx.name)
    if not now and (there := client.find_domain(uuid)) is not None and (own := parse(there.xml)) is not None:
        now = "kvm" if own.kvm else "tcg"
    kvm = accelerator.use_kvm(client, inputs.accelerator, now)
    return Build(client=client, owner=ctx.owner, inputs=inputs, host=host, kvm=kvm, uuid=uuid, mac=mac)


def _mac(ctx: Context, inputs: NodeInputs) -> str:
    return (inputs.mac or identity.mac_address(ctx.owner, inputs.name)).lower()


def _compare_hosts(old: list[HostChoice], new: list[HostChoice], uri: str) -> Sequence[str]:
    """The list may change as it likes; what counts is the entry of the host the node runs on."""
    before = next((host for host in old if host.uri == uri), None)
    after = next((host for host in new if host.uri == uri), None)
    if before is None or after is None:
        return ("hosts",)
    same = (before.storage_pool, before.network, before.image) == (after.storage_pool, after.network, after.image)
    return () if same else (f"hosts[{new.index(after)}]",)


def _compare_configs(old: str, new: str) -> Sequence[str]:
    if config_digest(old) == config_digest(new):
        return ()
    if old.startswith("sha256:"):
        return ("ignition",)
    try:
        paths = diff(unpack(old), unpack(new))
    except ConfigError:  # one of them is no JSON
        return ("ignition",)
    # a Pulumi property path quotes what stands in brackets
    return [f"ignition.{re.sub(_BRACKETS, _quoted, path)}" for path in paths]


_BRACKETS = re.compile(r"\[([^\]]*)\]")


def _quoted(match: re.Match[str]) -> str:
    text = match.group(1).replace("\\", "\\\\").replace('"', '\\"')
    return f'["{text}"]'


def _without_unknowns(inputs: Mapping[str, Any]) -> NodeInputs | None:
    """The inputs as far as a preview knows them; the images may not exist yet, the rest must be known."""
    if any(has_unknown(value) for name, value in inputs.items() if name not in ("hosts", "ignition")):
        return None
    plain = reveal(inputs)
    hosts = plain.get("hosts")
    if has_unknown(plain.get("ignition")):
        plain["ignition"] = ""
    if not isinstance(hosts, list) or any(has_unknown(host.get(key)) for host in hosts for key in ("uri", "network")):
        return None
    empty = {"image": "", "imagePath": "", "imageFormat": "qcow2", "imageBytes": 0, "storagePool": "default"}
    plain["hosts"] = [
        {**host, **{key: value for key, value in empty.items() if has_unknown(host.get(key))}} for host in hosts
    ]
    return msgspec.convert(plain, NodeInputs)
