"""``flatprov logs``: the console of a node's first boots, as the plugin kept it on this machine.

The last three boots of a node that this user's runs waited for, without the secrets of its config; they go when the
node is deleted. No connection to the host is made. While a boot hangs, what is known of it is there too, at most 15
seconds old.
"""

from __future__ import annotations

import argparse
import contextlib
import json
from dataclasses import asdict


def add_to(logs: argparse.ArgumentParser) -> None:
    """Fill in this command's parser."""
    logs.description = __doc__
    logs.formatter_class = argparse.RawDescriptionHelpFormatter
    logs.add_argument("node", nargs="?", default="", metavar="NODE", help="the node's name; without it, what is kept")
    logs.add_argument("--uri", default="", metavar="URI", help="the host; any without it")
    logs.add_argument("--boot", type=int, default=1, metavar="N", help="1 is the newest (1)")
    logs.add_argument("--json", action="store_true", help="print JSON")
    logs.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from flatprov.errors import FlatprovError
    from flatprov.platforms.libvirt import facts, history, reach

    uri = reach.without_password(options.uri)
    if not options.node:
        kept = [about for about in history.known() if uri in ("", about.uri)]
        if options.json:
            print(json.dumps([asdict(about) for about in kept]))
            return
        for about in kept:
            print(f"{facts.at(about.at)}  {about.node}  {about.owner}  {about.uri}  {about.outcome}")
        return
    boots = history.read(options.node, uri)
    machines = {(boot.about.uuid, boot.about.uri, boot.about.owner) for boot in boots}
    if len(machines) > 1:
        named = ", ".join(sorted(f"{owner} on {host}" for _, host, owner in machines))
        raise FlatprovError(options.node, f"several nodes have this name: {named}", "give --uri")
    if not 1 <= options.boot <= len(boots):
        kept_count = f"{len(boots)} boots are kept" if boots else "no boot is kept"
        raise FlatprovError(
            options.node,
            f"{kept_count} of it in {history.folder()}",
            "the user and machine that ran `pulumi up` have it; `flatprov logs` lists what is here",
        )
    boot = boots[options.boot - 1]
    if options.json:
        print(json.dumps({**asdict(boot.about), "lines": list(boot.lines)}))
        return
    with contextlib.suppress(BrokenPipeError):
        print(f"{boot.about.node} of {boot.about.owner} on {boot.about.uri}, {facts.at(boot.about.at)}")
        print(f"{boot.about.outcome}\n")
        print("\n".join(boot.lines))
