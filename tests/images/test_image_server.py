"""The public release server: what it publishes verifies by gpg too, and each way to misbehave does what it says."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from signers import Signer

from flatprov.errors import ImageError
from flatprov.flatcar.releases import parse_feed, resolve
from flatprov.images.feeds import FeedSource, find_release
from flatprov.images.obtain import obtain_release
from flatprov.images.store import Store
from flatprov.testing import ReleaseServer, SigningKey

IMAGE = b"\xeb\x63\x90" + b"raw" * 100_000


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=5) as made:
        yield made


def gpg_status(home: Path, key: bytes, *verify: str) -> str:
    home.mkdir(mode=0o700, exist_ok=True)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--status-fd", "1"]
    subprocess.run([*gpg, "--import"], input=key, capture_output=True, check=True)
    return subprocess.run([*gpg, "--verify", *verify], capture_output=True, check=False).stdout.decode("latin-1")


@pytest.mark.oracle
def test_what_it_signs_is_good_for_gpg(client: httpx.Client, tmp_path: Path, key_folder: Path) -> None:
    with ReleaseServer() as server:
        path = server.publish("4593.2.5", {"qemu": IMAGE})["qemu"]
        for suffix in ("", ".DIGESTS", ".DIGESTS.asc", ".DIGESTS.sig", ".sig"):
            (tmp_path / f"image{suffix}").write_bytes(client.get(f"{server.url}{path}{suffix}").content)
        key = client.get(f"{server.url}/security/image-signing-key/Flatcar_Image_Signing_Key.asc").content
        home = key_folder / "o"
        for command in (["image.sig", "image"], ["image.DIGESTS.asc"], ["image.DIGESTS.sig", "image.DIGESTS"]):
            status = gpg_status(home, key, *(str(tmp_path / name) for name in command))
            (valid,) = (line.split() for line in status.splitlines() if " VALIDSIG " in line)
            assert valid[11] == server.fingerprint
        (tmp_path / "image").write_bytes(IMAGE[:-1])
        assert "BADSIG" in gpg_status(home, key, str(tmp_path / "image.sig"), str(tmp_path / "image"))
    name = path.rpartition("/")[2]
    (tmp_path / name).write_bytes(IMAGE)
    for program, title in (("md5sum", "MD5"), ("sha1sum", "SHA1"), ("sha512sum", "SHA512")):
        lines = (tmp_path / "image.DIGESTS").read_text().splitlines()
        line = lines[lines.index(f"# {title} HASH") + 1]
        done = subprocess.run([program, "--check"], input=line, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_an_own_signer(vendor: Signer, store: Store) -> None:
    with ReleaseServer(vendor) as server:
        server.publish("4593.2.5", {"qemu": IMAGE})
        assert server.fingerprint == vendor.fingerprint
        info, _ = find_release(source=FeedSource(server.url))
        got = obtain_release(
            info, mirror=server.url, key_file=server.key_file, fingerprint=vendor.fingerprint, store=store
        )
        assert got.signature is not None
        assert got.signature.signing_key == vendor.subkeys[-1]


def test_two_keys_differ_and_one_verifies_itself() -> None:
    one, two = SigningKey("one"), SigningKey("two")
    assert one.fingerprint != two.fingerprint
    assert len(one.fingerprint) == 40
    assert one.fingerprint == one.fingerprint.upper()


def test_feeds(client: httpx.Client) -> None:
    with ReleaseServer() as server:
        server.publish("4593.2.4", {"qemu": IMAGE}, release_date="2026-07-09 13:02:32 +0000")
        server.publish("4593.2.5", {"qemu": IMAGE}, software={"kernel": "6.12.999", "docker": "1"})
        server.publish("4593.2.5", {"qemu": IMAGE}, architecture="arm64")
        server.publish("4081.3.10", {"qemu": IMAGE}, aliases=("current-2024",))
        names = ("releases", "releases-stable", "releases-lts", "releases-lts-2024")
        feeds = {name: parse_feed(client.get(f"{server.url}/releases-json/{name}.json").content) for name in names}
    assert resolve([feeds["releases"]]).version == resolve([feeds["releases-stable"]]).version == "4593.2.5"
    assert resolve([feeds["releases-stable"]], architecture="arm64").architectures == ("amd64", "arm64")
    assert resolve([feeds["releases-lts-2024"]], "lts-2024").version == "4081.3.10"
    assert resolve([feeds["releases"]], "lts-2024").version == "4081.3.10"


def test_tls(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with ReleaseServer(tls=True) as server:
        server.publish("4593.2.5", {"qemu": IMAGE})
        assert server.url.startswith("https://")
        with pytest.raises(ImageError, match="certificate is not trusted") as error:
            find_release(source=FeedSource(server.url, attempts=1))
        assert error.value.code == "image-tls"
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        info, _ = find_release(source=FeedSource(server.url))
        got = obtain_release(
            info, mirror=server.url, key_file=server.key_file, fingerprint=server.fingerprint, store=store
        )
        assert got.path.read_bytes() == IMAGE
        context = ssl.create_default_context(cafile=str(server.ca_file))
        with httpx.Client(verify=context, trust_env=False) as client:
            assert client.get(server.url.replace("127.0.0.1", "localhost") + "/none").status_code == 404
    with pytest.raises(ValueError, match="tls=True"), ReleaseServer() as plain:
        _ = plain.ca_file


def test_ranges(client: httpx.Client) -> None:
    data = bytes(range(256)) * 10
    with ReleaseServer() as server:
        url = server.url + "/x"
        served = server.serve("/x", data, last_modified="Thu, 13 Aug 2026 15:48:35 GMT")
        table = {"bytes=0-9": data[:10], "bytes=100-": data[100:], "bytes=-5": data[-5:], "bytes=9-99999": data[9:]}
        for span, expected in table.items():
            answer = client.get(url, headers={"Range": span})
            assert (answer.status_code, answer.content) == (206, expected)
            start = len(data) - 5 if span == "bytes=-5" else int(span[6:].split("-")[0])
            assert answer.headers["Content-Range"] == f"bytes {start}-{start + len(expected) - 1}/{len(data)}"
        assert client.get(url, headers={"Range": "bytes=99999-"}).status_code == 416
        for condition, status in ((served.current_etag, 206), (served.last_modified, 206), ('"old"', 200)):
            answer = client.get(url, headers={"Range": "bytes=0-9", "If-Range": condition})
            assert answer.status_code == status
        served.limit_range_bytes = 4
        answer = client.get(url, headers={"Range": "bytes=8-99"})
        assert (answer.content, answer.headers["Content-Range"]) == (data[8:12], f"bytes 8-11/{len(data)}")
        served.ignore_range = True
        answer = client.get(url, headers={"Range": "bytes=0-9"})
        assert (answer.status_code, answer.content) == (200, data)
        assert "Accept-Ranges" not in answer.headers
        assert server.gets("/x")[0] == "bytes=0-9"


def test_a_file_of_this_machine(client: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(IMAGE)
    with ReleaseServer() as server:
        path = server.publish("4593.2.5", {"metal": tmp_path / "image"})["metal"]
        assert client.get(server.url + path, headers={"Range": "bytes=3-8"}).content == IMAGE[3:9]
        assert client.head(server.url + path).headers["Content-Length"] == str(len(IMAGE))
        assert client.get(server.url + path).content == IMAGE


def test_each_way_to_misbehave(client: httpx.Client) -> None:
    with ReleaseServer() as server:
        url = server.url + "/x"

        def body(**options: object) -> bytes:
            server.serve("/x", IMAGE, **options)
            got = b""
            with client.stream("GET", url) as answer:
                for chunk in answer.iter_raw():
                    got += chunk
            return got

        with pytest.raises(httpx.RemoteProtocolError):
            body(cuts=[1000])
        with pytest.raises(httpx.RemoteProtocolError):
            body(lie_about_length=1)
        assert body(lie_about_length=-1) == IMAGE[:-1]
        changed = body(then=b"\0" * len(IMAGE), then_at=70_000)
        assert (changed[:70_000], set(changed[70_000:])) == (IMAGE[:70_000], {0})
        assert client.get(url).content == b"\0" * len(IMAGE), "and from then on it is the other one"
        server.serve("/x", IMAGE, statuses=[503, 200], retry_after="7")
        answer = client.get(url)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
        assert client.get(url).status_code == 200
        server.redirects["/y"] = "/x"
        assert client.get(server.url + "/y").headers["Location"] == "/x"
        assert client.get(server.url + "/none").status_code == 404


def test_stalling_ends_with_the_server() -> None:
    server = ReleaseServer().start()
    server.serve("/x", IMAGE, stall_after=1000)
    with httpx.Client(trust_env=False, timeout=0.2) as client:
        with pytest.raises(httpx.ReadTimeout), client.stream("GET", server.url + "/x") as answer:
            answer.read()
        begun = time.monotonic()
        server.stop()
        assert time.monotonic() - begun < 2


def test_so_many_connections_at_once(client: httpx.Client) -> None:
    with ReleaseServer() as server:
        server.serve("/x", IMAGE, max_connections=1, pause_per_block_seconds=0.1, retry_after="1")
        url = server.url + "/x"
        first = threading.Thread(target=lambda: httpx.get(url, trust_env=False))
        first.start()
        while not server.requests:
            time.sleep(0.005)
        time.sleep(0.05)
        assert client.get(url).status_code == 503
        first.join()
        server.paths["/x"].pause_per_block_seconds = 0
        while (answer := client.get(url)).status_code == 503:  # its thread has the last word
            time.sleep(0.02)
        assert answer.content == IMAGE


def test_folders_are_listed_unless_told_otherwise(client: httpx.Client) -> None:
    with ReleaseServer() as server:
        server.serve("/a/one", b"1")
        server.serve("/a/b/two", b"2")
        page = client.get(server.url + "/a/")
        assert page.status_code == 200
        assert '"one"' in page.text
        assert '"b"' in page.text
        server.listing = False
        assert client.get(server.url + "/a/").status_code == 404
        assert client.get(server.url + "/c/").status_code == 404


def test_the_product_needs_none_of_it() -> None:
    """What tests need stays out of what runs: certificates and key generation are loaded when they are used."""
    code = (
        "import sys, json, flatprov.testing as t; t.ReleaseServer; t.Served; t.SigningKey; t.Signer;"
        "print(json.dumps([m for m in ('cryptography', 'pysequoia', 'httpx', 'pulumi') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_the_example_of_the_docs(tmp_path: Path) -> None:
    """It runs as it stands there; what a user fills in fetches the image over the broken connection."""
    text = (Path(__file__).parents[2] / "docs" / "images.md").read_text()
    (example,) = (block.partition("```")[0] for block in text.split("```python\n")[1:] if "def publisher" in block)
    assert example.count("    ...") == 1
    body = (
        "    from flatprov.images.feeds import FeedSource, find_release\n"
        "    from flatprov.images.obtain import obtain_release\n"
        "    from flatprov.images.store import Store\n"
        "    info, _ = find_release(source=FeedSource(publisher.url))\n"
        "    got = obtain_release(info, store=Store(publisher.key_file.parent / 'store'), **release)\n"
        "    assert got.path.stat().st_size == 300_000\n"
        "    assert len(publisher.gets('/amd64-usr/4593.2.5/' + got.file_name)) == 2\n"
    )
    head, _, _ = example.partition("    ...")
    (tmp_path / "test_example.py").write_text(head + body)
    (tmp_path / "conftest.py").write_text(
        "import pytest\n@pytest.fixture(autouse=True)\ndef disk(tmp_path):\n"
        "    (tmp_path / 'disk.qcow2').write_bytes(b'\\xeb' * 300_000)\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
