"""A mirror is filled from one server and served by any other; everything is verified on both ways."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from release_server import ReleaseServer
from signers import Signer

from flatprov.errors import ImageError
from flatprov.images.feeds import FeedSource, find_release
from flatprov.images.mirror import Mirror, Mirrored, mirrored_versions
from flatprov.images.mirror_feeds import write_feeds
from flatprov.images.mirror_sysexts import Sysext, add_sysext, parse_sysext
from flatprov.images.obtain import obtain_release
from flatprov.images.store import Store

IMAGE = b"\xeb\x63\x90" + b"raw" * 50_000
FILE = "flatcar_production_qemu_uefi_image.img"
PROOFS = ("", ".DIGESTS.asc", ".sig")
SYSEXT = b"hsqs" + b"ext" * 1000


@pytest.fixture
def origin(server: ReleaseServer) -> ReleaseServer:
    """The publisher: three of stable, two LTS streams, an extension."""
    server.publish("4593.2.4", {"qemu": IMAGE + b"4"}, release_date="2026-07-09 13:02:32 +0000")
    server.publish("4593.2.5", {"qemu": IMAGE, "metal": IMAGE}, release_date="2026-08-13 15:48:35 +0000")
    server.publish("4593.2.6", {"qemu": IMAGE + b"6"})
    server.publish("4081.3.10", {"qemu": IMAGE + b"lts"}, aliases=("current-2024",))
    server.publish("3510.3.8", {"qemu": IMAGE + b"old"}, aliases=("current-2023",))
    for architecture in ("x86-64", "arm64"):
        server.serve(f"/extensions/kubernetes-v1.34.2-{architecture}.raw", SYSEXT + architecture.encode())
    lines = [f"{sha256(SYSEXT + b'x86-64')}  kubernetes-v1.34.2-x86-64.raw\n", f"{'0' * 64}  other.raw\n"]
    server.serve("/extensions/kubernetes-v1.34.2/SHA256SUMS", "".join(lines).encode())
    return server


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def a_mirror(folder: Path, origin: ReleaseServer) -> Mirror:
    return Mirror(folder, source=origin.url, key_file=origin.key_file, fingerprint=origin.fingerprint)


def fill(folder: Path, origin: ReleaseServer, *versions: str, platforms: tuple[str, ...] = ("qemu",)) -> list[Mirrored]:
    mirror = a_mirror(folder, origin)
    wanted = [find_release(None, version, source=FeedSource(origin.url)) for version in versions]
    files = [file for info, _ in wanted for platform in platforms for file in mirror.add_images(info, platform)]
    write_feeds(mirror, wanted)
    return files


@contextmanager
def plain_web_server(folder: Path) -> Iterator[str]:
    """``python -m http.server``: lists folders, knows no ranges and no ETags."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield f"http://127.0.0.1:{line.split(' port ')[1].split()[0]}"
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def visible(folder: Path) -> set[str]:
    """What a client of the mirror asks for."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in paths if path.parts[0] != ".flatprov"}


def test_filled_then_served_by_a_plain_web_server_with_the_origin_off(tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "mirror"
    with ReleaseServer() as origin:
        origin.publish("4593.2.5", {"qemu": IMAGE, "metal": IMAGE})
        origin.publish("4593.2.6", {"qemu": IMAGE + b"6"})
        fill(folder, origin, "4593.2.5", platforms=("qemu", "metal"))
        a_mirror(folder, origin).add_key()
        fingerprint = origin.fingerprint
    with plain_web_server(folder) as url:
        info, copy = find_release("stable", source=FeedSource(url))
        assert info.version == "4593.2.5", "current is the newest that is here"
        assert copy.url == f"{url}/releases-json/releases-stable.json"
        for platform in ("qemu", "metal"):
            got = obtain_release(info, platform, mirror=url, fingerprint=fingerprint, store=store)
            assert got.path.read_bytes() == IMAGE
            assert got.signature is not None
        with pytest.raises(ImageError, match=r"4593\.2\.6.*does not exist.*Near it: 4593\.2\.5"):
            find_release("stable", "4593.2.6", source=FeedSource(url))
        with pytest.raises(ImageError, match="is another key"):
            obtain_release(info, mirror=url, store=Store(tmp_path / "publishers key"))
        image = folder / "amd64-usr/4593.2.5" / FILE
        image.write_bytes(IMAGE[:-1] + b"!")
        with pytest.raises(ImageError, match="sha512 is"):
            obtain_release(info, mirror=url, fingerprint=fingerprint, store=Store(tmp_path / "second"))


def test_what_is_in_it(origin: ReleaseServer, tmp_path: Path) -> None:
    files = fill(tmp_path, origin, "4593.2.5", "current-2024")
    assert [(one.path, one.fetched, one.size_bytes) for one in files] == [
        (f"amd64-usr/4593.2.5/{FILE}", True, len(IMAGE)),
        (f"amd64-usr/4081.3.10/{FILE}", True, len(IMAGE) + 3),
    ]
    assert files[0].digest == f"sha512:{hashlib.sha512(IMAGE).hexdigest()}"
    assert visible(tmp_path) == {
        *(f"amd64-usr/{version}/{FILE}{end}" for version in ("4593.2.5", "4081.3.10") for end in PROOFS),
        *(f"releases-json/releases{name}.json" for name in ("", "-stable", "-lts", "-lts-2024")),
    }
    assert mirrored_versions(tmp_path) == {"4593.2.5": ["amd64"], "4081.3.10": ["amd64"]}
    stable = json.loads((tmp_path / "releases-json/releases-stable.json").read_bytes())
    assert stable.keys() == {"4593.2.5", "current"}
    assert stable["current"] == stable["4593.2.5"]
    assert stable["4593.2.5"]["release_before"] == "2026-07-09T13:02:32+00:00", (
        "an old image is told from it all the same"
    )
    everything = json.loads((tmp_path / "releases-json/releases.json").read_bytes())
    assert everything.keys() == {"4593.2.5", "4081.3.10", "current", "current-2024"}
    assert everything["current"]["channel"] == "stable"


def test_a_second_run_adds_and_fetches_nothing_twice(origin: ReleaseServer, tmp_path: Path) -> None:
    fill(tmp_path, origin, "4593.2.5", "3510.3.8")
    origin.requests.clear()
    files = fill(tmp_path, origin, "4593.2.5", "4593.2.6", "4081.3.10")
    assert [one.fetched for one in files] == [False, True, True]
    assert origin.gets(f"/amd64-usr/4593.2.5/{FILE}") == []
    stable = json.loads((tmp_path / "releases-json/releases-stable.json").read_bytes())
    assert stable["current"] == stable["4593.2.6"]
    lts = json.loads((tmp_path / "releases-json/releases-lts.json").read_bytes())
    assert lts.keys() == {"3510.3.8", "4081.3.10", "current", "current-2023", "current-2024"}
    assert lts["current"] == lts["4081.3.10"]
    (tmp_path / "amd64-usr/4593.2.5" / FILE).write_bytes(b"damaged")
    assert [one.fetched for one in fill(tmp_path, origin, "4593.2.5")] == [True], "what was damaged is fetched again"
    assert (tmp_path / "amd64-usr/4593.2.5" / FILE).read_bytes() == IMAGE


def test_a_mirror_of_a_mirror(origin: ReleaseServer, tmp_path: Path) -> None:
    fill(tmp_path / "one", origin, "4593.2.5", "4081.3.10")
    with plain_web_server(tmp_path / "one") as url:
        source = FeedSource(url)
        wanted = [find_release(None, version, source=source) for version in ("4593.2.5", "current-2024")]
        second = Mirror(tmp_path / "two", source=url, key_file=origin.key_file, fingerprint=origin.fingerprint)
        for info, _ in wanted:
            second.add_images(info, "qemu")
        write_feeds(second, wanted)
    assert visible(tmp_path / "two") == visible(tmp_path / "one")
    for name in ("stable", "lts-2024"):
        one, two = (tmp_path / which / f"releases-json/releases-{name}.json" for which in ("one", "two"))
        assert json.loads(one.read_bytes()) == json.loads(two.read_bytes())


@pytest.mark.parametrize("spoilt", ["image", "digests", "own signature", "key"])
def test_nothing_unverified_gets_its_name(spoilt: str, origin: ReleaseServer, company: Signer, tmp_path: Path) -> None:
    path = f"/amd64-usr/4593.2.5/{FILE}"
    expected = {"image": "digest", "digests": "bad-signature", "own signature": "bad-signature", "key": "key"}[spoilt]
    if spoilt == "image":
        origin.paths[path].data = IMAGE[:-1] + b"!"
    elif spoilt == "digests":
        text = origin.paths[f"{path}.DIGESTS.asc"]
        text.data = text.read(0, text.size).replace(b"# SHA1", b"# SHA2")
    elif spoilt == "own signature":
        origin.serve(f"{path}.sig", origin.signer.detached(b"another file"))
    info, _ = find_release("stable", "4593.2.5", source=FeedSource(origin.url))
    mirror = a_mirror(tmp_path, origin)
    if spoilt == "key":
        mirror = Mirror(tmp_path, source=origin.url, key_file=origin.key_file, fingerprint=company.fingerprint)
    with pytest.raises(ImageError) as error:
        mirror.add_images(info, "qemu")
    assert error.value.code == f"image-{expected}"
    assert visible(tmp_path) == set()
    assert not list(tmp_path.rglob("*.part"))
    assert mirrored_versions(tmp_path) == {}


def test_killed_again_and_again(origin: ReleaseServer, tmp_path: Path) -> None:
    """kill -9 at many moments: what has its name is whole, and the next run goes on."""
    image = os.urandom(3 << 20)
    origin.publish("4593.2.5", {"qemu": image})
    origin.files["qemu"].pause_per_block_seconds = 0.01
    context = multiprocessing.get_context("spawn")
    arguments = (str(tmp_path), origin.url, str(origin.key_file), origin.fingerprint)
    place = tmp_path / "amd64-usr/4593.2.5" / FILE
    partial = tmp_path / ".flatprov/partial"
    for arrived in (1, 1 << 20, 2 << 20, (3 << 20) - 1):
        child = context.Process(target=_fill, args=arguments)
        child.start()
        while child.is_alive() and sum(part.stat().st_size for part in partial.glob("*.part")) < arrived:
            child.join(0.005)
        child.kill()
        child.join()
        assert not place.exists() or place.read_bytes() == image
        feed = tmp_path / "releases-json/releases-stable.json"
        assert not feed.exists() or place.exists()
    origin.files["qemu"].pause_per_block_seconds = 0
    fill(tmp_path, origin, "4593.2.5")
    assert place.read_bytes() == image
    spans = origin.gets(f"/amd64-usr/4593.2.5/{FILE}")
    assert any(spans), f"continued, not begun again: {spans}"
    assert not list(tmp_path.rglob("*.part"))


def _fill(folder: str, url: str, key_file: str, fingerprint: str) -> None:
    os.environ["NO_PROXY"] = "127.0.0.1"
    mirror = Mirror(folder, source=url, key_file=key_file, fingerprint=fingerprint)
    wanted = find_release("stable", "4593.2.5", source=FeedSource(url))
    mirror.add_images(wanted[0], "qemu")
    write_feeds(mirror, [wanted])


def test_a_folder_that_cannot_be_written(origin: ReleaseServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    info, _ = find_release("stable", source=FeedSource(origin.url))
    with pytest.raises(ImageError) as error:
        a_mirror(tmp_path / "file", origin).add_images(info, "qemu")
    assert str(tmp_path / "file") in str(error.value)


def test_a_network_boot_gets_its_kernel(origin: ReleaseServer, tmp_path: Path) -> None:
    origin.publish("4593.2.5", {"pxe": IMAGE, "flatcar_production_pxe.vmlinuz": b"kernel"})
    files = fill(tmp_path, origin, "4593.2.5", platforms=("pxe",))
    names = ["flatcar_production_pxe_image.cpio.gz", "flatcar_production_pxe.vmlinuz"]
    assert [one.path.rpartition("/")[2] for one in files] == names
    assert {f"amd64-usr/4593.2.5/{name}.DIGESTS.asc" for name in names} <= visible(tmp_path)
    origin.paths[f"/amd64-usr/4593.2.5/{names[1]}"].data = b"evil"
    with pytest.raises(ImageError, match=r"pxe\.vmlinuz: sha512 is"):
        fill(tmp_path / "other", origin, "4593.2.5", platforms=("pxe",))
    assert visible(tmp_path / "other") == set()


# System extensions


def test_an_extension_with_the_bakerys_digest(origin: ReleaseServer, tmp_path: Path) -> None:
    mirror = a_mirror(tmp_path, origin)
    file = add_sysext(mirror, Sysext("kubernetes-v1.34.2", "amd64"))
    name = "kubernetes-v1.34.2-x86-64.raw"
    assert (file.path, file.fetched) == (f"extensions/{name}", True)
    assert (tmp_path / "extensions" / name).read_bytes() == SYSEXT + b"x86-64"
    assert file.digest == f"sha256:{sha256(SYSEXT + b'x86-64')}"
    assert not add_sysext(mirror, Sysext("kubernetes-v1.34.2", "amd64")).fetched
    with pytest.raises(ImageError, match=r"arm64\.raw: is not in .*SHA256SUMS.*NAME-VERSION=SHA256"):
        add_sysext(mirror, Sysext("kubernetes-v1.34.2", "arm64"))
    add_sysext(mirror, Sysext("kubernetes-v1.34.2", "arm64", sha256(SYSEXT + b"arm64")))
    for sums in ("extensions/SHA256SUMS", "extensions/kubernetes-v1.34.2/SHA256SUMS"):
        checked = subprocess.run(
            ["sha256sum", "--check", "--strict", tmp_path / sums], cwd=tmp_path / "extensions", capture_output=True
        )
        assert checked.returncode == 0, checked.stderr
        assert len(checked.stdout.splitlines()) == 2
    with plain_web_server(tmp_path) as url:
        second = Mirror(tmp_path / "second", source=url)
        assert add_sysext(second, Sysext("kubernetes-v1.34.2", "arm64")).digest == f"sha256:{sha256(SYSEXT + b'arm64')}"


@pytest.mark.parametrize("given", [True, False], ids=["given digest", "published digest"])
def test_an_extension_with_another_content(given: bool, origin: ReleaseServer, tmp_path: Path) -> None:
    path = "/extensions/kubernetes-v1.34.2-x86-64.raw"
    origin.paths[path].data = b"evil"
    mirror = a_mirror(tmp_path, origin)
    digest = sha256(SYSEXT + b"x86-64") if given else ""
    with pytest.raises(ImageError, match=r"sha256 is .* wanted") as error:
        add_sysext(mirror, Sysext("kubernetes-v1.34.2", "amd64", digest))
    assert error.value.code == "image-digest"
    assert visible(tmp_path) == set()
    assert not list(tmp_path.rglob("*.part"))


DIGEST = "ab" * 32


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("kubernetes-v1.34.2", [("kubernetes-v1.34.2", "amd64", "")]),
        ("docker-compose-2.34.0", [("docker-compose-2.34.0", "amd64", "")]),
        ("nvidia-runtime-v1.17.9-arm64.raw", [("nvidia-runtime-v1.17.9", "arm64", "")]),
        (f"kubernetes-v1.34.2={DIGEST.upper()}", [("kubernetes-v1.34.2", "amd64", DIGEST)]),
        (f"kubernetes-v1.34.2-x86-64={DIGEST}", [("kubernetes-v1.34.2", "amd64", DIGEST)]),
        ("podman", None),
        ("nvidia-drivers", None),
        ("kubernetes-v1.34.2=abc", None),
        ("../../etc/passwd-1", None),
        ("", None),
    ],
)
def test_names_of_extensions(text: str, found: list[tuple[str, str, str]] | None) -> None:
    if found is None:
        with pytest.raises(ImageError, match=r"Write kubernetes-v1\.34\.2"):
            parse_sysext(text, ["amd64"])
        return
    assert parse_sysext(text, ["amd64"]) == [Sysext(*one) for one in found]


def test_one_digest_is_of_one_architecture() -> None:
    assert len(parse_sysext("kubernetes-v1.34.2", ["amd64", "arm64"])) == 2
    with pytest.raises(ImageError, match=r"kubernetes-v1\.34\.2-x86-64=SHA256"):
        parse_sysext(f"kubernetes-v1.34.2={DIGEST}", ["amd64", "arm64"])


def test_an_old_image_is_not_mirrored(origin: ReleaseServer, vendor: Signer, tmp_path: Path) -> None:
    path = f"/amd64-usr/4593.2.5/{FILE}"
    text = origin.paths[f"{path}.DIGESTS"].read(0, 10_000)
    origin.serve(f"{path}.DIGESTS.asc", vendor.clearsigned(text, "20260708"))
    (tmp_path / "key.asc").write_bytes(vendor.public)
    info, _ = find_release("stable", "4593.2.5", source=FeedSource(origin.url))
    mirror = Mirror(tmp_path / "m", source=origin.url, key_file=tmp_path / "key.asc", fingerprint=vendor.fingerprint)
    with pytest.raises(ImageError, match="an older image under this version's name"):
        mirror.add_images(info, "qemu")
    assert visible(tmp_path / "m") == set()
