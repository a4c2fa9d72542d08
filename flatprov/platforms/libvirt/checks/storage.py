"""The storage pool: there, started, with room, and in a place that QEMU may read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flatprov.errors import OutOfSpaceError
from flatprov.platforms.finding import Finding
from flatprov.platforms.libvirt import here
from flatprov.platforms.libvirt.checks import outcome
from flatprov.platforms.libvirt.facts import HostFacts, Pool
from flatprov.platforms.libvirt.settings import GIB, MIB

HEADROOM_BYTES = 256 * MIB  #: an overlay grows with use; a pool with less than this left would fail during first boot
ROOMY_BYTES = 5 * GIB  #: one image as published, and a few nodes' first days
_USUAL = "/var/lib/libvirt/images"
_CLOSED = ("/root", "/home", "/run/user")  # where QEMU's own user usually finds no way in
_FORBIDDEN = ("/bin", "/boot", "/etc", "/lib", "/proc", "/sbin", "/sys", "/usr")  # virt-aa-helper gives no access there
_NETWORKED = ("netfs", "gluster", "vstorage")


def room(subject: str, uri: str, pool: str, free_bytes: int, wanted_bytes: int, roomy_bytes: int = 0) -> Finding:
    """Whether a node's disk can grow at all.

    Args:
        subject: the node.
        uri: the host.
        pool: the storage pool.
        free_bytes: what is left in it.
        wanted_bytes: the size of the disk; it starts nearly empty.
        roomy_bytes: with less than this a warning is due.
    """
    check = "the storage pool has room"
    if free_bytes < min(wanted_bytes, HEADROOM_BYTES):
        text = f"storage pool {pool} on {uri} has {free_bytes // MIB} MiB left, too little for a boot"
        fix = "free some space there, or name another pool"
        return outcome.error(check, subject, text, fix, "storagePool", OutOfSpaceError)
    if free_bytes < roomy_bytes:
        text = f"storage pool {pool} has {free_bytes // MIB} MiB left"
        return outcome.warning(check, subject, text, "free some space there before the disks of nodes fill up")
    return outcome.ok(check, subject, f"storage pool {pool} has {free_bytes / GIB:.1f} GiB left")


def there(uri: str, name: str, pools: Sequence[Pool]) -> Finding:
    """Whether the pool is defined and started."""
    check, subject = "the storage pool is there", f"storage pool {name}"
    pool = find(name, pools)
    if pool is None:
        others = ", ".join(sorted(one.name for one in pools)) or "none at all"
        fix = (
            f"run `virsh -c {uri} pool-define-as {name} dir --target {_USUAL}` and `virsh -c {uri} pool-start {name}`, "
            "or name another one"
        )
        return outcome.error(check, subject, f"the host has no pool of that name ({others})", fix, "storagePool")
    where = f"{pool.kind} pool in {pool.path or 'no folder'}"
    if not pool.active:
        text = f"it is defined ({where}) and stopped; flatprov starts it when it needs it"
        return outcome.warning(check, subject, text, f"run `virsh -c {uri} pool-start {name}`")
    return outcome.ok(check, subject, where)


def autostart(uri: str, pool: Pool) -> Finding:
    """Whether the pool is there again after the host has started."""
    check, subject = "the storage pool starts with the host", f"storage pool {pool.name}"
    if pool.autostart:
        return outcome.ok(check, subject, "it does")
    text = "it does not; nodes with autostart do not come up after the host has started"
    return outcome.warning(check, subject, text, f"run `virsh -c {uri} pool-autostart {pool.name}`")


def place(pool: Pool, host: HostFacts, daemon: here.Daemon | None, session: bool) -> Iterator[Finding]:
    """Whether QEMU, as its own user and as it is confined, may read what lies in the pool.

    Args:
        pool: the pool.
        host: its host.
        daemon: the daemon's process, when it runs on this machine.
        session: it is a user's own daemon: QEMU runs as that user.
    """
    yield _reachable(pool, host, daemon, session)
    yield _confined(pool, host)


def _reachable(pool: Pool, host: HostFacts, daemon: here.Daemon | None, session: bool) -> Finding:
    check, subject = "QEMU's user may enter the pool's folder", f"storage pool {pool.name}"
    user, _, group = host.emulator_user.partition(":")
    if session or user == "0" or not pool.path:
        return outcome.ok(check, subject, "QEMU runs as the pool's owner" if pool.path else "it has no folder")
    fix = f"run `sudo chmod o+x` on it, or keep the pool in {_USUAL}"
    if daemon is not None and user.isdigit() and group.isdigit():
        closed = here.closed_folder(daemon, pool.path, int(user), int(group))
        if closed:
            return outcome.error(check, subject, f"QEMU runs as user {user}, which may not enter {closed}", fix)
        if closed == "":
            return outcome.ok(check, subject, f"user {user} may enter {pool.path}")
    if _below(pool.path, _CLOSED):
        text = f"it lies in {pool.path}; folders there are usually closed to QEMU's user"
        return outcome.warning(check, subject, text, f"keep the pool in {_USUAL}, or open each folder on the way (o+x)")
    text = f"it lies in {pool.path}; the permissions of folders cannot be seen from here"
    if _below(pool.path, (_USUAL,)):
        return outcome.ok(check, subject, f"it lies in {pool.path}, as libvirt's packages set it up")
    return outcome.unknown(check, subject, text, f"run `namei -l {pool.path}` there")


def _confined(pool: Pool, host: HostFacts) -> Finding:
    check, subject = "confinement lets QEMU use the pool", f"storage pool {pool.name}"
    if not host.confinement:
        return outcome.ok(check, subject, "libvirt confines QEMU by neither SELinux nor AppArmor here")
    usual = _below(pool.path, ("/var/lib/libvirt",))
    if "selinux" in host.confinement:
        if pool.kind in _NETWORKED:
            text = "SELinux confines QEMU and the pool is on the network; the boolean cannot be seen from here"
            return outcome.unknown(check, subject, text, "run `sudo setsebool -P virt_use_nfs 1` there if starts fail")
        if not usual:
            fix = (
                f"run `sudo semanage fcontext -a -t virt_image_t '{pool.path}(/.*)?'` and "
                f"`sudo restorecon -R {pool.path}` there, or keep the pool in {_USUAL}"
            )
            return outcome.warning(
                check, subject, f"SELinux confines QEMU, and {pool.path} has no label for it by itself", fix
            )
        return outcome.ok(check, subject, f"SELinux confines QEMU; {pool.path} is labelled for it by the packages")
    if _below(pool.path, _FORBIDDEN):
        text = f"AppArmor confines QEMU, and libvirt gives it nothing in {pool.path}"
        return outcome.error(check, subject, text, f"keep the pool in {_USUAL}")
    named = ", ".join(host.confinement)
    text = f"{named} confines QEMU; libvirt adds each node's files in {pool.path} to its profile"
    return outcome.ok(check, subject, f"{text}. Local changes of that profile cannot be seen from here")


def find(name: str, pools: Sequence[Pool]) -> Pool | None:
    """A pool by name."""
    return next((one for one in pools if one.name == name), None)


def _below(path: str, folders: Sequence[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
