"""The way in: releases and own images, from servers that are honest and ones that are not."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import multiprocessing
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from release_server import ReleaseServer
from signers import Signer

from flatprov.errors import ImageError
from flatprov.flatcar.artifacts import candidate_files
from flatprov.flatcar.releases import ReleaseInfo
from flatprov.images import current
from flatprov.images.obtain import Obtained, obtain_own, obtain_release
from flatprov.images.store import Store

FOLDER = "/amd64-usr/4593.2.5/"
PLAIN, QEMU_PLAIN, PACKED, QEMU_PACKED = candidate_files("libvirt")
KEY_PATH = "/security/image-signing-key/Flatcar_Image_Signing_Key.asc"
GIB = 1 << 30


def qcow2(content: bytes = b"guest", backing: bytes = b"") -> bytes:
    header = struct.pack(">4sIQIIQI", b"QFI\xfb", 3, 200 if backing else 0, len(backing), 16, 8 * GIB, 0)
    return (header.ljust(200, b"\0") + backing).ljust(1024, b"\0") + content * 1000


def sha512(data: bytes) -> str:
    return hashlib.sha512(data).hexdigest()


def publish(server: ReleaseServer, signer: Signer, name: str, data: bytes, digests_of: bytes | None = None) -> None:
    server.serve(FOLDER + name, data)
    text = f"# SHA512 HASH\n{sha512(data if digests_of is None else digests_of)}  {name}\n".encode()
    server.serve(f"{FOLDER}{name}.DIGESTS.asc", signer.clearsigned(text, "20260901"))


def files_of(store: Store) -> list[str]:
    return [str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file()]


def nothing_to_trust(store: Store) -> bool:
    return not any(name.startswith(("blobs/", "unpacked/")) or name.endswith(".part") for name in files_of(store))


@pytest.fixture
def key_file(vendor: Signer, tmp_path: Path) -> Path:
    path = tmp_path / "vendor.asc"
    path.write_bytes(vendor.public)
    return path


@pytest.fixture
def company_key_file(company: Signer, tmp_path: Path) -> Path:
    path = tmp_path / "company.asc"
    path.write_bytes(company.public)
    return path


def code_of(error: pytest.ExceptionInfo[ImageError]) -> str:
    return error.value.code.removeprefix("image-")


def test_release_with_the_published_key(server: ReleaseServer, vendor: Signer, store: Store, info: ReleaseInfo) -> None:
    server.serve(KEY_PATH, vendor.public)
    publish(server, vendor, PLAIN, qcow2())
    publish(server, vendor, PACKED, bz2.compress(qcow2()))
    seen: list[tuple[int, int]] = []
    got = obtain_release(
        info,
        mirror=server.url,
        fingerprint=vendor.fingerprint,
        store=store,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert (got.file_name, got.format, got.virtual_size_bytes) == (PLAIN, "qcow2", 8 * GIB)
    assert got.sha512 == sha512(qcow2())
    assert got.path.read_bytes() == qcow2()
    assert got.signature is not None
    assert got.signature.signing_key == vendor.subkeys[-1]
    assert seen[-1] == (len(qcow2()), len(qcow2()))
    order = [path.removeprefix(FOLDER) for _, path, _ in server.requests]
    assert order == [KEY_PATH, f"{PLAIN}.DIGESTS.asc", PLAIN], "signed digests first, then the file"


def test_second_run_needs_no_network(server: ReleaseServer, vendor: Signer, store: Store, info: ReleaseInfo) -> None:
    server.serve(KEY_PATH, vendor.public)
    publish(server, vendor, PLAIN, qcow2())
    first = obtain_release(info, mirror=server.url, fingerprint=vendor.fingerprint, store=store)
    asked = len(server.requests)
    again = obtain_release(info, mirror=server.url, fingerprint=vendor.fingerprint, store=store)
    assert again == first
    assert len(server.requests) == asked
    first.path.chmod(0o644)
    with first.path.open("r+b") as file:
        file.seek(2000)
        file.write(b"X")
    healed = obtain_release(info, mirror=server.url, fingerprint=vendor.fingerprint, store=store)
    assert healed.path.read_bytes() == qcow2(), "an image that was changed in the store is fetched again"


def test_forged_evidence_in_the_store_is_not_believed(
    server: ReleaseServer, vendor: Signer, company: Signer, store: Store, info: ReleaseInfo
) -> None:
    server.serve(KEY_PATH, vendor.public)
    publish(server, vendor, PLAIN, qcow2())
    obtain_release(info, mirror=server.url, fingerprint=vendor.fingerprint, store=store)
    forged = company.clearsigned(f"# SHA512 HASH\n{sha512(b'evil')}  {PLAIN}\n".encode())
    (digests,) = store.root.rglob("DIGESTS.asc")
    digests.write_bytes(forged)
    (digests.parent / "key.asc").write_bytes(company.public)
    server.requests.clear()
    got = obtain_release(info, mirror=server.url, fingerprint=vendor.fingerprint, store=store)
    assert got.sha512 == sha512(qcow2())
    assert server.gets(f"{FOLDER}{PLAIN}.DIGESTS.asc") == [""]


def test_old_release_has_only_the_packed_file(
    server: ReleaseServer, vendor: Signer, store: Store, key_file: Path, info: ReleaseInfo
) -> None:
    publish(server, vendor, PACKED, bz2.compress(qcow2()))
    got = release(server, key_file, vendor, store, info)
    assert got.path.read_bytes() == qcow2()
    assert got.path.name == PLAIN
    assert (got.format, got.file_name, got.sha512) == ("qcow2", PACKED, sha512(bz2.compress(qcow2())))
    server.requests.clear()
    assert release(server, key_file, vendor, store, info) == got
    assert server.requests == []
    got.path.chmod(0o644)
    got.path.write_bytes(b"evil")
    assert release(server, key_file, vendor, store, info).path.read_bytes() == qcow2()


def test_a_qcow2_under_a_packed_name_is_not_unpacked(
    server: ReleaseServer, vendor: Signer, store: Store, key_file: Path, info: ReleaseInfo
) -> None:
    publish(server, vendor, PACKED, qcow2())
    got = release(server, key_file, vendor, store, info)
    assert (got.format, got.path.name) == ("qcow2", PACKED)
    assert got.path.read_bytes() == qcow2()


def test_missing_file_names_what_was_tried(
    server: ReleaseServer, vendor: Signer, store: Store, key_file: Path, info: ReleaseInfo
) -> None:
    with pytest.raises(ImageError) as error:
        release(server, key_file, vendor, store, info)
    assert code_of(error) == "not-found"
    assert all(name in str(error.value) for name in (PLAIN, QEMU_PLAIN, PACKED, QEMU_PACKED))
    with pytest.raises(ImageError, match="Built for: amd64"):
        candidate_files("hyperv", "arm64")
    assert candidate_files("qemu", "arm64") == (PLAIN, PACKED)


def test_other_forms_of_signature(
    server: ReleaseServer, vendor: Signer, store: Store, key_file: Path, info: ReleaseInfo, tmp_path: Path
) -> None:
    text = f"# SHA512 HASH\n{sha512(qcow2())}  {PLAIN}\n".encode()
    server.serve(FOLDER + PLAIN, qcow2())
    server.serve(f"{FOLDER}{PLAIN}.DIGESTS", text)
    server.serve(f"{FOLDER}{PLAIN}.DIGESTS.sig", vendor.detached(text))
    assert release(server, key_file, vendor, store, info).path.read_bytes() == qcow2()
    del server.paths[f"{FOLDER}{PLAIN}.DIGESTS"]
    server.serve(f"{FOLDER}{PLAIN}.sig", vendor.detached(qcow2()))
    other = Store(tmp_path / "other")
    got = release(server, key_file, vendor, other, info)
    assert (got.sha512, got.path.read_bytes()) == (sha512(qcow2()), qcow2())
    server.requests.clear()
    assert release(server, key_file, vendor, other, info) == got
    assert server.gets(FOLDER + PLAIN) == [], "checked again in the store, not fetched again"
    server.serve(FOLDER + PLAIN, qcow2(b"altered"))
    third = Store(tmp_path / "third")
    with pytest.raises(ImageError) as error:
        release(server, key_file, vendor, third, info)
    assert code_of(error) == "bad-signature"
    assert nothing_to_trust(third)


@pytest.mark.parametrize("case", ["altered-file", "altered-digest", "unsigned", "stripped", "other-file", "web-page"])
def test_nothing_unverified_stays(
    case: str, server: ReleaseServer, vendor: Signer, store: Store, key_file: Path, info: ReleaseInfo
) -> None:
    publish(server, vendor, PLAIN, qcow2())
    signed = server.paths[f"{FOLDER}{PLAIN}.DIGESTS.asc"]
    expected = {"altered-file": "digest", "altered-digest": "bad-signature", "other-file": "not-listed"}.get(
        case, "unsigned"
    )
    if case == "altered-file":
        server.serve(FOLDER + PLAIN, qcow2(b"Guest"))
    elif case == "altered-digest":
        signed.data = signed.data.replace(sha512(qcow2()).encode(), sha512(b"evil").encode())
    elif case == "unsigned":
        del server.paths[f"{FOLDER}{PLAIN}.DIGESTS.asc"]
    elif case == "stripped":
        signed.data = signed.data[: signed.data.index(b"-----BEGIN PGP SIGNATURE")]
    elif case == "other-file":
        publish(server, vendor, QEMU_PLAIN, qcow2())
        signed.data = server.paths[f"{FOLDER}{QEMU_PLAIN}.DIGESTS.asc"].data
    else:
        signed.data = b"<html>please log in</html>"
    with pytest.raises(ImageError) as error:
        release(server, key_file, vendor, store, info)
    assert code_of(error) == expected
    assert nothing_to_trust(store)
    if case not in ("altered-file",):
        assert server.gets(FOLDER + PLAIN) == [], "not one byte of the file was asked for"


@pytest.mark.parametrize("signed_by", ["vendor", "company"])
@pytest.mark.parametrize("pinned", ["vendor", "company"])
def test_own_key_takes_the_publishers_place(
    signed_by: str,
    pinned: str,
    server: ReleaseServer,
    vendor: Signer,
    company: Signer,
    key_file: Path,
    company_key_file: Path,
    store: Store,
    info: ReleaseInfo,
) -> None:
    """E01: two keys, one image, all four combinations; and no key server is contacted."""
    signers = {"vendor": vendor, "company": company}
    files = {"vendor": key_file, "company": company_key_file}
    publish(server, signers[signed_by], PLAIN, qcow2())
    if signed_by == pinned:
        assert release(server, files[pinned], signers[pinned], store, info).path.read_bytes() == qcow2()
    else:
        found, wanted = signers[signed_by].subkeys[-1], signers[pinned].fingerprint
        with pytest.raises(ImageError, match=f"found {found}, wanted a sub-key of {wanted}") as error:
            release(server, files[pinned], signers[pinned], store, info)
        assert code_of(error) == "wrong-key"
        assert nothing_to_trust(store)
        with pytest.raises(ImageError, match=f"found {wanted}, wanted {signers[signed_by].fingerprint}"):
            release(server, files[pinned], signers[signed_by], store, info)
    assert KEY_PATH not in [path for _, path, _ in server.requests]


def test_a_store_filled_under_one_key_does_not_serve_another(
    server: ReleaseServer,
    vendor: Signer,
    company: Signer,
    key_file: Path,
    company_key_file: Path,
    store: Store,
    info: ReleaseInfo,
) -> None:
    publish(server, vendor, PLAIN, qcow2())
    release(server, key_file, vendor, store, info)
    with pytest.raises(ImageError, match="signed by another key"):
        release(server, company_key_file, company, store, info)


def test_two_processes_download_once(
    server: ReleaseServer, vendor: Signer, store: Store, key_file: Path, info: ReleaseInfo
) -> None:
    publish(server, vendor, PLAIN, qcow2(b"x" * 2000))
    server.paths[FOLDER + PLAIN].pause_per_block_seconds = 0.01
    context = multiprocessing.get_context("spawn")
    arguments = (server.url, str(key_file), vendor.fingerprint, str(store.root), info)
    children = [context.Process(target=_obtain, args=arguments) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(30)
        assert child.exitcode == 0
    assert server.gets(FOLDER + PLAIN) == [""]


def test_killed_again_and_again(
    server: ReleaseServer, vendor: Signer, store: Store, key_file: Path, info: ReleaseInfo
) -> None:
    """kill -9 at many moments of a whole run (download, commit, unpack): what the store shows is always whole."""
    image = qcow2(os.urandom(3000))
    publish(server, vendor, PACKED, bz2.compress(image))
    server.paths[FOLDER + PACKED].pause_per_block_seconds = 0.005
    context = multiprocessing.get_context("spawn")
    arguments = (server.url, str(key_file), vendor.fingerprint, str(store.root), info)
    for delay in (0.4, 0.5, 0.6, 0.7, 0.9):
        child = context.Process(target=_obtain, args=arguments)
        child.start()
        child.join(delay)
        child.kill()
        child.join()
        for path in (*store.root.rglob("blobs/*/*/*"), *store.root.rglob("unpacked/*/*/*")):
            assert path.read_bytes() in (image, bz2.compress(image))
    assert release(server, key_file, vendor, store, info).path.read_bytes() == image
    assert not [name for name in files_of(store) if name.endswith(".part")]


def test_logins_and_queries_of_addresses_are_not_shown(server: ReleaseServer, store: Store, info: ReleaseInfo) -> None:
    address = server.url.replace("http://", "http://user:hunter2@")
    server.serve("/x", b"x", cuts=[0] * 99)
    with pytest.raises(ImageError) as error:
        obtain_release(info, mirror=address, store=store)
    assert "hunter2" not in repr(error.value) + str(error.value)
    for path in ("/gone?sig=hunter2", "/x?sig=hunter2"):
        with pytest.raises(ImageError) as error:
            obtain_own(address + path, sha512(b""), unsigned=True, store=store)
        assert "hunter2" not in repr(error.value) + str(error.value)
    assert not any(b"hunter2" in path.read_bytes() for path in store.root.rglob("*") if path.is_file())


def _obtain(mirror: str, key_file: str, fingerprint: str, root: str, info: ReleaseInfo) -> None:
    os.environ["NO_PROXY"] = "127.0.0.1"
    obtain_release(info, mirror=mirror, key_file=key_file, fingerprint=fingerprint, store=Store(root))


def release(server: ReleaseServer, key_file: Path, signer: Signer, store: Store, info: ReleaseInfo) -> Obtained:
    return obtain_release(info, mirror=server.url, key_file=key_file, fingerprint=signer.fingerprint, store=store)


# Own images


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.qcow2"
    path.write_bytes(qcow2())
    os.utime(path, ns=(10**18, 10**18))
    time.sleep(0.06)
    return path


def test_own_local_file_is_hashed_once(own: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from flatprov.images import remembered

    seen: list[Path] = []
    original = remembered._hash
    monkeypatch.setattr(remembered, "_hash", lambda path, *rest: (seen.append(path), original(path, *rest))[1])
    for _ in range(2):
        got = obtain_own(own, sha512(qcow2()), unsigned=True, store=store)
        assert (got.path, got.format, got.virtual_size_bytes, got.signature) == (own, "qcow2", 8 * GIB, None)
    assert len(seen) == 1
    with own.open("r+b") as file:
        file.seek(1500)
        file.write(b"X")
    os.utime(own, ns=(10**18, 10**18))
    with pytest.raises(ImageError, match=f"own.qcow2: sha512 is [0-9a-f]{{16}}…, wanted {sha512(qcow2())[:16]}…"):
        obtain_own(own, sha512(qcow2()), unsigned=True, store=store)
    assert len(seen) == 2, "same size and mtime, other content: hashed again"


def test_own_image_from_a_url(server: ReleaseServer, store: Store) -> None:
    server.serve("/own.raw.gz", gzip.compress(b"raw" * 1000))
    wanted = sha512(server.paths["/own.raw.gz"].data)
    got = obtain_own(f"{server.url}/own.raw.gz", wanted, unsigned=True, store=store)
    assert (got.format, got.virtual_size_bytes, got.path.read_bytes()) == ("raw", 3000, b"raw" * 1000)
    assert obtain_own(f"{server.url}/own.raw.gz", wanted, unsigned=True, store=store) == got
    assert server.gets("/own.raw.gz") == [""]
    assert server.gets("/own.raw.gz.sig") == [""], "a file in the store needs no network"
    with pytest.raises(ImageError) as error:
        obtain_own(f"{server.url}/own.raw.gz", sha512(b"other"), unsigned=True, store=store)
    assert code_of(error) == "digest"


def test_unsigned_covers_only_an_absent_signature(
    own: Path, store: Store, vendor: Signer, company: Signer, key_file: Path
) -> None:
    digest = sha512(qcow2())
    with pytest.raises(ImageError, match="has no sha512"):
        obtain_own(own, unsigned=True, store=store)
    with pytest.raises(ImageError, match=r"has no signature at .*own\.qcow2\.sig"):
        obtain_own(own, digest, store=store)
    signature = own.with_name("own.qcow2.sig")
    signature.write_bytes(vendor.detached(qcow2()))
    with pytest.raises(ImageError, match="is declared unsigned"):
        obtain_own(own, digest, unsigned=True, store=store)
    got = obtain_own(own, key_file=key_file, fingerprint=vendor.fingerprint, store=store)
    assert got.signature is not None
    signature.write_bytes(company.detached(qcow2()))
    with pytest.raises(ImageError, match="signed by another key"):
        obtain_own(own, digest, key_file=key_file, fingerprint=vendor.fingerprint, store=store)


def test_own_url_with_signature(server: ReleaseServer, store: Store, vendor: Signer, key_file: Path) -> None:
    server.serve("/own.qcow2", qcow2())
    server.serve("/own.qcow2.sig", vendor.detached(qcow2()))
    got = obtain_own(f"{server.url}/own.qcow2", key_file=key_file, fingerprint=vendor.fingerprint, store=store)
    assert got.sha512 == sha512(qcow2())
    server.serve("/own.qcow2", qcow2(b"altered"))
    other = Store(store.root.with_name("other"))
    with pytest.raises(ImageError) as error:
        obtain_own(f"{server.url}/own.qcow2", key_file=key_file, fingerprint=vendor.fingerprint, store=other)
    assert nothing_to_trust(other)
    assert code_of(error) == "bad-signature"


def test_own_image_that_cannot_be_used(tmp_path: Path, store: Store) -> None:
    cases = {
        "overlay": (qcow2(backing=b"/etc/shadow"), "qcow2", "is an overlay of '/etc/shadow'"),
        "raw": (b"raw" * 1000, "qcow2", 'declared qcow2, but its content is raw. Declare format="raw", or convert'),
        "qcow2": (qcow2(), "raw", "declared raw, but its content is qcow2"),
        "empty": (b"", None, "is empty"),
        "cut": (b"QFI\xfb", None, "no complete qcow2 header"),
    }
    for name, (data, declared, message) in cases.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(ImageError) as error:
            obtain_own(path, sha512(data), unsigned=True, declared=declared, store=store)  # type: ignore[arg-type]
        assert message in str(error.value)
    with pytest.raises(ImageError, match="not a file"):
        obtain_own(tmp_path / "none", sha512(b""), unsigned=True, store=store)
    with pytest.raises(ImageError, match="128 hex digits"):
        obtain_own(tmp_path / "raw", "abc", unsigned=True, store=store)


# The command


def test_current_command(
    server: ReleaseServer, vendor: Signer, key_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = {"channel": "stable", "architectures": ["amd64"], "major_software": {"ignition": ["2.24.0"]}}
    server.serve("/releases-json/releases-stable.json", json.dumps({"4593.2.5": entry, "current": entry}).encode())
    publish(server, vendor, PLAIN, qcow2())
    common = ["--mirror", server.url, "--key", str(key_file), "--store", str(tmp_path / "s")]
    assert current.main([*common, "--fingerprint", vendor.fingerprint]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["version"], answer["sha512"], answer["format"]) == ("4593.2.5", sha512(qcow2()), "qcow2")
    assert Path(answer["path"]).read_bytes() == qcow2()
    assert current.main(common) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert current.main(["--mirror", "http://127.0.0.1:9", "--timeout", "1"]) == 3
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_import_is_light() -> None:
    code = (
        "import sys, flatprov.images.obtain; print([m for m in ('httpx', 'pysequoia', 'pulumi') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
