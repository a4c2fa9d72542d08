"""Rendering models whose leaves may be Pulumi Outputs. The program side: this module imports the Pulumi SDK."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import pulumi

M = TypeVar("M")
R = TypeVar("R")
_Fill = Callable[[list[Any]], Any]


def map_model(model: M, render: Callable[[M], R]) -> R | pulumi.Output[R]:
    """``render(model)``, at once where nothing is an Output, else once, when all leaves are known.

    A plain model raises its errors at the user's own line; secrets, unknowns and dependencies of Outputs carry over.
    """
    leaves: list[Any] = []
    fill = _split(model, leaves)
    if not leaves:
        return render(model)
    return pulumi.Output.all(*leaves).apply(lambda values: render(fill(values)))


def _split(node: Any, leaves: list[Any]) -> _Fill:
    """Collect the Outputs below a node; the answer puts their values into their places."""
    if isinstance(node, pulumi.Output):
        place = len(leaves)
        leaves.append(node)
        return lambda values: values[place]
    before = len(leaves)
    fill = _split_container(node, leaves)
    if fill is None or len(leaves) == before:
        return lambda _values: node  # nothing to fill: the object itself, unchanged
    return fill


def _split_container(node: Any, leaves: list[Any]) -> _Fill | None:
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        parts = {
            field.name: _split(getattr(node, field.name), leaves) for field in dataclasses.fields(node) if field.init
        }
        return lambda values: dataclasses.replace(node, **{name: part(values) for name, part in parts.items()})
    if isinstance(node, Mapping):
        pairs = {key: _split(item, leaves) for key, item in node.items()}
        return lambda values: {key: part(values) for key, part in pairs.items()}
    if isinstance(node, (list, tuple)):
        items = [_split(item, leaves) for item in node]
        return lambda values: type(node)(part(values) for part in items)
    return None
