"""Keys, signatures and digests; gpg gives the second opinion."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pysequoia import Cert
from pysequoia.packet import PacketPile, SignatureType, Tag
from signers import Signer

from flatprov.errors import ImageError
from flatprov.images import keys
from flatprov.images.keys import PINNED, PUBLISHER_SUBKEYS, load_key
from flatprov.images.verify import check_sha512, sha512_of, verify_clearsigned, verify_detached
from flatprov.testing import SigningKey

NAME = "flatcar_production_image.bin.bz2"
DIGESTS = f"# MD5 HASH\n{'0' * 32}  {NAME}\n# SHA512 HASH\n{hashlib.sha512(b'image').hexdigest()}  {NAME}\n".encode()
DATA = Path(__file__).parents[2].parent / "shared" / "data"


def code_of(error: pytest.ExceptionInfo[ImageError]) -> str:
    return error.value.code.removeprefix("image-")


def test_good_signatures(vendor: Signer, tmp_path: Path) -> None:
    key = load_key(vendor.public, vendor.fingerprint)
    signature = vendor.detached(b"image", "20260101")
    good = verify_detached(key, signature, "x", data=b"image")
    assert good.signing_key == vendor.subkeys[-1]
    assert good.created.year == 2026
    assert vendor.second_opinion(signature, b"image", tmp_path) == "VALIDSIG"
    (tmp_path / "file").write_bytes(b"image")
    assert verify_detached(key, signature, "x", path=tmp_path / "file") == good
    text, also = verify_clearsigned(key, vendor.clearsigned(DIGESTS, "20260101"), "D")
    assert also.signing_key == vendor.subkeys[-1]
    assert sha512_of(text, NAME, "D") == hashlib.sha512(b"image").hexdigest()


def test_judged_at_its_creation_time(vendor: Signer, tmp_path: Path) -> None:
    """A sub-key that has expired since: good then, good now (gpg calls it EXPKEYSIG and exits 0)."""
    signature = vendor.detached(b"image", "20210601", 0)
    assert vendor.second_opinion(signature, b"image", tmp_path) == "EXPKEYSIG"
    good = verify_detached(load_key(vendor.public, vendor.fingerprint), signature, "x", data=b"image")
    assert good.signing_key == vendor.subkeys[0]


def test_outside_the_keys_time(key_folder: Path, vendor: Signer) -> None:
    """Two copies of a key: a longer validity was given later; the older copy does not know it."""
    from signers import make_signer

    signer = make_signer(key_folder / "t", "later", (("20210101", "1y"),))
    old_copy = signer.public
    signer.gpg("--quick-set-expire", signer.fingerprint, "9y", signer.subkeys[0], at="20210601")
    signature = signer.detached(b"image", "20230101")
    with pytest.raises(
        ImageError, match=r"signed on 2023-01-01, but sub-key .* valid from 2021-01-01 to 2022-01-01"
    ) as error:
        verify_detached(load_key(old_copy, signer.fingerprint), signature, "x", data=b"image")
    assert code_of(error) == "key-not-valid"
    assert verify_detached(load_key(signer.public, signer.fingerprint), signature, "x", data=b"image")


def test_outside_the_primary_keys_time(key_folder: Path, tmp_path: Path) -> None:
    """The sub-key is valid for long, the key it belongs to is not: an older copy says so."""
    from signers import make_signer

    signer = make_signer(key_folder / "r", "renewed", (("20210101", "9y"),))
    signer.gpg("--quick-set-expire", signer.fingerprint, "1y", at="20210201")
    old_copy = signer.public
    within = signer.detached(b"image", "20210601")
    signer.gpg("--quick-set-expire", signer.fingerprint, "9y", at="20210701")
    signature = signer.detached(b"image", "20230101")
    old = load_key(old_copy, signer.fingerprint)
    with pytest.raises(ImageError, match=r"signed on 2023-01-01, but primary key .* to 2022-02-01") as error:
        verify_detached(old, signature, "x", data=b"image")
    assert code_of(error) == "key-not-valid"
    assert verify_detached(old, within, "x", data=b"image")
    assert verify_detached(load_key(signer.public, signer.fingerprint), signature, "x", data=b"image")
    assert signer.second_opinion(signature, b"image", tmp_path) == "VALIDSIG"


def test_signed_in_the_future(vendor: Signer) -> None:
    """A machine whose clock is wrong, or a signature that is to last longer than its key."""
    signature = vendor.detached(b"image", "20330101")
    with pytest.raises(ImageError, match=r"signed on 2033-01-01, which is still to come. Check .* clock") as error:
        verify_detached(load_key(vendor.public, vendor.fingerprint), signature, "x", data=b"image")
    assert code_of(error) == "key-not-valid"


@pytest.mark.parametrize(
    "tail", [b"\n", b"junk", b"\x00" * 64, bytes([0xC2, 0xC0])], ids=["line", "text", "zeros", "cut"]
)
def test_bytes_after_a_signature(tail: bytes, vendor: Signer) -> None:
    """Read to the end: what follows a good signature is another signature, or the file is refused."""
    key = load_key(vendor.public, vendor.fingerprint)
    signature = vendor.detached(b"image", "20260101")
    with pytest.raises(ImageError) as error:
        verify_detached(key, signature + tail, "x", data=b"image")
    assert code_of(error) == "unsigned"
    with pytest.raises(ImageError) as error:
        verify_detached(key, signature, "x", data=b"image" + tail)
    assert code_of(error) == "bad-signature"


def test_revoked_subkey(
    vendor: Signer,
    vendor_before_revocation: bytes,
    revoked_signature: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert vendor.second_opinion(revoked_signature, b"image", tmp_path) == "REVKEYSIG"
    with pytest.raises(ImageError, match=f"revoked sub-key {vendor.subkeys[1]}") as error:
        verify_detached(load_key(vendor.public, vendor.fingerprint), revoked_signature, "x", data=b"image")
    assert code_of(error) == "revoked-key"
    without = load_key(vendor_before_revocation, vendor.fingerprint)
    assert verify_detached(without, revoked_signature, "x", data=b"image")
    monkeypatch.setattr(keys, "REVOKED", frozenset([vendor.subkeys[1]]))
    known = load_key(vendor_before_revocation, vendor.fingerprint)
    with pytest.raises(ImageError, match="revoked sub-key"):
        verify_detached(known, revoked_signature, "x", data=b"image")


def test_refusals_have_their_own_messages(vendor: Signer, company: Signer, tmp_path: Path) -> None:
    key = load_key(vendor.public, vendor.fingerprint)
    signature = vendor.detached(b"image", "20260101")
    foreign = company.detached(b"image", "20260101")
    refused = {
        "bad-signature": (signature, b"imagf"),
        "wrong-key": (foreign, b"image"),
        "unsigned": (b"", b"image"),
    }
    messages = set()
    for code, (proof, data) in refused.items():
        with pytest.raises(ImageError) as error:
            verify_detached(key, proof, "x", data=data)
        assert code_of(error) == code
        assert "\n" not in str(error.value)
        messages.add(str(error.value))
    assert len(messages) == len(refused)
    with pytest.raises(ImageError, match=f"found {company.subkeys[0]}, wanted a sub-key of {vendor.fingerprint}"):
        verify_detached(key, foreign, "x", data=b"image")
    with pytest.raises(ImageError, match="web page"):
        verify_detached(key, b"<html>", "x", data=b"image")
    assert vendor.second_opinion(signature, b"imagf", tmp_path) == "BADSIG"
    assert vendor.second_opinion(foreign, b"image", tmp_path) == "ERRSIG"


def test_one_good_signature_among_others_is_enough(vendor: Signer, company: Signer) -> None:
    key = load_key(vendor.public, vendor.fingerprint)
    both = company.detached(b"image", "20260101") + vendor.detached(b"image", "20260101")
    assert verify_detached(key, both, "x", data=b"image").signing_key == vendor.subkeys[-1]


@pytest.mark.parametrize("cut", ["stripped", "altered", "foreign"])
def test_clearsigned_refusals(cut: str, vendor: Signer, company: Signer) -> None:
    key = load_key(vendor.public, vendor.fingerprint)
    text = vendor.clearsigned(DIGESTS, "20260101")
    given, code = {
        "stripped": (DIGESTS, "unsigned"),
        "altered": (text.replace(b"# SHA512", b"# SHA51X"), "bad-signature"),
        "foreign": (company.clearsigned(DIGESTS, "20260101"), "wrong-key"),
    }[cut]
    with pytest.raises(ImageError) as error:
        verify_clearsigned(key, given, "D")
    assert code_of(error) == code
    with pytest.raises(ImageError) as error:
        verify_clearsigned(key, text[: text.index(b"-----BEGIN PGP SIGNATURE")], "D")
    assert code_of(error) == "unsigned"


def test_text_around_the_signed_text_does_not_count(vendor: Signer) -> None:
    evil = f"{'0' * 128}  {NAME}\n".encode()
    text = vendor.clearsigned(DIGESTS, "20260101")
    got, _ = verify_clearsigned(load_key(vendor.public, vendor.fingerprint), evil + text + evil, "D")
    assert sha512_of(got, NAME, "D") == hashlib.sha512(b"image").hexdigest()


def test_a_foreign_subkey_in_the_key_copy_does_not_sign(vendor: Signer, company: Signer) -> None:
    """Someone adds an own sub-key, with the binding of its own primary key, to the publisher's key."""
    foreign = [p for p in PacketPile.from_bytes(company.public) if p.tag == Tag.PublicSubkey]
    foreign += [p for p in PacketPile.from_bytes(company.public) if p.signature_type == SignatureType.SubkeyBinding]
    raw = b"".join(bytes(p) for p in [*PacketPile.from_bytes(vendor.public), *foreign])
    key = load_key(raw, vendor.fingerprint)
    with pytest.raises(ImageError):
        verify_detached(key, company.detached(b"image", "20260101"), "x", data=b"image")


def test_another_key_shows_both_fingerprints(vendor: Signer, company: Signer) -> None:
    with pytest.raises(ImageError, match=f"found {company.fingerprint}, wanted {vendor.fingerprint}") as error:
        load_key(company.public, vendor.fingerprint, "key.asc")
    assert code_of(error) == "key"
    assert load_key(company.public + vendor.public, vendor.fingerprint.lower()).fingerprint == vendor.fingerprint
    for junk in (b"", b"<html>", b"\x00" * 100):
        with pytest.raises(ImageError, match="is not an OpenPGP public key"):
            load_key(junk, vendor.fingerprint)
    with pytest.raises(ImageError, match="40 hex digits"):
        load_key(vendor.public, vendor.fingerprint[-16:])


def test_a_primary_key_may_sign_itself() -> None:
    from pysequoia import SignatureMode, Tsk, sign

    made = Tsk.generate("x")
    cert = made.extract_certificate()
    key = load_key(bytes(cert), cert.fingerprint)
    signature = sign(made.signer(), b"image", mode=SignatureMode.DETACHED)
    assert verify_detached(key, signature, "x", data=b"image").signing_key in key.signing_keys


def test_digests_of_another_file() -> None:
    with pytest.raises(ImageError, match=f"lists {NAME}, not other.img") as error:
        sha512_of(DIGESTS, "other.img", "D")
    assert code_of(error) == "not-listed"
    with pytest.raises(ImageError, match="lists no file"):
        sha512_of(b"# MD5 HASH\n" + b"0" * 32 + b"  " + NAME.encode(), NAME, "D")
    with pytest.raises(ImageError, match="two different"):
        sha512_of(DIGESTS + f"{'1' * 128}  {NAME}\n".encode(), NAME, "D")
    with pytest.raises(ImageError, match=r"1{16}…, wanted 2{16}…"):
        check_sha512("1" * 128, "2" * 128, "f")


MADE = SigningKey()
CLEAR, DETACHED = MADE.clearsigned(DIGESTS), MADE.detached(DIGESTS)
CHANGES = st.tuples(st.sampled_from(["flip", "insert", "delete", "cut"]), st.integers(0, 10**6), st.integers(1, 255))


def changed(data: bytes, change: tuple[str, int, int]) -> bytes:
    how, place, value = change
    at = place % len(data) if data else 0
    if how == "flip" and data:
        return data[:at] + bytes([data[at] ^ value]) + data[at + 1 :]
    if how == "insert":
        return data[:at] + bytes([value]) + data[at:]
    return data[:at] + (data[at + 1 :] if how == "delete" else b"")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(CHANGES, min_size=1, max_size=3))
def test_whatever_is_changed_the_digest_is_the_signed_one_or_none(changes: list[tuple[str, int, int]]) -> None:
    """Bytes are flipped, put in, taken out or cut off, in text, headers and signature: no other digest gets through."""
    key = load_key(MADE.public, MADE.fingerprint)
    clear, text, signature = CLEAR, DIGESTS, DETACHED
    for change in changes:
        clear, text, signature = changed(clear, change), changed(text, change), changed(signature, change)
    wanted = hashlib.sha512(b"image").hexdigest()
    with contextlib.suppress(ImageError):
        assert sha512_of(verify_clearsigned(key, clear, "D")[0], NAME, "D") == wanted
    for data, proof in ((text, DETACHED), (DIGESTS, signature)):
        try:
            verify_detached(key, proof, "D", data=data)
        except ImageError:
            continue
        assert data == DIGESTS


def test_the_real_key() -> None:
    path = DATA / "Flatcar_Image_Signing_Key.asc"
    if not path.exists():
        pytest.skip("the publisher's key is not beside this repository (../shared/data)")
    key = load_key(path.read_bytes())
    assert key.fingerprint == PINNED == Cert.from_bytes(path.read_bytes()).fingerprint.upper()
    subkeys = {name: signing for name, signing in key.signing_keys.items() if name != PINNED}
    assert sorted(subkeys) == sorted(known.fingerprint for known in PUBLISHER_SUBKEYS)
    for known in PUBLISHER_SUBKEYS:
        real = subkeys[known.fingerprint]
        assert real.expires is not None
        assert (f"{real.created:%Y-%m-%d}", f"{real.expires:%Y-%m-%d}", real.revoked) == (
            known.created,
            known.expires,
            known.revoked,
        )
