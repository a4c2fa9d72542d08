"""The publisher's signing key: pinned by its primary fingerprint, and what is known about its sub-keys.

The key itself is fetched from the publisher or given as a file; no key server is ever asked. A copy of the key counts
only if its primary key has the pinned fingerprint. The publisher adds a sub-key every one or two years, so an unknown
sub-key is judged by the copy alone; a revoked one is refused by the table here even if the copy lacks the revocation.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from flatprov.images.failures import image_error

if TYPE_CHECKING:
    from pysequoia import Cert

PINNED = "F88CFEDEFF29A5B4D9523864E25D9AED0593B34A"
"""Primary fingerprint of ``Flatcar Buildbot (Official Builds)``, created 2018-02-26."""

MAX_KEY_BYTES = 1 << 20
"""Larger files are no public key."""


@dataclass(frozen=True)
class KnownSubkey:
    """A signing sub-key of the publisher, as of 2026-08."""

    fingerprint: str
    created: str
    expires: str
    revoked: bool = False


PUBLISHER_SUBKEYS = (
    KnownSubkey("1E100DD7A677A6F9A532C9F9B51DE377064D542D", "2018-02-26", "2019-02-26", revoked=True),
    KnownSubkey("A621F1DA96C93C639506832D603443A1D0FC498C", "2018-03-14", "2019-03-14", revoked=True),
    KnownSubkey("628CC212938065DAB4E3B949A8ABF005896E394F", "2018-09-26", "2019-09-26"),
    KnownSubkey("C8FE85310122E626753DB0CF3BC20FF8AF9CF1AF", "2019-09-30", "2020-09-29"),
    KnownSubkey("782B3BC9F10CF638A5DCF5105B2910CBFCBEAB91", "2020-08-28", "2021-08-28"),
    KnownSubkey("858A560F97C9AEB22EC1C732961DDDD5250D4A42", "2021-08-10", "2022-08-10"),
    KnownSubkey("8D6DA7853CFE1B1ED346ED0DEDBDF411267EC954", "2022-08-11", "2023-08-11"),
    KnownSubkey("E9426D8B67E35DF476BD048185F7C8868837E271", "2023-03-07", "2025-03-06"),
    KnownSubkey("52F145DFD00BBDCD928CBB5A32DA80F91EF52974", "2025-03-07", "2027-03-08"),
)
"""The publisher's signing sub-keys; dates are UTC."""

REVOKED = frozenset(key.fingerprint for key in PUBLISHER_SUBKEYS if key.revoked)
"""Sub-keys that are refused whatever a copy of the key says."""


@dataclass(frozen=True)
class SigningKey:
    """One key that may have made a signature: the primary key or a sub-key, as a copy of the key describes it.

    Attributes:
        fingerprint: upper-case hex.
        created: when it was made.
        expires: None for never.
        revoked: the copy holds a revocation of it, whatever its reason, or the table here does.
    """

    fingerprint: str
    created: datetime
    expires: datetime | None
    revoked: bool

    def valid_at(self, moment: datetime) -> bool:
        """Whether the moment lies within its time. Revocation is not looked at."""
        return self.created <= moment and (self.expires is None or moment < self.expires)


@dataclass(frozen=True)
class PublicKey:
    """A public key whose primary fingerprint is the wanted one.

    Attributes:
        fingerprint: of the primary key, upper-case hex.
        signing_keys: the primary key and its sub-keys by fingerprint.
    """

    fingerprint: str
    signing_keys: dict[str, SigningKey]
    _cert: Cert

    def find(self, fingerprint_or_id: str) -> SigningKey | None:
        """The primary key or sub-key of that fingerprint or key ID (its last 16 hex digits)."""
        wanted = fingerprint_or_id.upper()
        return next((key for name, key in self.signing_keys.items() if name.endswith(wanted)), None) if wanted else None


def load_key(data: bytes, fingerprint: str = PINNED, source: str = "signing key") -> PublicKey:
    """Read a public key, armored or binary, and insist on its primary fingerprint.

    Args:
        data: the key; where it holds several, the wanted one is taken.
        fingerprint: the wanted primary fingerprint, hex, spaces allowed.
        source: where it came from, for messages.

    Raises:
        ImageError: no key, another key (both fingerprints are shown), or a revoked one.
    """
    from pysequoia import Cert

    wanted = normal_fingerprint(fingerprint)
    try:
        certs = Cert.split_bytes(data) if len(data) <= MAX_KEY_BYTES else []
    except Exception:  # pysequoia raises RuntimeError and others for bytes it cannot read
        certs = []
    if not certs:
        raise image_error("key", source, "is not an OpenPGP public key", "give the publisher's .asc file")
    cert = next((one for one in certs if one.fingerprint.upper() == wanted), None)
    if cert is None:
        found = ", ".join(one.fingerprint.upper() for one in certs)
        raise image_error(
            "key",
            source,
            f"is another key: found {found}, wanted {wanted}",
            "give the right key file, or pin its fingerprint if you trust it",
        )
    if cert.is_revoked:
        raise image_error(
            "revoked-key", source, f"key {wanted} is revoked", "get the publisher's new key and fingerprint"
        )
    return PublicKey(fingerprint=wanted, signing_keys=_signing_keys(bytes(cert)), _cert=cert)


def normal_fingerprint(text: str) -> str:
    """Upper-case hex without spaces.

    Raises:
        ImageError: not 40 or 64 hex digits; a short key ID can be forged, so it is no pin.
    """
    plain = "".join(text.split()).upper().removeprefix("0X")
    if len(plain) not in (40, 64) or not set(plain) <= set("0123456789ABCDEF"):
        raise image_error("key", f"fingerprint {text!r}", "is not 40 hex digits", "give the full primary fingerprint")
    return plain


def _signing_keys(cert: bytes) -> dict[str, SigningKey]:
    """List the keys of a certificate. Binding signatures are checked by pysequoia when it verifies, not here."""
    from pysequoia.packet import PacketPile, SignatureType, Tag

    found: dict[str, SigningKey] = {}
    current = ""
    bound_at = datetime.min.replace(tzinfo=timezone.utc)
    primary_expiry_types = (
        SignatureType.PositiveCertification,
        SignatureType.GenericCertification,
        SignatureType.DirectKey,
    )
    for packet in PacketPile.from_bytes(cert):
        if packet.tag in (Tag.PublicKey, Tag.PublicSubkey, Tag.SecretKey, Tag.SecretSubkey):
            current = (packet.fingerprint or key_fingerprint(packet.body)).upper()
            created = datetime.fromtimestamp(int.from_bytes(packet.body[1:5], "big"), timezone.utc)
            found[current] = SigningKey(current, created, None, current in REVOKED)
            bound_at = datetime.min.replace(tzinfo=timezone.utc)
        elif packet.tag == Tag.Signature and current:
            key = found[current]
            if packet.signature_type in (SignatureType.SubkeyRevocation, SignatureType.KeyRevocation):
                found[current] = SigningKey(key.fingerprint, key.created, key.expires, True)
            elif packet.signature_type == SignatureType.SubkeyBinding or packet.signature_type in primary_expiry_types:
                made_at = packet.signature_created or key.created
                if made_at >= bound_at:  # the newest self-signature says how long the key is valid
                    period: timedelta | None = packet.key_validity_period
                    expires = key.created + period if period else None
                    found[current] = SigningKey(key.fingerprint, key.created, expires, key.revoked)
                    bound_at = made_at
    return found


def key_fingerprint(public_key_body: bytes) -> str:
    """The fingerprint of a version 4 key packet's body; pysequoia gives that of primary keys only."""
    header = b"\x99" + len(public_key_body).to_bytes(2, "big")
    return hashlib.sha1(header + public_key_body, usedforsecurity=False).hexdigest().upper()
