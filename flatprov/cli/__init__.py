"""The command line. One module a command; only the one that is called is imported."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Final

from flatprov.cli.formatting import Formatter
from flatprov.errors import FlatprovError

#: The commands and what each is for. ``flatprov NAME`` runs the module ``flatprov.cli.NAME``, whose ``add_to`` fills in
#: the command's own parser.
COMMANDS: Final = {
    "ignition": "validate, render, merge and compare configs",
    "image": "find, verify, fetch and mirror images",
    "doctor": "what a host lacks, and how to mend it",
    "console": "look at a node's serial console",
    "logs": "the console of a node's first boots, as it was kept",
    "support": "a bundle without secrets, for those who help",
    "plugin": "the Pulumi plugin",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of ``flatprov``. Exit status 0 done, 1 failed, 2 wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(
        prog="flatprov", description="Flatcar Container Linux nodes and clusters anywhere", formatter_class=Formatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, formatter_class=Formatter)
        if given[:1] == [name]:
            importlib.import_module(f"flatprov.cli.{name}").add_to(command)
    options = parser.parse_args(given)
    try:
        options.run(options)
    except FlatprovError as error:
        sys.exit(f"flatprov: {error}")
