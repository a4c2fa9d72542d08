"""`flatprov image`: what it prints, where, how it ends, and what it leaves in the store."""

from __future__ import annotations

import bz2
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flatprov.cli import main
from flatprov.cli.image_fetch import progress_line
from flatprov.flatcar.artifacts import candidate_files
from flatprov.images import http
from flatprov.testing import ReleaseServer, SigningKey

IMAGE = b"\xeb\x63\x90" + b"raw" * 50_000
FILE = candidate_files("qemu")[0]


@pytest.fixture(autouse=True)
def _no_proxy_and_quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.delenv("FLATPROV_MIRROR", raising=False)
    monkeypatch.setattr(http.random, "uniform", lambda _low, _high: 0.01)


@pytest.fixture
def server() -> Iterator[ReleaseServer]:
    with ReleaseServer() as running:
        running.publish("4593.2.4", {"qemu": IMAGE + b"4"}, release_date="2026-07-09 13:02:32 +0000")
        running.publish("4593.2.5", {"qemu": IMAGE, "metal": bz2.compress(IMAGE)})
        running.publish("4628.1.0", {"qemu": IMAGE})
        running.publish("4081.3.10", {"qemu": IMAGE}, aliases=("current-2024",), software={"ignition": "2.19.0"})
        yield running


class Command:
    """Runs the command in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], server: ReleaseServer, store: Path) -> None:
        self._capsys, self.server, self.store = capsys, server, store
        self.status, self.out, self.err = 0, "", ""

    def __call__(self, *words: str, key: bool = False) -> Any:
        """Give the parsed JSON, where it was asked for."""
        words = ("image", *words)
        if words[1] != "mirror":
            words += ("--store", str(self.store))
        if "--mirror" not in words:
            words += ("--mirror", self.server.url)
        if key:
            words += ("--key", str(self.server.key_file), "--fingerprint", self.server.fingerprint)
        self.status = 0
        try:
            main(words)
        except SystemExit as end:
            self.status = end.code if isinstance(end.code, int) else 1
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
        self.out, self.err = self._capsys.readouterr()
        return json.loads(self.out) if "--json" in words and self.status == 0 else None


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], server: ReleaseServer, tmp_path: Path) -> Command:
    return Command(capsys, server, tmp_path / "store")


def trusted(store: Path) -> list[Path]:
    return [
        path for folder in ("blobs", "unpacked", "partial") for path in store.glob(f"{folder}/**/*") if path.is_file()
    ]


# fetch


def test_fetch(command: Command) -> None:
    words = ("fetch", "--version", "4593.2.5", "--platform", "qemu", "--arch", "amd64")
    found = command(*words, "--json", key=True)
    assert command.status == 0
    digest = hashlib.sha512(IMAGE).hexdigest()
    assert (found["version"], found["sha512"], found["file_name"]) == ("4593.2.5", digest, FILE)
    assert found["sha512_of_path"] == digest
    assert Path(found["path"]).is_absolute()
    assert Path(found["path"]).read_bytes() == IMAGE
    command(*words, key=True)
    lines = dict(line.split(maxsplit=1) for line in command.out.splitlines())
    assert lines == {name: str(value) for name, value in found.items()}
    assert command.err == ""


def test_fetch_unpacks(command: Command) -> None:
    found = command("fetch", "--version", "4593.2.5", "--platform", "metal", "--json", key=True)
    assert found["sha512"] == hashlib.sha512(bz2.compress(IMAGE)).hexdigest()
    assert found["sha512_of_path"] == "", "would have to be read again: it is not what was signed"
    assert Path(found["path"]).read_bytes() == IMAGE
    assert (found["format"], found["virtual_size_bytes"]) == ("raw", len(IMAGE))


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("altered", "sha512 is"),
        ("publishers key", "is another key"),
        ("wrong key", "signed by another key"),
        ("unsigned", "has no signature beside it"),
        ("unknown version", "Near it: 4593.2.4, 4593.2.5"),
        ("unknown platform", "platforms with one"),
        ("missing file", "tried flatcar_production_hyperv"),
        ("architecture", "does not exist for arm64"),
        ("short fingerprint", "is not 40 hex digits"),
        ("no key file", "cannot be read"),
        ("unreachable", "no connection"),
    ],
)
def test_fetch_refuses_in_one_line(case: str, reason: str, command: Command, tmp_path: Path) -> None:
    path = f"/amd64-usr/4593.2.5/{FILE}"
    words = ["fetch", "--version", "4593.2.5"]
    key = case not in ("publishers key", "short fingerprint", "no key file")
    if case == "altered":
        command.server.paths[path].data = IMAGE + b"!"
    elif case == "wrong key":
        digests = command.server.paths[f"{path}.DIGESTS"].read(0, 10_000)
        command.server.serve(f"{path}.DIGESTS.asc", SigningKey().clearsigned(digests))
    elif case == "unsigned":
        for suffix in ("DIGESTS", "DIGESTS.asc", "DIGESTS.sig", "sig"):
            del command.server.paths[f"{path}.{suffix}"]
    words += {
        "unknown version": ["--version", "4593.2.9"],
        "unknown platform": ["--platform", "xen"],
        "missing file": ["--platform", "hyperv"],
        "architecture": ["--arch", "arm64"],
        "short fingerprint": ["--fingerprint", "E25D9AED0593B34A"],
        "no key file": ["--key", str(tmp_path / "none.asc")],
        "unreachable": ["--mirror", "http://127.0.0.1:9"],
    }.get(case, [])
    for _ in range(2):
        command(*words, key=key)
        assert command.status == 1
        assert command.out == ""
        assert len(command.err.splitlines()) == 1
        assert reason.lower() in command.err.lower()
        assert trusted(command.store) == []


@pytest.mark.parametrize(
    "words",
    [
        ["fetch", "--arch", "riscv64"],
        ["fetch", "extra"],
        ["fetch", "--jsn"],
        ["list", "--limit", "-1"],
        ["mirror"],
        ["mirror", "DIR"],
        ["burn"],
    ],
    ids=" ".join,
)
def test_wrong_usage(words: list[str], command: Command) -> None:
    command(*words)
    assert command.status == 2
    assert "usage:" in command.err
    assert command.server.requests == []


def test_stats(command: Command) -> None:
    found = command("fetch", "--version", "4593.2.5", "--platform", "metal", "--stats", "--json", key=True)
    steps = [step["step"] for step in found["steps"]]
    assert steps == ["feed", "look in the store", "signature", "download and digest", "unpack"]
    for step in found["steps"]:
        assert step["wall_seconds"] >= 0
        assert step["cpu_seconds"] >= 0
        assert 1 << 20 < step["peak_bytes"] < 1 << 31
    command("fetch", "--version", "4593.2.5", "--platform", "metal", "--stats", key=True)
    table = command.err.splitlines()
    assert table[0].split() == ["STEP", "TIME", "CPU", "PEAK", "MEMORY"]
    assert [line.split("  ")[0] for line in table[1:]] == ["feed", "look in the store"], "the second run has it"
    assert all(line.endswith("MiB") for line in table[1:])


def test_a_stopped_fetch_goes_on(command: Command, tmp_path: Path) -> None:
    """Ctrl-C: exit 130, one line; what had arrived is not asked for again."""
    image = os.urandom(4 << 20)
    command.server.publish("4593.2.5", {"qemu": image})
    command.server.files["qemu"].pause_per_block_seconds = 0.02
    words = [sys.executable, "-m", "flatprov.cli", "image", "fetch", "--version", "4593.2.5"]
    words += ["--mirror", command.server.url, "--store", str(command.store), "--key", str(command.server.key_file)]
    process = subprocess.Popen(
        [*words, "--fingerprint", command.server.fingerprint], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while sum(part.stat().st_size for part in command.store.glob("partial/*.part")) < 1 << 20:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert err == "flatprov: stopped; run again to continue\n"
    command.server.files["qemu"].pause_per_block_seconds = 0
    found = command("fetch", "--version", "4593.2.5", "--json", key=True)
    assert Path(found["path"]).read_bytes() == image
    spans = command.server.gets(f"/amd64-usr/4593.2.5/{FILE}")
    assert spans[0] == ""
    assert spans[1].startswith("bytes=")


MIB = 1 << 20


@pytest.mark.parametrize(
    ("numbers", "line"),
    [
        ((0, 0, 0, 0.0), "0.0 MiB"),
        ((12 * MIB, 500 * MIB, 12 * MIB, 2.0), "12.0 of 500.0 MiB, 2 %, 6.0 MiB/s, 1:21 left"),
        ((300 * MIB, 500 * MIB, 100 * MIB, 10.0), "300.0 of 500.0 MiB, 60 %, 10.0 MiB/s, 0:20 left"),
        ((500 * MIB, 500 * MIB, 500 * MIB, 10.0), "500.0 of 500.0 MiB, 100 %, 50.0 MiB/s"),
        ((10 * MIB, 0, 10 * MIB, 2.0), "10.0 MiB, 5.0 MiB/s"),
    ],
)
def test_progress_tells_rate_and_time_left(numbers: tuple[int, int, int, float], line: str) -> None:
    assert progress_line(*numbers) == line


# list, show, resolve


def test_list(command: Command) -> None:
    rows = command("list", "--json")
    assert [row["version"] for row in rows] == ["4593.2.5", "4593.2.4"]
    assert rows[1] == {
        "version": "4593.2.4",
        "channel": "stable",
        "release_date": "2026-07-09 13:02:32 +0000",
        "architectures": ["amd64"],
        "ignition": "2.24.0",
        "kernel": "6.12.102",
    }
    assert [row["version"] for row in command("list", "--channel", "lts-2024", "--json")] == ["4081.3.10"]
    assert [row["version"] for row in command("list", "--channel", "all", "--limit", "2", "--json")] == [
        "4628.1.0",
        "4593.2.5",
    ]
    assert command("list", "--arch", "arm64", "--json") == []
    command("list")
    assert command.out.splitlines()[0].split() == ["VERSION", "CHANNEL", "DATE", "ARCH", "IGNITION", "KERNEL"]
    assert command.out.splitlines()[2].split() == ["4593.2.4", "stable", "2026-07-09", "amd64", "2.24.0", "6.12.102"]


def test_show(command: Command) -> None:
    found = command("show", "4593.2.5", "--json")
    assert found["files"] == {"libvirt": FILE, "metal": "flatcar_production_image.bin.bz2"}
    assert (found["docker"], found["max_ignition_spec"]) == ("28.0.4", "3.5.0")
    assert command("show", "current-2024", "--json")["ignition"] == "2.19.0"
    command("show")
    for text in ("4593.2.5", "6.12.102", "containerd", FILE):
        assert text in command.out
    command.server.paths[f"/amd64-usr/4593.2.5/{FILE}"].statuses = []
    command("show", "4593.2.5", "--offline")
    assert command.status == 0
    assert FILE not in command.out


@pytest.mark.parametrize(
    ("words", "version"),
    [
        ([], "4593.2.5"),
        (["--channel", "beta"], "4628.1.0"),
        (["--channel", "lts-2024"], "4081.3.10"),
        (["--version", "current-2024"], "4081.3.10"),
        (["--version", "4593.2.4"], "4593.2.4"),
    ],
)
def test_resolve(words: list[str], version: str, command: Command) -> None:
    command("resolve", *words)
    assert (command.status, command.out, command.err) == (0, f"{version}\n", "")
    assert command("resolve", *words, "--json")["version"] == version


def test_without_a_network_the_kept_feed_and_its_age(command: Command) -> None:
    command("resolve")
    (kept,) = (command.store / "feeds").iterdir()
    os.utime(kept, (time.time() - 3 * 3600 - 60,) * 2)
    command("resolve", "--offline")
    assert (command.status, command.out) == (0, "4593.2.5\n")
    assert command.err == "release feed: a kept copy, 3 hours old (offline)\n"
    command.server.paths["/releases-json/releases-stable.json"].statuses = [503] * 9
    command("resolve")
    assert (command.status, command.out) == (0, "4593.2.5\n")
    assert "a kept copy, 3 hours old" in command.err
    assert "HTTP 503" in command.err
    command("resolve", "--offline", "--channel", "beta")
    assert command.status == 1
    assert "is not kept on this machine" in command.err


# ls, gc, verify


@pytest.fixture
def stored(capsys: pytest.CaptureFixture[str], command: Command) -> Path:
    """Two images: one plain, one packed and unpacked; not used for a hundred days."""
    found = command("fetch", "--version", "4593.2.5", "--json", key=True)
    command("fetch", "--version", "4593.2.5", "--platform", "metal", key=True)
    long_ago = time.time() - 100 * 86400
    for record in (command.store / "known").iterdir():
        os.utime(record, (long_ago, long_ago))
    return Path(found["path"])


def in_store(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> Any:
    try:
        main(("image", *words))
        ended = 0
    except SystemExit as end:
        ended = end.code if isinstance(end.code, int) else 1
    out, _ = capsys.readouterr()
    assert ended == status
    return json.loads(out) if "--json" in words else out


def test_ls(stored: Path, command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    place = ("--store", str(command.store))
    files = in_store(capsys, "ls", "--json", *place)
    assert sorted((one["kind"], one["file_name"]) for one in files) == [
        ("published", "flatcar_production_image.bin.bz2"),
        ("published", FILE),
        ("unpacked", "flatcar_production_image.bin"),
    ]
    assert next(one["sha512"] for one in files if one["path"] == str(stored)) == hashlib.sha512(IMAGE).hexdigest()
    lines = in_store(capsys, "ls", *place).splitlines()
    assert lines[0].startswith("KIND")
    assert len(lines) == 4
    assert in_store(capsys, "ls", "--json", "--store", str(command.store / "none")) == []


def test_gc(stored: Path, command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    place = ("--store", str(command.store))
    kept = in_store(capsys, "gc", "--json", *place)
    assert (kept["removed"], {one["reason"] for one in kept["kept"]}) == ([], {"one of the last of its name"})
    digest = hashlib.sha512(IMAGE).hexdigest()
    words = ("gc", "--retain", "0", "--keep", digest, *place)
    assert "would go" in in_store(capsys, *words, "--dry-run")
    assert len(in_store(capsys, "ls", "--json", *place)) == 3
    done = in_store(capsys, *words, "--json")
    assert sorted(one["kind"] for one in done["removed"]) == ["published", "unpacked"]
    assert done["freed_bytes"] > 0
    assert stored.exists()
    assert in_store(capsys, "gc", "--retain", "0", "--days", "365", *place, "--json")["removed"] == []
    assert (
        len(in_store(capsys, "gc", "--retain", "0", "--days", "365", "--max-gib", "0", *place, "--json")["removed"])
        == 1
    )
    assert not stored.exists()


def test_verify(stored: Path, command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    place = ("--store", str(command.store))
    assert [one["problem"] for one in in_store(capsys, "verify", "--json", *place)] == [""] * 3
    stored.chmod(0o644)
    stored.write_bytes(IMAGE[:-1] + b"!")
    found = in_store(capsys, "verify", "--keep", "--json", *place, status=1)
    assert [(one["path"], one["removed"]) for one in found if one["problem"]] == [(str(stored), False)]
    assert stored.exists()
    assert "removed" in in_store(capsys, "verify", *place, status=1)
    assert not stored.exists()
    assert len(in_store(capsys, "verify", "--json", *place)) == 2


# mirror


def test_mirror(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mirror"
    words = ("mirror", str(folder), "--version", "4593.2.5", "--platform", "qemu", "--platform", "metal", "--with-key")
    found = command(*words, "--json", key=True)
    assert command.status == 0, command.err
    assert [one["path"] for one in found["files"]][:2] == [
        f"amd64-usr/4593.2.5/{FILE}",
        "amd64-usr/4593.2.5/flatcar_production_image.bin.bz2",
    ]
    assert found["feeds"] == ["releases-json/releases.json", "releases-json/releases-stable.json"]
    command(*words, key=True)
    lines = command.out.splitlines()
    assert [line.split()[0] for line in lines] == ["there", "there", "fetched", "feed", "feed"]
    fingerprint = command.server.fingerprint
    with ReleaseServer() as other:
        for path in folder.rglob("*"):
            if path.is_file():
                other.serve(f"/{path.relative_to(folder)}", path)
        monkeypatch.setenv("FLATPROV_MIRROR", other.url)
        store = str(tmp_path / "second")
        words = ("image", "fetch", "--platform", "metal", "--fingerprint", fingerprint, "--store", store)
        asked = len(command.server.requests)
        main(words)
        assert len(command.server.requests) == asked
        assert other.requests
    assert [path.read_bytes() for path in Path(store).glob("unpacked/*/*/*")] == [IMAGE]


def test_mirror_refuses_in_one_line(command: Command, tmp_path: Path) -> None:
    command.server.files["qemu"].data = IMAGE + b"!"
    folder = tmp_path / "mirror"
    command("mirror", str(folder), "--version", "4081.3.10", key=True)
    assert command.status == 1
    assert len(command.err.splitlines()) == 1
    assert "sha512 is" in command.err
    assert [path for path in folder.iterdir() if path.name != ".flatprov"] == []
    command("mirror", str(folder), "--sysext", "podman", key=True)
    assert (command.status, len(command.err.splitlines())) == (1, 1)


def test_a_mirror_of_what_could_be_had(command: Command, tmp_path: Path) -> None:
    """The second release has no image for metal: exit 1, and the first one is in the feeds."""
    words = ("mirror", str(tmp_path), "--version", "4593.2.5", "--version", "4081.3.10", "--platform", "metal")
    command(*words, key=True)
    assert command.status == 1
    assert "tried flatcar_production_image.bin.bz2" in command.err
    feeds = {path.name: json.loads(path.read_bytes()).keys() for path in (tmp_path / "releases-json").iterdir()}
    assert feeds == {name: {"4593.2.5", "current"} for name in ("releases.json", "releases-stable.json")}


def test_a_reader_that_has_seen_enough(command: Command) -> None:
    """`flatprov image list | head -1` ends quietly."""
    words = [sys.executable, "-m", "flatprov.cli", "image", "list", "--limit", "0", "--channel", "all"]
    line = " ".join([*words, "--mirror", command.server.url, "--store", str(command.store)])
    done = subprocess.run(f"{line} | true", shell=True, capture_output=True, text=True)
    assert done.stderr == ""
