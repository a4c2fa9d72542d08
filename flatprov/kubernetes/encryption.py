"""Encryption of secrets in etcd."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from typing import Any, Final

from flatprov.errors import ConfigError

_BYTES = 32
#: Below ``/etc/kubernetes``.
FILE: Final = "flatprov/encryption.json"


@dataclass(frozen=True)
class EncryptionKeys:
    """Keys with their names, the newest first: that one encrypts, all of them decrypt.

    Attributes:
        keys: name and base64 of 32 bytes.
    """

    keys: tuple[tuple[str, str], ...] = field(repr=False)

    def __post_init__(self) -> None:
        names = [name for name, _ in self.keys]
        if not names or len(set(names)) != len(names):
            raise ConfigError("encryption keys", "names are missing or equal", "name each key differently")
        for name, key in self.keys:
            try:
                size = len(base64.b64decode(key, validate=True))
            except ValueError:
                size = 0
            if size != _BYTES:
                raise ConfigError(f"encryption key {name}", "it is not 32 bytes in base64", "make one with new_keys()")

    def document(self) -> dict[str, Any]:
        """The API server's EncryptionConfiguration. What was written in clear before stays readable."""
        secretbox = {"keys": [{"name": name, "secret": key} for name, key in self.keys]}
        return {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "EncryptionConfiguration",
            "resources": [{"resources": ["secrets"], "providers": [{"secretbox": secretbox}, {"identity": {}}]}],
        }


def new_keys() -> EncryptionKeys:
    """Make the first key."""
    return EncryptionKeys((("key1", _new_key()),))


def with_new_key(keys: EncryptionKeys) -> EncryptionKeys:
    """Add a key behind the one in use.

    Rotation takes three rollouts of the control planes, because each API server must be able to read what any other
    writes: this one, then ``promoted``, then after all secrets were written again ``without_old``.
    """
    taken = {name for name, _ in keys.keys}
    name = next(f"key{number}" for number in range(1, len(taken) + 2) if f"key{number}" not in taken)
    return EncryptionKeys((*keys.keys, (name, _new_key())))


def promoted(keys: EncryptionKeys) -> EncryptionKeys:
    """Let the last key encrypt from now on."""
    return EncryptionKeys((keys.keys[-1], *keys.keys[:-1]))


def without_old(keys: EncryptionKeys) -> EncryptionKeys:
    """Keep only the key that encrypts."""
    return EncryptionKeys(keys.keys[:1])


def _new_key() -> str:
    while True:
        text = base64.b64encode(secrets.token_bytes(_BYTES)).decode("ascii")
        # A value that begins like a path is not taken for a secret where a config is searched for them.
        if text[0].isalnum():
            return text
