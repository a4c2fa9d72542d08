"""The real parts, as fixtures. A test that needs one and lacks it fails and names the command: nothing is skipped."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pulumi  # noqa: F401 - before flatprov, as in every Pulumi program: its errors are RunErrors only then
import pytest

ROOT = Path(__file__).resolve().parents[1]
LAB = ROOT / "tests" / "lab"
sys.path.insert(0, str(LAB))  # up.py and its package `local` are no part of flatprov

from local import kvm  # noqa: E402
from local.lab import Lab  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that asks for a real part is marked for it, so that nobody can forget to."""
    marks = {"lab": "lab", "second_lab": "lab", "standin_image": "lab", "pulumi_cli": "engine", "lab_bin": "oracle"}
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in marks and not any(item.iter_markers(marks[fixture])):
                item.add_marker(marks[fixture])


@pytest.fixture(scope="session", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Consoles that boots leave for ``flatprov logs`` go to a folder of this run, of the plugin's processes too."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


def _need(path: Path, part: str) -> Path:
    if not path.exists():
        pytest.fail(f"{path.relative_to(ROOT)} is missing; run tests/lab/build.sh {part}", pytrace=False)
    return path


@pytest.fixture(scope="session")
def lab_bin() -> Path:
    """The folder with ``ignition`` and ``ignition-validate``."""
    return _need(LAB / "out" / "bin" / "ignition-validate", "ignition").parent


@pytest.fixture(scope="session")
def pulumi_cli() -> Path:
    """The Pulumi CLI; its language hosts lie beside it, so a test puts the folder on PATH."""
    path = _need(LAB / "out" / "bin" / "pulumi", "pulumi")
    _need(path.with_name("pulumi-language-python"), "pulumi")
    return path


@pytest.fixture(scope="session")
def standin_image() -> Path:
    """The bootable stand-in; its sha512 and size lie beside it (``.sha512``, ``.bytes``)."""
    return _need(LAB / "out" / "standin.qcow2", "image")


@pytest.fixture(scope="session")
def accelerator() -> str:
    """``kvm`` or ``tcg``: what a guest on this machine really runs with."""
    return kvm.probe().accelerator


def _lab(accelerator: str) -> Iterator[Lab]:
    for program, package in (("libvirtd", "libvirt-daemon-system"), ("qemu-system-x86_64", "qemu-system-x86")):
        if not any((Path(folder) / program).exists() for folder in ("/usr/sbin", "/usr/bin", "/usr/local/bin")):
            pytest.fail(
                f"{program} is missing; run tests/lab/bootstrap.sh (or apt-get install {package})", pytrace=False
            )
    with tempfile.TemporaryDirectory(prefix="flatprov-lab-") as folder:
        lab = Lab(Path(folder) / "lab", hide_kvm=accelerator != "kvm")
        try:
            lab.up()
            yield lab
        finally:
            lab.purge()


@pytest.fixture(scope="session")
def lab(accelerator: str) -> Iterator[Lab]:
    """A private libvirtd with an empty, active storage pool ``default`` and no network."""
    yield from _lab(accelerator)


@pytest.fixture(scope="session")
def second_lab(accelerator: str) -> Iterator[Lab]:
    """Another one beside it: a second host."""
    yield from _lab(accelerator)
