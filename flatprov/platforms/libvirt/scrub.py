"""libvirt's XML without what may be secret, for people who help. Pure.

Nothing is kept because it looks harmless: only elements, texts and attributes that are known to be are.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from flatprov.platforms.libvirt import reach
from flatprov.platforms.libvirt.domain import MARK

LEFT_OUT = "left out"

_DROPPED = frozenset(
    """
    auth secret encryption cookies cookie initiator cmdline initargs initenv description title txt seclabel
    commandline options launchSecurity product identity
    """.split()  # noqa: SIM905 - a list of names reads better so
)
_TEXTS = frozenset(
    """
    name uuid memory currentMemory maxMemory vcpu iothreads type loader nvram emulator model vendor
    on_poweroff on_reboot on_crash tb-cache backend alias capacity allocation available path mode owner group
    format hostname kernel initrd
    """.split()  # noqa: SIM905
)
_SECRET_ATTRIBUTES = frozenset(
    ("passwd", "password", "passwdvalidto", "token", "secret", "key", "username", "query", "hash", "nonce", "value")
)


def clean(xml: str) -> str:
    """XML of a domain, network or storage pool without what may be secret.

    Passwords, keys, kernel arguments, descriptions, foreign metadata, QEMU's own arguments and the contents of fw_cfg
    entries go; the path of a fw_cfg file stays.
    """
    root = ET.fromstring(xml)  # noqa: S314 - libvirt's own XML
    _clean(root)
    ET.indent(root)
    return ET.tostring(root, "unicode") + "\n"


def _clean(element: ET.Element) -> None:
    for child in list(element):
        name = str(child.tag)
        foreign = name.startswith("{") and not name.startswith(f"{{{MARK}}}")
        if foreign or name in _DROPPED:
            element.remove(child)
            continue
        _clean(child)
    if element.text and element.text.strip():
        kept = element.tag in _TEXTS
        element.text = reach.without_password(element.text) if kept else LEFT_OUT
    element.tail = None
    for key, value in element.attrib.items():
        element.set(key, LEFT_OUT if key.lower() in _SECRET_ATTRIBUTES else reach.without_password(value))
