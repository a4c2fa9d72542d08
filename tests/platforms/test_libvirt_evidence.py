"""Consoles that are watched and kept, and the support bundle: nothing in them that is secret."""

from __future__ import annotations

import json
import os
import pty
import stat
import tarfile
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from libvirt_goals import ID, NODES, UUID, node, prepare

from flatprov.cli import main
from flatprov.cli.console import watch
from flatprov.cli.terminal import Screen
from flatprov.errors import BootError, ForeignObjectError, PlatformError
from flatprov.ignition import pack
from flatprov.platforms.libvirt import facts, here, history, look, scrub
from flatprov.platforms.libvirt.history import Recorder
from flatprov.testing import FakeLibvirt, boot_report, operation
from flatprov.testing.fake_libvirt import FakeConsole

SECRET = "correct-horse-battery-staple"
URI = "qemu:///system"


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(here, "find", lambda _uri: None)


@pytest.fixture
def host() -> Iterator[FakeLibvirt]:
    with FakeLibvirt(URI) as found:
        yield prepare(found)


def chatty(name: str) -> bytes:
    """A boot that prints the node's secret in several ways."""
    import base64

    encoded = base64.b64encode(SECRET.encode()).decode()
    lines = f"[    1.0] kernel: hello\nleaked: {SECRET}\nin base64: {encoded}\n{SECRET[:20]}\n{SECRET[20:]}\n"
    return lines.encode() + boot_report(name)


def with_secret() -> Any:
    user = {"name": "core", "passwordHash": SECRET}
    return node(ignition=pack({"ignition": {"version": "3.3.0"}, "passwd": {"users": [user]}}))


def logs(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    main(["logs", *words])
    return capsys.readouterr().out


# --- history ---------------------------------------------------------------------------------------------------------


def test_a_first_boot_is_kept_without_secrets_and_goes_with_its_node(
    host: FakeLibvirt, capsys: pytest.CaptureFixture[str]
) -> None:
    host.boot = chatty
    made = NODES().create(operation(), with_secret())
    shown = logs(capsys, "web-0", "--uri", URI)
    assert "kernel: hello" in shown
    assert "web-0 of proj/dev on qemu:///system" in shown
    assert "\nready\n" in shown
    kept = [path for path in history.folder().rglob("*") if path.is_file()]
    assert [path.name for path in kept] == ["1.log"]
    text = kept[0].read_text()
    assert "leaked:" in text
    for piece in (SECRET, SECRET[:20], SECRET[20:]):
        assert piece not in text.replace("\n", "")
    assert stat.S_IMODE(kept[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(kept[0].parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(history.folder().stat().st_mode) == 0o700
    NODES().delete(operation(), ID, with_secret(), made.state)
    assert list(history.folder().iterdir()) == []


def test_a_boot_that_failed_is_kept_with_the_reason(host: FakeLibvirt, capsys: pytest.CaptureFixture[str]) -> None:
    host.boot = lambda _name: b"[ 3.0] ignition[400]: Ignition failed: no such disk\n[ 3.1] a last line\n"
    with pytest.raises(BootError):
        NODES().create(operation(), node())
    shown = logs(capsys, "web-0", "--json")
    told = json.loads(shown)
    assert "no such disk" in told["outcome"]
    assert any("Ignition failed" in line for line in told["lines"])
    assert told["uuid"] == UUID


def test_only_the_last_boots_are_kept_and_each_is_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(5):
        recorder = Recorder(node="web-0", uri=URI, owner="proj/dev", uuid=UUID)
        recorder.write(["half"], "booting")
        recorder.write([f"boot {number}", "x" * (1 << 20), "end"], f"ended {number}")
    boots = history.read("web-0")
    assert [boot.about.outcome for boot in boots] == ["ended 4", "ended 3", "ended 2"]
    assert all(boot.lines[-1] == "end" for boot in boots)
    assert sum(path.stat().st_size for path in history.folder().rglob("*.log")) < 3 * 600 * 1024
    assert "ended 3" in logs(capsys, "web-0", "--boot", "2")
    with pytest.raises(SystemExit, match="3 boots are kept"):
        main(["logs", "web-0", "--boot", "4"])


def test_what_is_old_and_broken_files_are_no_trouble() -> None:
    Recorder(node="old-0", uri=URI, owner="proj/dev", uuid="old").write(["x"], "ready")
    ago = time.time() - 100 * 86400
    os.utime(history.folder() / "old" / "1.log", (ago, ago))
    (history.folder() / "odd").mkdir()
    (history.folder() / "odd" / "1.log").write_text("not ours\n")
    Recorder(node="web-0", uri=URI, owner="proj/dev", uuid=UUID).write(["x"], "ready")
    assert [about.node for about in history.known()] == ["web-0"]
    assert not (history.folder() / "old").exists()


def test_a_folder_that_cannot_be_written_fails_no_boot(host: FakeLibvirt, monkeypatch: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert NODES().create(operation(), node()).state.ready


def test_two_nodes_of_one_name_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    Recorder(node="web-0", uri=URI, owner="a/dev", uuid="one").write(["first"], "ready")
    Recorder(node="web-0", uri="qemu+ssh://nas/system", owner="b/dev", uuid="two").write(["second"], "ready")
    with pytest.raises(SystemExit, match="a/dev on qemu:///system, b/dev on qemu\\+ssh://nas/system"):
        main(["logs", "web-0"])
    assert "second" in logs(capsys, "web-0", "--uri", "qemu+ssh://nas/system")
    listed = logs(capsys)
    assert listed.count("web-0") == 2
    with pytest.raises(SystemExit, match="no boot is kept"):
        main(["logs", "web-1"])


# --- the console -----------------------------------------------------------------------------------------------------


def test_a_console_is_shown_until_ctrl_and_the_terminal_is_as_before() -> None:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    console = FakeConsole(b"\x1b[31mhello\x1b]52;c;ZXZpbA==\x07 world\r\n")
    ended: list[bool] = []
    thread = threading.Thread(target=lambda: ended.append(watch(console, theirs, theirs)))  # type: ignore[arg-type]
    thread.start()
    shown = b""
    while b"world" not in shown:
        shown += os.read(ours, 4096)
    during = termios.tcgetattr(theirs)
    assert not during[3] & termios.ECHO
    os.write(ours, b"typed, and sent nowhere")
    time.sleep(0.2)
    assert thread.is_alive()
    os.write(ours, b"\x1d")
    thread.join(10)
    assert ended == [False]
    assert termios.tcgetattr(theirs) == before
    while b"\x1b[?25h" not in shown:
        shown += os.read(ours, 4096)
    assert b"\x1b[31mhello world" in shown  # colours pass, the clipboard does not
    assert b"typed" not in shown
    os.close(ours)
    os.close(theirs)


def test_a_machine_that_ends_ends_the_console_and_a_pipe_gets_clean_lines() -> None:
    source, target = os.pipe()
    console = FakeConsole(b"\x1b[31mred\x1b[0m\r\nplain\r\n")
    console.ended.set()
    silent, _end = os.pipe()
    assert watch(console, silent, target) is True  # type: ignore[arg-type]
    assert os.read(source, 4096) == b"red\nplain\n"
    for descriptor in (source, target, silent, _end):
        os.close(descriptor)


@pytest.mark.parametrize("cut", range(1, 24))
def test_a_title_is_left_out_however_it_is_cut(cut: int) -> None:
    ours, theirs = pty.openpty()
    data = b"a\x1b]0;an evil title\x1b\\bc\x1b[1md"
    screen = Screen(theirs)
    screen.show(data[:cut])
    screen.show(data[cut:])
    shown = b""
    while not shown.endswith(b"d"):
        shown += os.read(ours, 4096)
    assert shown == b"abc\x1b[1md"
    os.close(ours)
    os.close(theirs)


def test_whose_console_it_is(host: FakeLibvirt, monkeypatch: Any) -> None:
    made = NODES().create(operation(), node())
    assert made.state.ready
    with pytest.raises(PlatformError, match="nodes of flatprov there: web-0"):
        look.console(host, "web-7", take_over=False)  # type: ignore[arg-type]
    host.define_domain("other", "<domain><name>other</name><uuid>u</uuid></domain>")
    with pytest.raises(ForeignObjectError):
        look.console(host, "other", take_over=True)  # type: ignore[arg-type]
    host.refuses["watch_console"] = PlatformError("web-0", "says: Active console session exists for this domain")
    with pytest.raises(PlatformError, match="--take-over"):
        look.console(host, "web-0", take_over=False)  # type: ignore[arg-type]
    host.power_off("web-0")
    with pytest.raises(PlatformError, match="does not run"):
        look.console(host, "web-0", take_over=False)  # type: ignore[arg-type]


# --- the bundle ------------------------------------------------------------------------------------------------------

DOMAIN = f"""<domain type="kvm" xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0"><name>web-0</name>
<title>{SECRET}</title><description>{SECRET}</description>
<metadata><flatprov:node xmlns:flatprov="urn:flatprov:node:1" owner="proj/dev" pool="web" config="c" phase="ready"
 version="1" address="10.17.3.20" bootSeconds="1"/><x:y xmlns:x="urn:x">{SECRET}</x:y></metadata>
<memory unit="MiB">1024</memory><vcpu>1</vcpu><uuid>UUID</uuid>
<sysinfo type="fwcfg"><entry name="opt/org.flatcar-linux/config" file="/pool/web-0.ign"/>
<entry name="opt/other">{SECRET}</entry></sysinfo>
<os><type>hvm</type><kernel>/boot/k</kernel><cmdline>token={SECRET}</cmdline><initarg>{SECRET}</initarg></os>
<devices><graphics type="vnc" port="1" passwd="{SECRET}"/><disk type="network"><auth username="{SECRET}">
<secret type="ceph" usage="{SECRET}"/></auth><source protocol="https" name="img" query="sig={SECRET}">
<cookies><cookie name="k">{SECRET}</cookie></cookies></source><serial>{SECRET}</serial></disk>
<disk type="file"><source file="/pool/web-0.qcow2"/><target dev="vda"/></disk>
<interface type="network"><mac address="52:54:00:00:00:01"/><source network="proj-dev"/></interface></devices>
<qemu:commandline><qemu:arg value="{SECRET}"/><qemu:env name="A" value="{SECRET}"/></qemu:commandline></domain>"""
NETWORK = f"""<network xmlns:dnsmasq="http://libvirt.org/schemas/network/dnsmasq/1.0"><name>proj-dev</name>
<metadata><a:b xmlns:a="urn:a">{SECRET}</a:b></metadata><uuid>n</uuid>
<dns><txt name="x" value="{SECRET}"/></dns><ip address="10.17.3.1" netmask="255.255.255.0"><dhcp>
<host mac="52:54:00:00:00:01" name="web-0" ip="10.17.3.20"/></dhcp></ip>
<dnsmasq:options><dnsmasq:option value="{SECRET}"/></dnsmasq:options></network>"""
POOL = f"""<pool type="rbd"><name>default</name><source><host name="nas"/><name>images</name>
<auth type="ceph" username="{SECRET}"><secret uuid="{SECRET}"/></auth><dir path="https://me:{SECRET}@nas/x"/></source>
<target><path>/var/lib/libvirt/images</path></target></pool>"""


def test_xml_keeps_what_helps_and_nothing_secret() -> None:
    shown = [scrub.clean(one) for one in (DOMAIN, NETWORK, POOL)]
    assert SECRET not in "".join(shown)
    for word in ("/pool/web-0.ign", "/pool/web-0.qcow2", "52:54:00:00:00:01", 'owner="proj/dev"', "1024", "/boot/k"):
        assert word in shown[0]
    assert 'ip="10.17.3.20"' in shown[1]
    for word in ("nas", "images", "/var/lib/libvirt/images"):
        assert word in shown[2]


def bundle(*words: str) -> dict[str, str]:
    main(["support", "libvirt", *words])
    path = Path(words[words.index("--output") + 1])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with tarfile.open(path) as archive:
        found = {}
        for entry in archive.getmembers():
            file = archive.extractfile(entry)
            assert file is not None
            found[entry.name.partition("/")[2]] = file.read().decode()
    return found


def test_the_bundle_has_what_helps_and_no_planted_secret(
    host: FakeLibvirt, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host.boot = chatty
    NODES().create(operation(), with_secret())
    host._domains[UUID].xml = DOMAIN.replace("UUID", UUID)
    host._named("proj-dev").xml = NETWORK
    host.storage["default"] = facts.pool(POOL, active=True, autostart=True)
    host.define_domain("foreign", f"<domain><name>foreign</name><uuid>u</uuid><title>{SECRET}</title></domain>")
    files = bundle(URI, "--output", str(tmp_path / "one.tar.gz"))
    assert set(files) == {
        *("README.txt", "doctor.json", "versions.json", "host.json", "domains/web-0.xml", "networks/proj-dev.xml"),
        *("pools/default.xml", "console/web-0-1.log"),
    }
    assert SECRET not in "".join(files.values())
    assert json.loads(files["doctor.json"])["findings"]
    assert json.loads(files["versions.json"])["libvirt-python"][0].isdigit()
    assert "kernel: hello" in files["console/web-0-1.log"]
    other = bundle(URI, "web-1", "--output", str(tmp_path / "two.tar.gz"))
    assert not any(name.startswith(("domains", "console")) for name in other)
    with pytest.raises(SystemExit, match="does not exist yet"):  # nothing is overwritten
        main(["support", "libvirt", URI, "--output", str(tmp_path / "one.tar.gz")])


def test_a_host_that_does_not_answer_still_gives_a_bundle(tmp_path: Path) -> None:
    uri = f"qemu+unix:///system?socket={tmp_path}/none"
    Recorder(node="web-0", uri=uri, owner="proj/dev", uuid=UUID).write(["kept"], "ready")
    files = bundle(uri, "--output", str(tmp_path / "b.tar.gz"))
    assert set(files) == {"README.txt", "doctor.json", "versions.json", "console/web-0-1.log"}
    assert "no socket" in files["doctor.json"]
