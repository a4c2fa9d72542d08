"""Signatures and digests: is this what the publisher signed?

pysequoia does the cryptography: it evaluates the key at the signature's creation time (a signature of 2020 by a sub-key
that expired in 2021 is good), checks that sub-keys are bound to the primary key, and names the signing sub-key. What it
does not do is said and done here: why a signature is refused (it answers "no valid signatures" for everything), and the
refusal of sub-keys that are revoked in our own table or, for any reason, in the copy of the key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from os import PathLike
from typing import TYPE_CHECKING

from flatprov.errors import ImageError
from flatprov.images.failures import image_error
from flatprov.images.keys import PublicKey, SigningKey

if TYPE_CHECKING:
    from pysequoia import Sig

MAX_SIGNED_TEXT_BYTES = 1 << 20
"""Larger digest files and signatures are refused unread."""

_CLOCK_DIFFERENCE = timedelta(days=1)
_SHA512_LINE = re.compile(r"([0-9a-fA-F]{128})[ \t]+\*?(\S.*)")
_SIGNATURE_BLOCK = re.compile(rb"-----BEGIN PGP SIGNATURE-----.*?-----END PGP SIGNATURE-----", re.DOTALL)


@dataclass(frozen=True)
class Signature:
    """A good signature.

    Attributes:
        signing_key: fingerprint of the sub-key (or primary key) that made it.
        created: when it was made, as it says itself.
    """

    signing_key: str
    created: datetime


def verify_detached(
    key: PublicKey, signature: bytes, subject: str, data: bytes | None = None, path: str | PathLike[str] | None = None
) -> Signature:
    """Check a detached signature (``FILE.sig``) over bytes or over a file.

    Args:
        key: the pinned key.
        signature: armored or binary.
        subject: what is signed, for messages.
        data: the signed bytes, or
        path: the signed file, read in pieces.

    Raises:
        ImageError: unsigned, signed by another or revoked key, outside the key's time, or altered.
    """
    from pysequoia import verify

    refusals: list[ImageError] = []
    for one in _signatures(signature, subject):
        try:
            signer = _acceptable(key, one, subject)
        except ImageError as refusal:
            refusals.append(refusal)
            continue
        try:
            result = verify(bytes=data, file=path, store=lambda _ids: [key._cert], signature=one)
        except OSError:
            raise
        except Exception as error:  # pysequoia raises RuntimeError for every refusal
            refusals.append(_altered(subject, error))
            continue
        if any(valid.signing_key.upper() == signer.fingerprint for valid in result.valid_sigs):
            return Signature(signer.fingerprint, _created(one, subject))
        refusals.append(_altered(subject))
    raise refusals[0]


def verify_clearsigned(key: PublicKey, text: bytes, subject: str) -> tuple[bytes, Signature]:
    """Check a clear-signed text (``FILE.DIGESTS.asc``).

    Returns:
        What was signed, without anything that stands around it, and the signature.

    Raises:
        ImageError: as for `verify_detached`.
    """
    from pysequoia import verify

    if b"-----BEGIN PGP SIGNED MESSAGE-----" not in text:
        raise _unsigned(subject)
    blocks = _SIGNATURE_BLOCK.findall(text)
    if len(blocks) != 1:
        if blocks:
            raise image_error("bad-signature", subject, "holds more than one message")
        raise image_error(
            "unsigned", subject, "says that it is signed, but its signature was stripped", "use another source"
        )
    signatures = _signatures(blocks[0], subject)
    acceptable = {}
    refusals: list[ImageError] = []
    for one in signatures:
        try:
            acceptable[_acceptable(key, one, subject).fingerprint] = one
        except ImageError as refusal:
            refusals.append(refusal)
    if not acceptable:
        raise refusals[0]
    try:
        result = verify(bytes=text, store=lambda _ids: [key._cert])
    except Exception as error:  # pysequoia raises RuntimeError for every refusal
        raise _altered(subject, error) from None
    for valid in result.valid_sigs:
        sig = acceptable.get(valid.signing_key.upper())
        if sig is not None and result.bytes is not None:
            return result.bytes, Signature(valid.signing_key.upper(), _created(sig, subject))
    raise _altered(subject)


def sha512_of(digests: bytes, file_name: str, subject: str) -> str:
    """Find a file's SHA-512 in a verified DIGESTS text.

    Returns:
        128 lower-case hex digits.

    Raises:
        ImageError: the text is of other files, has no SHA-512, or names two for the file.
    """
    listed = [found.groups() for line in digests.decode("utf-8", "replace").splitlines() if (found := _line(line))]
    mine = {digest.lower() for digest, name in listed if name.strip() == file_name}
    if len(mine) == 1:
        return mine.pop()
    if mine:
        raise image_error("not-listed", subject, f"names two different SHA-512 for {file_name}")
    others = ", ".join(sorted({name.strip() for _, name in listed})) or "no file"
    raise image_error(
        "not-listed",
        subject,
        f"is signed, but is of another file: it lists {others}, not {file_name}",
        "the server mixes files up; use another mirror",
    )


def check_sha512(found: str, wanted: str, subject: str) -> None:
    """Compare digests.

    Raises:
        ImageError: they differ; the first 16 digits of both are shown.
    """
    if found.lower() != wanted.lower():
        raise image_error(
            "digest",
            subject,
            f"sha512 is {found[:16]}…, wanted {wanted[:16].lower()}…: the file was altered or is another one",
            "nothing of it is kept; try again or use another mirror",
        )


def _line(line: str) -> re.Match[str] | None:
    return _SHA512_LINE.fullmatch(line.rstrip())


def _signatures(data: bytes, subject: str) -> list[Sig]:
    from pysequoia import Sig
    from pysequoia.packet import PacketPile, Tag

    if not data.strip():
        raise _unsigned(subject)
    try:
        found = [Sig.from_bytes(bytes(packet)) for packet in PacketPile.from_bytes(data) if packet.tag == Tag.Signature]
    except Exception:  # pysequoia raises RuntimeError for bytes it cannot read
        found = []
    if not found:
        raise image_error(
            "unsigned",
            subject,
            "its signature file holds no signature, or more than signatures",
            "check that the server did not answer with a web page",
        )
    return found


def _acceptable(key: PublicKey, signature: Sig, subject: str) -> SigningKey:
    """Who claims to have made the signature, and may that key sign? The claim itself is checked by pysequoia."""
    issuer = (signature.issuer_fingerprint or signature.issuer_key_id or "").upper()
    signer = key.find(issuer)
    if signer is None:
        raise image_error(
            "wrong-key",
            subject,
            f"is signed by another key: found {issuer or 'none named'}, wanted a sub-key of {key.fingerprint}",
            "if you trust that signer, give its key file and fingerprint",
        )
    if signer.revoked:
        raise image_error(
            "revoked-key", subject, f"is signed by the revoked sub-key {signer.fingerprint}", "choose another release"
        )
    created = _created(signature, subject)
    primary = key.signing_keys[key.fingerprint]
    for part, one in (("sub-key", signer), ("primary key", primary)):
        if not one.valid_at(created):
            until = f"{one.expires:%Y-%m-%d}" if one.expires else "for ever"
            raise image_error(
                "key-not-valid",
                subject,
                f"was signed on {created:%Y-%m-%d}, but {part} {one.fingerprint} "
                f"is valid from {one.created:%Y-%m-%d} to {until}",
                "get a newer copy of the key, or choose another release",
            )
    if created > datetime.now(timezone.utc) + _CLOCK_DIFFERENCE:
        raise image_error(
            "key-not-valid",
            subject,
            f"says it was signed on {created:%Y-%m-%d}, which is still to come",
            "check this machine's clock",
        )
    return signer


def _created(signature: Sig, subject: str) -> datetime:
    if signature.created is None:
        raise image_error("bad-signature", subject, "its signature has no creation time")
    return signature.created


def _unsigned(subject: str) -> ImageError:
    return image_error(
        "unsigned", subject, "is not signed", "the signature was removed or never made; use another source"
    )


def _altered(subject: str, error: Exception | None = None) -> ImageError:
    reason = str(error).splitlines()[0] if error and str(error) else "no valid signature"
    return image_error(
        "bad-signature",
        subject,
        f"does not match its signature ({reason.rstrip('.')}): it was altered, or the signature is of another file",
        "nothing of it is kept; try again or use another mirror",
    )
