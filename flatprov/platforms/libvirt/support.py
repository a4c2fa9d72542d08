"""What a helper needs to see of a host, without secrets: the doctor's findings, versions, definitions, consoles."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping
from importlib import metadata

from flatprov import __version__
from flatprov.errors import FlatprovError
from flatprov.platforms.libvirt import client as libvirt
from flatprov.platforms.libvirt import doctor, history, reach, scrub
from flatprov.platforms.libvirt.checks import hypervisor, nodes
from flatprov.platforms.libvirt.client import Client

_PACKAGES = (
    "pulumi",
    "msgspec",
    "libvirt-python",
    "httpx",
    "pysequoia",
    "jinja2",
    "grpcio",
    "protobuf",
    "cryptography",
)


def collect(uri: str, node: str = "", wanted: doctor.Wanted | None = None) -> dict[str, bytes]:
    """The files of a bundle, by name.

    A host that does not answer gives no definitions; everything else is there all the same.

    Args:
        uri: the host.
        node: one node; empty for all of flatprov on the host.
        wanted: what the doctor is asked about.
    """
    found = doctor.examine(uri, wanted)
    files = {"doctor.json": _json(found.as_json()), "versions.json": _json(versions())}
    try:
        files.update(definitions(libvirt.connect(uri, "support"), node) if found.is_reached else {})
    except FlatprovError as error:
        files["definitions.txt"] = f"{error}\n".encode()
    files.update(consoles(uri, node))
    files["README.txt"] = _README.format(uri=reach.without_password(uri), node=node or "all nodes").encode()
    return files


def versions() -> Mapping[str, str]:
    """Versions of flatprov, Python and the packages below."""
    found = {"flatprov": __version__, "python": platform.python_version(), "system": platform.platform()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def definitions(client: Client, node: str) -> Iterator[tuple[str, bytes]]:
    """Domains of flatprov, networks and storage pools, cleaned; and what the host says of itself."""
    about = client.host_facts()
    facts = {
        "libvirt": hypervisor.dotted(about.libvirt),
        "qemu": hypervisor.dotted(about.qemu),
        "architecture": about.architecture,
        "confinement": list(about.confinement),
    }
    yield "host.json", _json(facts)
    for own in nodes.own(client.domains()):
        if node in ("", own.domain.name):
            yield f"domains/{own.domain.name}.xml", scrub.clean(own.domain.xml).encode()
    for network in client.networks():
        yield f"networks/{network.name}.xml", scrub.clean(network.xml).encode()
    for pool in client.pools():
        yield f"pools/{pool.name}.xml", scrub.clean(pool.xml).encode()


def consoles(uri: str, node: str) -> Iterator[tuple[str, bytes]]:
    """The kept consoles of the host's nodes; they were redacted when they were written."""
    host = reach.without_password(uri)
    names = {about.node for about in history.known() if about.uri == host and node in ("", about.node)}
    for name in sorted(names):
        for number, boot in enumerate(history.read(name, host), 1):
            head = f"{boot.about.node} of {boot.about.owner}: {boot.about.outcome}"
            yield f"console/{name}-{number}.log", "\n".join([head, *boot.lines, ""]).encode()


def _json(value: object) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True).encode() + b"\n"


_README = """flatprov support bundle
host: {uri}
nodes: {node}

doctor.json     every check of the host and what it found
versions.json   flatprov, Python, packages
host.json       libvirt, QEMU, confinement
domains/ networks/ pools/   definitions without passwords, kernel arguments, foreign metadata and fw_cfg contents
console/        first boots as flatprov kept them, without the secrets of the nodes' configs

Not in it: Ignition configs, disks, the Pulumi state. Names, addresses and paths are in it: look through it before it
is sent to anybody.
"""
