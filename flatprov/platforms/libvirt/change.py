"""Comparing a node as wanted with its machine as it is, and the changes that need no new machine."""

from __future__ import annotations

import posixpath
import time
from dataclasses import replace

import msgspec

from flatprov.platforms.libvirt import identity, machine
from flatprov.platforms.libvirt.client import Client, Domain, Volume
from flatprov.platforms.libvirt.domain import PHASE_READY, Machine
from flatprov.platforms.libvirt.machine import Build, config_digest
from flatprov.platforms.libvirt.settings import HostChoice, NodeInputs, NodeState, Phase
from flatprov.provider.context import Context
from flatprov.provider.resource import Found

_POWER_BUTTON_SECONDS = 90.0
_PRESS_EVERY_SECONDS = 5.0
_LOOK_EVERY_SECONDS = 0.2


def state_of(build: Build, *, phase: Phase, boot_seconds: float = 0.0, release: str = "") -> NodeState:
    """The outputs of a node in a phase."""
    return NodeState(
        uuid=build.uuid,
        host=build.client.uri,
        host_name=build.client.host_name(),
        mac_address=build.mac,
        node_address=build.inputs.address,
        config=config_digest(build.inputs.ignition),
        image=build.host.image,
        release=release or build.inputs.version,
        acceleration="kvm" if build.kvm else "tcg",
        boot_seconds=boot_seconds,
        phase=phase,
        ready=phase == "ready",
    )


def is_as_wanted(build: Build, there: Machine) -> bool:
    """Whether an existing machine can be continued with: same config, image and hardware, and alive or proven."""
    alive = there.mark.phase == PHASE_READY or build.client.is_running(build.uuid, build.inputs.name)
    hardware = (there.vcpus, there.memory_mib, there.mac, there.kvm) == (
        build.inputs.vcpus,
        build.inputs.memory_mib,
        build.mac,
        build.kvm,
    )
    return alive and hardware and not _differs(build, there)


def _differs(build: Build, there: Machine) -> str:
    if there.mark.config != config_digest(build.inputs.ignition):
        return "its Ignition config changed, and Ignition runs on a first boot only"
    disk = build.client.find_volume(build.host.storage_pool, build.root_volume)
    if disk is None:
        return "its disk is gone"
    if disk.backing_path != build.host.image_path:
        return "its image changed"
    return ""


def reason_to_rebuild(build: Build, there: Machine, state: NodeState) -> str:
    """Why nothing less than a new machine will do; empty when something less will."""
    if differs := _differs(build, there):
        return differs
    if there.mark.phase != PHASE_READY:
        if state.phase == "failed":
            return "its first boot failed"
        if state.phase == "booting" and not build.client.is_running(build.uuid, build.inputs.name):
            return "it was stopped during its first boot"
    return ""


def apply(ctx: Context, build: Build, there: Machine) -> None:
    """Disk, processors, memory, addresses and power state, in place."""
    client, inputs = build.client, build.inputs
    with ctx.slot(client.slots):
        running = _is_on(build)
        _grow(build, running)
        if (there.network, there.mac) != (build.host.network, build.mac):
            client.release(there.network, there.mac)  # one address has one reservation
        client.reserve(build.host.network, build.mac, inputs.name, inputs.address)
        client.set_autostart(build.uuid, inputs.name, inputs.autostart)
        wanted = replace(
            build.machine(there.disk_path, there.ignition_path, replace(there.mark, address=inputs.address)),
            kvm=build.kvm,
        )
        if wanted != there:
            machine.define(build, wanted)
    needs_restart = running and (
        (wanted.vcpus, wanted.memory_mib, wanted.mac, wanted.kvm, wanted.network, wanted.mark.address)
        != (there.vcpus, there.memory_mib, there.mac, there.kvm, there.network, there.mark.address)
    )
    if running and (needs_restart or not inputs.running):
        shut_down(ctx, build)
        running = False
    if inputs.running and not running and there.mark.phase == PHASE_READY:
        machine.start(build).close()


def _grow(build: Build, running: bool) -> None:
    disk = build.client.find_volume(build.host.storage_pool, build.root_volume)
    if disk is None or build.inputs.disk_bytes <= disk.size_bytes:
        return  # a disk never shrinks
    if running:
        build.client.resize_disk(build.uuid, build.inputs.name, "vda", build.inputs.disk_bytes)
    else:
        build.client.resize_volume(build.host.storage_pool, build.root_volume, build.inputs.disk_bytes)


def _is_on(build: Build) -> bool:
    """Whether the machine's process is there: also a paused guest, and one that is about to end, is not off yet."""
    there = build.client.find_domain(build.uuid)
    return there is not None and there.active


def shut_down(ctx: Context, build: Build) -> None:
    """Press the power button until the guest is off; after 90 s cut the power."""
    name, presses, begin = build.inputs.name, 0, time.monotonic()
    ctx.status("shutting down")
    while _is_on(build):
        passed = time.monotonic() - begin
        if passed > _POWER_BUTTON_SECONDS:
            ctx.warn(f"{name} did not shut down within {_POWER_BUTTON_SECONDS:.0f} s; its power was cut")
            build.client.stop_domain(build.uuid, name)
            return
        if passed >= presses * _PRESS_EVERY_SECONDS:  # a press before the guest listens is lost
            presses += 1
            build.client.power_button(build.uuid, name)
        ctx.wait(_LOOK_EVERY_SECONDS)


def describe(
    ctx: Context,
    client: Client,
    id_: str,
    there: Domain,
    found: Machine,
    inputs: NodeInputs | None,
    state: NodeState | None,
) -> Found:
    """A node as the host has it, in the form Check would return."""
    place = client.find_volume_path(found.disk_path)
    host = _host_of(client, found, place)
    ready = found.mark.phase == PHASE_READY
    phase: Phase = "ready" if ready else (state.phase if state else "booting")
    now = NodeState(
        uuid=there.uuid,
        host=client.uri,
        host_name=client.host_name(),
        mac_address=found.mac,
        node_address=found.mark.address,
        config=found.mark.config,
        image=host.image,
        release=found.mark.release or (state.release if state else "") or found.mark.version,
        acceleration="kvm" if found.kvm else "tcg",
        boot_seconds=state.boot_seconds if state else found.mark.boot_seconds,
        phase=phase,
        ready=ready,
    )
    if inputs is None:
        inputs = _recovered(found, host)
    elif config_digest(inputs.ignition) != found.mark.config:
        inputs = msgspec.structs.replace(inputs, ignition=f"sha256:{found.mark.config}")
    own_mac = inputs.mac or identity.mac_address(ctx.owner, inputs.name)
    there_inputs = msgspec.structs.replace(
        inputs,
        vcpus=found.vcpus,
        memory_mib=found.memory_mib,
        disk_bytes=place[1].size_bytes if place else 0,
        mac=inputs.mac if own_mac == found.mac or (state is not None and state.mac_address == found.mac) else found.mac,
        address=found.mark.address,
        running=there.active if ready else inputs.running,
        autostart=there.autostart,
    )
    return Found(id_, now, there_inputs)


def host_of(client: Client, found: Machine) -> HostChoice:
    """The host of a machine as the machine itself shows it."""
    return _host_of(client, found, client.find_volume_path(found.disk_path))


def _host_of(client: Client, found: Machine, place: tuple[str, Volume] | None) -> HostChoice:
    image = posixpath.basename(place[1].backing_path) if place else ""
    return HostChoice(
        uri=client.uri,
        storage_pool=place[0] if place else "default",
        network=found.network,
        image=image,
        image_path="",
        image_format=image.rpartition(".")[2] or "qcow2",
        image_bytes=0,
    )


def _recovered(found: Machine, host: HostChoice) -> NodeInputs:
    """The inputs of a node of which only the ID is known. Its config is known by its digest."""
    return NodeInputs(
        name=found.name,
        pool=found.mark.pool,
        hosts=[host],
        vcpus=found.vcpus,
        memory_mib=found.memory_mib,
        ignition=f"sha256:{found.mark.config}",
        address=found.mark.address,
        version=found.mark.version,
        accelerator="kvm" if found.kvm else "tcg",
    )
