"""The release a stack runs: resolved once, then held in the state until the user moves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from flatprov.errors import ImageError
from flatprov.flatcar.releases import ReleaseInfo
from flatprov.provider.context import Context
from flatprov.provider.resource import CONTROL, Created, Found, Inputs, Resource, State
from flatprov.provider.values import has_unknown, reveal

TOKEN = "flatprov:index:Release"  # noqa: S105 - a type token


class ReleaseInputs(Inputs, frozen=True, kw_only=True, rename="camel"):
    """Which release.

    Args:
        channel: ``stable``, ``beta``, ``alpha``, ``lts``, or an LTS stream such as ``lts-2024``.
        version: an exact version; the channel's newest at creation when absent or ``current``.
        architecture: ``amd64`` or ``arm64``.
        mirror: base URL that serves the publisher's paths; the environment's ``FLATPROV_MIRROR`` when absent.
        upgrade: any new text here moves the release to the channel's newest.
    """

    channel: str = "stable"
    version: str | None = None
    architecture: str = "amd64"
    mirror: Annotated[str | None, CONTROL] = None
    upgrade: str = ""


class ReleaseState(State, frozen=True, kw_only=True, rename="camel"):
    """The release as resolved.

    Args:
        resolved_version: ``4593.2.5``.
        resolved_channel: the channel whose server has its files.
        release_date: when it was published.
        ignition: its Ignition.
        max_ignition_spec: the newest Ignition spec it reads.
        kernel: its Linux kernel.
        containerd: its containerd.
        docker: its Docker.
        systemd: its systemd.
        release_before: when the release before it was published: an image signed earlier is an older one.
        image_files: its image file for each platform, by the server's own list; empty where that could not be had.
    """

    resolved_version: str = ""
    resolved_channel: str = ""
    release_date: str = ""
    ignition: str = ""
    max_ignition_spec: str = ""
    kernel: str = ""
    containerd: str = ""
    docker: str = ""
    systemd: str = ""
    release_before: str = ""
    image_files: Mapping[str, str] = {}


def find(inputs: ReleaseInputs, ctx: Context, *, any_channel: bool = False) -> ReleaseInfo:
    """Ask the publisher's feed, or the mirror's."""
    from flatprov.images.feeds import FeedSource, find_release  # late: a program needs the types of this module only

    ctx.status(f"looking up Flatcar {inputs.version or inputs.channel}")
    source = FeedSource(inputs.mirror, cancelled=lambda: ctx.is_cancelled)
    return find_release(None if any_channel else inputs.channel, inputs.version, inputs.architecture, source)[0]


def _artifacts(info: ReleaseInfo, mirror: str | None, ctx: Context) -> dict[str, str]:
    """The release's files. Nodes on a cloud's own images need none, so a silent server is a warning only."""
    from flatprov.images.listing import platform_files

    ctx.status(f"looking up the files of Flatcar {info.version}")
    try:
        return platform_files(info, mirror, lambda: ctx.is_cancelled)
    except ImageError as error:
        ctx.warn(f"the files of Flatcar {info.version} are not known: {error}")
        return {}


def _state(info: ReleaseInfo, artifacts: Mapping[str, str]) -> ReleaseState:
    return ReleaseState(
        resolved_version=info.version,
        resolved_channel=info.channel,
        release_date=info.release_date,
        ignition=info.ignition,
        max_ignition_spec=info.max_ignition_spec,
        kernel=info.kernel,
        containerd=info.containerd,
        docker=info.docker,
        systemd=info.systemd,
        release_before=info.release_before,
        image_files=dict(artifacts),
    )


class ReleaseResource(Resource[ReleaseInputs, ReleaseState]):
    """A Flatcar release. A later ``up`` never moves it by itself: ``version`` or ``upgrade`` does."""

    token = TOKEN
    inputs = ReleaseInputs
    state = ReleaseState

    def plan(self, ctx: Context, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """A preview resolves it too, so that what depends on it can be planned."""
        if any(has_unknown(value) for value in inputs.values()):
            return {}
        known = dict(msgspec.to_builtins(_state(find(msgspec.convert(reveal(inputs), ReleaseInputs), ctx), {})))
        del known["imageFiles"]  # a preview asks the feed only
        return known

    def create(self, ctx: Context, inputs: ReleaseInputs) -> Created:
        """Resolve."""
        state = self._resolved(inputs, ctx)
        return Created(f"{inputs.architecture}|{state.resolved_version}", state)

    def read(self, ctx: Context, id_: str, inputs: ReleaseInputs | None, state: ReleaseState | None) -> Found | None:
        """The recorded release; a published release does not change. On import it is looked up."""
        if inputs is None or state is None:
            architecture, _, version = id_.partition("|")
            info = find(ReleaseInputs(version=version, architecture=architecture), ctx, any_channel=True)
            inputs = ReleaseInputs(channel=info.channel, version=version, architecture=architecture)
            state = _state(info, _artifacts(info, None, ctx))
        return Found(id_, state, inputs)

    def update(
        self, ctx: Context, id_: str, old: ReleaseInputs, new: ReleaseInputs, state: ReleaseState
    ) -> ReleaseState:
        """Resolve again."""
        return self._resolved(new, ctx)

    def delete(self, ctx: Context, id_: str, inputs: ReleaseInputs | None, state: ReleaseState) -> None:
        """Nothing exists outside the state."""

    def _resolved(self, inputs: ReleaseInputs, ctx: Context) -> ReleaseState:
        info = find(inputs, ctx)
        return _state(info, _artifacts(info, inputs.mirror, ctx))
