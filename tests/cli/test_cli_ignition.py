"""`flatprov ignition`: what it prints, where, and how it ends."""

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flatprov.cli import main

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA62SAoOxQFNmrArQtwOVV+XoKKRCQB0Rpsc0eX7Y7P7 me@here"
GOOD = '{"ignition":{"version":"3.3.0"},"storage":{"files":[{"path":"/opt/x","contents":{"source":"data:,a%0A"}}]}}'
BUTANE = """variant: flatcar
version: 1.1.0
storage:
  files:
    - path: /opt/x
      contents:
        local: motd
"""


class Run:
    """The command in a folder of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._capsys = folder, capsys
        monkeypatch.chdir(folder)

    def file(self, name: str, text: str | bytes) -> str:
        (self.folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return name

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["ignition", *arguments])
        said = self._capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(tmp_path, capsys, monkeypatch)


def config(**sections: Any) -> str:
    return json.dumps({"ignition": {"version": "3.3.0"}, **sections}, separators=(",", ":"))


def test_a_clean_config_says_nothing(run: Run) -> None:
    assert run("validate", run.file("a", GOOD)) == (0, "", "")


def test_validate_prints_as_the_real_tool(run: Run) -> None:
    name = run.file("a", config(storage={"files": [{"path": "etc/x"}]}))
    assert run("validate", name) == (
        1, "error at $.storage.files.0.path, line 1 col 61: path not absolute\n", "",
    )  # fmt: skip


def test_several_files_are_told_apart(run: Run) -> None:
    names = [run.file("bad", config(storage={"files": [{"path": "x"}]})), run.file("good", GOOD)]
    status, out, _ = run("validate", *names)
    assert (status, out.splitlines()) == (
        1, ["bad: error at $.storage.files.0.path, line 1 col 61: path not absolute"],
    )  # fmt: skip


def test_findings_are_on_by_default_and_silenced_by_code(run: Run) -> None:
    remote = {"path": "/opt/x", "contents": {"source": "https://h/x"}}
    name = run.file("a", config(storage={"files": [remote]}))
    status, out, _ = run("validate", name)
    assert status == 0
    assert "warning at $.storage.files.0.contents" in out
    assert "[remote-without-hash]" in out
    assert run("validate", "--strict", name)[0] == 1
    silenced = run("validate", "--strict", "--silence", "remote-without-hash", name)
    assert silenced[0] == 0
    assert "remote-without-hash" not in silenced[1]


def test_json_holds_all_of_an_entry(run: Run) -> None:
    name = run.file("a", config(storage={"files": [{"path": "x"}]}))
    status, out, _ = run("validate", "--json", name)
    assert status == 1
    assert json.loads(out) == {
        "valid": False,
        "entries": [
            {"level": "error", "path": "$.storage.files.0.path", "message": "path not absolute", "code": "", "fix": "",
             "line": 1, "column": 61},
        ],
    }  # fmt: skip


def test_butane_is_recognised_and_its_local_files_are_read(run: Run) -> None:
    run.file("motd", "hello\n")
    name = run.file("a.yaml", BUTANE)
    status, out, err = run("render", "--files-dir", ".", name)
    assert (status, err) == (0, "")
    assert json.loads(out)["storage"]["files"] == [
        {"path": "/opt/x", "contents": {"compression": "", "source": "data:,hello%0A"}}
    ]
    status, out, err = run("render", name)
    assert (status, out) == (1, "")
    assert err.startswith("error at $.storage.files.0.contents.local, line 7 col ")
    assert "files directory" in err


def test_butane_written_as_json_is_butane(run: Run) -> None:
    name = run.file("a", '{"variant": "flatcar", "version": "1.0.0"}')
    assert run("render", name) == (0, '{"ignition":{"version":"3.3.0"}}\n', "")


def test_render_keeps_what_is_explicit_and_prints_nothing_where_it_is_wrong(run: Run) -> None:
    unit = {"name": "a.service", "enabled": False, "contents": ""}
    text = config(systemd={"units": [unit]})
    assert json.loads(run("render", run.file("a", text))[1])["systemd"]["units"] == [unit]
    pretty = run("render", "--pretty", "a")[1]
    assert pretty.startswith('{\n  "ignition": {\n')
    assert json.loads(pretty) == json.loads(text)
    status, out, err = run("render", run.file("b", config(storage={"files": [{"path": "x"}]})))
    assert (status, out) == (1, "")
    assert "path not absolute" in err


def test_standard_input(tmp_path: Path) -> None:
    done = subprocess.run(command("render", "-"), input=GOOD, capture_output=True, text=True)
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, json.loads(GOOD), "")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "flatprov.cli", "ignition", *arguments]


def test_the_platform_gives_a_line_for_each_of_its_carriers(run: Run) -> None:
    name = run.file("a", GOOD)
    status, out, _ = run("validate", "--platform", "azure", name)
    assert status == 0
    assert [line.split(":")[:2] for line in out.splitlines()] == [["info", " azure"], ["info", " azure-custom-data"]]
    noise = base64.b64encode(os.urandom(40_000)).decode()
    large = run.file("b", config(storage={"files": [{"path": "/x", "contents": {"source": f"data:;base64,{noise}"}}]}))
    status, out, _ = run("validate", "--platform", "aws", large)
    assert status == 1
    assert "EC2 user data takes 16,384" in out
    assert "/x 5" in out
    assert run("render", "--fit", "--platform", "gcp", large)[0] == 0


def test_fit_prints_what_the_carrier_takes(run: Run) -> None:
    status, out, err = run("render", "--fit", "--platform", "vmware", run.file("a", GOOD))
    assert status == 0
    assert json.loads(gzip.decompress(base64.b64decode(out))) == json.loads(GOOD)
    assert "sent as gzip+base64" in err


def test_the_tree(run: Run) -> None:
    assert run("render", "--tree", run.file("a", GOOD)) == (0, "-0644 0:0 /opt/x 2 bytes\n", "")


@pytest.mark.parametrize("target", ["4081.3.10", "2.19.0"])
def test_a_target_that_cannot_read_the_config_is_named(run: Run, target: str) -> None:
    luks = {"name": "a", "device": "/dev/a", "cex": {"enabled": False}}
    text = json.dumps({"ignition": {"version": "3.5.0"}, "storage": {"luks": [luks]}})
    status, out, _ = run("validate", "--target", target, run.file("a", text))
    assert status == 1
    said = out.splitlines()[-1]
    assert "$.storage.luks.0.cex" in said
    assert "3.5.0" in said
    assert target in said
    assert run("validate", "--target", "4593.2.5", "a")[0] == 0


def test_merging_names_the_files_of_a_conflict(run: Run) -> None:
    one = run.file("one", config(storage={"files": [{"path": "/opt/x", "user": {"name": "core"}}]}))
    two = run.file("two", config(storage={"files": [{"path": "/opt/x", "user": {"id": 5}}]}))
    status, out, err = run("merge", one, two)
    assert (status, out) == (1, "")
    assert err == "error at $.storage.files.0.user: cannot set both id and name: id from two, name from one\n"
    three = run.file("three", config(storage={"files": [{"path": "/opt/x", "mode": 384}]}))
    status, out, err = run("merge", one, three)
    assert (status, err) == (0, "")
    assert json.loads(out)["storage"]["files"] == [{"path": "/opt/x", "user": {"name": "core"}, "mode": 384}]


def test_a_difference_is_shown_and_ends_well_unless_asked(run: Run) -> None:
    one = run.file("one", GOOD)
    two = run.file("two", GOOD.replace("data:,a%0A", "data:,b%0A").replace('"/opt/x"', '"/opt/x","mode":384'))
    expected = (
        "storage.files[/opt/x].contents\n  @@ -1 +1 @@\n  -a\n  +b\nstorage.files[/opt/x].mode: (not set) -> 0600\n"
    )
    assert run("diff", one, two) == (0, expected, "")
    assert run("diff", "--exit-code", one, two)[0] == 1
    assert run("diff", "--exit-code", one, one) == (0, "", "")
    found = json.loads(run("diff", "--json", one, two)[1])
    assert [change["path"] for change in found] == ["storage.files[/opt/x].contents", "storage.files[/opt/x].mode"]


def test_secrets_are_masked_in_a_difference(run: Run) -> None:
    hashes = ["$6$abcdefgh$" + "x" * 86, "$6$abcdefgh$" + "y" * 86]
    names = [
        run.file(str(number), config(passwd={"users": [{"name": "core", "passwordHash": one}]}))
        for number, one in enumerate(hashes)
    ]
    out = run("diff", *names)[1]
    assert out == "passwd.users[core].passwordHash: (secret) -> (secret)\n"


def test_the_schema_is_printed(run: Run) -> None:
    assert json.loads(run("schema", "--spec", "3.4.0")[1])["title"] == "Ignition config, spec 3.4.0"
    assert json.loads(run("schema")[1])["$schema"].startswith("https://json-schema.org/draft/2020-12")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["validate"], "FILE"),
        (["nothing"], "invalid choice"),
        (["validate", "--target", "latest", "a"], "is no version"),
        (["validate", "--target", "2605.0.0", "a"], "reads no Ignition config of spec 3"),
        (["validate", "--platform", "ec2", "a"], "use one of qemu, aws"),
        (["validate", "--silence", "remote-without-hsh", "a"], "did you mean remote-without-hash"),
        (["render", "--fit", "a"], "give --platform too"),
        (["schema", "--spec", "2.3.0"], "use one of 3.0.0"),
        (["diff", "a"], "FILE"),
    ],
)
def test_wrong_usage_ends_with_2(run: Run, arguments: list[str], says: str) -> None:
    run.file("a", GOOD)
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert says.lower() in err.lower()
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "empty"),
        (b"#cloud-config\nusers: []\n", "is a cloud-config"),
        (b"etcd: {}\nstorage: {}\n", "Container Linux Config"),
        (b'{"ignition":{"version":"3.3.0"} // a comment\n}', "JSON has no comments"),
        (b"\xff\xfe{", "UTF-8"),
        (b"[" * 100_000, "depth"),
        (b'{"ignition":{"version":"2.3.0"}}', "version"),
        (b"variant: flatcar\nversion: 1.1.0\nstorage: &a [*a]\n", "error"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"null", "error"),
    ],
)
@pytest.mark.parametrize("action", ["validate", "render"])
def test_what_is_no_config_is_said_in_lines(run: Run, action: str, text: bytes, says: str) -> None:
    status, out, err = run(action, run.file("a", text))
    assert status == 1
    said = out if action == "validate" else err
    assert says.lower() in said.lower()
    assert (err if action == "validate" else out) == ""
    assert "Traceback" not in said
    assert all(line.startswith(("error", "warning")) for line in said.splitlines())


@pytest.mark.parametrize("name", ["missing", ".", "nul\0name"])
def test_what_cannot_be_read_is_one_line(run: Run, name: str) -> None:
    status, out, err = run("validate", name)
    assert (status, out) == (1, "")
    assert "cannot be read" in err
    assert len(err.splitlines()) == 1


def test_half_a_surrogate_pair_survives(run: Run) -> None:
    text = config(systemd={"units": [{"name": "a.service", "contents": "#"}]}).replace('"#"', r'"#\ud800"')
    status, out, _ = run("render", run.file("a", text))
    assert status == 0
    assert json.loads(out) == json.loads(text)


def test_a_terminal_is_not_obeyed(run: Run) -> None:
    name = run.file("a", config(storage={"files": [{"path": "/a\x1b[2J", "contents": {"source": "data:,a"}}]}))
    other = run.file("b", config(storage={"files": [{"path": "/a\x1b[2J", "contents": {"source": "data:,%1Bc"}}]}))
    assert "\x1b" not in run("diff", name, other)[1]
    wrong = run.file("c", config(storage={"files": [{"path": "/a", "\x1b[2J": 1}]}))
    assert "\x1b" not in run("validate", wrong)[1]


def test_a_broken_pipe_is_quiet(tmp_path: Path) -> None:
    text = config(storage={"files": [{"path": f"/opt/{'x' * 90}/{number}"} for number in range(3000)]})
    (tmp_path / "a").write_text(text)
    with subprocess.Popen(
        command("render", str(tmp_path / "a")), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_a_fault_of_ours_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret value")

    monkeypatch.setattr("flatprov.ignition.readable.changes", fault)
    name = run.file("a", GOOD)
    status, out, err = run("diff", name, name)
    assert (status, out) == (1, "")
    assert "ZeroDivisionError" in err
    assert "secret" not in err


@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
def test_rendering_loads_neither_pulumi_nor_the_network(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.json").write_text(GOOD)
    (tmp_path / "a.yaml").write_text("variant: flatcar\nversion: 1.1.0\n")
    program = (
        "import sys\nfrom flatprov.cli import main\n"
        f"try:\n    main(['ignition', 'render', {str(tmp_path / name)!r}])\n"
        "except SystemExit as ended:\n    assert not ended.code\n"
        "heavy = {'pulumi', 'grpc', 'google', 'msgspec', 'jinja2', 'httpx', 'pysequoia', 'libvirt', 'asyncio', "
        "'socket', 'ssl', 'subprocess', 'threading', 'tempfile', 'typing_extensions', 'email', 'jsonschema', "
        "'shutil', 'lzma', 'bz2', 'hashlib'}\n"
        "print(sorted(heavy & {one.partition('.')[0] for one in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "[]\n")
