"""Mistakes are refused where they are made, outputs are left alone, and the JSON is exact."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatprov import ignition as ign
from flatprov.errors import ConfigError
from flatprov.ignition import dataurl

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA62SAoOxQFNmrArQtwOVV+XoKKRCQB0Rpsc0eX7Y7P7 me@here"
UNIT = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"


class Later:
    """Stands for a Pulumi output: whoever looks into it is wrong."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"an output was asked for {name}")

    def __iter__(self) -> Any:
        raise AssertionError("an output was iterated")

    def __bool__(self) -> bool:
        raise AssertionError("an output was used as a truth value")


LATER: Any = Later()
MISTAKES: list[tuple[str, str, Callable[[], object]]] = [
    ("files[etc/motd].path", "not absolute", lambda: ign.File("etc/motd", "")),
    ("files[/etc//motd].path", "a part that is empty", lambda: ign.File("/etc//motd", "")),
    ("files[/etc/motd].mode", "Write 0o644", lambda: ign.File("/etc/motd", "", mode=644)),
    ("files[/etc/motd].mode", "no file mode", lambda: ign.File("/etc/motd", "", mode=0o10000)),
    ("files[/etc/motd].mode", "must be an integer", lambda: ign.File("/etc/motd", "", mode="0644")),  # type: ignore[arg-type]
    ("files[/etc/motd].contents", "must be text, bytes or Remote", lambda: ign.File("/etc/motd", 5)),  # type: ignore[arg-type]
    ("files[/etc/motd].user", "must be a name", lambda: ign.File("/etc/motd", user=True)),
    ("files[/etc/motd].compression", "inline", lambda: ign.File("/etc/motd", ign.Remote("http://a"), compression="")),
    ("directories[/d].mode", "Write 0o755", lambda: ign.Directory("/d", mode=755)),
    ("links[/l].target", "is empty", lambda: ign.Link("/l", "")),
    ("owner", "cannot set both", lambda: ign.Owner(id=1, name="core")),
    ("units[app.servce].name", "no name of a systemd unit", lambda: ign.Unit("app.servce")),
    ("units[a.service].enabled", "must be a boolean", lambda: ign.Unit("a.service", enabled="yes")),  # type: ignore[arg-type]
    ("dropins[10-x].name", ".conf", lambda: ign.DropIn("10-x", "")),
    ("users[core].ssh_keys", "must be a list", lambda: ign.User("core", ssh_keys=KEY)),
    ("users[core].ssh_keys[0]", "no OpenSSH public key", lambda: ign.User("core", ssh_keys=["~/.ssh/id.pub"])),
    ("users[core].ssh_keys[0]", "cut short", lambda: ign.User("core", ssh_keys=[KEY[:60]])),
    ("users[core].ssh_keys[0]", "private key", lambda: ign.User("core", ssh_keys=["-----BEGIN PRIVATE KEY-----"])),
    ("users[core].uid", "must be an integer", lambda: ign.User("core", uid=True)),
    ("disks[sda].device", "not absolute", lambda: ign.Disk("sda")),
    ("disks[/dev/a].partitions[0]", "class for partition", lambda: ign.Disk("/dev/a", partitions=[{}])),  # type: ignore[list-item]
    ("partitions[?].number", "is missing", lambda: ign.Partition()),
    ("raid[r].level", "no RAID level", lambda: ign.Raid("r", level="raid7")),
    ("filesystems[/dev/a].format", "ext4", lambda: ign.Filesystem("/dev/a", format="ext3")),
    ("luks[a/b].name", "slash", lambda: ign.Luks("a/b", device="/dev/a")),
    ("contents.hash", "sha512", lambda: ign.Remote("http://a", hash="md5-00")),
    ("contents.headers", "hold strings", lambda: ign.Remote("http://a", headers={"a": 1})),  # type: ignore[dict-item]
    ("luks[a].clevis", "class for clevis", lambda: ign.Luks("a", clevis=ign.Tang("http://a"))),  # type: ignore[arg-type]
    ("contents.headers", "http", lambda: ign.Remote("s3://a/b", headers={"a": "b"})),
    ("files[0]", "is a User, not a File", lambda: ign.Ignition(files=[ign.User("core")])),  # type: ignore[list-item]
    ("files", "must be a list", lambda: ign.Ignition(files=ign.File("/a"))),  # type: ignore[arg-type]
    ("version", "no stable spec version", lambda: ign.Ignition(version="3.9.0")),
]


@pytest.mark.parametrize(("path", "says", "make"), MISTAKES, ids=[f"{path} {says}" for path, says, _ in MISTAKES])
def test_a_mistake_is_refused_where_it_is_made(path: str, says: str, make: Callable[[], object]) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert caught.value.path == path
    assert says.lower() in str(caught.value).lower()


@pytest.mark.parametrize(
    "key",
    [
        KEY,
        KEY + "\n",
        f"{KEY} and my ssh-rsa key",
        f'from="10.0.0.0/8",no-pty {KEY}',
        f"# mine\n{KEY}",
        "# only a comment",
    ],
)
def test_a_line_of_authorized_keys_is_accepted(key: str) -> None:
    assert ign.User("core", ssh_keys=[key]).ssh_keys == [key]


PUBLIC = [getattr(ign, name) for name in ign.__all__]
PARTS = [part for part in PUBLIC if isinstance(part, type) and dataclasses.is_dataclass(part)]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_an_output_may_stand_at_every_leaf_and_is_not_looked_at(part: type) -> None:
    names = [field.name for field in dataclasses.fields(part) if field.name not in ("version", "_")]
    made = part(**dict.fromkeys(names, LATER))
    assert dataclasses.replace(made) is not made


def test_an_output_that_reaches_the_renderer_is_named() -> None:
    config = ign.Ignition(users=[ign.User("core", ssh_keys=[KEY, LATER])])
    with pytest.raises(ConfigError) as caught:
        ign.render(ign.Ignition() + config)
    assert caught.value.path == "users[core].ssh_keys[1]"


def test_the_json_is_exact() -> None:
    config = ign.Ignition(
        users=[ign.User("core", ssh_keys=[KEY], groups=())],
        files=[ign.File("/etc/motd", "hello\n", mode=0o644, user=0, group="wheel", overwrite=False)],
        units=[ign.Unit("app.service", contents=UNIT, dropins=[ign.DropIn("a.conf", "")])],
    )
    assert config.to_json() == (
        '{"ignition":{"version":"3.3.0"},"passwd":{"users":[{"name":"core","sshAuthorizedKeys":["' + KEY + '"]}]},'
        '"storage":{"files":[{"contents":{"compression":"","source":"data:,hello%0A"},"group":{"name":"wheel"},'
        '"mode":420,"overwrite":false,"path":"/etc/motd","user":{"id":0}}]},"systemd":{"units":[{"contents":'
        + json.dumps(UNIT)
        + ',"dropins":[{"contents":"","name":"a.conf"}],"enabled":true,"name":"app.service"}]}}'
    )


@pytest.mark.parametrize(
    ("unit", "starts"),
    [
        (ign.Unit("a.service", contents=UNIT), True),
        (ign.Unit("a.service", contents="[Service]\n[Install]\n# WantedBy=x\n"), None),
        (ign.Unit("a.service", contents=UNIT, mask=True), None),
        (ign.Unit("a.service", contents=UNIT, enabled=False), False),
        (ign.Unit("a.service", contents=UNIT, enabled=None), None),
        (ign.Unit("a@.service", contents=UNIT), None),
        (ign.Unit("a@.service", contents=UNIT + "DefaultInstance=b\n"), True),
        (ign.Unit("a.service"), None),
    ],
)
def test_a_unit_with_an_install_section_is_enabled(unit: ign.Unit, starts: bool | None) -> None:
    [rendered] = ign.render(ign.Ignition(units=[unit]))["systemd"]["units"]
    assert rendered.get("enabled") is starts


@pytest.mark.parametrize(
    ("config", "version"),
    [
        (ign.Ignition(), "3.3.0"),
        (ign.Ignition(luks=[ign.Luks("a", device="/dev/a", discard=False)]), "3.4.0"),
        (ign.Ignition(files=[ign.File("/a", ign.Remote("arn:aws:s3:::b/k"))]), "3.4.0"),
        (ign.Ignition(luks=[ign.Luks("a", device="/dev/a", cex=True)]), "3.5.0"),
        (ign.Ignition(files=[ign.File("/a", mode=0o4755)]), "3.6.0"),
        (ign.Ignition(files=[ign.File("/a", mode=0o4755)], version="3.4.0"), "3.4.0"),
        (ign.Ignition(version="3.0.0"), "3.3.0"),
        (ign.Ignition(version="3.5.0") + ign.Ignition(), "3.5.0"),
    ],
)
def test_the_lowest_version_that_holds_the_features(config: ign.Ignition, version: str) -> None:
    assert ign.render(config)["ignition"]["version"] == version


def test_merging_is_done_in_the_order_of_the_sum() -> None:
    first = ign.Ignition(links=[ign.Link("/b", "x", overwrite=True)])
    second = ign.Ignition(files=[ign.File("/b", "y")])
    third = ign.Ignition(links=[ign.Link("/b", "z")])
    assert ign.render(first + second + third)["storage"] == {"links": [{"path": "/b", "target": "z"}]}
    [link] = ign.render(first + (second + third))["storage"]["links"]
    assert link == {"path": "/b", "target": "z", "overwrite": True}


def test_what_is_loaded_is_kept_even_where_it_looks_odd() -> None:
    text = (
        '{"ignition":{"version":"3.3.0"},"passwd":{"users":[{"name":"core","sshAuthorizedKeys":["@KEY@"]}]},'
        '"storage":{"files":[{"mode":644,"path":"/a"}]},"systemd":{"units":[{"contents":' + json.dumps(UNIT) + ","
        '"name":"a.service"}]}}'
    )
    loaded = ign.Ignition.from_json(text)
    assert dataclasses.replace(loaded, users=[dataclasses.replace(loaded.users[0])]).to_json() == text
    assert ign.Ignition.from_json(json.loads(text)) == ign.Ignition.from_json(text.encode()) == loaded


@given(st.binary(max_size=300) | st.text("ab \n", max_size=300).map(str.encode))
def test_a_data_url_gives_its_bytes_back(data: bytes) -> None:
    source, compression = dataurl.encode(data)
    assert dataurl.decode(source, compression) == data
    source, compression = dataurl.encode(data, "")
    assert (dataurl.decode(source), compression) == (data, "")


@pytest.mark.parametrize(
    ("data", "compression", "source"),
    [
        (b"", "", "data:,"),
        (b"a b/c~*'()", "", "data:,a%20b%2Fc~*'()"),
        (b"\xff" * 6, "", "data:;base64,////////"),
        (b"a" * 100, "gzip", None),
    ],
)
def test_the_encoder_takes_the_shortest_form(data: bytes, compression: str, source: str | None) -> None:
    found, said = dataurl.encode(data)
    assert said == compression
    assert source is None or found == source
    if said == "gzip":
        assert gzip.decompress(base64.b64decode(found.partition(",")[2])) == data


@pytest.mark.parametrize(
    "source",
    [
        "data:",
        "data:a,x",
        "data:, ",
        "data:,é",
        "data:,%4",
        "data:;base64,a",
        "data:;base64,_-==",
        "http://a",
        "DATA:,x",
    ],
)
def test_a_malformed_data_url_is_refused(source: str) -> None:
    with pytest.raises(ConfigError):
        dataurl.decode(source)


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=4), st.binary(max_size=200))
def test_what_is_packed_comes_back(config: dict[str, Any], data: bytes) -> None:
    assert ign.unpack(ign.pack(config)) == config
    assert ign.pack(dict(reversed(config.items()))) == ign.pack(config)
    assert ign.unpack_bytes(ign.pack_bytes(data)) == data


@pytest.mark.parametrize("text", ["", "%%", "aGVsbG8=", ign.pack_bytes(b"hello")[:-8] + "AAAAAAA="])
def test_a_damaged_package_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        ign.unpack(text)


def test_every_public_name_is_exported() -> None:
    assert all(hasattr(ign, name) for name in ign.__all__)
    assert {part.__name__ for part in PARTS} <= set(ign.__all__)


@pytest.mark.parametrize(
    ("silence", "says"),
    [
        (["remote-without-hsh"], "did you mean remote-without-hash"),
        ("os-file", "must be a list"),
        ([3], "there is no finding"),
        ([["os-file"]], "there is no finding"),
        (3, "must be a list"),
    ],
)
def test_what_cannot_be_silenced_is_told_where_it_is_written(silence: Any, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ign.Ignition(silence=silence)
    assert caught.value.path == "silence"
    assert says in str(caught.value).replace("Did", "did")


def test_layers_silence_together() -> None:
    both = ign.Ignition(silence=["os-file"]) + ign.Ignition(silence=("file-exists",))
    assert both.silenced() == {"os-file", "file-exists"}
