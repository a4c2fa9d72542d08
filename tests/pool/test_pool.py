"""A node pool as the program registers it. Orders vary, so sets are compared."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pulumi
import pytest

import flatprov as fp
from flatprov import errors, pool
from flatprov.ignition import unpack
from flatprov.platforms.libvirt.settings import IMAGE_TOKEN, NETWORK_TOKEN, NODE_TOKEN

GOLDEN = Path(__file__).with_name("graph.json")
URI = "qemu:///system"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOa3y6BpYo0W/iQcdTwx0+OYaDJ4LBVhpC70gZeRL2nG core"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SECRET_KEY = "4dabf18193072939515e22adb298388d"


@pytest.fixture
def image(tmp_path: Path) -> fp.Image:
    path = tmp_path / "own.raw"
    path.write_bytes(bytes(4096))
    return fp.Image("own", url="https://example.org/own.qcow2", sha512="0" * 128, unsigned=True, ignition="2.24.0")


def lab(**other) -> fp.libvirt.Platform:
    return fp.libvirt.Platform(hosts=[fp.libvirt.Host(URI, name="local")], **other)


def web(image, **other) -> fp.NodePool:
    return fp.NodePool("web", **{"platform": lab(), "image": image, "count": 2, **other})


def test_the_graph_is_api(program, image) -> None:
    """Types, names and parents are in users' states: a change here needs aliases and a new golden file."""

    def body():
        first, release = lab(prefix="x-"), fp.Release("flatcar")
        web = fp.NodePool("web", platform=first, image=image, count=2)
        db = fp.NodePool("db", platform=first, image=release, count=1)
        fp.NodePool("empty", platform=first, image=image, count=0)
        return [web.addresses, db.addresses]

    program.run(body)
    graph = sorted(
        [args.typ, args.name, program.parents[args.name], sorted(args.inputs)]
        for args in program.recorder.seen
        if args.typ != "pulumi:pulumi:Stack"
    )
    found = json.dumps(graph, indent=1) + "\n"
    if not GOLDEN.exists() or found != GOLDEN.read_text():
        GOLDEN.with_suffix(".new").write_text(found)
        pytest.fail("the graph differs from graph.json; see graph.new beside it, and alias what moved", pytrace=False)


def test_a_pool_is_its_nodes_with_one_network_and_one_image(program, image) -> None:
    def body():
        made = web(image, count=3)
        assert [node.name for node in made.nodes] == ["web-0", "web-1", "web-2"]
        return [[node.address, node.host, node.version, node.ready] for node in made.nodes]

    nodes = program.run(body)
    recorded = program.recorder.of(NODE_TOKEN)
    assert set(recorded) == {"web-0", "web-1", "web-2"}
    assert {program.parents[name] for name in recorded} == {"web"}
    assert len(program.recorder.of(NETWORK_TOKEN)) == len(program.recorder.of(IMAGE_TOKEN)) == 1
    assert [found[1:] for found in nodes] == [["fake", "1.2.3", True]] * 3
    assert [found[0] for found in nodes] == [recorded[f"web-{index}"]["address"] for index in range(3)]
    assert all(found["hosts"][0]["image"] == "base" for found in recorded.values())
    assert all(found["pool"] == "web" for found in recorded.values())


def test_two_pools_share_network_and_image_and_no_address(program, image) -> None:
    def body():
        where = lab()
        return [
            fp.NodePool("web", platform=where, image=image, count=4).addresses,
            fp.NodePool("db", platform=where, image=image, count=4).addresses,
        ]

    first, second = program.run(body)
    assert set(first) & set(second) == set()
    assert len(program.recorder.of(NETWORK_TOKEN)) == len(program.recorder.of(IMAGE_TOKEN)) == 1


def test_growing_registers_the_same_inputs_for_those_that_were_there(program, image) -> None:
    program.run(lambda: web(image, count=2).addresses)
    before = program.recorder.of(NODE_TOKEN)
    program.recorder.seen.clear()
    program.run(lambda: web(image, count=3).addresses)
    after = program.recorder.of(NODE_TOKEN)
    assert {name: after[name] for name in before} == before


def test_the_config_is_rendered_once_per_pool(program, image, monkeypatch) -> None:
    calls = []
    real = pool.render
    monkeypatch.setattr(pool, "render", lambda config: calls.append(1) or real(config))

    def body():
        secret = pulumi.Output.secret("words\n")
        return web(image, count=5, ignition=fp.Ignition(files=[fp.File("/etc/a", secret)])).addresses

    program.run(body)
    assert len(calls) == 1
    assert len({str(program.objects[f"web-{index}"].fields["ignition"]) for index in range(5)}) == 1


def is_secret(program, name: str) -> bool:
    field = program.objects[name].fields["ignition"]
    return field.HasField("struct_value") and SECRET_KEY in field.struct_value.fields


@pytest.mark.parametrize(
    ("make", "secret"),
    [
        (lambda: fp.Ignition(), False),
        (lambda: fp.Ignition(files=[fp.File("/etc/motd", "hello\n")]), False),
        (lambda: fp.Ignition(files=[fp.File("/etc/motd", pulumi.Output.from_input("hello\n"))]), False),
        (lambda: fp.Ignition(files=[fp.File("/etc/motd", pulumi.Output.secret("hello\n"))]), True),
        (lambda: fp.Ignition(users=[fp.User("core", password_hash="$6$salt$hash")]), True),
    ],
    ids=["empty", "plain", "output", "secret leaf", "secret by nature"],
)
def test_the_config_is_secret_where_a_leaf_is_or_must_be(program, image, make, secret: bool) -> None:
    program.run(lambda: web(image, ignition=make()).addresses)
    assert {is_secret(program, name) for name in ("web-0", "web-1")} == {secret}


@pytest.mark.parametrize("silence", [(), ("remote-without-hash",)])
def test_warnings_are_told_once_and_can_be_silenced(program, image, monkeypatch, silence) -> None:
    told: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *other, **more: told.append(text))
    fetched = fp.File("/opt/tool", fp.Remote("https://example.org/tool"), mode=0o755)
    program.run(lambda: web(image, ignition=fp.Ignition(files=[fetched], silence=silence)).addresses)
    if silence:
        assert not told
    else:
        (text,) = told
        assert text.startswith("pool web: warning at $.storage.files.0.contents")
        assert text.endswith("[remote-without-hash]")


def test_a_leaf_that_is_not_known_yet_breaks_no_preview_and_what_it_depends_on_is_kept(program, image) -> None:
    def body():
        loop = asyncio.get_event_loop()
        nothing, unknown = loop.create_future(), loop.create_future()
        nothing.set_result(None)
        unknown.set_result(False)
        server = pulumi.CustomResource("test:index:Server", "server")
        token = pulumi.Output.all(server.urn, pulumi.Output(set(), nothing, unknown)).apply(" ".join)
        web(image, count=1, ignition=fp.Ignition(files=[fp.File("/opt/token", token, mode=0o600)]))

    program.run(body, preview=True)
    assert "vcpus" in program.recorder.of(NODE_TOKEN)["web-0"]
    assert program.objects["web-0"].fields["ignition"].string_value == UNKNOWN
    assert program.dependencies["web-0"]["ignition"] == {"server"}


def test_a_source_on_the_oem_partition_is_flatcars_own(program, image) -> None:
    own = fp.Ignition(files=[fp.File("/opt/tool", fp.Remote("oem:///tool", hash=f"sha512-{'0' * 128}"))])
    program.run(lambda: web(image, ignition=own).addresses)
    config = unpack(program.recorder.of(NODE_TOKEN)["web-0"]["ignition"])
    assert any(entry["contents"].get("source") == "oem:///tool" for entry in config["storage"]["files"])


def test_outputs_at_any_leaf_reach_the_config_and_the_hardware(program, image) -> None:
    def body():
        key, memory = pulumi.Output.from_input(KEY), pulumi.Output.from_input("4GiB")
        return web(
            image,
            machine=fp.Machine(memory=memory),
            ignition=fp.Ignition(users=[fp.User("core", ssh_keys=[key])]),
        ).addresses

    program.run(body)
    found = program.recorder.of(NODE_TOKEN)["web-0"]
    assert found["memoryMib"] == 4096
    assert unpack(found["ignition"])["passwd"]["users"][0]["sshAuthorizedKeys"] == [KEY]
    assert "Output" not in json.dumps(found)


def test_the_default_updates_are_immutable_and_the_users_config_wins(program, image) -> None:
    own = fp.Ignition(files=[fp.File("/etc/flatcar/update.conf", "GROUP=mine\n", overwrite=True)])
    program.run(lambda: web(image, ignition=own).addresses)
    config = unpack(program.recorder.of(NODE_TOKEN)["web-0"]["ignition"])
    files = {entry["path"]: entry["contents"]["source"] for entry in config["storage"]["files"]}
    assert files["/etc/flatcar/update.conf"] == "data:,GROUP%3Dmine%0A"
    assert "locksmithd.service" in [unit["name"] for unit in config["systemd"]["units"] if unit.get("mask")]


def test_a_release_is_resolved_by_the_plugin_and_pinned(program) -> None:
    program.run(lambda: web(fp.Release("flatcar", channel="lts")).addresses)
    assert program.recorder.of("flatprov:index:Release")["flatcar"]["channel"] == "lts"
    assert program.recorder.of(IMAGE_TOKEN)["flatcar.local"]["version"] == "4593.2.5"
    assert program.recorder.of(NODE_TOKEN)["web-0"]["version"] == "4593.2.5"


def test_what_a_release_tells(program) -> None:
    def body():
        release = fp.Release("flatcar")
        told = [
            release.flatcar_version, release.release_date, release.max_ignition_spec, release.software,
            release.artifacts, release.file_name("qemu"), release.file_name("metal"),
        ]  # fmt: skip
        return pulumi.Output.all(*told)

    version, date, spec, software, artifacts, qemu, metal = program.run(body)
    assert (version, date, spec) == ("4593.2.5", "2026-08-13 15:48:35 +0000", "3.6.0")
    assert (software["ignition"], software["kernel"]) == ("2.24.0", "6.12.1")
    assert (artifacts["libvirt"], artifacts["metal"]) == (qemu, metal)


def test_overrides_reach_their_node_only(program, image) -> None:
    own = {"web-1": fp.NodeOverride(address="10.17.3.5", mac="52:54:00:AB:CD:EF")}
    program.run(lambda: web(image, overrides=own).addresses)
    found = program.recorder.of(NODE_TOKEN)
    assert (found["web-1"]["address"], found["web-1"]["mac"]) == ("10.17.3.5", "52:54:00:ab:cd:ef")
    assert "mac" not in found["web-0"]


NAME = "x" * 62
BAD = {
    "name": ({"name": "Web"}, errors.ConfigError, "name", "cannot be a host name"),
    "long name": ({"name": NAME}, errors.ConfigError, "name", "at most 63 in all"),
    "count": ({"count": -1}, errors.ConfigError, "count", "count is -1"),
    "count text": ({"count": "3"}, errors.ConfigError, "count", "count is '3'"),
    "count bool": ({"count": True}, errors.ConfigError, "count", "count is True"),
    "memory": ({"machine": fp.Machine(memory="4GB")}, errors.ConfigError, "machine.memory", "'4GB'"),
    "little memory": ({"machine": fp.Machine(memory=512)}, errors.ConfigError, "machine.memory", "Flatcar needs 1024"),
    "vcpus": ({"machine": fp.Machine(vcpus=0)}, errors.ConfigError, "machine.vcpus", "vcpus is 0"),
    "disk": ({"machine": fp.Machine(disk="20G")}, errors.ConfigError, "machine.disk", "'20G'"),
    "timeout": ({"timeouts": fp.Timeouts(boot="20")}, errors.ConfigError, "timeouts.boot", "'20'"),
    "rollout": ({"rollout": fp.Rollout(max_unavailable=0)}, errors.ConfigError, "rollout.max_unavailable", "1 or more"),
    "override of nobody": ({"overrides": {"web-9": fp.NodeOverride()}}, errors.ConfigError, "overrides", "web-9"),
    "address outside": (
        {"overrides": {"web-0": fp.NodeOverride(address="10.99.0.1")}},
        errors.ConfigError,
        "address",
        "not usable in 10.17.3.0/24",
    ),
    "address of the gateway": ({"first_address": "10.17.3.1"}, errors.ConfigError, "address", "not usable"),
    "mac": (
        {"overrides": {"web-0": fp.NodeOverride(mac="01:00:5e:00:00:01")}},
        errors.ConfigError,
        "mac",
        "no unicast",
    ),
    "one mac twice": (
        {"overrides": {name: fp.NodeOverride(mac="52:54:00:00:00:01") for name in ("web-0", "web-1")}},
        errors.DuplicateError,
        "mac",
        "belongs to web-0 already",
    ),
    "one address twice": (
        {"overrides": {name: fp.NodeOverride(address="10.17.3.9") for name in ("web-0", "web-1")}},
        errors.DuplicateError,
        "address",
        "belongs to web-0 already",
    ),
    "spec": (
        {"image": ("9.9.9", "2.14.0"), "ignition": fp.Ignition(files=[fp.File("/a", "x", mode=0o4755)])},
        errors.ConfigError,
        "storage.files[0].mode",
        "spec 3.6.0",
    ),
    "rule of Ignition": (
        {"ignition": fp.Ignition(units=[fp.Unit("app.service", contents="[Service\n")])},
        errors.ConfigError,
        "systemd.units[0].contents",
        "error at $.systemd.units.0.contents: invalid unit content",
    ),
    "finding": (
        {"ignition": fp.Ignition(files=[fp.File("/opt/token", "{{ token }}")])},
        errors.ConfigError,
        "storage.files[0].contents.source",
        "[placeholder]",
    ),
    "not with what flatprov adds": (
        {"ignition": fp.Ignition(links=[fp.Link("/etc/flatcar", "/mnt")])},
        errors.ConfigError,
        "storage.files[0]",
        "with what flatprov adds",
    ),
    "misspelt": ({"counts": 3}, errors.ConfigError, "counts", "Did you mean count?"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_told_at_the_users_own_line_and_nothing_is_registered(program, image, case: str) -> None:
    settings, error, path, text = BAD[case]
    settings = {"name": "web", "platform": lab(), "image": image, "count": 2, **settings}
    if isinstance(settings["image"], tuple):
        settings["image"] = fp.Image(
            "old", url="https://example.org/a.qcow2", sha512="0" * 128, unsigned=True, ignition=settings["image"][1]
        )
    caught = []

    def body():
        with pytest.raises(error) as found:
            fp.NodePool(settings.pop("name"), **settings)
        caught.append(found)

    program.run(body)
    found = caught[0].value
    assert found.path == path
    assert text in str(found)
    assert found.fix
    assert isinstance(found, pulumi.RunError)  # Pulumi prints its message and no stack trace
    assert [args.typ for args in program.recorder.seen] in ([], ["pulumi:pulumi:Stack"])


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda: fp.libvirt.Platform(hosts=[]), "hosts"),
        (lambda: fp.libvirt.Platform(hosts=[fp.libvirt.Host(URI), fp.libvirt.Host(URI)]), "hosts"),
        (lambda: lab(network=fp.libvirt.Network(cidr="10.17.3.0/30")), "cidr"),
        (lambda: fp.Image("own", ignition="2.24.0"), "path"),
        (lambda: fp.Image("own", url="https://x/y", unsigned=True, ignition="2.24.0"), "sha512"),
        (lambda: fp.Image("own", url="https://x/y", sha512="0" * 128), "ignition"),
        (lambda: fp.Image("own", path="nowhere.qcow2", ignition="2.24.0"), "path"),
    ],
)
def test_platforms_and_images_judge_themselves(make, path: str) -> None:
    with pytest.raises(errors.FlatprovError) as caught:
        make()
    assert caught.value.path == path
    assert caught.value.fix


def test_errors_are_run_errors_only_where_pulumi_is_loaded() -> None:
    code = (
        "import sys, flatprov.errors as e\n"
        "assert 'pulumi' not in sys.modules and e.FlatprovError.__mro__[1] is Exception\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    code = "import pulumi, flatprov.errors as e\nassert issubclass(e.FlatprovError, pulumi.RunError)\n"
    subprocess.run([sys.executable, "-c", code], check=True)
