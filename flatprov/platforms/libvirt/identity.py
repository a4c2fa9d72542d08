"""Who a machine is: UUID, MAC and names, all derived from the stack and the node's name.

Nothing is drawn by chance, so that a run that was killed finds what it made, and another stack's objects are never
taken for its own.
"""

from __future__ import annotations

import hashlib
import re
import uuid

_NAMESPACE = uuid.UUID("6f1c0f0a-5f0e-5d6a-9c55-0f7ac1a7c0de")  # ours; changing it orphans every existing machine
_QEMU_MAC_PREFIX = "52:54:00"  # the range that QEMU and libvirt use
_BRIDGE_PREFIX = "fp-"
_BRIDGE_NAME_LIMIT = 15  # Linux interface names
_NODE_VOLUME = re.compile(r".+\.[0-9a-f]{8}\.(root\.qcow2|ign)")


def domain_uuid(owner: str, name: str) -> str:
    """The UUID of a node: the owner mark that libvirt itself enforces."""
    return str(uuid.uuid5(_NAMESPACE, f"domain/{owner}/{name}"))


def network_uuid(owner: str, name: str) -> str:
    """The UUID of a network."""
    return str(uuid.uuid5(_NAMESPACE, f"network/{owner}/{name}"))


def mac_address(owner: str, name: str, index: int = 0) -> str:
    """The MAC address of a node's interface, known before anything exists."""
    digest = hashlib.sha256(f"{owner}/{name}/{index}".encode()).digest()
    return f"{_QEMU_MAC_PREFIX}:{digest[0]:02x}:{digest[1]:02x}:{digest[2]:02x}"


def bridge_name(owner: str, name: str) -> str:
    """A bridge name of our own: libvirt's automatic ``virbrN`` can be drawn twice by two creations at once."""
    digest = hashlib.sha256(f"{owner}/{name}".encode()).hexdigest()
    return (_BRIDGE_PREFIX + digest)[:_BRIDGE_NAME_LIMIT]


def root_volume(name: str, domain: str) -> str:
    """The system disk of a node."""
    return f"{name}.{domain[:8]}.root.qcow2"


def ignition_volume(name: str, domain: str) -> str:
    """The Ignition config of a node; it exists only until the first boot succeeded."""
    return f"{name}.{domain[:8]}.ign"


def is_node_volume(name: str) -> bool:
    """Whether a volume is named as one of a node's own."""
    return _NODE_VOLUME.fullmatch(name) is not None


def base_volume(version: str, sha512: str, kind: str) -> str:
    """An image on a host, shared by all nodes that run it."""
    return f"flatcar-{version}-{sha512[:12]}.{kind}"


def node_id(uri: str, domain: str) -> str:
    """A resource ID that needs nothing beside it: where, and which."""
    return f"{uri}|{domain}"


def split_id(id_: str) -> tuple[str, str]:
    """The two halves of an ID.

    Raises:
        ValueError: it has not this form.
    """
    uri, bar, which = id_.rpartition("|")
    if not bar or not uri or not which:
        raise ValueError(id_)
    return uri, which
