"""A difference is shown as a person reads it, and no secret is in it."""

from __future__ import annotations

import time
from typing import Any

import ignition_models as models
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from flatprov import ignition as ign
from flatprov.ignition import Ignition, diff, render
from flatprov.ignition.readable import changes

BOUNDED = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIA5N3D9UdQn4Vv1bq0b4vE8oZ1r7Gk1J\n-----END EC PRIVATE KEY-----\n"
HASH = "$6$saltsalt$" + "Qw" * 43


def shown(old: Ignition, new: Ignition, **options: Any) -> list[str]:
    return "\n".join(map(str, changes(render(old), render(new), **options))).splitlines()


def files(*given: ign.File) -> Ignition:
    return Ignition(files=given)


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        (
            files(ign.File("/m", "a\nb\nc\nd\ne\n")),
            files(ign.File("/m", "a\nb\nX\nd\ne\n")),
            ["storage.files[/m].contents", "  @@ -1,5 +1,5 @@", "   a", "   b", "  -c", "  +X", "   d", "   e"],
        ),
        (
            files(ign.File("/m", "a\n")),
            files(ign.File("/m", "a")),
            ["storage.files[/m].contents", "  @@ -1 +1,2 @@", "   a", "  +(no line break at the end)"],
        ),
        (
            files(ign.File("/m", "a\n")),
            files(ign.File("/m", "a\r\n")),
            ["storage.files[/m].contents", "  @@ -1 +1 @@", "  -a", "  +a\\r"],
        ),
        (
            files(ign.File("/m", mode=0o644)),
            files(ign.File("/m", mode=0o4755)),
            ["storage.files[/m].mode: 0644 -> 4755"],
        ),
        (
            files(ign.File("/m", user="core")),
            files(ign.File("/m", user=0)),
            ["storage.files[/m].user.id: (not set) -> 0", 'storage.files[/m].user.name: "core" -> (not set)'],
        ),
        (
            files(ign.File("/m", b"\0\1")),
            files(ign.File("/m", b"\0\2\3")),
            [
                "storage.files[/m].contents: 2 bytes, sha256 b413f47d13ee… -> 3 bytes, sha256 e9969bdc6774…",
            ],
        ),
        (
            files(ign.File("/m", ign.Remote("https://h/a"))),
            files(ign.File("/m", ign.Remote("https://h/b", compression="gzip", hash="sha256-" + "0" * 64))),
            [
                "storage.files[/m].contents: https://h/a -> "
                "https://h/b, compression gzip, hash sha256-00000000000000000…",
            ],
        ),
        (
            Ignition(units=[ign.Unit("a.service", contents="[Unit]\n", enabled=True)]),
            Ignition(
                units=[
                    ign.Unit("a.service", contents="[Unit]\n", enabled=False),
                    ign.Unit("b.service", mask=True, dropins=[ign.DropIn("1.conf", "x")]),
                ]
            ),
            [
                "systemd.units[a.service].enabled: true -> false",
                "systemd.units[b.service]: added",
                "  mask: true",
                "  dropins",
                "    + 1.conf",
            ],
        ),
        (
            Ignition(kernel_arguments=ign.KernelArguments(should_exist=["a", "b"])),
            Ignition(kernel_arguments=ign.KernelArguments(should_exist=["b", "c"])),
            ["kernelArguments.shouldExist", "  - a", "  + c"],
        ),
        (files(ign.File("/m", "a\n")), Ignition(), ["storage.files[/m]: removed"]),
    ],
)
def test_shown(old: Ignition, new: Ignition, lines: list[str]) -> None:
    assert shown(old, new) == lines


SECRETS = {
    "password hash": (lambda one: Ignition(users=[ign.User("core", password_hash=one)]), HASH),
    "private key in a file": (lambda one: files(ign.File("/k", one)), PEM),
    "key in a unit": (
        lambda one: Ignition(units=[ign.Unit("a.service", contents=f"[Service]\nEnvironment=API_KEY={one}\n")]),
        "0123456789abcdef01",
    ),
    "LUKS key": (lambda one: Ignition(luks=[ign.Luks("a", device="/dev/a", key_file=one)]), "open sesame, please"),
    "password of a URL": (lambda one: files(ign.File("/k", ign.Remote(f"https://me:{one}@h/a"))), "hunter2hunter2"),
    "long signed query": (
        lambda one: files(ign.File("/k", ign.Remote(f"https://h/a?X-Amz-Signature={one}"))), "0f1e2d3c" * 80,
    ),
    "kernel argument": (
        lambda one: Ignition(kernel_arguments=ign.KernelArguments(should_exist=[f"password={one}"])), "correcthorse",
    ),
    "Clevis": (
        lambda one: Ignition(
            luks=[ign.Luks("a", device="/dev/a", clevis=ign.Clevis(custom=ign.ClevisCustom(pin="sss", config=one)))]
        ),
        "thresholdsecret",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("way", ["added", "changed", "removed"])
def test_a_secret_is_named_and_never_shown(name: str, way: str) -> None:
    make, secret = SECRETS[name]
    other = secret.swapcase() if secret.swapcase() != secret else secret[::-1]
    old, new = {
        "added": (Ignition(), make(secret)),
        "changed": (make(secret), make(other)),
        "removed": (make(secret), Ignition()),
    }[way]
    text = "\n".join(shown(old, new))
    assert text
    for one in (secret, other):
        assert not [one[at : at + 12] for at in range(len(one) - 11) if one[at : at + 12] in text]


@BOUNDED
@given(models.CONFIGS, models.CONFIGS)
def test_every_difference_is_told_once(old: Ignition, new: Ignition) -> None:
    before, after = render(old), render(new)
    found = changes(before, after)
    assert list(dict.fromkeys(change.path for change in found)) == diff(before, after)
    assert all(change.summary or change.lines for change in found)
    assert all(line.isprintable() or "\t" in line for change in found for line in (change.summary, *change.lines))
    assert changes(before, before) == []


@BOUNDED
@given(models.TEXT, st.binary(min_size=12, max_size=40).map(bytes.hex))
def test_of_a_config_that_is_secret_no_contents_are_shown(text: str, secret: str) -> None:
    assume(secret not in text)
    old = files(ign.File("/a", f"{text}{secret}"), ign.File("/b", "x"))
    new = files(ign.File("/a", text), ign.File("/b", secret), ign.File("/c", secret))
    assert secret not in "\n".join(shown(old, new, secret=True))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("".join(f"{number}\n" for number in range(30_000)), "".join(f"{number}x\n" for number in range(30_000))),
        ("a\n" * 3900, "b\na\n" * 1950),
        ("x" * 190_000, "y" * 190_000),
    ],
)
def test_large_texts_take_no_time(old: str, new: str) -> None:
    began = time.process_time()
    assert changes(render(files(ign.File("/a", old))), render(files(ign.File("/a", new))))
    groups = [[f"group-{number}-{side}" for number in range(1500)] for side in "ab"]
    users = [Ignition(users=[ign.User("core", groups=side)]) for side in groups]
    assert changes(render(users[0]), render(users[1]))
    assert time.process_time() - began < 20
