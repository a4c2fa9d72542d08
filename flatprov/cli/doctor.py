"""``flatprov doctor``: look at a host before anything is made on it, and say what is missing and how to mend it.

Each check tells what was found. Exit status 0: no error (warnings are none); 1: at least one error; 2: wrong usage.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from flatprov.platforms.libvirt.doctor import Examination

_SIGNS: Final = {"ok": "ok", "warning": "WARNING", "error": "ERROR", "unknown": "not seen"}
_WIDTH: Final = 100


def add_to(doctor: argparse.ArgumentParser) -> None:
    """Fill in this command's parser."""
    doctor.description = __doc__
    doctor.formatter_class = argparse.RawDescriptionHelpFormatter
    platforms = doctor.add_subparsers(required=True, metavar="PLATFORM")
    libvirt = platforms.add_parser("libvirt", help="a libvirt host")
    libvirt.add_argument("uri", metavar="URI", help="qemu:///system, qemu+ssh://root@nas/system, …")
    libvirt.add_argument("--json", action="store_true", help="print JSON")
    libvirt.add_argument("--pool", default="default", metavar="NAME", help="storage pool (default)")
    libvirt.add_argument("--network", default="", metavar="NAME|CIDR", help="a network, or the range for a new one")
    libvirt.add_argument("--memory", default="2GiB", metavar="SIZE", help="of one node (2GiB)")
    libvirt.add_argument("--architecture", choices=("amd64", "arm64"), default="amd64", help="of the nodes (amd64)")
    libvirt.add_argument("--timeout", default="30s", metavar="TIME", help="to connect (30s)")
    libvirt.set_defaults(run=_libvirt, parser=libvirt)


def _libvirt(options: argparse.Namespace) -> None:
    from flatprov.errors import ConfigError
    from flatprov.platforms import units
    from flatprov.platforms.libvirt import doctor, reach

    if not reach.is_qemu(options.uri):
        options.parser.error(f"{options.uri!r} is no address of QEMU by libvirt; write it like qemu:///system")
    try:
        memory_mib = units.mebibytes(options.memory, "--memory", "doctor")
        limit_seconds = units.seconds(options.timeout, "--timeout", "doctor")
        doctor.range_of(options.network)
    except ConfigError as error:
        options.parser.error(str(error))
    wanted = doctor.Wanted(
        pool=options.pool,
        network=options.network,
        memory_mib=memory_mib,
        architecture=options.architecture,
    )
    found = doctor.examine(options.uri, wanted, limit_seconds)
    if options.json:
        print(json.dumps(found.as_json(), indent=2))
    else:
        show(found)
    if not found.is_well:
        sys.exit(1)


def show(found: Examination) -> None:
    """Print an examination for people."""
    for one in found.findings:
        print(f"{_SIGNS[one.level.value]:8}  {one.check}")
        about = "" if one.subject in (found.uri, "") else f"{one.subject}: "
        _indented(f"{about}{one.text}")
        if one.fix:
            _indented(f"-> {one.fix}")
    counts = [f"{sum(one.level.value == level for one in found.findings)} {name}" for level, name in _COUNTED.items()]
    print(f"{found.uri}: {', '.join(counts)}")


_COUNTED: Final = {"ok": "ok", "warning": "warnings", "error": "errors", "unknown": "not seen from here"}


def _indented(text: str) -> None:
    for line in textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False):
        print(f"{'':10}{line}")
