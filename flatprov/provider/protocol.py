"""The generated protobuf classes, without the Pulumi SDK around them.

``import pulumi`` costs a third of a second of CPU and the engine starts the plugin several times a run; the plugin
needs only the protocol. So where the SDK is not loaded yet, empty stand-ins for its two packages (only their search
path) are put in place, and ``pulumi.runtime.proto`` loads below them. Where the SDK is loaded, that one is used.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path


def _bare(name: str, folder: Path) -> None:
    module = types.ModuleType(name)
    module.__path__ = [str(folder)]
    sys.modules[name] = module


def prepare() -> None:
    """Make ``pulumi.runtime.proto`` importable at the protocol's own cost. Only for a process that is the plugin."""
    if "pulumi" in sys.modules:
        return
    spec = importlib.util.find_spec("pulumi")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            "the package pulumi is not installed beside flatprov; install flatprov again with pip"
        )
    folder = Path(next(iter(spec.submodule_search_locations)))
    _bare("pulumi", folder)
    _bare("pulumi.runtime", folder / "runtime")
