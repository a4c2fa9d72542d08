"""What does not go together is refused, and the message names both sides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flatprov.errors import ConfigError
from flatprov.ignition import Directory, File, Ignition, Link, Remote, Unit, User, render, rendering
from flatprov.ignition.conflicts import conflicts, merge_checked, named
from flatprov.ignition.merging import merge_all

TABLE = json.loads((Path(__file__).resolve().parents[1] / "cases" / "ignition" / "conflicts.json").read_text())
NAMES = ("first", "second", "third")


def layers(case: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(name, {"ignition": {"version": "3.4.0"}, **one}) for name, one in zip(NAMES, case["layers"], strict=False)]


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case["name"])
def test_both_sides_are_named(case: dict[str, Any]) -> None:
    given = layers(case)
    merged = merge_all([config for _, config in given])
    found = [
        (entry.level, named(entry.path, merged), entry.message)
        for entry in conflicts(given)
        if not entry.message.startswith("duplicate")
    ]
    assert [entry[:2] for entry in found] == [(level, path) for level, path, _ in case["found"]]
    for (_, _, message), (_, _, says) in zip(found, case["found"], strict=True):
        for part in says:
            assert part in message


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case["name"])
def test_only_errors_are_refused(case: dict[str, Any]) -> None:
    given = layers(case)
    wrong = [(path, says) for level, path, says in case["found"] if level == "error"]
    if not wrong:
        assert merge_checked(given) == merge_all([config for _, config in given])
        return
    with pytest.raises(ConfigError) as caught:
        merge_checked(given)
    path, says = wrong[0]
    assert caught.value.path == path
    assert all(part in str(caught.value) for part in says)


def test_a_sum_is_refused_when_it_is_rendered() -> None:
    total = Ignition(files=[File("/a", "x", user="core")]) + Ignition(files=[File("/a", "x", user=5)])
    with pytest.raises(ConfigError, match=r"storage\.files\[/a\]\.user: cannot set both id and name") as caught:
        render(total)
    assert "id from part 2 of the sum, name from part 1 of the sum" in str(caught.value)
    with pytest.raises(ConfigError):
        total.to_json()


def test_several_conflicts_are_all_told() -> None:
    below = Ignition(files=[File("/a/b", "")], directories=[Directory("/d", user="core")])
    with pytest.raises(ConfigError) as caught:
        render(below + Ignition(links=[Link("/a", "/x")], directories=[Directory("/d", user=1)]))
    assert "storage.files[/a/b]" in str(caught.value)
    assert "storage.directories[/d].user" in str(caught.value)


def test_a_value_is_never_quoted() -> None:
    secret = "hunter2hunter2"
    below = Ignition(files=[File("/a", Remote(f"https://me:{secret}@h/a", hash="sha512-" + "0" * 128))])
    with pytest.raises(ConfigError) as caught:
        render(below + Ignition(files=[File("/a", secret)], users=[User("a", password_hash=secret)]))
    assert secret not in str(caught.value)


def test_parts_may_need_each_other() -> None:
    total = Ignition(files=[File("/a", Remote(hash="sha512-" + "0" * 128))]) + Ignition(
        files=[File("/a", Remote("https://h/a"))]
    )
    assert render(total)["storage"]["files"][0]["contents"]["source"] == "https://h/a"
    assert render(Ignition() + Ignition(users=[User("a")]) + Ignition()) == render(Ignition(users=[User("a")]))


def test_many_configs_of_one_base_are_the_sums_and_the_base_is_rendered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    unit = Unit("app.service", contents="[Install]\nWantedBy=multi-user.target\n")
    base = Ignition(files=[File("/etc/common", "words\n")], units=[unit])
    overlays = [Ignition(files=[File("/etc/hostname", f"web-{number}\n")]) for number in range(3)]
    wanted = [render(base + overlay) for overlay in overlays]
    rendered: list[Ignition] = []
    real = rendering.render
    monkeypatch.setattr(rendering, "render", lambda one: rendered.append(one) or real(one))
    assert list(rendering.render_many(base, overlays)) == wanted
    assert [one is base for one in rendered] == [True, False, False, False]


def test_a_conflict_with_the_base_names_both() -> None:
    base = Ignition(files=[File("/etc/a", "x", user="core")])
    with pytest.raises(ConfigError, match=r"the common part.*overlay 2|overlay 2.*the common part"):
        list(rendering.render_many(base, [Ignition(), Ignition(files=[File("/etc/a", "x", user=7)])]))
