"""Transfers against a real local server that cuts, lies, stalls, changes and redirects."""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
import random
import signal
import ssl
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path

import pytest
from release_server import ReleaseServer

from flatprov.errors import CancelledError, ImageError
from flatprov.images.download import Downloaded, download
from flatprov.images.fetch import fetch_bytes, fetch_or_none
from flatprov.images.http import retry_after_seconds
from flatprov.images.journal import Journal

DATA = bytes(range(256)) * 4096 * 3  # 3 MiB
SHA512 = hashlib.sha512(DATA).hexdigest()


def get(server: ReleaseServer, folder: Path, **options: object) -> Downloaded:
    return download(f"{server.url}/f", folder / "f.part", **{"backoff_seconds": 0.01, **options})  # type: ignore[arg-type]


def code_of(error: pytest.ExceptionInfo[ImageError]) -> str:
    return error.value.code.removeprefix("image-")


def test_whole_file(server: ReleaseServer, tmp_path: Path) -> None:
    server.serve("/f", DATA)
    seen: list[tuple[int, int]] = []
    got = get(server, tmp_path, sha512=SHA512, progress=lambda done, total: seen.append((done, total)))
    assert (got.sha512, got.size_bytes, got.path.read_bytes()) == (SHA512, len(DATA), DATA)
    assert seen[-1] == (len(DATA), len(DATA))
    assert seen == sorted(seen)
    assert server.gets("/f") == [""]


def test_cut_connections_are_continued(server: ReleaseServer, tmp_path: Path) -> None:
    server.serve("/f", DATA, cuts=[1_500_000, 700_000])
    assert get(server, tmp_path, sha512=SHA512).path.read_bytes() == DATA
    first, second, third = server.gets("/f")
    assert first == ""
    assert 0 < int(second[6:-1]) <= 1_500_000
    assert int(second[6:-1]) <= int(third[6:-1]) <= 2_200_000


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_strong_validator_it_starts_over(etag: str, server: ReleaseServer, tmp_path: Path) -> None:
    server.serve("/f", DATA, cuts=[1_500_000], etag=etag)
    assert get(server, tmp_path, sha512=SHA512).path.read_bytes() == DATA
    assert server.gets("/f") == ["", ""]


def test_a_server_without_ranges_starts_over(server: ReleaseServer, tmp_path: Path) -> None:
    server.serve("/f", DATA, cuts=[1_500_000], ignore_range=True)
    assert get(server, tmp_path, sha512=SHA512).path.read_bytes() == DATA


def test_file_that_changes_midway(server: ReleaseServer, tmp_path: Path) -> None:
    server.serve("/f", DATA[::-1], cuts=[1_500_000], then=DATA)
    assert get(server, tmp_path, sha512=SHA512).path.read_bytes() == DATA


def test_file_that_became_shorter_than_what_was_downloaded(server: ReleaseServer, tmp_path: Path) -> None:
    served = server.serve("/f", DATA, cuts=[2_500_000, 0, 0, 0, 0, 0, 0])
    with pytest.raises(ImageError):
        get(server, tmp_path, attempts=2)
    served.cuts.clear()
    served.data, served.etag = DATA[:1_000_000], served.current_etag
    got = get(server, tmp_path, sha512=hashlib.sha512(DATA[:1_000_000]).hexdigest())
    assert got.size_bytes == 1_000_000


def test_file_that_changes_again_and_again(server: ReleaseServer, tmp_path: Path) -> None:
    served = server.serve("/f", DATA, cuts=[1_100_000] * 20)
    versions = iter(range(20))
    type(served).current_etag, kept = property(lambda _self: f'"{next(versions)}"'), type(served).current_etag  # type: ignore[method-assign, assignment]
    try:
        with pytest.raises(ImageError, match="again and again") as error:
            get(server, tmp_path)
    finally:
        type(served).current_etag = kept  # type: ignore[method-assign]
    assert code_of(error) == "changed"


@pytest.mark.parametrize("etag", ["", None])
def test_a_server_that_never_delivers_is_given_up(etag: str | None, server: ReleaseServer, tmp_path: Path) -> None:
    server.serve("/f", DATA, cuts=[1_100_000] * 50, etag=etag, ignore_range=True)
    with pytest.raises(ImageError):
        get(server, tmp_path)
    assert len(server.gets("/f")) < 10


def test_wrong_digest_keeps_nothing(server: ReleaseServer, tmp_path: Path) -> None:
    server.serve("/f", DATA[::-1])
    found = hashlib.sha512(DATA[::-1]).hexdigest()
    with pytest.raises(ImageError, match=f"sha512 is {found[:16]}…, wanted {SHA512[:16]}…") as error:
        get(server, tmp_path, sha512=SHA512)
    assert code_of(error) == "digest"
    assert list(tmp_path.iterdir()) == []


def test_damaged_part_file_is_fetched_again(server: ReleaseServer, tmp_path: Path) -> None:
    served = server.serve("/f", DATA, cuts=[1_500_000, 0, 0])
    with pytest.raises(ImageError):
        get(server, tmp_path, attempts=1)
    served.cuts.clear()
    part = tmp_path / "f.part"
    assert part.stat().st_size > 0
    part.write_bytes(b"\0" * part.stat().st_size)
    assert get(server, tmp_path, sha512=SHA512).path.read_bytes() == DATA


def test_complete_part_file_needs_no_bytes(server: ReleaseServer, tmp_path: Path) -> None:
    server.serve("/f", DATA)
    get(server, tmp_path, sha512=SHA512)
    get(server, tmp_path, sha512=SHA512)
    assert server.gets("/f") == [""]


def test_500_then_ok_and_500_for_ever(server: ReleaseServer, tmp_path: Path) -> None:
    server.serve("/f", DATA, statuses=[500, 503, 429, 200])
    assert get(server, tmp_path, sha512=SHA512).size_bytes == len(DATA)
    server.serve("/g", DATA, statuses=[500] * 9)
    with pytest.raises(ImageError, match="HTTP 500") as error:
        fetch_bytes(f"{server.url}/g", backoff_seconds=0.01)
    assert code_of(error) == "server-failed"
    assert len(server.gets("/g")) == 5


def test_each_failure_has_its_own_error(server: ReleaseServer, tmp_path: Path) -> None:
    server.redirects["/loop"] = "/loop"
    server.serve("/cut", DATA, cuts=[1_000_000, *[0] * 20])
    server.serve("/lie", DATA, lie_about_length=10)
    server.serve("/stall", DATA, stall_after=70_000)
    server.serve("/no", DATA, statuses=[403])
    server.serve("/ok", DATA)
    cases: dict[str, tuple[str, dict[str, object]]] = {
        "/missing": ("not-found", {}),
        "/loop": ("redirects", {}),
        "/cut": ("truncated", {}),
        "/lie": ("truncated", {}),
        "/stall": ("stalled", {"timeout_seconds": 0.2, "attempts": 1}),
        "/no": ("refused", {}),
        "/ok": ("too-large", {"max_bytes": 1000}),
    }
    for path, (code, options) in cases.items():
        settings = {"backoff_seconds": 0.01, "attempts": 2, **options}
        with pytest.raises(ImageError) as error:
            download(f"{server.url}{path}", tmp_path / f"{code}.part", **settings)  # type: ignore[arg-type]
        assert (path, code_of(error)) == (path, code)
        assert server.url + path in str(error.value)
        assert pickle.loads(pickle.dumps(error.value)).code == error.value.code
    with pytest.raises(ImageError, match="not an http or https address"):
        fetch_bytes("ftp://127.0.0.1/x")
    assert fetch_or_none(f"{server.url}/missing") is None


def test_truncated_says_how_far_it_came(server: ReleaseServer, tmp_path: Path) -> None:
    server.serve("/f", DATA, cuts=[2_000_000, 0, 0, 0, 0, 0])
    with pytest.raises(ImageError, match=rf"after [1-9]\d+ of {len(DATA)} bytes"):
        get(server, tmp_path)


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("7", 7, 7),
        ("9999", 30, 30),
        ("", 0, 0),
        ("soon", 0, 0),
        ("-5", 0, 0),
        ("²", 0, 0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0, 0),
    ],
)
def test_retry_after_in_seconds_and_as_a_date(value: str, least: float, most: float) -> None:
    assert least <= retry_after_seconds(value) <= most


def test_retry_after_a_date_to_come() -> None:
    then = datetime.now(timezone.utc) + timedelta(seconds=20)
    assert 10 <= retry_after_seconds(format_datetime(then, usegmt=True)) <= 20


def test_nobody_listens() -> None:
    with pytest.raises(ImageError, match="no connection") as error:
        fetch_bytes("http://127.0.0.1:9/x", attempts=1)
    assert code_of(error) == "unreachable"


def test_proxy_of_the_environment_is_used(server: ReleaseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("http_proxy", server.url)
    server.serve("http://elsewhere.invalid/f", b"through the proxy")
    assert fetch_bytes("http://elsewhere.invalid/f", attempts=1) == b"through the proxy"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that is its own authority."""
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", *kind, *name, "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    return tmp_path / "cert.pem"


@pytest.mark.parametrize("variable", ["", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_tls(variable: str, certificate: Path, server: ReleaseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = server
    plain.serve("/f", b"not over TLS")
    with ReleaseServer() as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_name("key.pem"))
        server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
        url = server.url.replace("http:", "https:")
        server.serve("/f", b"over TLS")
        server.redirects["/down"] = f"{plain.url}/f"
        if variable:
            monkeypatch.setenv(variable, str(certificate))
            assert fetch_bytes(f"{url}/f") == b"over TLS"
            with pytest.raises(ImageError, match="redirects from https to http"):
                fetch_bytes(f"{url}/down")
        else:
            with pytest.raises(ImageError, match="certificate is not trusted") as error:
                fetch_bytes(f"{url}/f")
            assert code_of(error) == "tls"


def test_disk_full(server: ReleaseServer, tmp_path: Path) -> None:
    server.serve("/f", DATA)
    (tmp_path / "f.part").symlink_to("/dev/full")
    with pytest.raises(ImageError, match="no space left") as error:
        get(server, tmp_path)
    assert code_of(error) == "disk-full"


def test_permission(server: ReleaseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    server.serve("/f", DATA)
    monkeypatch.setattr("flatprov.images.download.os.open", denied)  # root may write everywhere
    with pytest.raises(ImageError, match="may not write in") as error:
        get(server, tmp_path)
    assert code_of(error) == "permission"


def test_stop_takes_effect_while_the_server_is_silent(server: ReleaseServer, tmp_path: Path) -> None:
    server.serve("/f", DATA, stall_after=1_200_000)
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    began = time.monotonic()
    with pytest.raises(CancelledError, match="continues"):
        get(server, tmp_path, cancelled=stop.is_set)
    assert time.monotonic() - began < 2


CHILD = """
import sys
from pathlib import Path
from flatprov.images.download import download
download(sys.argv[1], Path(sys.argv[2]), sha512=sys.argv[3])
"""


@pytest.mark.parametrize("seed", range(12))
def test_kill_and_resume(seed: int, server: ReleaseServer, tmp_path: Path) -> None:
    """kill -9 at a chosen moment: the next run asks only for what was not synced, and the digest is right."""
    after_bytes = random.Random(seed).randrange(1, len(DATA) * 9 // 10)
    served = server.serve("/f", DATA, pause_per_block_seconds=0.02)
    part = tmp_path / "f.part"
    code = "import flatprov.images.journal as j; j.SYNC_SECONDS = 0.0\n" + CHILD
    child = subprocess.Popen([sys.executable, "-c", code, f"{server.url}/f", str(part), SHA512])
    deadline = time.monotonic() + 20
    while not (part.exists() and part.stat().st_size >= after_bytes * 2 // 3):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.wait()
    journal = Journal.read(part, f"{server.url}/f")
    synced = journal.synced_bytes if journal else 0
    assert synced <= part.stat().st_size
    served.pause_per_block_seconds = 0
    assert get(server, tmp_path, sha512=SHA512).path.read_bytes() == DATA
    expected = ["", f"bytes={synced}-"] if synced else ["", ""]
    assert server.gets("/f") == ([""] if synced == len(DATA) else expected)


def test_unsynced_bytes_are_not_trusted(server: ReleaseServer, tmp_path: Path) -> None:
    """After a power loss the file is longer than what was synced, and the rest of it is zeros."""
    served = server.serve("/f", DATA, cuts=[1_500_000])
    with pytest.raises(ImageError):
        get(server, tmp_path, attempts=1)
    part = tmp_path / "f.part"
    synced = part.stat().st_size
    with part.open("ab") as file:
        file.write(bytes(500_000))
    served.cuts.clear()
    assert get(server, tmp_path, sha512=SHA512).path.read_bytes() == DATA
    assert server.gets("/f") == ["", f"bytes={synced}-"]


def test_a_part_file_without_a_journal_starts_over(server: ReleaseServer, tmp_path: Path) -> None:
    server.serve("/f", DATA)
    (tmp_path / "f.part").write_bytes(DATA[:1_000_000])
    assert get(server, tmp_path, sha512=SHA512).path.read_bytes() == DATA
    assert server.gets("/f") == [""]
