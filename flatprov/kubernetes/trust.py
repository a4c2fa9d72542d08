"""The secrets of a cluster, as values: certificates and keys as PEM bytes. ``pki`` makes them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from flatprov.errors import ConfigError
from flatprov.kubernetes.encryption import EncryptionKeys
from flatprov.kubernetes.endpoints import Endpoint
from flatprov.kubernetes.tokens import BootstrapToken

Algorithm = Literal["ECDSA-P256", "RSA-2048"]
_CA_HASH = re.compile(r"sha256:[0-9a-f]{64}\Z")


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """A certificate and its private key.

    Attributes:
        certificate: PEM.
        key: PEM, secret.
    """

    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Pki:
    """Everything the nodes of a control plane share. Made once; the same on each of them, so nothing is copied.

    Attributes:
        ca: signs API servers, kubelets and users.
        etcd_ca: signs etcd members and their clients.
        front_proxy_ca: signs the aggregation layer's client.
        service_account_key: signs service-account tokens; PEM, secret.
        service_account_public: its public half; PEM.
        algorithm: the keys' kind; kubeadm makes the nodes' own keys of the same.
        ca_hash: ``sha256:`` and the digest of the CA's public key: how a joining node knows the cluster.
    """

    ca: KeyPair
    etcd_ca: KeyPair
    front_proxy_ca: KeyPair
    service_account_key: bytes = field(repr=False)
    service_account_public: bytes
    algorithm: Algorithm
    ca_hash: str


@dataclass(frozen=True, kw_only=True)
class Join:
    """What a machine needs to join: nothing in it is a CA key, and workers get nothing else.

    Attributes:
        endpoint: where the API is.
        ca_hashes: hashes of the CA's public key.
        token: the bootstrap token; or
        kubeconfig: a bootstrap kubeconfig with CA, server and credentials, for a cluster made elsewhere.

    Raises:
        ConfigError: a hash is malformed, or there is not exactly one of token and kubeconfig.
    """

    endpoint: Endpoint
    ca_hashes: tuple[str, ...] = ()
    token: BootstrapToken | None = field(default=None, repr=False)
    kubeconfig: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.token is None) == (self.kubeconfig is None):
            raise ConfigError(
                "join", "it needs a bootstrap token or a bootstrap kubeconfig, one of both", "give one", path="token"
            )
        if self.token is not None and not self.ca_hashes:
            raise ConfigError(
                "join",
                "with a token the hash of the cluster's CA is needed: without it any server is believed",
                "give ca_hashes",
                path="ca_hashes",
            )
        for number, one in enumerate(self.ca_hashes):
            check_ca_hash(one, f"ca_hashes[{number}]")


@dataclass(frozen=True, kw_only=True)
class ControlPlaneTrust:
    """What a control plane needs.

    Attributes:
        pki: certificates and keys.
        join: how the others join; its token is created by the init node.
        encryption: keys that encrypt secrets at rest; None leaves them in clear.
    """

    pki: Pki
    join: Join
    encryption: EncryptionKeys | None


@dataclass(frozen=True)
class Validity:
    """When a certificate is valid."""

    not_before: datetime
    not_after: datetime


def check_ca_hash(text: object, path: str = "ca_hashes", subject: str = "join") -> None:
    """Judge a CA hash, which kubeadm does not.

    Raises:
        ConfigError: it is malformed.
    """
    if not isinstance(text, str) or not _CA_HASH.match(text):
        raise ConfigError(subject, "a CA hash is malformed", "write sha256: and 64 hex digits in lower case", path=path)
