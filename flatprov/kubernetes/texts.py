"""Units and scripts from ``templates/kubernetes``. A value that a template wants and nobody gives is an error."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from flatprov.flatcar.templates import read_template

if TYPE_CHECKING:
    from jinja2 import Template


@cache
def _template(name: str) -> Template:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(lambda path: read_template(f"kubernetes/{path}")),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - shell and units, not HTML
    )
    return environment.get_template(f"{name}.j2")


def render_text(name: str, **values: str | int) -> str:
    """Fill in one template.

    Args:
        name: its file name without ``.j2``.
        values: what it wants.

    Raises:
        jinja2.UndefinedError: a value is missing.
    """
    return _template(name).render(**values)
