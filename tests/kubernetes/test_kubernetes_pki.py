"""Certificates, tokens and kubeconfigs, judged by openssl and by a TLS server that demands the client certificate."""

from __future__ import annotations

import base64
import itertools
import json
import re
import ssl
import subprocess
import threading
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes_cluster import ENDPOINT, NOW, pki

from flatprov.errors import ConfigError
from flatprov.kubernetes.encryption import EncryptionKeys, new_keys, promoted, with_new_key, without_old
from flatprov.kubernetes.endpoints import Endpoint
from flatprov.kubernetes.kubeconfig import ADMIN, SUPER_ADMIN, admin_kubeconfig, kubeconfig_renewal_due
from flatprov.kubernetes.pki import (
    ca_hash,
    check_authority,
    check_endpoint_ca,
    issue_client,
    new_pki,
    renewal_due,
    renewed_authority,
    validity,
)
from flatprov.kubernetes.tokens import (
    BootstrapToken,
    check_usable,
    needs_new_token,
    new_token,
    token_secret,
)
from flatprov.kubernetes.trust import Algorithm, Join, KeyPair

ALGORITHMS: list[Algorithm] = ["ECDSA-P256", "RSA-2048"]


def openssl(*arguments: str, data: bytes = b"") -> str:
    done = subprocess.run(["openssl", *arguments], input=data, capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode("utf-8", "replace")


@pytest.mark.oracle
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_openssl_takes_the_authorities(algorithm: Algorithm, tmp_path: Path) -> None:
    found = pki(algorithm)
    for name, pair in (("kubernetes", found.ca), ("etcd-ca", found.etcd_ca), ("front-proxy-ca", found.front_proxy_ca)):
        file = tmp_path / "ca.crt"
        file.write_bytes(pair.certificate)
        at = str(int(NOW.timestamp()))
        assert "OK" in openssl("verify", "-x509_strict", "-attime", at, "-CAfile", str(file), str(file))
        text = openssl("x509", "-noout", "-text", data=pair.certificate)
        assert re.search(r"Basic Constraints: critical\s+CA:TRUE", text)
        assert re.search(r"Key Usage: critical\s+Digital Signature, Key Encipherment, Certificate Sign\n", text)
        assert re.search(rf"Subject: CN ?= ?{name}\n", text)
        assert ("id-ecPublicKey" if algorithm == "ECDSA-P256" else "(2048 bit)") in text
        key_of_key = openssl("pkey", "-pubout", data=pair.key)
        assert key_of_key == openssl("x509", "-noout", "-pubkey", data=pair.certificate)
    assert found.service_account_key.startswith(b"-----BEGIN RSA PRIVATE KEY-----")
    assert found.service_account_public.startswith(b"-----BEGIN PUBLIC KEY-----")
    assert openssl("pkey", "-pubout", data=found.service_account_key).encode() == found.service_account_public


@pytest.mark.oracle
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_hash_is_that_of_the_recipe_in_the_docs(algorithm: Algorithm) -> None:
    certificate = pki(algorithm).ca.certificate
    public = openssl("x509", "-noout", "-pubkey", data=certificate)
    command = ["openssl", "pkey", "-pubin", "-outform", "der"]
    der = subprocess.run(command, input=public.encode(), capture_output=True, check=True).stdout
    digest = openssl("dgst", "-sha256", "-r", data=der).split()[0]
    assert pki(algorithm).ca_hash == ca_hash(certificate) == f"sha256:{digest}"


@pytest.mark.oracle
def test_openssl_takes_the_clients_certificate(tmp_path: Path) -> None:
    client = issue_client(pki().ca, NOW, common_name="me", organization="us")
    for name, data in (("ca.crt", pki().ca.certificate), ("me.crt", client.certificate)):
        (tmp_path / name).write_bytes(data)
    at = str(int(NOW.timestamp()))
    ask = ["verify", "-x509_strict", "-attime", at, "-CAfile", str(tmp_path / "ca.crt"), "-purpose"]
    assert "OK" in openssl(*ask, "sslclient", str(tmp_path / "me.crt"))
    server = subprocess.run(["openssl", *ask, "sslserver", str(tmp_path / "me.crt")], capture_output=True)
    assert server.returncode != 0
    other = new_pki(NOW)
    (tmp_path / "ca.crt").write_bytes(other.ca.certificate)
    assert subprocess.run(["openssl", *ask, "sslclient", str(tmp_path / "me.crt")], capture_output=True).returncode != 0


def test_lives() -> None:
    ca = validity(pki().ca.certificate)
    assert ca.not_before == NOW - timedelta(minutes=5)  # the clock of a new machine may be behind
    assert ca.not_after == NOW + timedelta(hours=87600)
    client = validity(issue_client(pki().ca, NOW, common_name="a", organization="b").certificate)
    assert client.not_after - NOW == timedelta(days=365)
    late = NOW + timedelta(hours=87600) - timedelta(days=10)
    last = issue_client(pki().ca, late, common_name="a", organization="b").certificate
    assert validity(last).not_after == ca.not_after  # never longer than its CA


def test_a_renewed_authority_is_the_same_one() -> None:
    client = issue_client(pki().ca, NOW, common_name="a", organization="b")
    later = NOW + timedelta(days=3000)
    renewed = renewed_authority(pki().ca, later)
    assert validity(renewed.certificate).not_after == later + timedelta(hours=87600)
    assert ca_hash(renewed.certificate) == pki().ca_hash
    assert renewed.key == pki().ca.key
    signed, new = (x509.load_pem_x509_certificate(one) for one in (client.certificate, renewed.certificate))
    signed.verify_directly_issued_by(new)
    assert new.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert renewal_due(pki().ca.certificate, later, timedelta(days=700))
    assert not renewal_due(renewed.certificate, later, timedelta(days=700))


def test_each_call_makes_other_keys() -> None:
    first, second = new_pki(NOW), new_pki(NOW)
    keys = [one.key for each in (first, second) for one in (each.ca, each.etcd_ca, each.front_proxy_ca)]
    assert len({*keys, first.service_account_key, second.service_account_key}) == 8


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_all_of_it_takes_less_than_half_a_second(algorithm: Algorithm) -> None:
    times = []
    for _ in range(5):
        started = time.process_time()  # RSA searches for primes: the time varies, and so does the machine's load
        new_pki(NOW, algorithm=algorithm)
        times.append(time.process_time() - started)
    assert sorted(times)[2] < 0.5


def test_nothing_secret_is_in_a_repr() -> None:
    token = new_token(NOW, create_timeout=timedelta(minutes=30))
    keys = new_keys()
    join = Join(endpoint=ENDPOINT, ca_hashes=(pki().ca_hash,), token=token)
    shown = repr((pki(), token, keys, join))
    assert "PRIVATE KEY" not in shown
    assert token.secret not in shown
    assert keys.keys[0][1] not in shown


def test_an_authority_made_elsewhere_is_judged() -> None:
    check_authority(pki().ca, NOW, "given")
    client = issue_client(pki().ca, NOW, common_name="a", organization="b")
    cases = {
        "not one of a CA": client,
        "is not the certificate's": KeyPair(certificate=pki().ca.certificate, key=pki().etcd_ca.key),
        "no PEM certificate": KeyPair(certificate=b"x", key=pki().ca.key),
        "no unencrypted PEM key": KeyPair(certificate=pki().ca.certificate, key=b"x"),
    }
    for problem, pair in cases.items():
        with pytest.raises(ConfigError, match=problem):
            check_authority(pair, NOW, "given")
    with pytest.raises(ConfigError, match="expired"):
        check_authority(pki().ca, NOW + timedelta(days=3651), "given")


def test_an_endpoint_with_another_ca_is_refused() -> None:
    other = new_pki(NOW)
    check_endpoint_ca([other.ca.certificate, pki().ca.certificate], [pki().ca_hash], "10.17.3.10:6443")
    with pytest.raises(ConfigError, match="another CA") as caught:
        check_endpoint_ca([other.ca.certificate], [pki().ca_hash], "10.17.3.10:6443")
    assert "10.17.3.10:6443" in str(caught.value)


# --- kubeconfig -------------------------------------------------------------------------------------------------------


def server_context(folder: Path) -> ssl.SSLContext:
    """An API server's TLS: a certificate for 127.0.0.1 of the cluster's CA, which signed its clients too."""
    key = ec.generate_private_key(ec.SECP256R1())
    ca = x509.load_pem_x509_certificate(pki().ca.certificate)
    ca_key = serialization.load_pem_private_key(pki().ca.key, None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    import ipaddress

    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, NOW) - timedelta(hours=1))
        .not_valid_after(max(now, NOW) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    (folder / "server.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.key").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=pki().ca.certificate.decode())
    return context


class WhoAmI(BaseHTTPRequestHandler):
    """Answers with the subject of the client's certificate."""

    def do_GET(self) -> None:
        subject = self.connection.getpeercert()["subject"]  # type: ignore[attr-defined]
        body = json.dumps({name: value for ((name, value),) in subject}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


class Quiet(HTTPServer):
    """A refused handshake is no news."""

    def handle_error(self, *_: Any) -> None:
        """Stay silent."""


@pytest.fixture
def api_server(tmp_path: Path) -> Any:
    server = Quiet(("127.0.0.1", 0), WhoAmI)
    server.socket = server_context(tmp_path).wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def call(kubeconfig: bytes, folder: Path, *, with_certificate: bool = True) -> dict[str, str]:
    """What a client does with a kubeconfig."""
    import http.client

    document = json.loads(kubeconfig)
    context = next(one for one in document["contexts"] if one["name"] == document["current-context"])["context"]
    cluster = next(one["cluster"] for one in document["clusters"] if one["name"] == context["cluster"])
    user = next(one["user"] for one in document["users"] if one["name"] == context["user"])
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    tls = ssl.create_default_context(cadata=authority)
    if with_certificate:
        for name in ("client-certificate-data", "client-key-data"):
            (folder / name).write_bytes(base64.b64decode(user[name]))
        tls.load_cert_chain(folder / "client-certificate-data", folder / "client-key-data")
    host, _, port = cluster["server"].removeprefix("https://").rpartition(":")
    connection = http.client.HTTPSConnection(host, int(port), context=tls, timeout=10)
    try:
        connection.request("GET", "/whoami")
        found: dict[str, str] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return found


@pytest.mark.parametrize("user", [SUPER_ADMIN, ADMIN])
def test_a_server_that_demands_the_certificate_knows_who_comes(
    api_server: int, tmp_path: Path, user: tuple[str, str]
) -> None:
    now = datetime.now(timezone.utc)
    kubeconfig = admin_kubeconfig(
        pki().ca, Endpoint("127.0.0.1", api_server), now, cluster="demo", user=user, life=timedelta(hours=1)
    )
    assert call(kubeconfig, tmp_path) == {"organizationName": user[1], "commonName": user[0]}
    with pytest.raises((ssl.SSLError, ConnectionError)):
        call(kubeconfig, tmp_path, with_certificate=False)
    stranger = admin_kubeconfig(new_pki(now).ca, Endpoint("127.0.0.1", api_server), now, cluster="demo")
    with pytest.raises(ssl.SSLCertVerificationError):
        call(stranger, tmp_path)


def test_when_a_kubeconfig_is_made_anew() -> None:
    made = admin_kubeconfig(pki().ca, ENDPOINT, NOW, cluster="demo")
    ca = pki().ca.certificate

    def due(now: datetime = NOW, authority: bytes = ca, endpoint: Endpoint = ENDPOINT) -> bool:
        return kubeconfig_renewal_due(made, authority, endpoint, now, renew_before=timedelta(days=30))

    assert not due()
    assert not due(NOW + timedelta(days=334))
    assert due(NOW + timedelta(days=336))
    assert due(authority=new_pki(NOW).ca.certificate)
    assert due(endpoint=Endpoint("10.17.3.11"))
    with pytest.raises(ConfigError, match="none that flatprov made"):
        kubeconfig_renewal_due(b"apiVersion: v1\n", ca, ENDPOINT, NOW)


# --- tokens -----------------------------------------------------------------------------------------------------------


@given(st.integers(min_value=1, max_value=10**6))
@settings(max_examples=50, deadline=None)
def test_a_token_outlives_the_slowest_machine(minutes: int) -> None:
    token = new_token(NOW, create_timeout=timedelta(minutes=minutes))
    assert token.expires - NOW >= max(timedelta(minutes=minutes), timedelta(hours=24))
    assert re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", token.text)
    hours, rest = token.ttl.split("h")
    assert timedelta(hours=int(hours), minutes=int(rest.split("m")[0])) == token.expires - NOW


def test_a_new_token_is_only_for_nodes_that_have_not_joined() -> None:
    token = new_token(NOW, create_timeout=timedelta(minutes=30))
    soon, later = NOW + timedelta(hours=1), NOW + timedelta(hours=48)
    limit = timedelta(minutes=30)
    assert not needs_new_token(token, later, create_timeout=limit, waiting=[])
    assert not needs_new_token(token, soon, create_timeout=limit, waiting=["w-1"])
    assert needs_new_token(token, later, create_timeout=limit, waiting=["w-1"])
    assert needs_new_token(token, token.expires - limit / 2, create_timeout=limit, waiting=["w-1"])


def test_an_expired_token_is_named_as_the_cause() -> None:
    token = BootstrapToken(id="abcdef", secret="0123456789abcdef", expires=NOW)
    check_usable(token, NOW - timedelta(seconds=1), "node w-0")
    with pytest.raises(ConfigError, match="expired at 2026-11-25 12:00 UTC") as caught:
        check_usable(token, NOW, "node w-0")
    assert token.secret not in str(caught.value)
    assert caught.value.fix


@pytest.mark.parametrize("text", ["", "zyxwvu", "ZYXWVU.9876543210fedcba", "zyxwvu.9876543210fedcb", "zyxwvu.x\n"])
def test_a_malformed_token_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        BootstrapToken.parse(text, NOW)
    assert not text or text not in str(caught.value)


def test_the_secret_that_makes_a_token_known() -> None:
    secret = token_secret(BootstrapToken(id="abcdef", secret="0123456789abcdef", expires=NOW))
    assert secret["metadata"] == {"name": "bootstrap-token-abcdef", "namespace": "kube-system"}
    assert secret["type"] == "bootstrap.kubernetes.io/token"
    assert secret["stringData"]["expiration"] == "2026-11-25T12:00:00Z"
    assert secret["stringData"]["usage-bootstrap-signing"] == "true"


# --- encryption at rest -----------------------------------------------------------------------------------------------


def test_a_key_is_changed_in_three_steps_that_every_server_can_follow() -> None:
    """What one API server writes, every other one that has the settings before or after must be able to read."""
    steps = [new_keys()]
    for change in (with_new_key, promoted, without_old):
        steps.append(change(steps[-1]))

    def writes(keys: EncryptionKeys) -> str:
        name: str = keys.document()["resources"][0]["providers"][0]["secretbox"]["keys"][0]["name"]
        return name

    for before, after in itertools.pairwise(steps):
        assert writes(before) in {name for name, _ in after.keys}
        assert writes(after) in {name for name, _ in before.keys}
    assert writes(steps[0]) != writes(steps[-1])
    assert len(steps[-1].keys) == 1


def test_secrets_in_clear_stay_readable() -> None:
    providers = new_keys().document()["resources"][0]["providers"]
    assert [next(iter(one)) for one in providers] == ["secretbox", "identity"]


@pytest.mark.parametrize("keys", [(), (("a", "AAAA"),), (("a", "?"),), (("a", "A" * 43 + "="), ("a", "A" * 43 + "="))])
def test_unusable_keys_are_refused(keys: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(ConfigError):
        EncryptionKeys(keys)
