"""A certificate authority of one test, and a server certificate from it."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta, timezone
from pathlib import Path

from flatprov.errors import MissingDependencyError

_DAY = timedelta(days=1)


def make_certificates(folder: Path) -> tuple[Path, Path]:
    """Write an authority's certificate and a server's certificate with its key; valid for a day.

    Returns:
        The authority's file, which clients trust, and the server's file.

    Raises:
        MissingDependencyError: the package ``cryptography`` is not installed.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import NameOID
    except ImportError:
        raise MissingDependencyError(
            "ReleaseServer(tls=True)", "needs the package cryptography", "install flatprov[testing]"
        ) from None

    now = datetime.now(timezone.utc)

    def builder(name: str, issuer: str, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        def named(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        started = x509.CertificateBuilder().subject_name(named(name)).issuer_name(named(issuer)).public_key(public)
        return (
            started.serial_number(x509.random_serial_number()).not_valid_before(now - _DAY).not_valid_after(now + _DAY)
        )

    authority, server = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_id = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    root = (
        builder("flatprov test authority", "flatprov test authority", authority.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(authority_id, critical=False)
        .sign(authority, hashes.SHA256())
    )
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
    leaf = (
        builder("localhost", "flatprov test authority", server.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority_id), critical=False)
        .sign(authority, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    authority_file, server_file = folder / "authority.pem", folder / "server.pem"
    authority_file.write_bytes(root.public_bytes(pem))
    server_file.touch(mode=0o600)
    key = server.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    server_file.write_bytes(leaf.public_bytes(pem) + key)
    return authority_file, server_file
