"""Files where they cannot be, or where another file is already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flatprov.ignition.findings.codes import entry
from flatprov.ignition.findings.view import Item, View, texts
from flatprov.ignition.report import Entry

_VOLATILE: Final = ("/proc/", "/sys/", "/dev/", "/run/", "/tmp/", "/var/run/", "/var/lock/")  # noqa: S108 - names
_READ_ONLY: Final = ("/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/")
_WRITABLE: Final = "/usr/share/oem/"  # the OEM partition's place in older releases
#: Files that the system makes or keeps itself, and what to write instead.
_MANAGED: Final = {
    "/etc/resolv.conf": "set DNS= in a file below /etc/systemd/resolved.conf.d or in a .network file",
    "/etc/machine-id": "leave it to systemd: equal IDs on two machines break DHCP and journals",
    "/etc/os-release": "leave it: updates replace it",
    "/etc/passwd": "declare passwd.users",
    "/etc/shadow": "declare passwd.users with passwordHash",
    "/etc/group": "declare passwd.groups",
    "/etc/gshadow": "declare passwd.groups",
    "/etc/mtab": "leave it: it is a link to what the kernel says",
    "/etc/.updated": "leave it to systemd",
    "/etc/nsswitch.conf": "leave it: updates keep it right for the libraries of the system",
}


def find(view: View) -> Iterator[Entry]:
    """Find files, directories and links that fail, vanish, or take the place of what the system keeps."""
    for kind, nodes in (("file", view.files), ("link", view.links), ("directory", view.directories)):
        for node in nodes:
            path = node.text("path")
            if path.startswith("/etc/"):
                if kind != "directory":
                    yield from _etc(view, node, path, kind)
            elif path.startswith(_VOLATILE):
                message = f"{path} lies where nothing stays: what is written there is gone when the system starts"
                fix = "choose a place below /etc, /opt or /var, or let systemd-tmpfiles make it (/etc/tmpfiles.d)"
                yield entry("volatile-path", (*node.path, "path"), message, fix)
            elif path.startswith(_READ_ONLY) and not path.startswith(_WRITABLE):
                message = f"{path} lies on the read-only system partition: the first boot fails"
                fix = "write programs to /opt/bin, units to systemd.units and settings to /etc, or make an extension"
                yield entry("read-only-path", (*node.path, "path"), message, fix)


def _etc(view: View, node: Item, path: str, kind: str) -> Iterator[Entry]:
    contents = node.data.get("contents")
    sets = kind == "link" or (isinstance(contents, dict) and isinstance(contents.get("source"), str))
    if path in view.target.files and sets and node.data.get("overwrite") is not True:
        release = f"Flatcar {view.target.release}" if view.target.release else "the release"
        message = f"{path} exists in {release} before Ignition runs, and without overwrite the first boot fails"
        folder = "a drop-in directory beside it, if its program reads one"
        yield entry("file-exists", (*node.path, "path"), message, f"set overwrite to true, or write to {folder}")
    if path in view.target.unverified_files and sets and node.data.get("overwrite") is None:
        message = f"{path} may exist in the release before Ignition runs; then, without overwrite, the first boot fails"
        yield entry("file-may-exist", (*node.path, "path"), message, "set overwrite to true")
    if path in _MANAGED and (sets or node.data.get("append")):
        message = f"{path} belongs to the operating system, which makes or changes it itself"
        yield entry("os-file", (*node.path, "path"), message, _MANAGED[path])


def find_homes(view: View) -> Iterator[Entry]:
    """Find missing parents of a file in its owner's home: Ignition makes them, and root owns them."""
    homes = {"core": "/home/core"}
    keys = set()
    for path, user in view.users:
        name, home = user.get("name"), user.get("homeDir")
        if isinstance(name, str):
            homes[name] = home if isinstance(home, str) and home else f"/home/{name}"
            if texts(user, path, "sshAuthorizedKeys"):
                keys.add(name)
    ids = {user.get("uid"): user.get("name") for _, user in view.users if type(user.get("uid")) is int}
    owned = {one.text("path"): _owner(one, ids) for one in view.directories}
    for node in (*view.files, *view.links):
        name = node.text("path")
        owner = _owner(node, ids)
        if not owner or owner == "root" or node.data.get("hard") is True:
            continue
        home = homes.get(owner, f"/home/{owner}")
        if not name.startswith(f"{home}/"):
            continue
        missing = [parent for parent in _parents(name, home) if not owned.get(parent)]
        if owner in keys and f"{home}/.ssh" in missing:
            missing.remove(f"{home}/.ssh")  # made with the right owner for the user's keys
        if missing:
            message = f"{', '.join(missing)} will belong to root, and {owner} cannot write there"
            fix = "add to storage.directories: " + ", ".join(
                f'{{"path":"{one}","user":{{"name":"{owner}"}},"group":{{"name":"{owner}"}}}}' for one in missing
            )
            yield entry("home-parents", (*node.path, "path"), message, fix)


def _owner(node: Item, ids: dict[object, object]) -> str:
    user = node.data.get("user")
    if not isinstance(user, dict):
        return ""
    name, number = user.get("name"), user.get("id")
    if not name and type(number) is int:
        name = ids.get(number) or ("root" if number == 0 else "core" if number == 500 else "")
    return name if isinstance(name, str) else ""


def _parents(path: str, home: str) -> list[str]:
    parts = path[len(home) + 1 :].split("/")[:-1]
    return [f"{home}/{'/'.join(parts[: number + 1])}" for number in range(min(len(parts), 40))]
