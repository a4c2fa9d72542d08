"""A signing key for tests: made in a millisecond, signs as the publisher does."""

from __future__ import annotations

from typing import Protocol


class Signer(Protocol):
    """What a `ReleaseServer` signs with. An own implementation may keep its key elsewhere, in gpg for example."""

    @property
    def fingerprint(self) -> str:
        """Of the primary key, upper-case hex."""

    @property
    def public(self) -> bytes:
        """The public key, armored."""

    def clearsigned(self, data: bytes) -> bytes:
        """The text with its signature around it, as ``FILE.DIGESTS.asc``."""

    def detached(self, data: bytes) -> bytes:
        """A signature apart from its data, as ``FILE.sig``."""


class SigningKey:
    """A throw-away OpenPGP key: a primary key that certifies and a sub-key that signs, without a time limit.

    Args:
        name: the user id.
    """

    def __init__(self, name: str = "flatprov test <test@example.org>") -> None:
        from pysequoia import Tsk

        self._key = Tsk.generate(name)
        self._public = self._key.extract_certificate()

    @property
    def fingerprint(self) -> str:
        """Of the primary key, upper-case hex."""
        return str(self._public.fingerprint).upper()

    @property
    def public(self) -> bytes:
        """The public key, armored."""
        return str(self._public).encode()

    def clearsigned(self, data: bytes) -> bytes:
        """The text with its signature around it, made now."""
        from pysequoia import SignatureMode, sign

        return bytes(sign(self._key.signer(), data, mode=SignatureMode.CLEAR))

    def detached(self, data: bytes) -> bytes:
        """A binary signature apart from its data, made now."""
        from pysequoia import SignatureMode, sign

        return bytes(sign(self._key.signer(), data, mode=SignatureMode.DETACHED, armor=False))
