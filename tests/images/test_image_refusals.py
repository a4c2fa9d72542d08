"""Every way in which a file is not what the publisher signed: refused, with a message of its own, and nothing stays."""

from __future__ import annotations

import bz2
import gzip
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from release_server import ReleaseServer
from signers import Signer

from flatprov.errors import ImageError
from flatprov.flatcar.artifacts import candidate_files
from flatprov.flatcar.releases import ReleaseInfo
from flatprov.images import keys
from flatprov.images.obtain import obtain_release
from flatprov.images.store import Store
from flatprov.testing.release_server import digests_text

PLAIN, _, PACKED, _ = candidate_files("libvirt")
FOLDER = "/amd64-usr/4593.2.5/"
IMAGE = b"\xeb\x63\x90" + b"raw" * 5000
OTHER = b"\xeb\x63\x90" + b"war" * 5000
SIGNED_ON = "20260811"


class Publisher:
    """One image on a server, and what a man in the middle does to it."""

    def __init__(self, server: ReleaseServer, signer: Signer, company: Signer) -> None:
        self.server, self.signer, self.company = server, signer, company
        self.publish(PLAIN, IMAGE)

    def publish(
        self, name: str, data: bytes, signer: Signer | None = None, subkey: int = -1, at: str = SIGNED_ON
    ) -> None:
        self.server.serve(FOLDER + name, data)
        text = (signer or self.signer).clearsigned(digests_text(name, data), at, subkey)
        self.server.serve(f"{FOLDER}{name}.DIGESTS.asc", text)

    def only_own_signature(self, data: bytes, of: bytes) -> None:
        self.server.paths.clear()
        self.server.serve(FOLDER + PLAIN, data)
        self.server.serve(f"{FOLDER}{PLAIN}.sig", self.signer.detached(of, SIGNED_ON))

    def only(self, name: str, data: bytes, appended: bytes) -> None:
        self.server.paths.clear()
        self.publish(name, data)
        self.server.serve(FOLDER + name, data + appended)

    def edit(self, old: bytes, new: bytes) -> None:
        served = self.server.paths[f"{FOLDER}{PLAIN}.DIGESTS.asc"]
        text = served.read(0, served.size)
        assert old in text
        served.data = text.replace(old, new)

    def strip(self) -> None:
        served = self.server.paths[f"{FOLDER}{PLAIN}.DIGESTS.asc"]
        text = served.read(0, served.size)
        served.data = text[: text.index(b"-----BEGIN PGP SIGNATURE")]

    def of_another_file(self) -> None:
        self.publish(PACKED, bz2.compress(IMAGE))
        self.server.paths[f"{FOLDER}{PLAIN}.DIGESTS.asc"] = self.server.paths[f"{FOLDER}{PACKED}.DIGESTS.asc"]


CASES: dict[str, tuple[Callable[[Publisher], object], str, str]] = {
    "altered file": (lambda at: at.server.serve(FOLDER + PLAIN, OTHER), "digest", "sha512 is .* wanted"),
    "longer file": (lambda at: at.server.serve(FOLDER + PLAIN, IMAGE + b"\0"), "digest", "sha512 is .* wanted"),
    "shorter file": (lambda at: at.server.serve(FOLDER + PLAIN, IMAGE[:-1]), "digest", "sha512 is .* wanted"),
    "gzip with a tail": (lambda at: at.only(PACKED, gzip.compress(IMAGE), b"tail"), "digest", "sha512 is"),
    "gzip with a second member": (
        lambda at: at.only(PACKED, gzip.compress(IMAGE), gzip.compress(OTHER)),
        "digest",
        "sha512 is",
    ),
    "bzip2 with a tail": (lambda at: at.only(PACKED, bz2.compress(IMAGE), b"tail"), "digest", "sha512 is"),
    "bzip2 with a second stream": (
        lambda at: at.only(PACKED, bz2.compress(IMAGE), bz2.compress(OTHER)),
        "digest",
        "sha512 is",
    ),
    "altered digest": (lambda at: at.edit(b"# SHA512 HASH\n", b"# SHA512 HASH\n0"), "bad-signature", "was altered"),
    "altered name": (lambda at: at.edit(PLAIN.encode(), b"other"), "bad-signature", "was altered"),
    "no signature at all": (
        lambda at: at.server.paths.pop(f"{FOLDER}{PLAIN}.DIGESTS.asc"),
        "unsigned",
        "has no signature beside it",
    ),
    "stripped signature": (Publisher.strip, "unsigned", "but its signature was stripped"),
    "signature of another file": (Publisher.of_another_file, "not-listed", f"lists {PACKED}, not {PLAIN}"),
    "own signature of another file": (
        lambda at: at.only_own_signature(IMAGE, OTHER),
        "bad-signature",
        "or the signature is of another file",
    ),
    "wrong key": (
        lambda at: at.publish(PLAIN, IMAGE, at.company),
        "wrong-key",
        "signed by another key: found .*, wanted a sub-key of",
    ),
    "revoked sub-key": (lambda at: at.publish(PLAIN, IMAGE, subkey=1), "revoked-key", "signed by the revoked sub-key"),
    "sub-key that had expired": (
        lambda at: at.publish(PLAIN, IMAGE, subkey=0),
        "key-not-valid",
        "but sub-key .* is valid from 2021-01-01 to 2022-01-01",
    ),
    "signed long before the version": (
        lambda at: at.publish(PLAIN, IMAGE, at="20250301"),
        "stale",
        "an older image under this version's name",
    ),
    "a web page": (
        lambda at: at.server.serve(f"{FOLDER}{PLAIN}.DIGESTS.asc", b"<html>log in</html>"),
        "unsigned",
        "is not signed",
    ),
}


@pytest.fixture(scope="session")
def lax(key_folder: Path) -> Signer:
    """A key whose sub-keys can still sign: number 1 is revoked only in the table of the tests that say so."""
    from signers import make_signer

    return make_signer(key_folder / "l", "lax", (("20210101", "9y"), ("20220101", "9y"), ("20250101", "9y")))


@pytest.mark.parametrize("case", CASES)
def test_refused(
    case: str,
    server: ReleaseServer,
    lax: Signer,
    company: Signer,
    store: Store,
    info: ReleaseInfo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoil, code, message = CASES[case]
    key_file = tmp_path / "key.asc"
    key_file.write_bytes(lax.public)
    if "revoked" in case:  # this copy of the key lacks the revocation: our own table has it
        monkeypatch.setattr(keys, "REVOKED", frozenset([lax.subkeys[1]]))
    at = Publisher(server, lax, company)
    spoil(at)
    if "expired" in case:  # this copy of the key knows that sub-key 0 ended after a year
        key_file.write_bytes(_shortened(lax, tmp_path))
    for _ in range(2):  # a second run finds nothing that it would trust
        with pytest.raises(ImageError, match=message) as error:
            obtain_release(info, mirror=server.url, key_file=key_file, fingerprint=lax.fingerprint, store=store)
        assert error.value.code == f"image-{code}"
        assert not list(store.root.rglob("blobs/*/*/*")) + list(store.root.rglob("unpacked/*/*/*"))
        assert not list(store.root.rglob("*.part"))


def _shortened(signer: Signer, folder: Path) -> bytes:
    import shutil

    from signers import stop_agent

    home = Path(f"{signer.home}x")
    shutil.copytree(signer.home, home, ignore=shutil.ignore_patterns("S.*"))
    copy = Signer(home, signer.fingerprint, signer.subkeys)
    copy.gpg("--quick-set-expire", copy.fingerprint, "1y", copy.subkeys[0], at="20210101")
    public = copy.public
    stop_agent(home)
    return public


def test_every_case_has_its_own_message() -> None:
    kinds = {(code, message) for _, code, message in CASES.values()}
    assert len({code for code, _ in kinds}) == 8
    assert len(kinds) >= 12


def test_nobody_but_the_server_is_asked(
    server: ReleaseServer,
    vendor: Signer,
    company: Signer,
    store: Store,
    info: ReleaseInfo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No key server, whatever the key: not one connection or name look-up to anyone else."""
    server.serve("/security/image-signing-key/Flatcar_Image_Signing_Key.asc", vendor.public)
    at = Publisher(server, vendor, company)
    asked: list[object] = []
    look_up, connect = socket.getaddrinfo, socket.socket.connect

    def seen_look_up(host: object, *rest: object, **more: object) -> object:
        asked.append(host)
        return look_up(host, *rest, **more)  # type: ignore[call-overload]

    def seen_connect(self: socket.socket, address: object) -> None:
        asked.append(address[0] if isinstance(address, tuple) else address)
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", seen_look_up)
    monkeypatch.setattr(socket.socket, "connect", seen_connect)
    arguments = {"mirror": server.url, "fingerprint": vendor.fingerprint}
    assert obtain_release(info, store=store, **arguments).sha512  # type: ignore[arg-type]
    at.publish(PLAIN, IMAGE, company)
    with pytest.raises(ImageError, match="signed by another key"):
        obtain_release(info, store=Store(tmp_path / "other"), **arguments)  # type: ignore[arg-type]
    assert asked
    assert set(asked) == {"127.0.0.1"}
