"""``flatprov image``: find, verify, fetch and mirror images of Flatcar.

Nothing that was not verified stays where a later run would trust it. Exit status 0: done; 1: refused or failed, with
one line of reason; 2: wrong usage; 130: stopped, run it again to continue.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from flatprov.errors import FlatprovError

_ARCHITECTURES = ("amd64", "arm64")


def add_to(image: argparse.ArgumentParser) -> None:
    """Fill in this command's parser."""
    image.description = __doc__
    image.formatter_class = argparse.RawDescriptionHelpFormatter
    actions = image.add_subparsers(required=True, metavar="ACTION")
    _add_list(actions.add_parser("list", help="the releases of a channel, newest first"))
    _add_show(actions.add_parser("show", help="what is in a release, and its files"))
    _add_resolve(actions.add_parser("resolve", help="which version a channel stands for now"))
    _add_fetch(actions.add_parser("fetch", help="verify an image and print where it lies"))
    _add_mirror(actions.add_parser("mirror", help="fill a folder for machines without a network"))
    _add_store(actions)


def _add_store(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    ls = actions.add_parser("ls", help="what is in the store")
    ls.set_defaults(run=_runner("image_store", "show_store"))
    gc = actions.add_parser("gc", help="remove from the store what nobody needs")
    gc.add_argument("--days", type=_count, default=30, help="not used for so many (30)")
    gc.add_argument("--retain", type=_count, default=1, help="of each name, the so many last used ones stay (1)")
    gc.add_argument("--keep", action="append", default=[], metavar="SHA512", help="a digest to keep; repeatable")
    gc.add_argument("--max-gib", type=_count, metavar="N", help="and then the longest unused, down to so many GiB")
    gc.add_argument("--dry-run", action="store_true", help="only tell")
    gc.set_defaults(run=_runner("image_store", "collect"))
    verify = actions.add_parser("verify", help="read every byte in the store again; what does not hold is removed")
    verify.add_argument("--keep", action="store_true", help="only tell")
    verify.set_defaults(run=_runner("image_store", "verify"))
    for parser in (ls, gc, verify):
        parser.add_argument("--store", metavar="DIR", help="default: the user's cache")
        parser.add_argument("--json", action="store_true", help="print JSON")


def _add_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--channel", default="stable", help="stable, beta, alpha, lts, lts-2024, or all")
    parser.add_argument("--arch", choices=_ARCHITECTURES, help="only releases for it")
    parser.add_argument("--limit", type=_count, default=10, help="how many (10); 0 for all")
    _add_feed(parser)
    parser.set_defaults(run=_runner("image_releases", "show_list"))


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", nargs="?", default="current", help="4593.2.5, current, or current-2024")
    parser.add_argument("--channel", help="where to look; otherwise the version's number tells")
    parser.add_argument("--arch", choices=_ARCHITECTURES, default="amd64")
    _add_feed(parser)
    parser.set_defaults(run=_runner("image_releases", "show_release"))


def _add_resolve(parser: argparse.ArgumentParser) -> None:
    _add_release(parser)
    _add_feed(parser)
    parser.set_defaults(run=_runner("image_releases", "show_resolved"))


def _add_fetch(parser: argparse.ArgumentParser) -> None:
    _add_release(parser)
    parser.add_argument("--platform", default="qemu", help="qemu (libvirt), metal, vmware, hyperv, azure, gcp, aws, …")
    _add_key(parser)
    parser.add_argument("--stats", action="store_true", help="time, CPU and peak memory of each step")
    _add_feed(parser)
    parser.set_defaults(run=_runner("image_fetch", "fetch"))


def _add_mirror(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="what a web server serves as it is")
    parser.add_argument("--version", action="append", default=[], metavar="V", help="4593.2.5 or current; repeatable")
    parser.add_argument("--channel", help="where to look; otherwise the version's number tells")
    parser.add_argument("--platform", action="append", default=[], help="qemu, metal, …; repeatable")
    parser.add_argument("--arch", action="append", default=[], choices=_ARCHITECTURES, help="amd64; repeatable")
    parser.add_argument(
        "--sysext",
        action="append",
        default=[],
        metavar="NAME-VERSION[=SHA256]",
        help="a system extension of the bakery, such as kubernetes-v1.34.2; repeatable",
    )
    parser.add_argument("--with-key", action="store_true", help="put the public key beside the images too")
    _add_key(parser)
    parser.add_argument("--mirror", metavar="URL", help="copy from there; default: FLATPROV_MIRROR, else the publisher")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_runner("image_mirror", "mirror"), parser=parser)


def _add_release(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--version", default="current", metavar="V", help="4593.2.5, current (default), current-2024")
    parser.add_argument("--channel", help="stable, beta, alpha, lts, lts-2024; otherwise the version's number tells")
    parser.add_argument("--arch", choices=_ARCHITECTURES, default="amd64")


def _add_feed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mirror", metavar="URL", help="the publisher's paths elsewhere; default: FLATPROV_MIRROR")
    parser.add_argument("--offline", action="store_true", help="the release feed as it was kept by an earlier run")
    parser.add_argument("--store", metavar="DIR", help="image store; default: the user's cache")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--key", metavar="FILE", help="public key; default: fetched from the publisher or mirror")
    parser.add_argument("--fingerprint", metavar="HEX", help="of its primary key; default: the publisher's")


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("not below zero")
    return number


def _runner(module: str, function: str) -> Callable[[argparse.Namespace], None]:
    """The function to call, imported when it is called; its errors become one line."""

    def run(options: argparse.Namespace) -> None:
        import importlib

        try:
            getattr(importlib.import_module(f"flatprov.cli.{module}"), function)(options)
            sys.stdout.flush()
        except FlatprovError as error:
            sys.exit(f"flatprov: {' '.join(str(error).split())}")
        except KeyboardInterrupt:
            print("flatprov: stopped; run again to continue", file=sys.stderr)
            sys.exit(130)
        except BrokenPipeError:  # `| head` has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)

    return run
