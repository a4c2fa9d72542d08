"""A secret is found in a config, and taken out of what the console shows of it."""

from __future__ import annotations

import base64
import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatprov.ignition import (
    Clevis,
    ClevisCustom,
    File,
    Ignition,
    Luks,
    Redactor,
    Remote,
    Unit,
    User,
    is_sensitive,
    render,
    secret_leaves,
)
from flatprov.ignition.redaction import GRAM, MARK

PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIA5N3D9UdQn4Vv1bq0b4vE8oZ1r7Gk1J\nAoGCCqGSM49AwEHoUQDQgAE\n-----END\n"
CONSOLE = (
    "[    1.20] systemd[1]: Started dracut-cmdline.service\n"
    '[    2.31] ignition[812]: files: createFilesystemsFiles: createFiles: op(3): [started]  writing file "/etc/a"\n'
    "[\x1b[0;32m  OK  \x1b[0m] Reached target multi-user.target\r\n"
    "node-1 login: core\n"
)


@pytest.mark.parametrize(
    ("config", "secret"),
    [
        (Ignition(users=[User("core", password_hash="$6$abc$defghijkl")]), b"$6$abc$defghijkl"),
        (Ignition(users=[User("core", password_hash="*")]), None),
        (Ignition(files=[File("/k", PEM)]), PEM.encode()),
        (Ignition(files=[File("/k", "kind: ClusterConfiguration\ntoken: abcdef.0123456789abcdef\n")]), True),
        (Ignition(files=[File("/k", "client-key-data: LS0tLS1CRUdJTg==\n")]), True),
        (Ignition(files=[File("/k", "PasswordAuthentication no\npassword=$VARIABLE\n")]), None),
        (Ignition(files=[File("/etc/motd", "hello\n")]), None),
        (Ignition(units=[Unit("a.service", contents="[Service]\nEnvironment=API_KEY=abcdefgh\n")]), True),
        (Ignition(luks=[Luks("a", device="/dev/a", key_file="abc")]), b"abc"),
        (
            Ignition(luks=[Luks("a", device="/dev/a", clevis=Clevis(custom=ClevisCustom(pin="sss", config="{}")))]),
            b"{}",
        ),
        (Ignition(files=[File("/a", Remote("https://h/a", headers={"Authorization": "Basic x"}))]), b"Basic x"),
        (Ignition(files=[File("/a", Remote("https://h/a", headers={"Accept": "text/plain"}))]), None),
        (Ignition(files=[File("/a", Remote("https://me:p%40ss@h/a"))]), b"p@ss"),
        (Ignition(merge=[Remote("https://h/a?X-Amz-Signature=00ff")]), b"X-Amz-Signature=00ff"),
        (Ignition(merge=[Ignition(users=[User("a", password_hash="$y$j9T$abcdefgh")]).to_json()]), b"$y$j9T$abcdefgh"),
    ],
)
def test_sensitive(config: Ignition, secret: bytes | bool | None) -> None:
    rendered = render(config)
    leaves = secret_leaves(rendered, everything=False)
    assert is_sensitive(rendered) is bool(leaves) is (secret is not None)
    assert not isinstance(secret, bytes) or secret in leaves


def test_everything_means_all_contents() -> None:
    config = render(
        Ignition(files=[File("/a", "hello there", append=["more"])], units=[Unit("a.service", contents="u")])
    )
    assert secret_leaves(config, everything=False) == []
    assert set(secret_leaves(config, everything=True)) == {b"hello there", b"more", b"u"}


def forms(secret: str) -> list[str]:
    raw = secret.encode()
    return [
        secret.replace("\n", ""),
        base64.b64encode(raw).decode().rstrip("="),
        quote(raw, safe="!*'()"),
        json.dumps(secret)[1:-1],
    ]


SECRETS = st.text(
    st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"], include_characters="\n"), min_size=16
)


@settings(max_examples=150, deadline=None)
@given(SECRETS.filter(lambda text: len(text.replace("\n", "").strip()) >= GRAM), st.data())
def test_no_stretch_of_a_secret_survives_cutting(secret: str, data: st.DataObject) -> None:
    shown = data.draw(st.sampled_from(forms(secret)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shown)), max_size=4)))
    between = data.draw(
        st.sampled_from(["\n", "\r\n", "\n[    3.4] ignition[7]: ", "\x1b[0;1m", "\nsystemd[1]: Started x.\n"])
    )
    pieces = [shown[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(shown)], strict=True)]
    redacted = Redactor([secret.encode()]).redact(CONSOLE + between.join(pieces) + "\n" + CONSOLE)
    known = {form[at : at + GRAM] for form in forms(secret) for at in range(len(form) - GRAM + 1)}
    left = {redacted[at : at + GRAM] for at in range(len(redacted) - GRAM + 1)}
    assert not known & left


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=24, max_size=200))
def test_other_lines_stay_as_they_are(secret: bytes) -> None:
    lines = CONSOLE * 30
    assert Redactor([secret]).redact(lines) == lines


def test_the_source_of_a_config_is_taken_out_however_it_is_compressed() -> None:
    config = render(Ignition(files=[File("/k", PEM * 20)]))
    [file] = config["storage"]["files"]
    assert file["contents"]["compression"] == "gzip"
    source = file["contents"]["source"]
    redacted = Redactor(secret_leaves(config, everything=False)).redact(f"before {source} after\n")
    assert redacted == f"before data:;base64,{MARK} after\n"


def test_short_secrets_go_as_a_whole() -> None:
    redact = Redactor([b"hunter2\n", b"abc"]).redact
    assert redact("password hunter2, hunter 2, abc") == f"password {MARK}, hunter 2, abc"
    assert redact("hunt\ner2") == f"{MARK}\n{MARK}"


def test_lines_stay_lines() -> None:
    redacted = Redactor([PEM.encode()]).redact(f"a\n{PEM}b\n")
    assert redacted == "a\n" + f"{MARK}\n" * 4 + "b\n"


def test_the_dump_of_a_config_goes_as_a_whole() -> None:
    dump = json.dumps({"ignition": {"version": "3.5.0"}, "storage": {"files": [{"path": "/a"}]}}, indent=2)
    text = (
        "ignition[9]: files: failed\nignition[9]: Full config:\n"
        + "".join(f"[    4.2] ignition[9]: {line}\n" for line in dump.splitlines())
        + "[    4.3] systemd[1]: ignition-files.service: Failed\nignition[9]: Ignition failed: no space\nlast\n"
    )
    kept = [line for line in Redactor([]).redact(text).splitlines() if line != MARK]
    assert kept == [
        "ignition[9]: files: failed",
        "ignition[9]: Full config:",
        "[    4.3] systemd[1]: ignition-files.service: Failed",
        "ignition[9]: Ignition failed: no space",
        "last",
    ]


def test_large_secrets_are_redacted_quickly() -> None:
    secret = base64.b64encode(bytes(range(256)) * 300)  # 100 KB
    console = CONSOLE * 800  # 200 KB
    began = time.perf_counter()
    redacted = Redactor([secret]).redact(console + secret.decode())
    assert redacted == console + MARK
    assert not is_sensitive(render(Ignition(files=[File("/a", secret.replace(b"/", b"+"))])))
    assert time.perf_counter() - began < 5  # far more than it takes, far less than a comparison of all with all
