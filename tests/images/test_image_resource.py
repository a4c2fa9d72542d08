"""`fp.Release` as a resource, and what own images say about themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi  # noqa: F401 - loaded first, as in a program: errors are RunErrors then
import pytest
from release_server import ReleaseServer

from flatprov.errors import ConfigError, ImageError
from flatprov.platforms.image import Image, _file_of, require_platform
from flatprov.provider import resource
from flatprov.provider.releases import TOKEN, ReleaseInputs, ReleaseResource, ReleaseState
from flatprov.testing import FakeOperation, operation

IMAGE = b"\xeb\x63\x90" + b"raw" * 1000
FILE = "flatcar_production_qemu_uefi_image.img"
SHA512 = "ab" * 64
RELEASE = ReleaseResource()


def an_operation() -> FakeOperation:
    return operation("flatcar", token=TOKEN)


@pytest.fixture
def published(server: ReleaseServer) -> ReleaseServer:
    server.publish("4593.2.4", {"qemu": IMAGE}, release_date="2026-07-09 13:02:32 +0000")
    server.publish("4628.1.0", {"qemu": IMAGE, "metal": IMAGE})
    return server


def created(server: ReleaseServer, **inputs: Any) -> tuple[str, ReleaseState]:
    id_, state = RELEASE.create(an_operation(), ReleaseInputs(mirror=server.url, **inputs))
    assert isinstance(state, ReleaseState)
    return id_, state


def test_outputs(published: ReleaseServer) -> None:
    published.publish("4593.2.5", {"qemu": IMAGE, "metal": IMAGE}, release_date="2026-08-13 15:48:35 +0000")
    id_, state = created(published)
    assert id_ == "amd64|4593.2.5"
    assert state == ReleaseState(
        resolved_version="4593.2.5",
        resolved_channel="stable",
        release_date="2026-08-13 15:48:35 +0000",
        ignition="2.24.0",
        max_ignition_spec="3.5.0",
        kernel="6.12.102",
        containerd="2.1.5",
        docker="28.0.4",
        systemd="257",
        release_before="2026-07-09T13:02:32+00:00",
        image_files={"libvirt": FILE, "metal": "flatcar_production_image.bin.bz2"},
    )


def test_only_version_channel_and_upgrade_move_it(published: ReleaseServer) -> None:
    _, state = created(published)
    published.publish("4593.2.5", {"qemu": IMAGE})
    old = ReleaseInputs(mirror=published.url)

    def changes(**changed: Any) -> list[str]:
        found = resource.diff(RELEASE, wire(old), {**wire(old), **changed}, wire(state))
        return [change.path for change in found]

    assert changes() == []
    assert changes(mirror="http://elsewhere") == [], "another way to the same bytes"
    for name, value in {"version": "4593.2.5", "channel": "beta", "upgrade": "November"}.items():
        assert changes(**{name: value}) == [name]
        moved = RELEASE.update(
            an_operation(), "amd64|4593.2.4", old, ReleaseInputs(mirror=published.url, **{name: value}), state
        )
        assert moved.resolved_version == ("4628.1.0" if name == "channel" else "4593.2.5")
    found = RELEASE.read(an_operation(), "amd64|4593.2.4", old, state)
    assert found is not None
    assert found.state == state, "a refresh does not move it either"


def wire(half: Any) -> Mapping[str, Any]:
    return resource.encode(half)


def test_a_preview_asks_for_the_feed_only(published: ReleaseServer) -> None:
    known = RELEASE.plan(an_operation(), {"mirror": published.url})
    assert (known["resolvedVersion"], known["ignition"]) == ("4593.2.4", "2.24.0")
    assert "imageFiles" not in known
    assert [path for _, path, _ in published.requests] == ["/releases-json/releases-stable.json"]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"version": "4593.2.9"}, "Near it: 4593.2.4"),
        ({"version": "4628.1.0"}, "is in channel beta, not in stable"),
        ({"architecture": "arm64"}, "Built for: amd64"),
        ({"channel": "lts-2020"}, "releases-lts.json"),
    ],
)
def test_what_does_not_exist_stops_preview_and_create(
    inputs: dict[str, str], message: str, published: ReleaseServer
) -> None:
    for call in (
        lambda: RELEASE.plan(an_operation(), {"mirror": published.url, **inputs}),
        lambda: created(published, **inputs),
    ):
        with pytest.raises(ImageError) as error:
            call()  # type: ignore[no-untyped-call]
        assert message in str(error.value)


def test_by_the_environments_mirror_and_by_import(published: ReleaseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLATPROV_MIRROR", published.url)
    assert RELEASE.create(an_operation(), ReleaseInputs()).id == "amd64|4593.2.4"
    found = RELEASE.read(an_operation(), "amd64|4628.1.0", None, None)
    assert found is not None
    assert isinstance(found.inputs, ReleaseInputs)
    assert (found.inputs.channel, found.inputs.version) == ("beta", "4628.1.0")
    assert isinstance(found.state, ReleaseState)
    assert found.state.image_files["metal"] == "flatcar_production_image.bin.bz2"


def test_a_server_without_an_answer_about_files_is_a_warning(published: ReleaseServer) -> None:
    published.listing = False
    from flatprov.flatcar.artifacts import candidate_files

    for platform in ("akamai", "aws", "azure"):  # whichever is asked for first
        published.redirects[f"/amd64-usr/4593.2.4/{candidate_files(platform)[0]}"] = "ftp://elsewhere/"
    context = an_operation()
    state = RELEASE.create(context, ReleaseInputs(mirror=published.url)).state
    assert isinstance(state, ReleaseState)
    assert (state.resolved_version, dict(state.image_files)) == ("4593.2.4", {})
    (warning,) = (text for severity, text in context.lines if severity == "warning")
    assert "the files of Flatcar 4593.2.4 are not known" in warning


def test_a_platform_without_a_file() -> None:
    files = {"libvirt": FILE, "metal": "image"}
    assert _file_of(files, "metal", "flatcar") == "image"
    with pytest.raises(ImageError, match=r"has no image for vmware\. It has images"):
        _file_of(files, "vmware", "flatcar")
    with pytest.raises(ImageError, match="no platform that is known"):
        _file_of(None, "vmware", "flatcar")


# Own images


def own(name: str, **more: Any) -> Image:
    return Image(
        "own", url=f"https://images.example.org/{name}", sha512=SHA512, unsigned=True, ignition="2.24.0", **more
    )


@pytest.mark.parametrize(
    ("image", "made_for"),
    [
        (own("flatcar_production_image.bin?token=x"), "metal"),
        (own("flatcar_production_vmware_ova.ova"), "vmware"),
        (own("own.qcow2", platform="metal"), "metal"),
        (own("flatcar_production_qemu_uefi_image.img", platform="azure"), "azure"),
        (own("flatcar_production_qemu_uefi_image.img"), ""),
        (own("flatcar_production_image.bin", platform="qemu"), ""),
        (own("own.qcow2"), ""),
        (own("own.qcow2", platform="libvirt"), ""),
    ],
    ids=lambda value: value.source.rpartition("/")[2] if isinstance(value, Image) else value or "fits",
)
def test_an_image_made_for_another_platform_is_refused_with_both_names(image: Image, made_for: str) -> None:
    if not made_for:
        require_platform(image, "libvirt", "pool web")
        return
    with pytest.raises(ImageError, match=f"pool web: image own is made for {made_for} and the nodes are on libvirt"):
        require_platform(image, "libvirt", "pool web")
    require_platform(image, made_for, "pool web")


def test_an_own_image_states_its_ignition_and_a_platform_that_exists(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not say which Ignition is in it"):
        Image("own", url="https://x/y", sha512=SHA512, unsigned=True)
    with pytest.raises(ImageError, match="platform 'xen'"):
        own("own.qcow2", platform="xen")
    (tmp_path / "flatcar_production_hyperv_vhdx_image.vhdx").write_bytes(b"vhdxfile")
    local = Image(
        "own",
        path=tmp_path / "flatcar_production_hyperv_vhdx_image.vhdx",
        key_file="k",
        fingerprint="f",
        ignition="2.24.0",
    )
    with pytest.raises(ImageError, match="made for hyperv"):
        require_platform(local, "libvirt", "pool web")
