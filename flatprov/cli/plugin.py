"""``flatprov plugin``: the plugin where the Pulumi CLI looks for plugins, for stacks without a program beside them.

A stack of ``stacks/`` names the folder itself. Refresh and destroy from state alone, the Pulumi operator and CI
find it in ``PULUMI_HOME/plugins`` instead.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from flatprov import __version__
from flatprov.errors import FlatprovError

_PROGRAM = "pulumi-resource-flatprov"


def add_to(plugin: argparse.ArgumentParser) -> None:
    """Fill in this command's parser."""
    plugin.description = __doc__
    actions = plugin.add_subparsers(required=True, metavar="ACTION")
    install = actions.add_parser("install", help="put it where the Pulumi CLI finds it")
    install.add_argument("--home", type=Path, help="PULUMI_HOME; the variable's value, else ~/.pulumi")
    install.set_defaults(run=_install)
    remove = actions.add_parser("uninstall", help="remove it from there")
    remove.add_argument("--home", type=Path, help="PULUMI_HOME; the variable's value, else ~/.pulumi")
    remove.set_defaults(run=_uninstall)


def folder_below(home: Path | None) -> Path:
    """Where this version's plugin lies below a PULUMI_HOME."""
    home = home or Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    return home / "plugins" / f"resource-flatprov-v{__version__}"


def install(home: Path | None) -> Path:
    """Write the plugin's folder; whole or not at all.

    Raises:
        FlatprovError: the folder cannot be written.
    """
    target = folder_below(home)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=target.parent, prefix=".flatprov-"))
        fresh.chmod(0o755)
        program = fresh / _PROGRAM
        program.write_text(_shim(Path(sys.executable)))
        program.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        fresh.rename(target)
    except OSError as error:
        raise FlatprovError(
            str(target), f"it cannot be written ({error.strerror})", "check its permissions, or give --home"
        ) from error
    return target


def _shim(python: Path) -> str:
    """The program: this interpreter, and a way out when it is gone."""
    interpreter = shlex.quote(str(python))
    return f"""#!/bin/sh
# made by `flatprov plugin install`
if [ ! -x {interpreter} ]; then
    echo "flatprov: the Python environment of this plugin is gone ("{interpreter}")." >&2
    echo "Install flatprov {__version__} again and run: flatprov plugin install" >&2
    exit 1
fi
exec {interpreter} -m flatprov.provider.main "$@"
"""


def _install(options: argparse.Namespace) -> None:
    print(f"installed {install(options.home)}")


def _uninstall(options: argparse.Namespace) -> None:
    target = folder_below(options.home)
    if target.exists():
        shutil.rmtree(target)
        print(f"removed {target}")
    else:
        print(f"nothing at {target}")
