"""``python -m flatprov.images.current``: get a channel's current image, for scripts (``make up``).

Prints one JSON object. Exit status 0: there it is; 1: refused or failed, one line of reason; 2: wrong arguments; 3: the
release server cannot be reached, one line of reason; 130: stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

from flatprov.errors import CancelledError, FlatprovError, ImageError
from flatprov.flatcar.releases import resolve
from flatprov.images.download import Progress
from flatprov.images.feeds import fetch_feed
from flatprov.images.keys import PINNED
from flatprov.images.obtain import obtain_release
from flatprov.images.store import Store

_NOT_REACHED = frozenset(
    f"image-{kind}" for kind in ("unreachable", "stalled", "tls", "server-failed", "refused", "redirects", "truncated")
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    options = _parser().parse_args(arguments)
    deadline = time.monotonic() + 2 * options.timeout  # looking up a name has no limit of its own
    try:
        feed = fetch_feed(
            options.channel,
            options.mirror,
            timeout_seconds=options.timeout,
            attempts=1,
            cancelled=lambda: time.monotonic() > deadline,
        )
        info = resolve([feed], options.channel, options.version, options.arch)
        got = obtain_release(
            info,
            options.platform,
            mirror=options.mirror,
            key_file=options.key,
            fingerprint=options.fingerprint,
            store=Store(options.store),
            progress=_progress() if sys.stderr.isatty() else None,
        )
    except KeyboardInterrupt:
        print("stopped; run again to continue", file=sys.stderr)
        return 130
    except CancelledError as error:
        print(f"{error.subject}: no answer within {2 * options.timeout:g} s", file=sys.stderr)
        return 3
    except FlatprovError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 3 if isinstance(error, ImageError) and error.code in _NOT_REACHED else 1
    result = {
        "version": info.version,
        "channel": info.channel,
        "architecture": info.architecture,
        "release_date": info.release_date,
        "ignition": info.ignition,
        "max_ignition_spec": info.max_ignition_spec,
        "path": str(got.path),
        "sha512": got.sha512,
        "format": got.format,
        "virtual_size_bytes": got.virtual_size_bytes,
        "file_name": got.file_name,
    }
    print(json.dumps(result))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flatprov.images.current", description="Get a channel's current image."
    )
    parser.add_argument("--channel", default="stable")
    parser.add_argument("--version", help="an exact version instead of the current one")
    parser.add_argument("--platform", default="libvirt")
    parser.add_argument("--arch", default="amd64", choices=("amd64", "arm64"))
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds to wait for the release feed")
    parser.add_argument("--mirror", help="a server with the same paths as the publisher's")
    parser.add_argument("--key", help="file with the public key; default: fetched from the publisher")
    parser.add_argument("--fingerprint", default=PINNED, help="of the primary key")
    parser.add_argument("--store", help="folder; default: the user's cache")
    return parser


def _progress() -> Progress:
    def show(done: int, total: int) -> None:
        share = f"{100 * done // total:3d} %" if total else ""
        print(f"\r{done / 2**20:8.1f} MiB {share}", end="", file=sys.stderr, flush=True)

    return show


if __name__ == "__main__":
    sys.exit(main())
