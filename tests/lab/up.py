#!/usr/bin/env python3
"""Two nodes on this machine, from nothing: what `make up`, `make down` and `make ssh` run.

    up.py up         hypervisor, image, `pulumi up` on stacks/homelab, a table of the nodes
    up.py down       `pulumi destroy`, the private hypervisor's end, and a look for what is left
    up.py ssh NODE   log in

Everything lies in .flatprov/ in the checkout: state, passphrase, ssh key and the private hypervisor. `. .flatprov/env`
sets up a shell for plain `pulumi` in stacks/homelab: `pulumi config set count 3`, then `make up` again.
    HYPERVISOR=auto|system|private    FLATCAR=auto|release|standin
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from local import hypervisor, image, kvm, login, stack
from local.console import LabError, line, step, table
from local.folder import HOME, ROOT, private_file, private_folder


def accelerator() -> kvm.Verdict:
    with step("KVM") as result:
        verdict = kvm.probe()
        result.append(str(verdict))
    return verdict


def get_hypervisor(verdict: kvm.Verdict) -> hypervisor.Hypervisor:
    """The one of the last run if there was one, so that state and machine stay together."""
    with step("hypervisor") as result:
        kept = HOME / "hypervisor"
        wanted = kept.read_text().strip() if kept.exists() else os.environ.get("HYPERVISOR", "auto")
        found = hypervisor.find(HOME / "lab", wanted=wanted, hide_kvm=verdict.accelerator != "kvm")
        private_file(kept, "private" if found.folder else "system")  # first: what is half up can be taken down
        found.start()
        result.append(f"{found.name}, {found.uri}")
    return found


def node_row(node: dict[str, Any]) -> list[str]:
    seconds = node.get("bootSeconds")
    return [
        *(str(node.get(key, "")) for key in ("name", "address", "host", "release")),
        str(node.get("accelerator", "")).upper(),
        f"{float(seconds):.1f}" if seconds is not None else "",
        f"ssh -F {(HOME / 'ssh_config').relative_to(ROOT)} {node['name']}",
    ]


def up() -> None:
    began = time.monotonic()
    if not (stack.PROJECT / "Pulumi.yaml").exists():
        raise LabError(f"{stack.PROJECT} has no Pulumi.yaml: nothing to bring up")
    private_folder(HOME)
    with ThreadPoolExecutor() as threads:  # independent of each other, and each may take its time
        command, own_image = threads.submit(image.build, "pulumi"), threads.submit(image.choose)
        verdict = accelerator()
        host = get_hypervisor(verdict)
        own = own_image.result()
        command.result()
    stack.configure(uri=host.uri, accelerator=verdict.accelerator, ssh_key=login.public_key(), image=own)
    line("pulumi up", None, f"{stack.TITLE}, stack {stack.NAME}")
    deployed = time.monotonic()
    if status := stack.run_shown("up", "--refresh"):
        fix = "see above; `make up` goes on from here, `make down` removes it all"
        raise LabError(f"pulumi up ended with status {status}: {fix}")
    nodes: list[dict[str, Any]] = json.loads(stack.run("stack", "output", "--json")).get("nodes", [])
    changed = {kind: count for kind, count in stack.changes().items() if kind != "same"}
    done = ", ".join(f"{count} to {kind}" for kind, count in changed.items())
    line("pulumi up", deployed, done or "nothing to change")
    login.write_config(nodes, host)
    if changed:
        with step("ssh", f"logging in to {len(nodes)} nodes") as result, ThreadPoolExecutor() as threads:
            list(threads.map(login.try_ssh, nodes))
            result.append("every node answers")
    head = ["node", "address", "host", "release", "with", "boot s", "log in"]
    print("\n" + table(head, [node_row(node) for node in nodes]))
    took = time.monotonic() - began
    how = "" if changed else "nothing was changed, "
    print(f"\n{len(nodes)} nodes are up, {how}{took:.1f} s. `make down` removes them.")


def down() -> None:
    kept = HOME / "hypervisor"
    if not kept.exists():  # written before anything is made, removed when all is gone
        print("Nothing is up.")
        return
    host = hypervisor.find(HOME / "lab", wanted=kept.read_text().strip(), hide_kvm=True)
    left: list[str] = []
    if stack.exists():
        with step("hypervisor") as result:  # after a reboot the private one is not there, but its definitions are
            host.start()
            result.append(f"{host.name}, {host.uri}")
        before = host.contents()
        line("pulumi destroy", None, f"stack {stack.NAME}")
        if status := stack.run_shown("destroy"):
            raise LabError(f"pulumi destroy ended with status {status}: see above, then `make down` again")
        left = sorted(host.contents() & before) if host.folder else ours_among(host.contents())
    with step("left over?") as result:
        host.purge()
        left += host.traces()
        result.append(", ".join(left) or "no domain, volume, network, process, mount or namespace")
    (HOME / "ssh_config").unlink(missing_ok=True)
    kept.unlink(missing_ok=True)
    if left:
        raise LabError(f"something was left behind: {', '.join(left)}")
    print("\nAll is down. State, keys and the cache of images and tools are kept.")


def ours_among(contents: set[str]) -> list[str]:
    """On the system's daemon other people have things too: only what carries a node's name counts."""
    names = login.known()
    return sorted(item for item in contents if any(name in item for name in names))


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in ("up", "down", "ssh"):
        print(__doc__)
        return 2
    try:
        if arguments[0] == "ssh":
            login.enter(*(arguments[1:] or [""]))
        else:
            {"up": up, "down": down}[arguments[0]]()
    except LabError as failure:
        print(f"{arguments[0]}: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
