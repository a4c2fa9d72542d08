"""Encrypted devices, and how they are unlocked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING

from flatprov.ignition.checks import Part
from flatprov.ignition.contents import check_contents
from flatprov.ignition.disks import check_device
from flatprov.ignition.schema import CLEVIS, CUSTOM, LUKS, TANG

if TYPE_CHECKING:
    from pulumi import Input

    from flatprov.ignition.contents import Contents


@dataclass(frozen=True)
class Tang(Part, shape=TANG, place="tang"):
    """A Tang server that helps to unlock a device.

    Args:
        url: http or https.
        thumbprint: of its signing key; required by Ignition.
        advertisement: its signed answer as JSON text, for machines that cannot reach it at first boot (spec 3.4).
            Ignition 2.24 loses it from a config of spec 3.4.0: say ``Ignition(version="3.5.0")`` there.
    """

    url: Input[str]
    _: KW_ONLY
    thumbprint: Input[str] | None = None
    advertisement: Input[str] | None = None


@dataclass(frozen=True, kw_only=True)
class ClevisCustom(Part, shape=CUSTOM, place="clevis.custom"):
    """A Clevis configuration written by hand.

    Args:
        pin: ``tpm2``, ``tang`` or ``sss``; any other needs spec 3.6.
        config: its configuration, as JSON text.
        needs_network: True brings up the network before unlocking.
    """

    pin: Input[str] | None = None
    config: Input[str] | None = field(default=None, repr=False)
    needs_network: Input[bool] | None = None


@dataclass(frozen=True, kw_only=True)
class Clevis(Part, shape=CLEVIS, place="clevis"):
    """Unlocking without a pass-phrase.

    Args:
        tang: servers that can help.
        tpm2: True uses the machine's TPM.
        threshold: how many of them are needed; 1 when left out.
        custom: instead of all the others.
    """

    tang: Sequence[Tang] = ()
    tpm2: Input[bool] | None = None
    threshold: Input[int] | None = None
    custom: ClevisCustom | None = None


@dataclass(frozen=True)
class Luks(Part, shape=LUKS, place="luks"):
    """An encrypted device, ``/dev/mapper/NAME``.

    Args:
        name: its name, without slashes.
        device: what it encrypts.
        label: its label, at most 47 bytes.
        uuid: its identity; a random one when left out.
        key_file: the key; Ignition makes one at ``/etc/luks/NAME`` when left out.
        clevis: unlocking by Tang or TPM.
        discard: True passes TRIM through (spec 3.4).
        open_options: further arguments for each opening (spec 3.4).
        cex: True uses a CEX card of an s390x machine (spec 3.5).
        options: further arguments for luksFormat.
        wipe_volume: True makes it anew even where one exists.

    Raises:
        ConfigError: the name has a slash, the label is longer than 47 bytes, or the device is no absolute path.
    """

    name: Input[str]
    _: KW_ONLY
    device: Input[str] | None = None
    label: Input[str] | None = None
    uuid: Input[str] | None = None
    key_file: Contents | None = field(default=None, repr=False)
    clevis: Clevis | None = None
    options: Input[Sequence[Input[str]]] = ()
    wipe_volume: Input[bool] | None = None
    discard: Input[bool] | None = None
    open_options: Input[Sequence[Input[str]]] = ()
    cex: Input[bool] | None = None

    def _check(self) -> None:
        if isinstance(self.name, str) and "/" in self.name:
            raise self.fail("name", "has a slash", "write the name only, without /dev/mapper/")
        if isinstance(self.label, str) and len(self.label.encode()) > 47:
            raise self.fail("label", "is longer than 47 bytes", "shorten it")
        check_device(self, self.device)
        check_contents(self, "key_file", self.key_file)
