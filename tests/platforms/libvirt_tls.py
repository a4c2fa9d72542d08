"""A TLS server that stands where libvirtd listens, with certificates as bad as a test wants them."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)
PEM = serialization.Encoding.PEM


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass(frozen=True)
class Signed:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def write(self, certificate: Path, key: Path) -> None:
        certificate.write_bytes(self.certificate.public_bytes(PEM))
        key.write_bytes(self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


def authority(name: str) -> Signed:
    """A certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    now = datetime.now(timezone.utc)
    built = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 9 * DAY)
        .not_valid_after(now + 9 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return Signed(built, key)


def issue(by: Signed, name: str, *, server: bool, valid: tuple[float, float] = (-1, 1)) -> Signed:
    """A certificate for a server or client; ``valid`` is in days from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(timezone.utc)
    use = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    built = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(by.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + valid[0] * DAY)
        .not_valid_after(now + valid[1] * DAY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .sign(by.key, hashes.SHA256())
    )
    return Signed(built, key)


def client_folder(folder: Path, trusts: Signed, own: Signed) -> Path:
    """A folder for ``pkipath=``."""
    folder.mkdir()
    (folder / "cacert.pem").write_bytes(trusts.certificate.public_bytes(PEM))
    own.write(folder / "clientcert.pem", folder / "clientkey.pem")
    return folder


@contextmanager
def listening(folder: Path, certificate: Signed, clients: Signed) -> Iterator[int]:
    """A server on 127.0.0.1 that ends each connection after the handshake; gives its port.

    Args:
        folder: where its files go.
        certificate: its own.
        clients: the authority that clients must be signed by.
    """
    certificate.write(folder / "server.pem", folder / "server.key")
    trusted = folder / "clients.pem"
    trusted.write_bytes(clients.certificate.public_bytes(PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    context.load_verify_locations(trusted)
    context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def serve() -> None:
            while True:
                try:
                    line, _ = server.accept()
                except OSError:  # the end of the test
                    return
                with line, contextlib.suppress(OSError):
                    line.settimeout(5)
                    context.wrap_socket(line, server_side=True).close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        thread.join(6)
