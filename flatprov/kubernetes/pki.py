"""Certificates and keys of a cluster: made, renewed and judged as bytes. Needs the package cryptography."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Final

from flatprov.errors import ConfigError, MissingDependencyError
from flatprov.kubernetes.trust import Algorithm, KeyPair, Pki, Validity, check_ca_hash

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError as error:  # pragma: no cover - the tests' own environment has it
    raise MissingDependencyError(
        "Kubernetes", "the Python package cryptography is not installed", "run pip install 'flatprov[kubernetes]'"
    ) from error

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

#: kubeadm's own default for CAs.
CA_LIFE: Final = timedelta(hours=87600)
#: A year for who uses the API from outside: such a certificate cannot be revoked.
CLIENT_LIFE: Final = timedelta(days=365)
#: Clocks of new machines may be behind.
_CLOCK_SKEW: Final = timedelta(minutes=5)
_RSA_BITS = 2048

_NEW_KEY: Final[dict[Algorithm, Callable[[], PrivateKey]]] = {
    "ECDSA-P256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RSA-2048": lambda: rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS),
}
_AUTHORITIES: Final = {"ca": "kubernetes", "etcd_ca": "etcd-ca", "front_proxy_ca": "front-proxy-ca"}


def new_pki(now: datetime, *, algorithm: Algorithm = "ECDSA-P256", life: timedelta = CA_LIFE) -> Pki:
    """Make all of a cluster's certificates and keys.

    Args:
        now: the time, with a time zone.
        algorithm: of the CAs; the service-account pair is always RSA, which every version reads.
        life: of the CAs.
    """
    if algorithm not in _NEW_KEY:
        raise ConfigError(
            "PKI", "the key algorithm is unknown", f"take {' or '.join(_NEW_KEY)}", path="kubernetes.algorithm"
        )
    authorities: dict[str, KeyPair] = {}
    for name, common_name in _AUTHORITIES.items():
        key = _NEW_KEY[algorithm]()
        authorities[name] = KeyPair(certificate=_authority(common_name, key, now, life), key=_key_pem(key))
    account = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    return Pki(
        **authorities,
        service_account_key=_key_pem(account),
        service_account_public=account.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        algorithm=algorithm,
        ca_hash=ca_hash(authorities["ca"].certificate),
    )


def renewed_authority(authority: KeyPair, now: datetime, *, life: timedelta = CA_LIFE) -> KeyPair:
    """Give a CA a longer life with the same key and name.

    What it has signed stays valid and its hash stays the same, so joined nodes and join tokens do too.
    """
    key, certificate = _load_pair(authority)
    common_name = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    return KeyPair(certificate=_authority(str(common_name), key, now, life), key=authority.key)


def issue_client(
    authority: KeyPair,
    now: datetime,
    *,
    common_name: str,
    organization: str,
    algorithm: Algorithm = "ECDSA-P256",
    life: timedelta = CLIENT_LIFE,
) -> KeyPair:
    """Make a client certificate: who has it is the user ``common_name`` of the group ``organization``.

    It never outlives its CA.
    """
    issuer_key, issuer = _load_pair(authority)
    key = _NEW_KEY[algorithm]()
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    builder = _builder(name, issuer.subject, key, now, min(now + life, issuer.not_valid_after_utc), authority=False)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    builder = builder.add_extension(_authority_key_identifier(issuer), critical=False)
    signed = builder.sign(issuer_key, hashes.SHA256())
    return KeyPair(certificate=signed.public_bytes(serialization.Encoding.PEM), key=_key_pem(key))


def ca_hash(certificate: bytes) -> str:
    """Give ``sha256:`` and the digest of a certificate's public key, as kubeadm compares it."""
    public = _load_certificate(certificate).public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(der).hexdigest()}"


def validity(certificate: bytes) -> Validity:
    """Give the time in which a certificate is valid."""
    found = _load_certificate(certificate)
    return Validity(found.not_valid_before_utc, found.not_valid_after_utc)


def renewal_due(certificate: bytes, now: datetime, renew_before: timedelta) -> bool:
    """Tell whether a certificate has to be made anew."""
    return now >= validity(certificate).not_after - renew_before


def check_authority(pair: KeyPair, now: datetime, subject: str) -> None:
    """Judge a CA that somebody else made.

    Raises:
        ConfigError: it is no CA, has expired, or the key is not its own.
    """
    key, certificate = _load_pair(pair, subject)
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        constraints = x509.BasicConstraints(ca=False, path_length=None)
    if not constraints.ca:
        raise ConfigError(subject, "the certificate is not one of a CA", "give the CA's own", path="pki")
    if _public_der(key) != _public_der(certificate):
        raise ConfigError(subject, "the private key is not the certificate's", "give the two that belong together")
    if now >= certificate.not_valid_after_utc:
        raise ConfigError(subject, "the CA has expired", "renew it first")


def check_endpoint_ca(presented: Sequence[bytes], ca_hashes: Sequence[str], endpoint: str) -> None:
    """Refuse an endpoint that answers with another CA than the one that is known.

    Args:
        presented: the certificates the API named as its CA, PEM (``cluster-info`` has them).
        ca_hashes: the hashes that are known.
        endpoint: host and port, for the message.

    Raises:
        ConfigError: none of them is known.
    """
    for one in ca_hashes:
        check_ca_hash(one)
    if not any(ca_hash(one) in ca_hashes for one in presented):
        raise ConfigError(
            f"endpoint {endpoint}",
            "it answers with another CA than the one given: it is another cluster, or somebody in between",
            "check the address, then take the hash from the cluster's own ca.crt",
            path="ca_hashes",
        )


def _authority(common_name: str, key: PrivateKey, now: datetime, life: timedelta) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = _builder(name, name, key, now, now + life, authority=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, now: datetime, end: datetime, *, authority: bool
) -> x509.CertificateBuilder:
    usage = x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        key_cert_sign=authority,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(timezone.utc) - _CLOCK_SKEW)
        .not_valid_after(end.astimezone(timezone.utc))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _authority_key_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        found = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        public = issuer.public_key()
        if not isinstance(public, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey)):
            raise ConfigError("PKI", "the CA's key is neither RSA nor ECDSA", "take one of these") from None
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(public)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found)


def _key_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _load_certificate(data: bytes, subject: str = "PKI") -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(data)
    except ValueError:
        raise ConfigError(subject, "the certificate is no PEM certificate", "give the whole file") from None


def _load_pair(pair: KeyPair, subject: str = "PKI") -> tuple[PrivateKey, x509.Certificate]:
    try:
        key = serialization.load_pem_private_key(pair.key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(subject, "the private key is no unencrypted PEM key", "give the whole file") from None
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        raise ConfigError(subject, "the private key is neither RSA nor ECDSA", "take one of these")
    return key, _load_certificate(pair.certificate, subject)


def _public_der(owner: PrivateKey | x509.Certificate) -> bytes:
    return owner.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def issued_by(certificate: bytes, authority: bytes) -> bool:
    """Tell whether a CA signed a certificate."""
    try:
        _load_certificate(certificate).verify_directly_issued_by(_load_certificate(authority))
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
