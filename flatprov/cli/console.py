"""``flatprov console``: look at the serial console of a running node. Nothing that is typed reaches it.

Ctrl-] or Ctrl-C ends it, and so does the machine's end. What a node wrote before is in `flatprov logs`. The console is
shown as it is: during a first boot that fails, Ignition may print the node's config there, secrets included.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flatprov.platforms.libvirt.console import Console

_POLL_SECONDS = 0.1


def add_to(console: argparse.ArgumentParser) -> None:
    """Fill in this command's parser."""
    console.description = __doc__
    console.formatter_class = argparse.RawDescriptionHelpFormatter
    console.add_argument("node", metavar="NODE", help="the node's name")
    add_uri(console)
    console.add_argument(
        "--take-over", action="store_true", help="end another program's session; a waiting `pulumi up` goes blind"
    )
    console.set_defaults(run=_run)


def add_uri(parser: argparse.ArgumentParser) -> None:
    """The host's option: without it LIBVIRT_DEFAULT_URI, else the system's daemon on this machine."""
    usual = os.environ.get("LIBVIRT_DEFAULT_URI") or "qemu:///system"
    parser.add_argument("--uri", default=usual, metavar="URI", help=f"the host ({usual})")


def _run(options: argparse.Namespace) -> None:
    from flatprov.platforms.libvirt import client as libvirt
    from flatprov.platforms.libvirt import look

    host = libvirt.connect(options.uri, options.node)
    attached = look.console(host, options.node, take_over=options.take_over)
    print(f"flatprov: console of {options.node}, to look at only; Ctrl-] ends it", file=sys.stderr)
    try:
        if watch(attached, sys.stdin.fileno(), sys.stdout.fileno()):
            print(f"flatprov: the console of {options.node} ended", file=sys.stderr)
    finally:
        attached.close()


def watch(attached: Console, keyboard: int, output: int) -> bool:
    """Show a console until the user leaves or it ends.

    Args:
        attached: the console.
        keyboard: descriptor that keys come from.
        output: descriptor that it is shown on.

    Returns:
        Whether the console ended by itself.
    """
    from flatprov.cli.terminal import Screen, keys

    screen = Screen(output)
    try:
        with keys(keyboard) as pressed:
            while not pressed.wants_to_leave():
                data = attached.read(_POLL_SECONDS)
                if data:
                    screen.show(data)
                elif attached.ended.is_set():
                    return True
            return False
    except (KeyboardInterrupt, BrokenPipeError):
        return False
    finally:
        screen.reset()
