"""Hosts that do not answer, judged by the real libvirt client: sockets, ssh, and certificates of each bad kind."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from libvirt_tls import Signed, authority, client_folder, issue, listening

from flatprov.errors import DeniedError, UnreachableError
from flatprov.platforms.finding import Finding, Level
from flatprov.platforms.libvirt import doctor

GOOD, OTHER = authority("good"), authority("other")
HOST = "127.0.0.1"


def examine(uri: str) -> Finding:
    found = doctor.examine(uri, limit_seconds=20)
    assert len(found.findings) == 1
    assert not found.is_reached
    assert found.findings[0].level is Level.ERROR
    return found.findings[0]


@pytest.mark.parametrize(
    ("server", "clients", "own", "words"),
    [
        (issue(OTHER, HOST, server=True), GOOD, issue(GOOD, "me", server=False), "not signed by the CA in cacert.pem"),
        (issue(GOOD, HOST, server=True, valid=(-3, -1)), GOOD, issue(GOOD, "me", server=False), "has expired"),
        (issue(GOOD, HOST, server=True, valid=(1, 3)), GOOD, issue(GOOD, "me", server=False), "not valid yet"),
        (issue(GOOD, "nas.example", server=True), GOOD, issue(GOOD, "me", server=False), "made out to another name"),
        (issue(GOOD, HOST, server=True), OTHER, issue(GOOD, "me", server=False), "does not accept our certificate"),
        (
            issue(GOOD, HOST, server=True),
            GOOD,
            issue(GOOD, "me", server=False, valid=(-3, -1)),
            "clientcert.pem has expired",
        ),
        (
            issue(GOOD, HOST, server=True),
            GOOD,
            issue(OTHER, "me", server=False),
            "clientcert.pem was not signed by the CA beside it",
        ),
    ],
    ids=["authority", "expired", "future", "name", "refused", "own expired", "own authority"],
)
def test_a_certificate_that_does_not_hold(
    server: Signed, clients: Signed, own: Signed, words: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = client_folder(tmp_path / "pki", GOOD, own)
    with listening(tmp_path, server, clients) as port:
        found = examine(f"qemu+tls://{HOST}:{port}/system?pkipath={folder}")
    assert words in found.text
    assert found.fix
    assert capfd.readouterr().err == ""  # libvirt itself prints nothing beside


def test_certificate_files_that_are_not_there(tmp_path: Path) -> None:
    found = examine(f"qemu+tls://{HOST}:1/system?pkipath={tmp_path}")
    assert f"{tmp_path}/cacert.pem cannot be read" in found.text
    assert "pkipath" in found.fix


def test_sockets_that_nobody_listens_on(tmp_path: Path) -> None:
    missing = examine(f"qemu+unix:///system?socket={tmp_path}/s")
    assert f"no socket {tmp_path}/s" in missing.text
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(f"{tmp_path}/s")
    dead = examine(f"qemu+unix:///system?socket={tmp_path}/s")
    assert f"nothing listens on the socket {tmp_path}/s" in dead.text
    assert dead.error is UnreachableError


def test_an_ssh_port_that_nobody_listens_on() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
    found = examine(f"qemu+ssh://root@{HOST}:{port}/system")
    assert f"{HOST} refuses connections" in found.text
    assert found.error is not DeniedError
    assert "`ssh`" in found.fix


def test_a_host_that_swallows_everything_does_not_hold_the_doctor() -> None:
    with socket.create_server((HOST, 0)) as server:  # accepts, and never says a word
        uri = f"qemu+tcp://{HOST}:{server.getsockname()[1]}/system"
        found = doctor.examine(uri, limit_seconds=0.3).findings[0]
    assert "did not answer within 0 s" in found.text
