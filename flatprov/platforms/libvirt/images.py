"""An image on one host: verified here, uploaded there once, shared by all nodes that run it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flatprov.errors import ConfigError, FlatprovError, ForeignObjectError, ImageError, OutOfSpaceError, PlatformError
from flatprov.flatcar.releases import ReleaseInfo
from flatprov.platforms.libvirt import client as libvirt
from flatprov.platforms.libvirt import domain, identity
from flatprov.platforms.libvirt.client import Client, Volume
from flatprov.platforms.libvirt.machine import upload_progress
from flatprov.platforms.libvirt.settings import IMAGE_TOKEN, ImageInputs, ImageState
from flatprov.provider.context import Context
from flatprov.provider.resource import Created, Found, Resource

if TYPE_CHECKING:
    from flatprov.images.obtain import Obtained

_STALLED_SECONDS = 10.0
_POLL_SECONDS = 0.5
_locks: dict[str, threading.Lock] = {}


class ImageResource(Resource[ImageInputs, ImageState]):
    """A verified image as a volume. A new version is a new volume: living disks keep the one they stand on."""

    token = IMAGE_TOKEN
    inputs = ImageInputs
    state = ImageState
    replaces = ("uri", "storagePool", "version", "sha512", "channel", "architecture")
    refresh_before_update = True
    delete_before_replace = False

    def compare(self, field: str, old: Any, new: Any, state: Mapping[str, Any]) -> tuple[str, ...]:
        """The same image under another channel, or known after an import by the digest in its volume's name."""
        if field == "channel" and new:
            return ()
        known = str(state.get("digest", ""))
        return () if field == "sha512" and not old and known and new.lower().startswith(known) else (field,)

    def create(self, ctx: Context, inputs: ImageInputs) -> Created:
        """Verify on this machine, then upload unless the host has it."""
        from flatprov.images.locks import in_use  # late, as below

        client = libvirt.connect(inputs.uri, ctx.name)
        client.pool_free_bytes(inputs.storage_pool)  # a missing pool is better told before a download
        image = _obtain(ctx, inputs)
        if image.format not in ("qcow2", "raw"):
            raise ImageError(
                ctx.name,
                f"{image.path.name} is a {image.format} file and libvirt boots qcow2 or raw",
                f"convert it: qemu-img convert -O qcow2 {image.path.name} image.qcow2",
                path="source",
            )
        name = identity.base_volume(inputs.version, image.sha512, image.format)
        lock = _locks.setdefault(f"{inputs.uri}|{inputs.storage_pool}/{name}", threading.Lock())
        # in_use first: waiting for another upload may take long, and the file is needed after it
        with in_use(image.path), lock, ctx.slot(client.slots):
            volume = _place(ctx, client, inputs.storage_pool, name, image)
        return Created(f"{inputs.uri}|{inputs.storage_pool}/{name}", _state(volume, image.format, image.sha512))

    def read(self, ctx: Context, id_: str, inputs: ImageInputs | None, state: ImageState | None) -> Found | None:
        """The volume as the host has it."""
        uri, pool, name = _split(id_, ctx)
        client = libvirt.connect(uri, ctx.name)
        volume = client.find_volume(pool, name)
        if volume is None:
            return None
        stem, _, kind = name.rpartition(".")
        version, _, digest = stem.removeprefix("flatcar-").rpartition("-")
        found = state or ImageState(digest=digest)
        if inputs is None:
            inputs = ImageInputs(uri=uri, storage_pool=pool, version=version)
        return Found(id_, _state(volume, kind, found.digest), inputs)

    def delete(self, ctx: Context, id_: str, inputs: ImageInputs | None, state: ImageState) -> None:
        """Delete the volume, unless a disk still stands on it: then the last stack that uses it deletes it."""
        uri, pool, name = _split(id_, ctx)
        client = libvirt.connect(uri, ctx.name)
        with ctx.slot(client.slots):
            volume = client.find_volume(pool, name)
            if volume is None:
                return
            users = [other.name for other in client.volumes(pool) if other.backing_path == volume.path]
            if users:
                ctx.warn(f"{name} stays on {uri}: {', '.join(sorted(users)[:5])} still stand on it")
                return
            client.delete_volume(pool, name)


def _split(id_: str, ctx: Context) -> tuple[str, str, str]:
    try:
        uri, place = identity.split_id(id_)
        pool, slash, name = place.partition("/")
        if not slash:
            raise ValueError(id_)
    except ValueError:
        raise ConfigError(ctx.name, f"{id_!r} is not the ID of an image", "write it as URI|POOL/VOLUME") from None
    return uri, pool, name


def _state(volume: Volume, kind: str, digest: str) -> ImageState:
    return ImageState(volume=volume.name, path=volume.path, format=kind, virtual_bytes=volume.size_bytes, digest=digest)


def _obtain(ctx: Context, inputs: ImageInputs) -> Obtained:
    from flatprov.images.keys import PINNED  # late: most runs find the image where it is
    from flatprov.images.obtain import obtain_own, obtain_release

    shown = -1

    def progress(done: int, total: int | None) -> None:
        nonlocal shown
        step = done * 20 // total if total else done >> 26
        if step != shown:
            shown = step
            ctx.status(f"image: {done >> 20} of {(total or 0) >> 20} MiB")

    fingerprint = PINNED if inputs.fingerprint is None else inputs.fingerprint
    if inputs.source is not None:
        return obtain_own(
            inputs.source,
            inputs.sha512,
            unsigned=inputs.unsigned,
            declared=inputs.declared_format,
            key_file=inputs.key_file,
            progress=progress,
            cancelled=lambda: ctx.is_cancelled,
            fingerprint=fingerprint,
            mirror=inputs.mirror,
        )
    info = ReleaseInfo(
        version=inputs.version,
        channel=inputs.channel or "stable",
        architecture=inputs.architecture,
        architectures=(inputs.architecture,),
        release_date="",
        ignition="",
        kernel="",
        containerd="",
        docker="",
        systemd="",
        max_ignition_spec="",
        release_before=inputs.release_before,
    )
    return obtain_release(
        info,
        "libvirt",
        mirror=inputs.mirror,
        key_file=inputs.key_file,
        progress=progress,
        cancelled=lambda: ctx.is_cancelled,
        fingerprint=fingerprint,
    )


def _place(ctx: Context, client: Client, pool: str, name: str, image: Obtained) -> Volume:
    """The volume with exactly the image's bytes: found, waited for, or uploaded."""
    size = image.path.stat().st_size
    end = time.monotonic() + _STALLED_SECONDS
    while (there := _settled(ctx, client, pool, name, size)) is None:
        _require_room(ctx, client, pool, image)
        # An empty file that grows as bytes arrive: its length tells a whole upload from one that was cut
        capacity = image.virtual_size_bytes if image.format == "qcow2" else 0
        try:
            client.create_volume(pool, name, domain.volume_xml(name, image.format, capacity, mode="0644"))
        except ForeignObjectError:  # another stack began at the same moment; its file may not be there to see yet
            if time.monotonic() > end:
                raise
            ctx.wait(_POLL_SECONDS)
        else:
            return _filled(ctx, client, pool, name, image)
    return there


def _require_room(ctx: Context, client: Client, pool: str, image: Obtained) -> None:
    size = image.path.stat().st_size
    free = client.pool_free_bytes(pool)
    if free < image.path.stat().st_blocks * 512:
        raise OutOfSpaceError(
            ctx.name,
            f"storage pool {pool} on {client.uri} has {free >> 20} MiB left and the image needs {size >> 20} MiB",
            "free some space there, or name another pool",
            host=client.uri,
            path="storagePool",
        )


def _filled(ctx: Context, client: Client, pool: str, name: str, image: Obtained) -> Volume:
    """Fill the volume that this run made. Only such a one is deleted when that fails."""
    try:
        client.upload(pool, name, image.path, upload_progress(ctx, "upload"))
    except BaseException:
        with contextlib.suppress(FlatprovError):  # the first error is the one to tell
            client.delete_volume(pool, name)
        raise
    volume = client.find_volume(pool, name)
    if volume is None or volume.file_bytes != image.path.stat().st_size:
        client.delete_volume(pool, name)
        raise PlatformError(
            ctx.name, f"the upload to {client.uri} is not whole", "run `pulumi up` again", host=client.uri
        )
    return volume


def _settled(ctx: Context, client: Client, pool: str, name: str, size: int) -> Volume | None:
    """A whole volume of that name. One that another process fills is waited for; one that a crash left is deleted."""
    client.refresh_pool(pool)
    volume, still = client.find_volume(pool, name), 0.0
    while volume is not None and volume.file_bytes != size:
        if still >= _STALLED_SECONDS:
            client.delete_volume(pool, name)
            return None
        ctx.status("waiting for another run that uploads the same image")
        ctx.wait(_POLL_SECONDS)
        client.refresh_pool(pool)
        now = client.find_volume(pool, name)
        still = still + _POLL_SECONDS if now is not None and now.file_bytes == volume.file_bytes else 0.0
        volume = now
    return volume
