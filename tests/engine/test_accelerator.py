"""KVM is used only where it runs a guest, judged against a real libvirtd."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from local.lab import Lab

from flatprov.platforms.libvirt import accelerator as accelerators
from flatprov.platforms.libvirt import client


@pytest.fixture
def open_lab() -> Iterator[Lab]:
    """A daemon that sees the machine's /dev/kvm, whatever it is worth."""
    with tempfile.TemporaryDirectory(prefix="flatprov-kvm-") as folder:
        lab = Lab(Path(folder) / "lab", hide_kvm=False)
        try:
            lab.up()
            yield lab
        finally:
            lab.purge()


@pytest.mark.lab
def test_auto_agrees_with_a_boot_sector_run_by_hand(open_lab: Lab, accelerator: str) -> None:
    host = client.connect(open_lab.uri, "test")
    assert accelerators.use_kvm(host, "auto") == (accelerator == "kvm")
    assert not host.domains()


@pytest.mark.lab
def test_a_machine_that_works_prints_and_one_that_cannot_start_does_not(open_lab: Lab) -> None:
    host = client.connect(open_lab.uri, "test")
    emulated = accelerators.probe_xml().replace('type="kvm"', 'type="qemu"').replace("host-passthrough", "maximum")
    assert host.firmware_prints(emulated, 30)
    assert not host.firmware_prints(emulated.replace('machine="q35"', 'machine="none"'), 5)
    assert not host.domains()


@pytest.mark.parametrize(
    ("wanted", "now", "expected"),
    [("kvm", "tcg", True), ("tcg", "kvm", False), ("auto", "kvm", True), ("auto", "tcg", False)],
)
def test_a_word_of_the_user_and_an_existing_machine_need_no_probe(wanted: Any, now: str, expected: bool) -> None:
    class Untouchable:
        uri = "test:///untouchable"

    assert accelerators.use_kvm(Untouchable(), wanted, now) is expected  # type: ignore[arg-type]
