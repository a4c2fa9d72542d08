"""Which file of a release is for which platform, and where it lies.

Data from the release servers' listings. The files of a platform are in the order in which they are tried: first the one
that needs no unpacking. Which of them exists depends on the version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flatprov.errors import ImageError

RELEASE_SERVER = "https://{channel}.release.flatcar-linux.net"
WEBSITE = "https://www.flatcar.org"
PREFIX = "flatcar_production_"

_BOTH = ("amd64", "arm64")
_AMD64 = ("amd64",)


@dataclass(frozen=True)
class Artifact:
    """The image files of one platform.

    Attributes:
        files: names without the prefix, in the order in which they are tried.
        architectures: what the publisher builds it for.
        amd64_files: the names for amd64 where it has more of them, which then replace ``files``.
    """

    files: tuple[str, ...]
    architectures: tuple[str, ...] = _BOTH
    amd64_files: tuple[str, ...] = ()


ARTIFACTS: Mapping[str, Artifact] = {
    "libvirt": Artifact(
        ("qemu_uefi_image.img", "qemu_uefi_image.img.bz2"),
        amd64_files=("qemu_uefi_image.img", "qemu_image.img", "qemu_uefi_image.img.bz2", "qemu_image.img.bz2"),
    ),
    "metal": Artifact(("image.bin.bz2",)),
    "pxe": Artifact(("pxe_image.cpio.gz",)),
    "iso": Artifact(("iso_image.iso",), _AMD64),
    "vmware": Artifact(("vmware_ova.ova", "vmware_image.vmdk.bz2"), _AMD64),
    "hyperv": Artifact(("hyperv_vhdx_image.vhdx.zip", "hyperv_image.vhd.zip"), _AMD64),
    "azure": Artifact(("azure_image.vhd.bz2",)),
    "gcp": Artifact(("gce.tar.gz",), _AMD64),
    "aws": Artifact(("ami_image.bin.bz2", "ami_vmdk_image.vmdk.bz2")),
    "openstack": Artifact(("openstack_image.img", "openstack_image.img.gz", "openstack_image.img.bz2")),
    "proxmox": Artifact(("proxmoxve_image.img",)),
    "stackit": Artifact(("stackit_image.img",)),
    "oraclecloud": Artifact(("oraclecloud_image.img",)),
    "kubevirt": Artifact(("kubevirt_image.qcow2",)),
    "scaleway": Artifact(("scaleway_image.qcow2",)),
    "exoscale": Artifact(("exoscale_image.qcow2", "exoscale_image.qcow2.bz2"), _AMD64),
    "nutanix": Artifact(("nutanix_image.img.bz2",), _AMD64),
    "hetzner": Artifact(("hetzner_image.bin.bz2",)),
    "akamai": Artifact(("akamai_image.bin.gz",)),
    "digitalocean": Artifact(("digitalocean_image.bin.gz", "digitalocean_image.bin.bz2"), _AMD64),
}
"""Platform name to its files."""

ALIASES: Mapping[str, str] = {
    "qemu": "libvirt",
    "ec2": "aws",
    "gce": "gcp",
    "proxmoxve": "proxmox",
    "baremetal": "metal",
}
"""Other names people use for a platform."""


def canonical_platform(platform: str) -> str:
    """The name this package uses for a platform (``qemu`` is ``libvirt``).

    Raises:
        ImageError: no such platform.
    """
    found = ALIASES.get(platform, platform)
    if found not in ARTIFACTS:
        raise ImageError(
            f"platform {platform!r}", "has no image", f"platforms with one: {', '.join(sorted(ARTIFACTS))}"
        )
    return found


def platform_of(file_name: str) -> str:
    """The platform that a file is for, by the publisher's naming; ``""`` where the name does not tell.

    Compression is left out of the comparison: people keep unpacked images under the rest of the name.
    """
    base = file_name.rpartition("/")[2]
    if not base.startswith(PREFIX):
        return ""
    plain = _without_compression(base.removeprefix(PREFIX))
    for platform, artifact in ARTIFACTS.items():
        if plain in {_without_compression(name) for name in (*artifact.files, *artifact.amd64_files)}:
            return platform
    return "libvirt" if plain.startswith("qemu_") else ""


COMPANIONS: Mapping[str, tuple[str, ...]] = {"pxe": ("pxe.vmlinuz",)}
"""Files without which a platform's image is of no use: a network boot needs the kernel beside the initrd."""


def companion_files(platform: str) -> tuple[str, ...]:
    """The names of the files that belong to a platform's image."""
    return tuple(PREFIX + name for name in COMPANIONS.get(canonical_platform(platform), ()))


def candidate_files(platform: str, architecture: str = "amd64") -> tuple[str, ...]:
    """The file names of a platform's image, in the order in which they are tried.

    Raises:
        ImageError: no such platform, or not built for that architecture.
    """
    artifact = ARTIFACTS[canonical_platform(platform)]
    if architecture not in artifact.architectures:
        raise ImageError(
            f"platform {platform!r}",
            f"has no image for {architecture}",
            f"built for: {', '.join(artifact.architectures)}",
        )
    names = artifact.amd64_files if architecture == "amd64" and artifact.amd64_files else artifact.files
    return tuple(PREFIX + name for name in names)


def _without_compression(name: str) -> str:
    return name.removesuffix(".bz2").removesuffix(".gz").removesuffix(".zip").removesuffix(".xz")


def release_url(channel: str, architecture: str, version: str, file_name: str, mirror: str | None = None) -> str:
    """Where a file of a release lies.

    Args:
        channel: ``stable``, ``beta``, ``alpha`` or ``lts``; a stream (``lts-2024``) lies with ``lts``.
        architecture: ``amd64`` or ``arm64``.
        version: an exact version.
        file_name: with its prefix.
        mirror: takes the release server's place, with the same paths below it; ``{channel}`` in it is filled in.
    """
    family = channel.partition("-")[0]
    base = (mirror or RELEASE_SERVER).rstrip("/").replace("{channel}", family)
    return f"{base}/{architecture}-usr/{version}/{file_name}"


def feed_url(channel: str, mirror: str | None = None) -> str:
    """Where a channel's feed lies: ``BASE/releases-json/releases-CHANNEL.json``, on the website or the mirror.

    Args:
        channel: ``stable``, ``beta``, ``alpha``, ``lts``, ``lts-2024``; ``all`` for the feed of every release.
        mirror: takes the website's place.
    """
    name = "releases" if channel == "all" else f"releases-{channel}"
    return f"{_website(channel, mirror)}/releases-json/{name}.json"


def signing_key_url(channel: str = "stable", mirror: str | None = None) -> str:
    """Where the publisher's public signing key lies, on the website or the mirror."""
    return f"{_website(channel, mirror)}/security/image-signing-key/Flatcar_Image_Signing_Key.asc"


def _website(channel: str, mirror: str | None) -> str:
    return (mirror or WEBSITE).rstrip("/").replace("{channel}", channel.partition("-")[0])
