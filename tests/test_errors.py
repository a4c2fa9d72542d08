"""The error tree: form of a message, pickling, secrets, and that the drawing shows every class."""

from __future__ import annotations

import inspect
import pickle
import re
import traceback

import pytest

from flatprov import errors
from flatprov.errors import FlatprovError

CLASSES = [found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, FlatprovError)]


def make(kind: type[FlatprovError]) -> FlatprovError:
    """One with every field filled."""
    fields = {
        "path": "machine.memory",
        "host": "qemu:///system",
        "unit": "a.service",
        "link": "https://example.org/why",
    }
    known = inspect.signature(kind).parameters
    given = {name: text for name, text in fields.items() if name in known}
    if "tail" in known:
        given["tail"] = ("line 1", "line 2")
    return kind("pool web", "memory is 1 MiB", "write more", **given)


@pytest.mark.parametrize("kind", CLASSES)
def test_a_message_names_the_object_the_problem_and_the_fix(kind: type[FlatprovError]) -> None:
    assert str(make(kind)).splitlines()[0].removesuffix(" (https://example.org/why)") == (
        "pool web: memory is 1 MiB. Write more"
    )
    assert str(kind("pool web", "memory is 1 MiB")) == "pool web: memory is 1 MiB"
    assert str(kind("", "memory is 1 MiB", "`ls` helps")) == "memory is 1 MiB. `ls` helps"


@pytest.mark.parametrize("kind", CLASSES)
def test_it_survives_pickling(kind: type[FlatprovError]) -> None:
    before = make(kind)
    after = pickle.loads(pickle.dumps(before))
    assert type(after) is kind
    assert (str(after), vars(after), after.args) == (str(before), vars(before), before.args)


@pytest.mark.parametrize("kind", CLASSES)
def test_only_what_was_given_is_printed(kind: type[FlatprovError]) -> None:
    """No error keeps or shows values of the frames it was raised in."""

    def fail(password: str) -> None:
        raise make(kind)

    with pytest.raises(kind) as caught:
        fail("".join(("hun", "ter2")))
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + str(vars(caught.value))
    assert "hunter2" not in shown


@pytest.mark.parametrize("kind", CLASSES)
def test_its_docstring_and_code_are_its_own(kind: type[FlatprovError]) -> None:
    assert "__doc__" in vars(kind)
    assert "code" in vars(kind)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.code)


def test_codes_are_distinct() -> None:
    assert len({kind.code for kind in CLASSES}) == len(CLASSES)


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"([ │├└─]*)(\w+Error)\b", line)
        if found:
            depth = len(found.group(1))
            while above and above[-1][0] >= depth:
                above.pop()
            drawn[found.group(2)] = above[-1][1] if above else ""
            above.append((depth, found.group(2)))
    real = {
        kind.__name__: "" if kind is FlatprovError else next(base.__name__ for base in kind.__mro__[1:])
        for kind in CLASSES
    }
    assert drawn == real


def test_the_console_tail_stands_below_the_message() -> None:
    error = errors.BootError("web-0", "first boot failed", "mend it", unit="a.service", tail=["one", "two"])
    assert str(error) == "web-0: first boot failed. Mend it\n  the last 2 console lines:\n  | one\n  | two"
    assert error.unit == "a.service"
