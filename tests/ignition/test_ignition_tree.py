"""What is predicted of the disk is what the real engine's files stage makes of it, in a folder of its own.

Needs root, as the engine does: it changes owners and calls useradd. Not run here: contents that are fetched, and
crypttab, which needs encrypted devices (the lab's machine has none either).
"""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ignition_models as models
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ignition_oracle import errors, program

from flatprov import ignition as ign
from flatprov.errors import ConfigError
from flatprov.ignition import render
from flatprov.ignition.budget import Forms
from flatprov.ignition.transport import dumps
from flatprov.ignition.tree import PRESET, Node, tree

BOUNDED = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
ACCOUNTS = {"root": 0, "core": 500}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA62SAoOxQFNmrArQtwOVV+XoKKRCQB0Rpsc0eX7Y7P7 me@here"
#: The engine asks systemd for its version once it has written presets for instances; there is none to ask here.
NO_SYSTEMD = "dial unix /run/systemd/private"
RESULT = "/etc/.ignition-result.json"
INSTALL = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"


BEFORE = {"/dev", "/etc", "/etc/group", "/etc/passwd", "/etc/shadow", "/home", "/home/core", "/root"}


def prepare(root: Path) -> None:
    """Make a root with two accounts."""
    for folder in ("etc", "home/core", "root", "dev"):
        (root / folder).mkdir(parents=True)
    os.chown(root / "home/core", 500, 500)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\ncore:x:500:500::/home/core:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\ncore:x:500:\n")
    (root / "etc/shadow").write_text("root:*:1::::::\ncore:*:1::::::\n")


def made(text: str) -> tuple[dict[str, tuple[Any, ...]], bytes, str]:
    """Run the fetch and files stages; give what is new below the root, the preset, and the log of a failed run."""
    if os.geteuid():
        pytest.fail("the files stage of Ignition needs root: run the tests as root", pytrace=False)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # SSH keys are written as their user
        root = folder / "root"
        prepare(root)
        (folder / "config.ign").write_text(text.replace('"version":"3.6.0"', '"version":"3.6.0-experimental"'))
        log = ""
        for stage in ("fetch", "files"):
            paths = {"config-cache": folder / "cache", "state-file": folder / "state", "neednet": folder / "net"}
            done = subprocess.run(
                [str(program("ignition")), "-platform=file", f"-stage={stage}", "-log-to-stdout", f"-root={root}"]
                + [f"-{option}={path}" for option, path in paths.items()],
                env={
                    "IGNITION_CONFIG_FILE": str(folder / "config.ign"),
                    "IGNITION_SYSTEM_CONFIG_DIR": str(folder / "none"),
                    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                },
                capture_output=True,
                text=True,
                timeout=60,
                umask=0o022,
            )
            log += done.stdout if done.returncode else ""
        preset = root / PRESET.lstrip("/")
        found = {path: entry for path, entry in walk(root) if path not in BEFORE | {RESULT}}
        return found, preset.read_bytes() if preset.exists() else b"", log


def walk(root: Path) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for path in root.rglob("*"):
        about = path.lstat()
        name, owner = f"/{path.relative_to(root)}", (about.st_uid, about.st_gid)
        if stat.S_ISLNK(about.st_mode):
            yield name, ("link", *owner, os.readlink(path))
        elif stat.S_ISDIR(about.st_mode):
            yield name, ("directory", *owner, stat.S_IMODE(about.st_mode))
        else:
            yield name, ("file", *owner, stat.S_IMODE(about.st_mode), path.read_bytes())


def predicted(node: Node) -> tuple[Any, ...]:
    owner = [ACCOUNTS.get(one, one) if isinstance(one, str) else one for one in (node.user, node.group)]
    if node.kind == "link":
        return ("link", *owner, node.target)
    if node.kind == "directory":
        return ("directory", *owner, node.mode)
    return ("file", *owner, node.mode, node.contents)


ACCOUNT_FILES = {f"/etc/{name}" for name in (".pwd.lock", "passwd-", "shadow-", "group-", "gshadow", "gshadow-")}


def compare(config: dict[str, Any], text: str = "") -> None:
    expected = tree(config)
    found, preset, log = made(text or dumps(config))
    assert not log or (NO_SYSTEMD in log and any("@" in line for line in [*expected.enabled, *expected.disabled])), log
    nodes = {path: predicted(node) for path, node in expected.nodes.items() if path not in BEFORE}
    by_lines = {PRESET, *(str(parent) for parent in Path(PRESET).parents)}  # only a disabled unit may bring it
    assert {path: entry for path, entry in found.items() if path not in ACCOUNT_FILES | by_lines} == {
        path: entry for path, entry in nodes.items() if path not in by_lines
    }
    lines = preset.decode().splitlines()
    assert [line for line in lines if line.startswith("enable ")] == [f"enable {unit}" for unit in expected.enabled]
    assert {line for line in lines if line.startswith("disable ")} <= {f"disable {unit}" for unit in expected.disabled}


OWNERS = st.one_of(st.none(), st.sampled_from(["core", "root", ign.Owner(id=7, name="")]), st.integers(1, 9999))
INLINE = models.TEXT | st.binary(max_size=80)
NAMES = st.sampled_from(["a", "b", "c", "a/x", "b/x/y", "deep/er/f", "é ü"])
FILES = st.builds(
    ign.File, NAMES.map("/files/{}.f".format), st.none() | INLINE, mode=models.MODE, user=OWNERS, group=OWNERS,
    append=st.lists(INLINE, max_size=2),
)  # fmt: skip
DIRECTORIES = st.builds(
    ign.Directory, NAMES.map("/{}.d".format) | NAMES.map("/files/{}.d".format), mode=models.MODE, user=OWNERS,
    group=OWNERS,
)  # fmt: skip
LINKS = st.builds(
    ign.Link, NAMES.map("/files/{}.l".format), st.sampled_from(["a.f", "../files/b.f", "/files/a.f", "nothing"]),
    user=OWNERS, group=OWNERS,
)  # fmt: skip
CONFIGS = st.builds(
    ign.Ignition, files=models.unique(FILES, "path"), directories=models.unique(DIRECTORIES, "path"),
    links=models.unique(LINKS, "path", 2), units=models.unique(models.UNITS, "name"),
)  # fmt: skip


@pytest.mark.oracle
@BOUNDED
@given(CONFIGS)
def test_the_engine_makes_what_is_predicted(config: ign.Ignition) -> None:
    rendered = render(config)
    assert errors(rendered) == []
    compare(rendered)


FEATURES = {
    "users": ign.Ignition(
        users=[
            ign.User("core", ssh_keys=[KEY, f"{KEY}2"]),
            ign.User("root", ssh_keys=[KEY]),
        ],
    ),
    "hard link": ign.Ignition(
        files=[ign.File("/opt/deep/a", "x", mode=0o600, user="core")],
        links=[ign.Link("/opt/b", "/opt/deep/a", hard=True)],
    ),
    "special bits before 3.6": ign.Ignition(files=[ign.File("/opt/a", "x", mode=0o4755)], version="3.4.0"),
    "special bits in 3.6": ign.Ignition(
        files=[ign.File("/opt/a", "x", mode=0o4755)], directories=[ign.Directory("/opt/t", mode=0o1777)]
    ),
    "link to a file with an owner": ign.Ignition(
        files=[ign.File("/opt/a", "x", user="core")], links=[ign.Link("/opt/x/l", "../a"), ign.Link("/l", "opt/a")]
    ),
    "compressed": ign.Ignition(files=[ign.File("/opt/a", "long " * 300, append=["more " * 300])]),
    "units": ign.Ignition(
        units=[
            ign.Unit("b.service", contents=INSTALL, dropins=[ign.DropIn("10-a.conf", ""), ign.DropIn("20-b.conf")]),
            ign.Unit("a.service", contents=INSTALL),
            ign.Unit("c.service", mask=True, contents=INSTALL),
            ign.Unit("d.service", mask=False, enabled=False, contents=INSTALL),
            ign.Unit("e.service", contents="", enabled=True),
        ]
    ),
    "instances": ign.Ignition(
        units=[
            ign.Unit("t@.service", contents="[Service]\nExecStart=/bin/true\n"),
            ign.Unit("t@b.service", enabled=True),
            ign.Unit("t@a.service", enabled=True),
            ign.Unit("other.timer", enabled=True),
        ]
    ),
}


@pytest.mark.oracle
@pytest.mark.parametrize("name", FEATURES)
def test_every_feature_of_the_stage(name: str) -> None:
    compare(render(FEATURES[name]))


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["units", "compressed", "users"])
def test_the_gzip_wrapper_makes_the_same(name: str) -> None:
    config = render(FEATURES[name])
    compare(config, Forms(config).wrapped.decode())


@pytest.mark.oracle
def test_a_user_who_is_made_gets_keys_and_files() -> None:
    files = [ign.File("/opt/a", "x", user="me", mode=0o600)]
    config = render(ign.Ignition(users=[ign.User("me", uid=1234, ssh_keys=[KEY])], files=files))
    found, _, log = made(dumps(config))
    assert log == ""
    expected = tree(config).nodes
    for path in ("/home/me/.ssh/authorized_keys.d/ignition", "/opt/a"):
        kind, user, _, mode, contents = found[path]
        assert (kind, user, mode, contents) == ("file", 1234, expected[path].mode, expected[path].contents)
        assert expected[path].user == "me"


def test_a_new_user_gets_the_keys_in_the_home() -> None:
    users = [ign.User("me", ssh_keys=[KEY]), ign.User("you", ssh_keys=[KEY], home_dir="/srv/you"), ign.User("no")]
    nodes = tree(render(ign.Ignition(users=users))).nodes
    assert [path for path, node in nodes.items() if node.kind == "file"] == [
        "/home/me/.ssh/authorized_keys.d/ignition",
        "/srv/you/.ssh/authorized_keys.d/ignition",
    ]
    assert nodes["/srv/you/.ssh/authorized_keys.d/ignition"].user == "you"


def test_remote_contents_are_named_and_not_known() -> None:
    config = render(ign.Ignition(files=[ign.File("/a", ign.Remote("https://h/a"), append=["x"])]))
    assert tree(config).nodes["/a"].contents is None
    assert tree(config).lines() == ["-0644 0:0 /a from https://h/a"]


def test_a_file_below_a_file_is_refused() -> None:
    config = render(ign.Ignition(files=[ign.File("/a", ""), ign.File("/a/b", "")]))
    with pytest.raises(ConfigError, match="/a/b: has to be below /a, which is a file"):
        tree(config)


def test_the_lines_say_all() -> None:
    config = render(FEATURES["units"] + FEATURES["hard link"])
    assert tree(config).lines() == [
        "-0644 0:0 /etc/systemd/system-preset/20-ignition.preset",
        f"-0644 0:0 /etc/systemd/system/a.service {len(INSTALL)} bytes",
        f"-0644 0:0 /etc/systemd/system/b.service {len(INSTALL)} bytes",
        "-0644 0:0 /etc/systemd/system/b.service.d/10-a.conf 0 bytes",
        "l---- 0:0 /etc/systemd/system/c.service -> /dev/null",
        f"-0644 0:0 /etc/systemd/system/d.service {len(INSTALL)} bytes",
        "h0600 core:0 /opt/b 1 bytes -> /opt/deep/a",
        "-0600 core:0 /opt/deep/a 1 bytes",
        "enable a.service",
        "enable b.service",
        "enable e.service",
        "disable d.service",
    ]
