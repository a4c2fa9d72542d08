"""Waiting for a first boot: console bytes go into the state machine, its verdict comes out as result or error."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from flatprov.errors import BootError, CancelledError, ConfigError, DeadlineError
from flatprov.flatcar.boot import BootMonitor, Failed, Ready
from flatprov.ignition import Redactor, secret_leaves, unpack
from flatprov.platforms.libvirt import config, history, reach
from flatprov.platforms.libvirt.client import Client
from flatprov.platforms.libvirt.console import Console
from flatprov.platforms.libvirt.machine import Build
from flatprov.provider.context import Context

REPORT_PATH = "/run/flatprov/report"  # what flatprov-report.service leaves in the guest, for a run that came too late
_POLL_SECONDS = 0.2
_AGENT_EVERY_SECONDS = 3.0
_ALIVE_EVERY_SECONDS = 2.0
_TAIL_LINES, _EVERYTHING = 20, 1_000_000
_KEEP_EVERY_SECONDS = 15.0  # what is known of the console, for `flatprov logs` while a boot hangs
_REASON_SECONDS = 5.0  # how long a better reason for a failure is waited for
_STARTS = 3  # of a machine whose kernel gives up because the host was too busy


@dataclass(frozen=True)
class Outcome:
    """A first boot that succeeded."""

    ready: Ready
    seconds: float


class BootFailedError(BootError):
    """The first boot ended in failure: the machine has to be made again."""


def monitor(ctx: Context, build: Build) -> BootMonitor:
    """A state machine that lets no secret of the node's config out."""
    everything = "ignition" in ctx.secret_inputs
    try:
        leaves = secret_leaves(unpack(build.inputs.ignition), everything)
    except ConfigError:
        leaves = []
    return BootMonitor(units=config.units(build.inputs.ignition), redact=Redactor(leaves).redact)


def wait(ctx: Context, build: Build, console: Console, restart: Callable[[], Console], *, resumed: bool) -> Outcome:
    """Wait until the node reports. A start that the host was too busy for is made again, three in all.

    Args:
        ctx: the operation.
        build: the node.
        console: its console, attached.
        restart: powers it off and on again, and gives the new console.
        resumed: the machine was started by an earlier run, so its report may have passed already.

    Raises:
        BootFailedError: it failed; the error says why.
        BootError: it did not report in time.
        CancelledError: the user stopped the run; the machine boots on.
    """
    started = time.monotonic()
    limit = ctx.remaining_seconds(build.inputs.boot_timeout_seconds)
    boot, log = monitor(ctx, build), _Log(build)
    watch = _Watch(build.client, build.uuid, build.inputs.name, resumed)
    shown, starts = "", 1
    try:
        while True:
            state = boot.feed(console.read(_POLL_SECONDS) + watch.late_report())
            waited = time.monotonic() - started
            if isinstance(state, Ready):
                return Outcome(state, waited)
            if isinstance(state, Failed):
                _hear_out(boot, console)
                if not state.again or starts == _STARTS:
                    raise _failed(build, boot.state if isinstance(boot.state, Failed) else state)
                starts += 1
                ctx.status(f"{state.reason}; starting it again")
                console.close()
                log.keep(boot)
                console, boot, log = restart(), monitor(ctx, build), _Log(build)
                watch = _Watch(build.client, build.uuid, build.inputs.name, False)
                continue
            if waited > limit:
                raise _late(build, boot, waited)
            if state.stage != shown:
                shown = state.stage
                ctx.status(f"first boot: {shown}")
            log.keep_now_and_then(boot)
            watch.check_alive(boot)
            ctx.check()
    except DeadlineError:
        raise _late(build, boot, time.monotonic() - started) from None
    except CancelledError as error:
        raise CancelledError(
            build.inputs.name, f"cancelled during its first boot ({shown})", "run `pulumi up` again to continue"
        ) from error
    finally:
        console.close()
        log.keep(boot)


def _hear_out(boot: BootMonitor, console: Console) -> None:
    """Read on after a failure: the lines that belong to it arrive together, and its true reason may be late."""
    until = time.monotonic() + _REASON_SECONDS
    boot.feed(console.read(_POLL_SECONDS))
    while not boot.explained and time.monotonic() < until:
        boot.feed(console.read(_POLL_SECONDS))


class _Log:
    """The console of one boot, kept for ``flatprov logs``."""

    def __init__(self, build: Build) -> None:
        uri = reach.without_password(build.client.uri)
        self._kept = history.Recorder(node=build.inputs.name, uri=uri, owner=build.owner, uuid=build.uuid)
        self._next = time.monotonic() + _KEEP_EVERY_SECONDS

    def keep_now_and_then(self, boot: BootMonitor) -> None:
        if time.monotonic() >= self._next:
            self.keep(boot)
            self._next = time.monotonic() + _KEEP_EVERY_SECONDS

    def keep(self, boot: BootMonitor) -> None:
        state = boot.state
        if isinstance(state, Ready):
            outcome = "ready"
        else:
            outcome = f"failed: {state.reason}" if isinstance(state, Failed) else f"booting: {state.stage}"
        self._kept.write(boot.tail(_EVERYTHING), outcome)


class _Watch:
    """What is looked at beside the console: whether the machine lives, and a report that was written before we came."""

    def __init__(self, client: Client, uuid: str, name: str, resumed: bool) -> None:
        self._client, self._uuid, self._name = client, uuid, name
        self._next_agent = 0.0 if resumed else float("inf")
        self._next_alive = time.monotonic() + _ALIVE_EVERY_SECONDS

    def late_report(self) -> bytes:
        if time.monotonic() < self._next_agent:
            return b""
        self._next_agent = time.monotonic() + _AGENT_EVERY_SECONDS
        found = self._client.read_guest_file(self._uuid, REPORT_PATH)
        return b"\n" + found + b"\n" if found else b""

    def check_alive(self, boot: BootMonitor) -> None:
        if time.monotonic() < self._next_alive:
            return
        self._next_alive = time.monotonic() + _ALIVE_EVERY_SECONDS
        if not self._client.is_running(self._uuid, self._name):
            raise BootFailedError(
                self._name,
                "the machine stopped during its first boot",
                'look at the hypervisor\'s log; where KVM is present but does not work, set accelerator to "tcg"',
                tail=boot.tail(_TAIL_LINES),
            )


def _failed(build: Build, state: Failed) -> BootFailedError:
    fix = (
        "Run `pulumi up` again when the host has less to do, or start fewer machines at once (`pulumi up --parallel`)"
        if state.again
        else "Mend the config and run `pulumi up` again: the node is in the state and will be made anew"
    )
    return BootFailedError(
        build.inputs.name, f"first boot failed: {state.reason}", fix, unit=state.unit, tail=state.tail
    )


def _late(build: Build, boot: BootMonitor, seconds: float) -> BootError:
    limit = "timeouts.boot" if seconds > build.inputs.boot_timeout_seconds else "its customTimeouts"
    state = boot.timeout_reason(seconds)
    return BootError(
        build.inputs.name,
        f"first boot did not finish in {seconds:.0f} s: {state.reason}",
        f"Run `pulumi up` again to wait on, raise {limit}, or mend what it waits for",
        unit=state.unit,
        tail=state.tail,
    )
