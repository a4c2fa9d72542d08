"""Two stacks on one host, a program with Outputs as leaves, and the secrets of both."""

from __future__ import annotations

import base64
import gzip
import os
import re
import subprocess
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from engine_host import look, virsh
from engine_program import PROGRAM, Login, write_settings
from engine_stack import Stack, summary

Settings = Callable[..., dict[str, Any]]
NewStack = Callable[..., Stack]


@pytest.fixture
def new_stack(pulumi_cli: Path, tmp_path: Path) -> Iterator[NewStack]:
    """Stacks of this test; whatever happens, nothing of them stays."""
    made: list[Stack] = []

    def make(project: str, program: str | None = PROGRAM, stack: str = "dev") -> Stack:
        made.append(Stack(tmp_path / f"{project}-{stack}", pulumi_cli, program=program, project=project, stack=stack))
        return made[-1]

    yield make
    for stack in made:
        if stack.resources():
            stack.destroy()


# --- two stacks on one host ------------------------------------------------------------------------------------------


def definitions(lab: Any, names: set[str]) -> dict[str, str]:
    """The domains' persistent definitions."""
    return {name: virsh(lab.uri, "dumpxml", "--inactive", name) for name in names}


def test_two_stacks_on_one_host_do_not_disturb_each_other(lab: Any, settings: Settings, new_stack: NewStack) -> None:
    empty = look(lab)
    first, second = new_stack("shop"), new_stack("shop", stack="prod")
    both = {"network": {"cidr": "10.43.0.0/24"}, "pools": {"web": {"count": 2}}}
    write_settings(first, settings(lab.uri, both))
    first.up("--skip-preview").ok()
    ours = definitions(lab, {"web-0", "web-1"})

    # the same names: refused in the preview, by name of the owner, and nothing is touched
    before = look(lab)
    write_settings(second, settings(lab.uri, {**both, "network": {"cidr": "10.44.0.0/24"}}))
    output = " ".join(second.preview().failed().output.split())
    assert f"web-0: {lab.uri} has a domain of this name that belongs to the stack shop/dev; it was left alone" in output
    assert "set the platform's prefix" in output
    assert (look(lab), definitions(lab, set(ours))) == (before, ours)

    # the same network range: refused too
    write_settings(second, settings(lab.uri, {**both, "platform": {"prefix": "b-"}}))
    output = " ".join(second.preview().failed().output.split())
    assert f"its range 10.43.0.0/24 is in use on {lab.uri}: network shop-dev has 10.43.0.0/24" in output

    # a prefix and another range: both live, on one base image
    write_settings(
        second, settings(lab.uri, {**both, "network": {"cidr": "10.44.0.0/24"}, "platform": {"prefix": "b-"}})
    )
    second.up("--skip-preview").ok()
    host = look(lab)
    assert host.domains == {"web-0", "web-1", "b-web-0", "b-web-1"}
    assert host.networks - empty.networks == {"shop-dev", "shop-prod"}
    assert len([name for name in host.volumes if name.startswith("flatcar-")]) == 1
    assert definitions(lab, set(ours)) == ours
    assert set(summary(first.refresh().ok())) == {"unchanged"}

    # one goes: the other is as it was, the base image its disks stand on included
    theirs = definitions(lab, {"b-web-0", "b-web-1"})
    done = first.destroy().ok()
    assert "still stand on it" in done.output
    host = look(lab)
    assert host.domains == set(theirs)
    assert host.networks - empty.networks == {"shop-prod"}
    assert len([name for name in host.volumes if name.startswith("flatcar-")]) == 1
    assert definitions(lab, set(theirs)) == theirs
    assert set(summary(second.refresh().ok())) == {"unchanged"}
    assert set(summary(second.up().ok())) == {"unchanged"}
    second.destroy().ok()
    assert look(lab) == empty


def test_two_stacks_that_start_at_the_same_moment_share_one_upload(
    lab: Any, settings: Settings, new_stack: NewStack
) -> None:
    empty = look(lab)
    stacks = [new_stack("left"), new_stack("right")]
    for index, stack in enumerate(stacks):
        changes = {"network": {"cidr": f"10.{45 + index}.0.0/24"}, "platform": {"prefix": f"{stack.project}-"}}
        write_settings(stack, settings(lab.uri, changes))
    runs = [stack.start("up", "--yes", "--skip-preview") for stack in stacks]
    for run in runs:
        output, _ = run.communicate(timeout=120)
        assert run.returncode == 0, output
    assert len([name for name in look(lab).volumes if name.startswith("flatcar-")]) == 1
    runs = [stack.start("destroy", "--yes", "--skip-preview") for stack in stacks]
    for run in runs:
        output, _ = run.communicate(timeout=120)
        assert run.returncode == 0, output
    assert look(lab) == empty


def test_the_homelab_stack_needs_only_config(
    lab: Any, image: dict[str, Any], accelerator: str, new_stack: NewStack
) -> None:
    before = look(lab)
    stack = new_stack("homelab", program=None)
    own = {name: value for name, value in image.items() if name != "unsigned"}
    stack.set({"uri": lab.uri, "image": own, "accelerator": accelerator, "cidr": "10.47.0.0/24"})
    assert stack.preview().ok().output.count("flatprov:libvirt:Node: (create)") == 2
    stack.run("config", "set", "count", "3").ok()
    stack.run("config", "set", "prefix", "lab-").ok()
    output = stack.preview().ok().output
    assert output.count("flatprov:libvirt:Node: (create)") == 3
    assert 'name              : "lab-web-2"' in output
    stack.run("config", "set", "memory", "2GB").ok()
    assert "machine.memory is '2GB', which is not understood" in stack.preview().failed().output
    assert look(lab) == before


# --- secrets ---------------------------------------------------------------------------------------------------------

#: What must never be seen. The key is not one, but looks like it to everything that looks.
HASH = "$6$saltsalt$" + "Qx7" * 28 + "Rz"
PRIVATE = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgNotARealKeyAtAllJustText"
KEY = f"-----BEGIN PRIVATE KEY-----\n{PRIVATE}\n-----END PRIVATE KEY-----\n"
TOKEN = "tok-4f1c9d27aa-only-marked-as-secret"

SECRETS = """
import json
import pathlib

import pulumi

import flatprov as fp

settings = json.loads(pathlib.Path("settings.json").read_text())
later = pulumi.Output.from_input("from an Output\\n").apply(lambda text: text.upper())
mark = pulumi.Output.secret if settings["marked"] else lambda value: value
files = [
    fp.File("/etc/later", later),
    fp.File("/etc/app/tls.key", mark(settings["key"]), mode=0o600),
]
if settings["marked"]:
    files.append(fp.File("/etc/app/token", pulumi.Output.concat("token is ", mark(settings["token"]))))
fp.NodePool(
    "safe",
    platform=fp.libvirt.Platform(
        hosts=[fp.libvirt.Host(settings["uri"], name="local")],
        network=fp.libvirt.Network(cidr="10.48.0.0/24"),
        accelerator=settings["accelerator"],
    ),
    image=fp.Image("own", **settings["image"]),
    machine=fp.Machine(1, "1GiB", "4GiB"),
    running=settings["marked"],
    ignition=fp.Ignition(
        users=[fp.User("core", ssh_keys=[settings["ssh"]]), fp.User("admin", password_hash=mark(settings["hash"]))],
        files=files,
    ),
)
"""


def shapes(secret: str) -> list[str]:
    """A secret as text, JSON, a URL and base64 show it (base64 at each of its three offsets, without the seams)."""
    raw = secret.encode()
    found = [line for line in secret.splitlines() if len(line) > 10 and not line.startswith("-----")]
    found += ["".join(f"%{byte:02X}" if not chr(byte).isalnum() else chr(byte) for byte in raw[-36:])]
    for offset in range(3):
        found.append(base64.b64encode(b"\0" * offset + raw).decode()[8:-8])
    return found


def leaks(text: str, secrets: list[str]) -> list[str]:
    """Which secrets a text shows, plainly or inside packed configs (gzip, base64)."""
    texts = [text]
    for packed in re.findall(r"H4sI[A-Za-z0-9+/=]{40,}", text):
        with suppress(ValueError, OSError, EOFError, zlib.error):
            inside = gzip.decompress(base64.b64decode(packed + "=" * (-len(packed) % 4))).decode(errors="replace")
            texts.append(inside)
            texts += [
                gzip.decompress(base64.b64decode(part)).decode(errors="replace")
                for part in re.findall(r"base64,(H4sI[A-Za-z0-9+/=]+)", inside)
            ]
    return [shape for secret in secrets for shape in shapes(secret) if any(shape in found for found in texts)]


def test_the_search_for_leaks_finds_them() -> None:
    packed = base64.b64encode(gzip.compress(f'{{"a": "{HASH}"}}'.encode())).decode()
    assert leaks(packed, [HASH])
    assert leaks(base64.b64encode(b"ab" + KEY.encode()).decode(), [KEY])
    assert leaks(f"x{PRIVATE}", [KEY])
    assert not leaks(packed, [KEY])


def world_readable(root: Path) -> Iterator[Path]:
    """Files below a folder that every user may read."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            with suppress(OSError):
                if path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o004:
                    yield path


def watched(stack: Stack, lab: Any, secrets: list[str], *words: str) -> tuple[str, set[int]]:
    """A run with every log on: its output, and the modes its config volume was seen with. Looks for leaks meanwhile."""
    modes: set[int] = set()
    process, output = stack.start(*words, "--logtostderr", "-v=9", "--debug"), ""
    shown: list[str] = []
    while not output:
        for path in (Path(lab.root) / "pool").glob("*.ign"):
            with suppress(OSError):
                modes.add(path.stat().st_mode & 0o777)
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
                shown += [line.split()[0]] if leaks(line, secrets) else []
        with suppress(subprocess.TimeoutExpired):
            output = process.communicate(timeout=0.3)[0]
    assert not shown
    assert process.returncode == 0, output[-5000:]
    return output, modes


@pytest.mark.parametrize("marked", [False, True], ids=["plain strings", "marked as secrets, in Outputs"])
def test_secrets_show_nowhere_and_arrive(
    marked: bool, lab: Any, login: Login, image: dict[str, Any], accelerator: str, new_stack: NewStack
) -> None:
    before = look(lab)
    stack = new_stack("safe", program=SECRETS)
    secrets = [HASH, KEY] + ([TOKEN] if marked else [])
    given = {"hash": HASH, "key": KEY, "token": TOKEN, "ssh": login.key.public, "marked": marked}
    write_settings(stack, {"uri": lab.uri, "accelerator": accelerator, "image": image, **given})
    output, modes = watched(stack, lab, secrets, "up", "--yes")
    assert modes == {0o600}
    assert not leaks(output, secrets)
    assert not leaks(stack.state_text(), secrets)
    for path in world_readable(Path(lab.root)):
        if path.stat().st_size < 4 << 20:
            assert not leaks(path.read_text(errors="replace"), secrets), path
    for name in ("safe-0",):
        assert not leaks(virsh(lab.uri, "dumpxml", name), secrets)
    if marked:
        address = stack.nodes()["safe-0"]["outputs"]["nodeAddress"]
        text = login.run(
            address,
            "cat /etc/later /etc/app/token; echo; sudo cat /etc/app/tls.key; sudo getent shadow admin | cut -d: -f2",
        )
        assert text == f"FROM AN OUTPUT\ntoken is {TOKEN}\n{KEY}{HASH}\n"
    else:
        assert [path.suffix for path in (Path(lab.root) / "pool").glob("*.ign")] == [
            ".ign"
        ]  # the search had its object
    # changing one secret names its path, not its value
    write_settings(stack, {"uri": lab.uri, "accelerator": accelerator, "image": image, **given, "key": KEY.lower()})
    preview = stack.run("preview", "--diff", "--logtostderr", "-v=9", "--debug").ok().output
    assert "/etc/app/tls.key" in preview
    assert not leaks(preview, [*secrets, KEY.lower()])
    output, _ = watched(stack, lab, secrets, "destroy", "--yes")
    assert not leaks(output, secrets)
    assert not leaks(stack.state_text(), secrets)
    assert look(lab) == before
