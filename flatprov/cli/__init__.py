"""The command line: ``flatprov plugin install``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from flatprov.errors import FlatprovError


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of ``flatprov``. Exit status 0 done, 1 failed, 2 wrong usage."""
    from flatprov.cli import plugin

    parser = argparse.ArgumentParser(prog="flatprov", description="Flatcar Container Linux nodes and clusters anywhere")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    plugin.add_to(commands)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except FlatprovError as error:
        sys.exit(f"flatprov: {error}")
