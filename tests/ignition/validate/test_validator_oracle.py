"""``validate`` says what the real ``ignition-validate`` says: entries, words, order, lines and columns."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from validator_corpus import SPECS, VALUES, WAYS, changed, complete, corpus, paths, write
from validator_oracle import printed, real, same

from flatprov.ignition.schema import ROOT, Shape
from flatprov.ignition.validate import validate

pytestmark = pytest.mark.oracle


def test_every_property_is_in_the_corpus() -> None:
    known: set[str] = set()
    used: set[str] = set()
    collect(ROOT, complete(SPECS[-1]), known, used)
    assert known - used == set()


def collect(shape: Shape, value: Any, known: set[str], used: set[str]) -> None:
    """Note the properties that there are, and those that are in a value."""
    known |= {f"{shape.name}.{item.name}" for item in shape.fields}
    for one in value if isinstance(value, list) else [value]:
        used |= {f"{shape.name}.{name}" for name in one}
        for item in shape.fields:
            if item.shape:
                collect(item.shape, one.get(item.name, {}), known, used)


@pytest.mark.parametrize("spec", SPECS)
def test_the_complete_config_is_clean(spec: str) -> None:
    assert not validate(complete(spec))
    assert real(write(complete(spec))) == []


def test_the_whole_corpus() -> None:
    texts = corpus()
    assert len(texts) >= 5000
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(real, texts))
    kinds = {line.partition(": ")[2] for lines in reports for line in lines}
    assert len(kinds) > 150  # the corpus is no good where it does not make them speak
    wrong = [
        (text[:2000], theirs, ours)
        for text, theirs in zip(texts, reports, strict=True)
        if not same(ours := printed(validate(text)), theirs)
    ]
    assert wrong == []


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Several changes of a complete config, in any layout."""
    config: Any = complete(draw(st.sampled_from(SPECS)))
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(list(paths(config))[1:]))
        config = changed(config, path, draw(st.sampled_from((*VALUES, *(way for way in WAYS if way not in TWICE)))))
    return write(config, layout=draw(st.integers(0, 3)))


TWICE = ("twice", "again")  # what is written twice cannot be changed further
FEW = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@FEW
@given(mutated())
def test_mutations(text: str) -> None:
    ours, theirs = printed(validate(text)), real(text)
    assert same(ours, theirs), (ours, theirs)


@FEW
@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(SPECS))
def test_any_text_anywhere(text: str, spec: str) -> None:
    files = [{"path": text, "contents": {"source": text}}, {"path": "/b", "contents": {"source": f"data:{text}"}}]
    config = {
        "ignition": {"version": spec, "proxy": {"httpProxy": text}},
        "storage": {"files": files},
        "systemd": {"units": [{"name": "a.service", "contents": f"[Unit]\n{text}"}, {"name": text, "contents": text}]},
        text: 1,
    }  # fmt: skip
    for layout in (0, 1):
        written = write(config, layout=layout)
        ours, theirs = printed(validate(written)), real(written)
        assert sorted(ours) == sorted(theirs)


@FEW
@given(st.binary(max_size=40), st.integers(0, 80))
def test_any_bytes_in_a_config(data: bytes, place: int) -> None:
    text = b'{"ignition":{"version":"3.4.0"},"storage":{"files":[{"path":"a","b":"c"}]}}'
    broken = text[:place] + data + text[place:]
    ours, theirs = printed(validate(broken)), real(broken)
    assert same(ours, theirs), (ours, theirs)
