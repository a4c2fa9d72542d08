"""``Ignition.from_butane``: its errors, what else people give it, and local files."""

from __future__ import annotations

import gzip
import os
import pickle
from pathlib import Path

import pytest
from butane_cases import FILES

from flatprov.errors import ConfigError
from flatprov.ignition import Ignition, dataurl, render
from flatprov.ignition.butane import Folder, LocalError, Memory, translate

HEAD = "variant: flatcar\nversion: 1.1.0\n"


def refused(text: str | bytes, **options: object) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        Ignition.from_butane(text, **options)  # type: ignore[arg-type]
    return caught.value


def file(contents: str) -> str:
    return f"{HEAD}storage:\n  files:\n    - path: /a\n      contents:\n        {contents}\n"


def test_the_first_error_leads_and_the_others_follow() -> None:
    error = refused(
        HEAD + "storage:\n  files:\n    - path: a\n    - path: /b/\n  links:\n    - path: /c\nsystemd:\n  unitz: []\n"
    )
    assert error.path == "storage.files[0].path"
    assert str(error).splitlines() == [
        "$.storage.files.0.path, line 5 col 13: path not absolute",
        "  error at $.storage.files.1.path, line 6 col 13: path is not fully simplified",
        "  error at $.storage.links.0.target, line 8 col 7: link target is required",
        "  error at $.systemd.unitz, line 10 col 3: unused key unitz. Did you mean units? [unknown-key]",
    ]
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_flood_of_errors_is_cut_off() -> None:
    error = refused(HEAD + "".join(f"k{number}: v\n" for number in range(250)))
    assert len(str(error).splitlines()) == 101
    assert str(error).endswith("and 150 more")


def test_paths_have_the_form_of_every_other_error() -> None:
    assert refused(HEAD + "storage: {files: [{path: /a, mode: [1]}]}").path == "storage.files[0].mode"


def test_warnings_pass_unless_strict() -> None:
    text = HEAD + "storage:\n  files:\n    - path: /a\n      mode: 644\n"
    assert Ignition.from_butane(text).files[0].path == "/a"
    error = refused(text, strict=True)
    assert error.path == "storage.files[0].mode"
    assert "leading zero" in str(error)
    _, report = translate(text)
    assert [(entry.level, entry.where(), entry.line, entry.column) for entry in report][:1] == [
        ("warning", "$.storage.files.0.mode", 6, 13)
    ]


def test_an_unknown_key_is_an_error_that_can_be_silenced() -> None:
    text = HEAD + "passwd:\n  users:\n    - name: core\n      ssh_authorised_keys: [k]\n"
    error = refused(text)
    assert error.path == "passwd.users[0].ssh_authorised_keys"
    assert "line 6 col 7" in str(error)
    assert "Did you mean ssh_authorized_keys?" in str(error)
    assert Ignition.from_butane(text, silence=["unknown-key"]).users[0].name == "core"
    config, report = translate(text)
    assert config["passwd"]["users"] == [{"name": "core"}]
    assert [entry.code for entry in report] == ["unknown-key"]


def test_what_is_loaded_is_typed_and_merges() -> None:
    base = Ignition.from_butane(file('inline: "one"'))
    more = Ignition.from_butane(file('inline: "two"') + "      overwrite: true\n")
    found = render(base + more)["storage"]["files"]
    assert found == [{"path": "/a", "overwrite": True, "contents": {"source": "data:,two", "compression": ""}}]


@pytest.mark.parametrize(
    ("text", "says", "todo"),
    [
        ("#cloud-config\nhostname: a\n", "is a cloud-config, not Butane", "Butane or Ignition config"),
        ("#cloud-config", "is a cloud-config, not Butane", "Butane or Ignition config"),
        ("#!/bin/bash\necho a\n", "is a script, not Butane", "start it from a unit"),
        ("Content-Type: multipart/mixed; boundary=x\n\n--x\n", "MIME multi-part", "Butane or Ignition config"),
        ("MIME-Version: 1.0\n\n--x\n", "MIME multi-part", "Butane or Ignition config"),
        (gzip.compress(b"variant: flatcar"), "compressed with gzip", "Decompress it"),
        ('{"ignition":{"version":"3.3.0"}}', "is Ignition JSON", "Ignition.from_json"),
        ('{\n  "storage": {},\n  "ignition": {"version": "3.3.0"}\n}', "is Ignition JSON", "Ignition.from_json"),
        ('{"ignition":{"version":"2.3.0"}}', "is Ignition JSON", "Ignition.from_json"),
        ("etcd:\n  name: a\n", "Container Linux Config (section etcd)", "etcd-member.service"),
        ("update:\n  group: stable\nlocksmith:\n  x: y\n", "section update, locksmith", "/etc/flatcar/update.conf"),
        ("flannel:\n  x: y\n", "section flannel", "flanneld.service"),
        ("docker:\n  flags: []\n", "section docker", "daemon.json"),
        ("networkd:\n  units: []\n", "section networkd", "/etc/systemd/network"),
        ("passwd:\n  users: []\n", "variant; must be specified", "variant: flatcar and version: 1.1.0"),
        ("version: 1.1.0\n", "variant; must be specified", "variant: flatcar and version: 1.1.0"),
        ("hello: world\n", "variant; must be specified", "if this is Butane"),
        ("variant: fcos\nversion: 1.5.0\n", "Fedora CoreOS", "boot_device"),
        ("variant: openshift\nversion: 4.14.0\n", "OpenShift", "variant: flatcar"),
        ("variant: r4e\nversion: 1.0.0\n", "RHEL for Edge", "variant: flatcar"),
        ("variant: fiot\nversion: 1.0.0\n", "Fedora IoT", "variant: flatcar"),
        ("variant: flatcar\nversion: 1.2.0-experimental\n", "no Flatcar release reads", "1.0.0, 1.1.0"),
        ("variant: flatcar\nversion: 2.0.0\n", "no such version", "1.0.0, 1.1.0"),
        ("", "is empty", "variant: flatcar"),
        ("\n# only a comment\n", "is empty", "variant: flatcar"),
        ("null", "is empty", "variant: flatcar"),
        (b"\xff\xfe\x00", "no UTF-8", "UTF-8"),
        (b"variant: flatcar\nversion: 1.1.0\nstorage: \xe4\n", "line 3", "UTF-8"),
        ("\ud800", "surrogate", "UTF-8"),
        (HEAD + "\x07", "control character", "Remove it"),
        (HEAD + "---\nstorage: {}\n", "line 3 col 1: a second document", "Keep one"),
    ],
)
def test_what_is_no_butane_is_named(text: str | bytes, says: str, todo: str) -> None:
    error = refused(text)
    assert says in str(error)
    assert todo in str(error)


def test_a_byte_order_mark_does_no_harm() -> None:
    assert Ignition.from_butane("\ufeff" + HEAD).version == "3.4.0"
    assert Ignition.from_butane(b"\xef\xbb\xbf" + HEAD.encode()).version == "3.4.0"


def test_values_never_stand_in_an_error() -> None:
    secret = "hunter2-hunter2"
    texts = [
        HEAD + f"passwd: {{users: [{{name: core, uid: {secret}}}]}}",
        HEAD + f"systemd: {{units: [{{name: a.service, enabled: {secret}}}]}}",
        HEAD + f"storage: {secret}",
        HEAD + f"storage: {{files: [{secret}]}}",
        HEAD + f"passwd: {{users: [{{name: core, password_hash: [{secret}]}}]}}",
        HEAD + f'passwd: {{users: [{{name: core, password_hash: "{secret}}}]}}',
        HEAD + f"storage: {{luks: [{{name: a, device: /b, key_file: {{inline: {secret}, source: {secret}}}}}]}}",
        HEAD + f"ignition: {{config: {{merge: [{{inline: '{{\"{secret}'}}]}}}}",
        HEAD + f"storage: !!binary {secret}",
        HEAD + f"storage: *{secret}",
        file(f'inline: !!binary "{secret}?"'),
        f"variant: {secret}\nversion: 1.1.0\n",
        f"variant: flatcar\nversion: {secret}\n",
        f"variant: fcos\nversion: {secret}.5\n",
    ]
    for text in texts:
        assert secret not in str(refused(text)), text
        assert secret not in str(translate(text)[1])
        assert secret not in repr(translate(text)[1])


def contents(ignition: Ignition) -> bytes:
    found = render(ignition)["storage"]["files"][0]["contents"]
    return dataurl.decode(found["source"], found["compression"])


class TestLocalFiles:
    def test_without_a_folder(self) -> None:
        error = refused(file("local: a"))
        assert error.path == "storage.files[0].contents.local"
        assert "files directory" in str(error)

    def test_a_folder_that_is_none(self, tmp_path: Path) -> None:
        assert refused(file("local: a"), files_dir=tmp_path / "no").path == "files_dir"
        (tmp_path / "file").touch()
        assert refused(file("local: a"), files_dir=tmp_path / "file").path == "files_dir"

    def test_relative_to_where_the_program_runs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "d").mkdir()
        (tmp_path / "d" / "a").write_bytes(b"x\0y")
        monkeypatch.chdir(tmp_path)
        assert contents(Ignition.from_butane(file("local: a"), files_dir="d")) == b"x\0y"

    def test_symbolic_links_stay_inside(self, tmp_path: Path) -> None:
        inside, outside = tmp_path / "inside", tmp_path / "inside-not"
        inside.mkdir()
        outside.mkdir()
        (outside / "secret").write_text("outside")
        (inside / "real").write_text("inside")
        (inside / "alias").symlink_to("real")
        (inside / "out").symlink_to("../inside-not/secret")
        (inside / "absolute").symlink_to(outside / "secret")
        (inside / "folder").symlink_to(outside)
        (inside / "loop").symlink_to("loop")
        (inside / "sub").mkdir()
        (inside / "sub" / "up").symlink_to("..")
        assert contents(Ignition.from_butane(file("local: alias"), files_dir=inside)) == b"inside"
        assert contents(Ignition.from_butane(file("local: sub/up/real"), files_dir=inside)) == b"inside"
        for name in ("out", "absolute", "folder/secret", "sub/up/out", "../inside-not/secret", "sub/../../x"):
            error = refused(file(f"local: {name}"), files_dir=inside)
            assert "outside the files directory" in str(error), name
        for name in ("loop", "sub/up/no", "no", "real/x", "x\\0y"):
            error = refused(file(f'local: "{name}"'), files_dir=inside)
            assert error.path == "storage.files[0].contents.local"

    def test_a_folder_that_is_itself_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "there").mkdir()
        (tmp_path / "there" / "a").write_text("x")
        (tmp_path / "here").symlink_to("there")
        assert contents(Ignition.from_butane(file("local: a"), files_dir=tmp_path / "here")) == b"x"

    def test_what_is_no_file_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        assert "no regular file" in str(refused(file("local: pipe"), files_dir=tmp_path))
        tree = HEAD + "storage: {trees: [{local: .}]}"
        assert "trees may only contain" in str(refused(tree, files_dir=tmp_path))

    def test_units_and_keys_must_be_text(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"\xff")
        for text in (
            "systemd: {units: [{name: a.service, contents_local: a}]}",
            "systemd: {units: [{name: a.service, dropins: [{name: a.conf, contents_local: a}]}]}",
            "passwd: {users: [{name: core, ssh_authorized_keys_local: [a]}]}",
        ):
            assert "no UTF-8 text" in str(refused(HEAD + text, files_dir=tmp_path))

    def test_without_a_folder_all_sugar_says_so(self) -> None:
        for text, path in (
            ("systemd: {units: [{name: a.service, contents_local: a}]}", "systemd.units[0].contents_local"),
            (
                "passwd: {users: [{name: core, ssh_authorized_keys_local: [a]}]}",
                "passwd.users[0].ssh_authorized_keys_local",
            ),
            ("storage: {trees: [{local: a}, {local: b}]}", "storage.trees[0]"),
        ):
            error = refused(HEAD + text)
            assert error.path == path
            assert str(error).count("files directory") == 1

    def test_memory_and_a_folder_give_the_same(self) -> None:
        tree = FILES / "tree"
        files = {
            str(one.relative_to(FILES)): one.read_bytes()
            for one in tree.rglob("*")
            if one.is_file() and not one.is_symlink()
        }
        links = {str(one.relative_to(FILES)): os.readlink(one) for one in tree.rglob("*") if one.is_symlink()}
        executable = frozenset(name for name in files if (FILES / name).stat().st_mode & 0o111)
        memory = Memory(files, executable, links)
        for where in ("tree", "tree/etc", "./tree/bin/", "/tree"):
            assert list(memory.walk(where)) == list(Folder(FILES).walk(where))
        for wrong in ("no", "tree/etc/app/app.conf", "..", "tree/../.."):
            for one in (memory, Folder(FILES)):
                with pytest.raises(LocalError):
                    list(one.walk(wrong))
        text = HEAD + "storage: {trees: [{local: tree, path: /opt}]}"
        assert translate(text, files=memory) == translate(text, files=Folder(FILES))

    def test_a_mapping_is_enough(self) -> None:
        config, report = translate(file("local: ./d/../a.txt"), files={"a.txt": "text"})
        assert not report
        assert config["storage"]["files"][0]["contents"]["source"] == "data:,text"

    def test_a_tree_keeps_bytes_modes_and_links(self, tmp_path: Path) -> None:
        (tmp_path / "t" / "z").mkdir(parents=True)
        (tmp_path / "t" / "b").write_bytes(bytes(range(256)))
        (tmp_path / "t" / "z" / "run").write_text("#!/bin/sh\n")
        (tmp_path / "t" / "z" / "run").chmod(0o700)
        (tmp_path / "t" / "z.x").write_text("")
        (tmp_path / "t" / "out").symlink_to("/nowhere/at/all")
        loaded = Ignition.from_butane(HEAD + "storage: {trees: [{local: t, path: /opt}]}", files_dir=tmp_path)
        storage = render(loaded)["storage"]
        assert [(one["path"], one["mode"]) for one in storage["files"]] == [
            ("/opt/b", 0o644), ("/opt/z/run", 0o755), ("/opt/z.x", 0o644)
        ]  # fmt: skip
        assert contents(loaded) == bytes(range(256))
        assert storage["links"] == [{"path": "/opt/out", "target": "/nowhere/at/all"}]
