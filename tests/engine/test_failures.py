"""First boots that fail, on the real engine, a real hypervisor and the real Ignition: each says why, and is healed."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from engine_faults import Plugin, boot_sector, processes_in, reporting_text
from engine_host import look, made, virsh
from engine_stack import Done, Stack

from flatprov.ignition import pack

GATEWAY = "10.74.0.1"
SERVED, CLOSED = 8074, 8075
RIGHT = "served from the lab\n"
PROGRAM = '''
import json
import pathlib

import pulumi

import flatprov as fp
from flatprov.ignition import pack_bytes

settings = json.loads(pathlib.Path("settings.json").read_text())
broken = settings["broken"]
standin = fp.Image("standin", unsigned=True, version="4593.2.5", ignition="2.24.0", **settings["standin"])
silent = fp.Image("silent", unsigned=True, version="4593.2.5", ignition="2.24.0", **settings["silent"])
reporting = fp.Image("reporting", unsigned=True, version="4593.2.5", ignition="2.24.0", **settings["reporting"])
platform = fp.libvirt.Platform(
    hosts=[fp.libvirt.Host(settings["uri"], name="local")],
    network=fp.libvirt.Network(cidr="10.74.0.0/24"),
    accelerator=settings["accelerator"],
)
SERVED, CLOSED, RIGHT = settings["served"], settings["closed"], settings["right"]
UNIT = """[Unit]
Description=Of the test
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo I cannot find my socks >&2; exit %d'
[Install]
WantedBy=multi-user.target
"""
CAUSES = {
    "url": fp.Ignition(files=[fp.File("/etc/late", fp.Remote(f"{CLOSED}/right"))]),
    "silent": fp.Ignition(),
    "hash": fp.Ignition(files=[fp.File("/etc/data", fp.Remote(f"{SERVED}/right", hash="sha512-" + "ab" * 64))]),
    "json": fp.Ignition(replace=fp.Remote(f"{SERVED}/garbage")),
    "raw": fp.Ignition(),
    "unit": fp.Ignition(units=[fp.Unit("socks.service", contents=UNIT % 3, enabled=True)]),
}
CURED = {
    "url": CAUSES["url"],
    "hash": fp.Ignition(files=[fp.File("/etc/data", fp.Remote(f"{SERVED}/right", hash=f"sha512-{RIGHT}"))]),
    "unit": fp.Ignition(units=[fp.Unit("socks.service", contents=UNIT % 0, enabled=True)]),
}


def raw_bytes(found):
    """What the program side would refuse: user data that is no config at all."""
    if found.type_ != "flatprov:libvirt:Node":
        return None
    return pulumi.ResourceTransformationResult({**found.props, "ignition": pack_bytes(b"#!/bin/sh\\necho")}, found.opts)


for name in settings["pools"]:
    bad = name in broken
    fp.NodePool(
        name,
        platform=platform,
        image=standin if name != "silent" else silent if bad else reporting,
        machine=fp.Machine(1, "1GiB", "4GiB"),
        ignition=CAUSES[name] if bad else CURED.get(name, fp.Ignition()),
        timeouts=fp.Timeouts(boot={"url": "90s", "silent": "8s"}.get(name, "15m") if bad else "15m"),
        opts=pulumi.ResourceOptions(transformations=[raw_bytes]) if name == "raw" and bad else None,
    )
'''
SERVER = """
import functools, http.server, os, sys, threading
def end():
    sys.stdin.read()
    os._exit(0)
threading.Thread(target=end, daemon=True).start()
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[2])
http.server.ThreadingHTTPServer(("", int(sys.argv[1])), handler).serve_forever()
"""
POOLS = ("url", "silent", "hash", "json", "raw", "unit")
REPORTED_SECONDS = 3.0  # from the console's bytes to the CLI's line; the machine that runs this is busy


@dataclass
class Server:
    """An HTTP server in the lab's network; it ends with its standard input."""

    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, lab: Any, port: int, folder: Path) -> Server:
        process = subprocess.Popen(
            [
                str(Path(__file__).parents[1] / "lab" / "lab.sh"),
                "exec",
                sys.executable,
                "-c",
                SERVER,
                str(port),
                str(folder),
            ],
            env={**os.environ, "LAB": str(lab.root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 30
        while lab.enter(["nc", "-z", "127.0.0.1", str(port)], check=False).returncode:
            assert time.monotonic() < end, "the server does not listen"
            time.sleep(0.2)
        return cls(process)

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)


def timed_up(stack: Stack, *words: str) -> tuple[Done, list[tuple[float, str]]]:
    """An ``up`` whose lines are stamped as they come."""
    begin = time.monotonic()
    with stack.start("up", "--yes", "--skip-preview", *words) as process:
        assert process.stdout is not None
        lines = [(time.time(), line) for line in process.stdout]
    return Done(process.returncode, "".join(line for _, line in lines), time.monotonic() - begin), lines


def told(done: Done, name: str) -> str:
    """What the run says about one node below ``Diagnostics:``."""
    below = done.output.partition("Diagnostics:")[2]
    found = re.search(rf"^  flatprov:libvirt:Node \({name}\):\n(.*?)(?=^  \S|^Resources:|\Z)", below, re.S | re.M)
    assert found, done.output
    return found[1]


@dataclass
class Failed:
    """The stack after the run in which everything failed."""

    lab: Any
    stack: Stack
    plugin: Plugin
    settings: dict[str, Any]
    folder: Path
    run: Done
    lines: list[tuple[float, str]]

    def want(self, broken: Sequence[str], pools: Sequence[str] = POOLS) -> None:
        settings = {**self.settings, "broken": broken, "pools": pools}
        (self.stack.folder / "settings.json").write_text(json.dumps(settings))

    def machines(self) -> dict[str, tuple[str, str, str, str]]:
        """Each node's UUID, address, run number, and what tells its disk from a later one."""
        found = {}
        for name, entry in self.stack.nodes().items():
            xml = virsh(self.lab.uri, "dumpxml", "--inactive", name)
            disk = re.findall(r"<source file='([^']+root\.qcow2)'", xml)[0]
            outputs = entry["outputs"]
            run = virsh(self.lab.uri, "domid", name).strip()
            found[name] = outputs["uuid"], outputs["nodeAddress"], run, made(disk)
        return found


def image(path: Path) -> dict[str, str]:
    return {"path": str(path.resolve()), "sha512": hashlib.sha512(path.read_bytes()).hexdigest()}


@pytest.fixture(scope="module")
def failed(
    lab: Any, pulumi_cli: Path, standin_image: Path, accelerator: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Failed]:
    """One stack with a node for each kind of failure, made in one run that goes on after the first."""
    folder = tmp_path_factory.mktemp("failures")
    (folder / "silent.raw").write_bytes(boot_sector().ljust(1 << 20, b"\0"))
    (folder / "reporting.raw").write_bytes(boot_sector(reporting_text()).ljust(1 << 20, b"\0"))
    served = folder / "served"
    served.mkdir()
    (served / "right").write_text(RIGHT)
    (served / "garbage").write_text("variant: flatcar\nversion: 1.1.0\n")
    before = look(lab)
    plugin = Plugin.make(folder / "plugin")
    stack = Stack(folder / "stack", pulumi_cli, program=PROGRAM, project="failures", plugin=plugin.folder)
    settings = {
        "uri": lab.uri,
        "accelerator": accelerator,
        "standin": image(standin_image),
        "silent": image(folder / "silent.raw"),
        "reporting": image(folder / "reporting.raw"),
        "served": f"http://{GATEWAY}:{SERVED}",
        "closed": f"http://{GATEWAY}:{CLOSED}",
        "right": hashlib.sha512(RIGHT.encode()).hexdigest(),
    }
    server = Server.start(lab, SERVED, served)
    try:
        found = Failed(lab, stack, plugin, settings, folder, Done(0, "", 0), [])
        found.want(broken=POOLS)
        found.run, found.lines = timed_up(stack, "--continue-on-error", "--parallel", "3")
        found.run.failed()
        yield found
    finally:
        server.stop()
        gone = stack.destroy()
    gone.ok()
    assert look(lab) == before
    assert not processes_in(stack.folder)


#: node -> what its error says, beside the console
REASONS = {
    "hash": (
        f"Ignition could not write /etc/data (from http://{GATEWAY}:{SERVED}/right)",
        f"its sha512 is {hashlib.sha512(RIGHT.encode()).hexdigest()[:12]}… but the config says abababababab…",
        "correct verification.hash in the config",
    ),
    "json": ("Ignition cannot read the config: it is not JSON", "give the node a rendered Ignition config"),
    "raw": ("Ignition cannot read the config: it is not JSON", "give the node a rendered Ignition config"),
    "url": (
        "first boot did not finish in 9",
        f"GET http://{GATEWAY}:{CLOSED}/right attempt",
        "connection refused",
        "check the URL, and that the node's network reaches it",
        "raise timeouts.boot",
    ),
    "unit": (
        "socks.service failed: exit status 3",
        "its last line: I cannot find my socks",
        "socks.service: I cannot find my socks",
    ),
    "silent": ("first boot did not finish in 8 s", "the console stayed silent", "console=ttyS0"),
}


@pytest.mark.parametrize("pool", REASONS)
def test_a_failed_first_boot_says_why(failed: Failed, pool: str) -> None:
    said = told(failed.run, f"{pool}-0")
    flat = " ".join(said.split())
    missing = [words for words in REASONS[pool] if words not in flat]
    assert not missing, f"{missing} not in:\n{said}"
    assert "Traceback" not in failed.run.output
    assert "pulumi up" in flat  # what to do next
    shown = re.search(r"the last (\d+) console lines:", flat)
    if pool == "silent":
        assert shown is None, said
    else:
        assert shown is not None, said
        assert int(shown[1]) >= 20, said
        assert said.count("  | ") == int(shown[1]), said


@pytest.mark.parametrize("pool", REASONS)
def test_a_node_that_failed_is_in_the_state(failed: Failed, pool: str) -> None:
    entry = failed.stack.nodes()[f"{pool}-0"]
    assert entry["id"] == f"{failed.lab.uri}|{entry['outputs']['uuid']}"
    assert entry["outputs"]["phase"] == ("booting" if pool in ("url", "silent") else "failed")
    assert entry["outputs"]["ready"] is False


def test_a_failure_is_reported_at_once(failed: Failed) -> None:
    """From the console's bytes that tell of it to the line of the CLI."""
    moments, waited = failed.plugin.moments(), {}
    for name, moment in moments.items():
        shown = next(when for when, line in failed.lines if f"Node {name} " in line and "error:" in line)
        waited[name] = round(shown - moment, 2)
    print(f"seconds from the console's failure to the CLI's line: {waited}")
    assert set(moments) == {"hash-0", "json-0", "raw-0", "unit-0"}
    assert all(seconds < REPORTED_SECONDS for seconds in waited.values()), waited


def test_the_next_up_heals_in_place(failed: Failed) -> None:
    """The causes are gone: the same nodes become ready. The one that waited for a server goes on with the same boot."""
    healed = [pool for pool in POOLS if pool != "raw"]  # it failed as json did, and goes
    failed.want(broken=(), pools=healed)
    before = {name: found for name, found in failed.machines().items() if name != "raw-0"}
    server = Server.start(failed.lab, CLOSED, failed.folder / "served")
    try:
        failed.stack.up("--skip-preview", "--parallel", "3", timeout=840).ok()
    finally:
        server.stop()
    nodes, after = failed.stack.nodes(), failed.machines()
    assert {name: entry["outputs"]["phase"] for name, entry in nodes.items()} == dict.fromkeys(nodes, "ready")
    assert set(nodes) == {f"{pool}-0" for pool in healed}
    assert not [name for name, entry in nodes.items() if entry.get("initErrors")]
    assert {name: found[:2] for name, found in after.items()} == {name: found[:2] for name, found in before.items()}
    assert {name for name in after if after[name] == before[name]} == {"url-0"}  # all others were made anew
    assert not [volume for volume in look(failed.lab).volumes if volume.endswith(".ign")]
    failed.stack.up("--skip-preview", "--expect-no-changes").ok()


# --- secrets ---------------------------------------------------------------------------------------------------------
SECRET_PROGRAM = """
import json
import pathlib

import pulumi

import flatprov as fp

settings = json.loads(pathlib.Path("settings.json").read_text())
secrets = json.loads(pathlib.Path(settings["secrets"]).read_text())
platform = fp.libvirt.Platform(
    hosts=[fp.libvirt.Host(settings["uri"], name="local")],
    network=fp.libvirt.Network(cidr="10.75.0.0/24"),
    accelerator=settings["accelerator"],
)
standin = fp.Image("standin", unsigned=True, version="4593.2.5", ignition="2.24.0", **settings["standin"])
files = [
    fp.File("/etc/plain.key", secrets["plain"], mode=0o600),
    fp.File("/etc/long.key", secrets["long"], mode=0o600),
    fp.File("/etc/wrong", fp.Remote("data:,hello", hash="sha512-" + "ab" * 64)),
]
for name, more in {
    "nature": [],  # a hash and private keys: secret without being told so
    "marked": [fp.File("/etc/marked", pulumi.Output.secret(secrets["marked"]), mode=0o600)],
}.items():
    fp.NodePool(
        name,
        platform=platform,
        image=standin,
        machine=fp.Machine(1, "1GiB", "4GiB"),
        ignition=fp.Ignition(
            users=[fp.User("core", password_hash=secrets["password"])],
            files=[*more, *files],
            silence=["inline-hash"],  # else it is refused before anything exists
        ),
    )
"""


def noise(size: int) -> str:
    return base64.b64encode(os.urandom(size)).decode()


def key(size: int) -> str:
    lines = "\n".join(re.findall(".{1,64}", noise(size)))
    return f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n"


def fragments(secret: str) -> set[str]:
    """Every 12 characters of a secret that give it away: as text, base64 at any alignment, percent-encoded."""
    bare = re.sub(r"-----[A-Z ]+-----", "", secret)
    forms = [*bare.split("\n"), quote(bare, safe="").replace("%0A", "\n")]
    for shift in range(3):
        inner = base64.b64encode(b"\0" * shift + bare.encode())
        forms.append(inner.decode().rstrip("=")[4:-4])
    lines = [line for form in forms for line in form.split("\n")]
    return {line[start : start + 12] for line in lines for start in range(len(line) - 11)}


def unpacked(text: str) -> str:
    """Whatever in a text is gzip in base64, decoded: the form in which configs travel."""
    found = []
    for packed in re.findall(r"H4sI[A-Za-z0-9+/]{40,}={0,2}", text):
        for end in (len(packed), len(packed) // 4 * 4):
            try:
                found.append(gzip.decompress(base64.b64decode(packed[:end])).decode("utf-8", "replace"))
                break
            except (ValueError, OSError, EOFError):
                continue
    return "\n".join(found)


def leaks(secrets: dict[str, str], text: str) -> dict[str, list[str]]:
    """Which secrets a text gives away, with what surrounds the first places."""
    windows = {text[start : start + 12] for start in range(len(text) - 11)}
    found = {}
    for name, secret in secrets.items():
        pieces = sorted(fragments(secret) & windows)
        if pieces:
            found[name] = [text[max(0, text.index(piece) - 150) :][:250] for piece in pieces[:3]]
    return found


SECRETS = {
    "password": f"$6$rounds=4096${noise(9)}${noise(64)}",
    "plain": key(48),
    "long": key(1200),
    "marked": noise(90),
}


def test_a_leak_would_be_found() -> None:
    for name, secret in SECRETS.items():
        bare = "".join(line for line in secret.splitlines() if not line.startswith("-"))
        for form in (bare, base64.b64encode(b"x" + secret.encode()).decode(), quote(bare, safe="")):
            middle = form[len(form) // 2 - 20 : len(form) // 2 + 20]
            assert list(leaks({name: secret}, f"before {middle} after")) == [name], form
        assert list(leaks({name: secret}, unpacked(f"x: {pack({'a': secret})},"))) == [name]


def test_no_secret_gets_out_when_ignition_dumps_the_config(
    lab: Any, pulumi_cli: Path, standin_image: Path, accelerator: str, tmp_path: Path
) -> None:
    (tmp_path / "secrets.json").write_text(json.dumps(SECRETS))
    stack = Stack(tmp_path / "stack", pulumi_cli, program=SECRET_PROGRAM, project="leaky")
    settings = {
        "uri": lab.uri,
        "accelerator": accelerator,
        "standin": image(standin_image),
        "secrets": str(tmp_path / "secrets.json"),
    }
    (stack.folder / "settings.json").write_text(json.dumps(settings))
    try:
        done = stack.up("--skip-preview", "--continue-on-error", "--logtostderr", "-v=9", "--debug")
        assert done.code != 0
        both = {node: told(done, node) for node in ("nature-0", "marked-0")}
        for said in both.values():
            assert "Ignition could not write /etc/wrong" in said, said
            assert "«redacted»" not in said, said  # nothing was left to take out, and nothing else was taken
        # a guest on a loaded host was once seen to lose the dump on its way from the journal to the console
        assert any("ignition: the whole config (left out)" in said for said in both.values()), both
        kept = stack.state_text()
    finally:
        gone = stack.destroy()
    gone.ok()
    for where, text in (("output", done.output), ("state", kept), ("destroy", gone.output)):
        assert not leaks(SECRETS, text), where
    assert not leaks(SECRETS, unpacked(kept))
