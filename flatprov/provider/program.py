"""The program side of the plugin's resources. This module imports the Pulumi SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from flatprov.provider.resource import State, wire_fields


class PluginResource(pulumi.CustomResource):
    """A resource of the flatprov plugin, registered from its typed pair.

    Args:
        token: the resource's type token.
        state: the half of its typed pair that says what comes out.
        name: its name in the program.
        inputs: its inputs by wire name.
    """

    def __init__(
        self,
        token: str,
        state: type[State],
        name: str,
        inputs: Mapping[str, Any],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        given = {key: value for key, value in inputs.items() if value is not None}
        outputs = {field.encode_name: None for field in wire_fields(state)}
        super().__init__(token, name, {**given, **outputs}, opts)

    def output(self, name: str) -> pulumi.Output[Any]:
        """An output by wire name."""
        found: pulumi.Output[Any] = getattr(self, name)
        return found
