"""Which release, and which of its files: feeds, kept feeds, the server's own list, and old images under new names."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from release_server import ReleaseServer
from signers import Signer

from flatprov.errors import ImageError
from flatprov.flatcar.artifacts import candidate_files, canonical_platform, platform_of
from flatprov.flatcar.releases import ReleaseInfo
from flatprov.images.feeds import FeedSource, find_release, read_feed
from flatprov.images.listing import folder_files, platform_files
from flatprov.images.obtain import obtain_release
from flatprov.images.sources import MIRROR_VARIABLE, chosen_mirror
from flatprov.images.store import Store
from flatprov.testing.release_server import digests_text

PLAIN, QEMU_PLAIN, PACKED, QEMU_PACKED = candidate_files("libvirt")
IMAGE = b"\xeb\x63\x90" + b"raw" * 1000
FOLDER = "/amd64-usr/4593.2.5/"


def code_of(error: pytest.ExceptionInfo[ImageError]) -> str:
    return error.value.code.removeprefix("image-")


@pytest.fixture
def published(server: ReleaseServer) -> ReleaseServer:
    """Two of stable, one of beta, two LTS streams."""
    server.publish("4593.2.4", {"qemu": IMAGE}, release_date="2026-07-09 13:02:32 +0000")
    server.publish("4593.2.5", {"qemu": IMAGE})
    server.publish("4628.1.0", {"qemu": IMAGE})
    server.publish("3510.3.8", {"qemu": IMAGE}, aliases=("current-2023",))
    server.publish("4081.3.10", {"qemu": IMAGE}, aliases=("current-2024",))
    return server


@pytest.mark.parametrize(
    ("channel", "version", "found", "feeds"),
    [
        (None, None, "4593.2.5", ["stable"]),
        ("stable", "current", "4593.2.5", ["stable"]),
        ("beta", None, "4628.1.0", ["beta"]),
        ("lts", None, "4081.3.10", ["lts"]),
        ("lts-2023", None, "3510.3.8", ["lts-2023"]),
        (None, "current-2024", "4081.3.10", ["lts-2024"]),
        (None, "4628.1.0", "4628.1.0", ["beta"]),
        (None, "4081.3.10", "4081.3.10", ["lts"]),
    ],
)
def test_a_release_takes_one_feed(
    channel: str | None, version: str | None, found: str, feeds: list[str], published: ReleaseServer
) -> None:
    info, copy = find_release(channel, version, source=FeedSource(published.url))
    assert info.version == found
    assert [path for _, path, _ in published.requests] == [f"/releases-json/releases-{name}.json" for name in feeds]
    assert copy.age_seconds is None


def test_a_stream_in_a_mirror_that_has_the_lts_feed_only(published: ReleaseServer) -> None:
    del published.paths["/releases-json/releases-lts-2024.json"]
    assert find_release("lts-2024", source=FeedSource(published.url))[0].version == "4081.3.10"


def test_an_old_number_is_found_in_the_feed_of_all(server: ReleaseServer) -> None:
    """Before 2605 the second number did not stand for a channel."""
    server.publish("2345.3.1", {"qemu": IMAGE}, channel="stable")
    server.publish("4081.3.10", {"qemu": IMAGE}, aliases=("current-2024",))
    info, _ = find_release(None, "2345.3.1", source=FeedSource(server.url))
    assert (info.version, info.channel) == ("2345.3.1", "stable")


@pytest.mark.parametrize(
    ("channel", "version", "parts"),
    [
        ("stable", "4593.2.9", ["4593.2.9", "does not exist in channel stable", "Near it: 4593.2.4, 4593.2.5"]),
        (None, "4593.2.9", ["does not exist in channel stable", "Near it: 4593.2.4, 4593.2.5"]),
        ("stable", "4628.1.0", ["is in channel beta, not in stable", 'channel="beta"']),
        ("stable", "4628.1.1", ["4628.1.1", "in channel stable, nor in beta", "Near it: 4628.1.0"]),
        ("lts-2024", "3510.3.8", ["3510.3.8", "lts-2024"]),
    ],
)
def test_unknown_versions_list_what_exists_near_them(
    channel: str | None, version: str, parts: list[str], published: ReleaseServer
) -> None:
    with pytest.raises(ImageError) as error:
        find_release(channel, version, source=FeedSource(published.url))
    for part in parts:
        assert part in str(error.value)


def test_unknown_architecture_and_channel(published: ReleaseServer) -> None:
    with pytest.raises(ImageError, match=r"does not exist for arm64.*Built for: amd64"):
        find_release(architecture="arm64", source=FeedSource(published.url))
    with pytest.raises(ImageError, match=r"releases-stabel\.json") as error:
        find_release("stabel", source=FeedSource(published.url))
    assert code_of(error) == "not-found"


def test_a_kept_feed_tells_its_age(published: ReleaseServer, tmp_path: Path) -> None:
    source = FeedSource(published.url, cache=tmp_path / "feeds", attempts=1)
    with pytest.raises(ImageError, match="is not kept on this machine"):
        read_feed("stable", FeedSource(published.url, cache=tmp_path / "feeds", offline=True))
    assert read_feed("stable", source).age_seconds is None
    (kept,) = (tmp_path / "feeds").iterdir()
    an_hour_ago = time.time() - 3600
    os.utime(kept, (an_hour_ago, an_hour_ago))
    published.requests.clear()
    offline = FeedSource(published.url, cache=tmp_path / "feeds", offline=True)
    info, copy = find_release(source=offline)
    assert published.requests == []
    assert info.version == "4593.2.5"
    assert copy.age_seconds == pytest.approx(3600, abs=60)
    published.paths["/releases-json/releases-stable.json"].statuses = [503]
    _, copy = find_release(source=source)
    assert copy.age_seconds == pytest.approx(3600, abs=60)
    assert "503" in copy.reason
    published.paths["/releases-json/releases-stable.json"].data = b"<html>please log in</html>"
    assert "cannot be read" in find_release(source=source)[1].reason
    kept.write_bytes(b"damaged")
    with pytest.raises(ImageError, match="cannot be read"):
        find_release(source=offline)
    with pytest.raises(ImageError) as error:
        read_feed("beta", FeedSource("http://127.0.0.1:9", cache=tmp_path / "feeds", attempts=1))
    assert code_of(error) == "unreachable"


def test_the_environments_mirror(
    published: ReleaseServer, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert chosen_mirror() is None
    monkeypatch.setenv(MIRROR_VARIABLE, published.url)
    info, _ = find_release()
    got = obtain_release(info, fingerprint=published.fingerprint, store=store)
    assert got.path.read_bytes() == IMAGE
    assert platform_files(info) == {"libvirt": PLAIN}
    with pytest.raises(ImageError, match="wanted F88CFEDEFF29A5B4D9523864E25D9AED0593B34A"):
        obtain_release(info, store=Store(tmp_path / "other"))
    with ReleaseServer() as other:  # what is given counts more
        other.publish("4593.2.9", {"qemu": IMAGE})
        assert find_release(source=FeedSource(other.url))[0].version == "4593.2.9"
    for address in ("mirror.example.org", "/srv/mirror", "ftp://mirror"):
        monkeypatch.setenv(MIRROR_VARIABLE, address)
        with pytest.raises(ImageError, match=f"{MIRROR_VARIABLE}: is not an http or https address"):
            find_release()


# Files


def old_and_new(server: ReleaseServer) -> None:
    """E06: from 3602.2.0 on there is a plain qcow2 beside the packed one."""
    server.publish("3602.1.6", {QEMU_PACKED: IMAGE, PACKED: IMAGE, "metal": IMAGE})
    server.publish("3602.2.0", {PLAIN: IMAGE, PACKED: IMAGE, "metal": IMAGE, "vmware": IMAGE})


@pytest.mark.parametrize("listing", [True, False], ids=["listed", "asked for one by one"])
def test_names_come_from_the_server(listing: bool, server: ReleaseServer) -> None:
    old_and_new(server)
    server.listing = listing
    old, _ = find_release("beta", "3602.1.6", source=FeedSource(server.url))
    new, _ = find_release("stable", "3602.2.0", source=FeedSource(server.url))
    server.requests.clear()
    assert platform_files(old, server.url) == {"libvirt": PACKED, "metal": "flatcar_production_image.bin.bz2"}
    asked = len(server.requests)
    assert asked == 1 if listing else asked > 10
    assert platform_files(new, server.url) == {
        "libvirt": PLAIN,
        "metal": "flatcar_production_image.bin.bz2",
        "vmware": "flatcar_production_vmware_ova.ova",
    }
    assert not any(method == "GET" and path.endswith(("img", "bz2", "ova")) for method, path, _ in server.requests)


def test_lists_as_web_servers_write_them(server: ReleaseServer) -> None:
    pages = {
        "nginx": b'<a href="../">../</a>\n<a href="flatcar_production_image.bin.bz2">flatcar_production_im..&gt;</a>',
        "caddy": b"<a href='./flatcar_production_image.bin.bz2'><span>flatcar_production_image.bin.bz2</span></a>",
        "absolute": b"<A HREF=/amd64-usr/1.2.3/flatcar_production_image.bin.bz2 >x</A>",
        "foreign": b'<a href="https://elsewhere/readme.html">flatcar_production_other.img</a>',
    }
    for name, page in pages.items():
        server.serve(f"/{name}/", page)
    for name in ("nginx", "caddy", "absolute"):
        assert folder_files(f"{server.url}/{name}") == ("flatcar_production_image.bin.bz2",)
    assert folder_files(f"{server.url}/foreign/") == ()
    assert folder_files(f"{server.url}/none") == ()
    server.serve("/denied/", b"", statuses=[403])
    assert folder_files(f"{server.url}/denied") == ()


def test_a_missing_file_names_what_was_tried_and_what_is_there(
    server: ReleaseServer, store: Store, info: ReleaseInfo
) -> None:
    server.publish("4593.2.5", {"metal": IMAGE, "vmware": IMAGE})
    with pytest.raises(ImageError) as error:
        obtain_release(info, mirror=server.url, key_file=server.key_file, fingerprint=server.fingerprint, store=store)
    assert code_of(error) == "not-found"
    for name in (PLAIN, QEMU_PLAIN, PACKED, QEMU_PACKED, "flatcar_production_image.bin.bz2", "vmware_ova.ova"):
        assert name in str(error.value)
    assert ".DIGESTS" not in str(error.value)
    assert ".sig" not in str(error.value)


def test_platforms_by_file_name() -> None:
    table = {
        "flatcar_production_image.bin.bz2": "metal",
        "flatcar_production_image.bin": "metal",
        "/srv/flatcar_production_qemu_image.img": "libvirt",
        "https://x/flatcar_production_qemu_uefi_secure_image.img.bz2": "libvirt",
        "flatcar_production_hyperv_vhdx_image.vhdx": "hyperv",
        "flatcar_production_azure_image.vhd": "azure",
        "flatcar_production_image_packages.txt": "",
        "own.qcow2": "",
        "image.bin": "",
    }
    assert {name: platform_of(name) for name in table} == table
    assert canonical_platform("qemu") == canonical_platform("libvirt") == "libvirt"
    with pytest.raises(ImageError, match=r"'xen'.*libvirt"):
        canonical_platform("xen")


# An old, truly signed image under a newer version's path


def stale(server: ReleaseServer, signer: Signer, signed_on: str, form: str) -> None:
    """The same bytes and signatures that were right for an older release."""
    server.publish("4593.2.4", {}, release_date="2026-07-09 13:02:32 +0000")
    server.publish("4593.2.5", {"qemu": IMAGE}, release_date="2026-08-13 15:48:35 +0000")
    text = digests_text(PLAIN, IMAGE)
    path = FOLDER + PLAIN
    for suffix in ("DIGESTS", "DIGESTS.asc", "DIGESTS.sig", "sig"):
        del server.paths[f"{path}.{suffix}"]
    if form == "clear":
        server.serve(f"{path}.DIGESTS.asc", signer.clearsigned(text, signed_on))
    elif form == "detached":
        server.serve(f"{path}.DIGESTS", text)
        server.serve(f"{path}.DIGESTS.sig", signer.detached(text, signed_on))
    else:
        server.serve(f"{path}.sig", signer.detached(IMAGE, signed_on))


@pytest.mark.parametrize("form", ["clear", "detached", "file"])
@pytest.mark.parametrize(
    ("signed_on", "why"),
    [
        ("20250301", "4593 stands for the day 2026-01-27"),  # an older major: the number alone tells
        ("20260708", "an older release of 4593 was published on 2026-07-09"),  # 4593.2.4 as 4593.2.5: the feed tells
        ("20260811", ""),
    ],
)
def test_an_old_image_under_a_newer_versions_name(
    form: str, signed_on: str, why: str, server: ReleaseServer, vendor: Signer, store: Store, tmp_path: Path
) -> None:
    stale(server, vendor, signed_on, form)
    key = tmp_path / "key.asc"
    key.write_bytes(vendor.public)
    info, _ = find_release("stable", "4593.2.5", source=FeedSource(server.url))

    def get() -> bytes:
        got = obtain_release(info, mirror=server.url, key_file=key, fingerprint=vendor.fingerprint, store=store)
        return got.path.read_bytes()

    if not why:
        assert get() == IMAGE
        return
    with pytest.raises(ImageError, match="it is an older image under this version's name") as error:
        get()
    assert code_of(error) == "stale"
    assert f"signed on {signed_on[:4]}-{signed_on[4:6]}-{signed_on[6:]}" in str(error.value)
    assert why in str(error.value)
    assert not list(store.root.rglob("blobs/*/*/*"))
    assert not list(store.root.rglob("*.part"))


def test_a_stale_statement_in_the_store_is_not_believed(
    server: ReleaseServer, vendor: Signer, store: Store, tmp_path: Path, info: ReleaseInfo
) -> None:
    """Kept by a run that did not know the date."""
    stale(server, vendor, "20260708", "clear")
    key = tmp_path / "key.asc"
    key.write_bytes(vendor.public)
    arguments = {"mirror": server.url, "key_file": key, "fingerprint": vendor.fingerprint, "store": store}
    assert info.release_before == ""
    assert obtain_release(info, **arguments).path.exists()  # type: ignore[arg-type]
    knowing, _ = find_release("stable", "4593.2.5", source=FeedSource(server.url))
    with pytest.raises(ImageError) as error:
        obtain_release(knowing, **arguments)  # type: ignore[arg-type]
    assert code_of(error) == "stale"


def test_digests_that_name_another_version(
    server: ReleaseServer, vendor: Signer, store: Store, tmp_path: Path, info: ReleaseInfo
) -> None:
    server.publish("4593.2.5", {"qemu": IMAGE})
    key = tmp_path / "key.asc"
    key.write_bytes(vendor.public)
    text = digests_text(PLAIN, IMAGE)
    for comment, refused in ((b"# 4593.2.4\n", True), (b"# kernel 6.12.102\n", False), (b"# 4593.2.5\n", False)):
        server.serve(f"{FOLDER}{PLAIN}.DIGESTS.asc", vendor.clearsigned(comment + text, "20260811"))
        arguments = {"mirror": server.url, "key_file": key, "fingerprint": vendor.fingerprint, "store": store}
        if not refused:
            assert obtain_release(info, **arguments).sha512  # type: ignore[arg-type]
            continue
        with pytest.raises(ImageError, match=r"are of version 4593\.2\.4, wanted 4593\.2\.5") as error:
            obtain_release(info, **arguments)  # type: ignore[arg-type]
        assert code_of(error) == "stale"


def test_feed_entries_of_our_own_mirrors_carry_the_date(server: ReleaseServer) -> None:
    moment = "2026-07-09T13:02:32+00:00"
    entry = {"channel": "stable", "release_date": "2026-08-13 15:48:35 +0000", "release_before": moment}
    server.serve("/releases-json/releases-stable.json", json.dumps({"4593.2.5": entry, "current": entry}).encode())
    assert find_release(source=FeedSource(server.url))[0].release_before == moment
