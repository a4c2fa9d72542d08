"""The program side of the plugin's resources. This module imports the Pulumi SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from flatprov.provider.resource import Resource, wire_fields


class PluginResource(pulumi.CustomResource):
    """A resource of the flatprov plugin, registered from its typed pair.

    Args:
        kind: the resource's declaration.
        name: its name in the program.
        inputs: its inputs by wire name.
    """

    def __init__(
        self,
        kind: type[Resource[Any, Any]],
        name: str,
        inputs: Mapping[str, Any],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        given = {key: value for key, value in inputs.items() if value is not None}
        outputs = {field.encode_name: None for field in wire_fields(kind.state)}
        super().__init__(kind.token, name, {**given, **outputs}, opts)

    def output(self, name: str) -> pulumi.Output[Any]:
        """An output by wire name."""
        found: pulumi.Output[Any] = getattr(self, name)
        return found
