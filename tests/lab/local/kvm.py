#!/usr/bin/env python3
"""Does KVM really work here? Prints `kvm` or `tcg`, and why.

`/dev/kvm` may exist and be of no use: QEMU aborts on a register the outer hypervisor refuses, a guest hangs at
its first instruction, or runs fifty times slower than without it. So a boot sector is run under KVM with the
host's processor model, as a real guest would be. It goes to protected mode, counts down from 2**26 and writes
to the isa-debug-exit port, which makes QEMU end with a status nothing else gives.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

LIMIT = 3.0  # seconds; where KVM works it takes well under one
EXIT_VALUE = 0x10
EXIT_STATUS = EXIT_VALUE << 1 | 1


def boot_sector() -> bytes:
    """512 bytes that end QEMU with EXIT_STATUS."""
    descriptors = bytes(8) + bytes.fromhex("ffff 0000 00 9a cf 00")  # the null descriptor, then 4 GiB of 32-bit code
    protected_mode = bytes.fromhex(
        "b900000004"  # mov ecx, 2**26
        "49 75fd"  # dec ecx; jnz back to it
        f"b0{EXIT_VALUE:02x} e6f4"  # mov al, EXIT_VALUE; out 0xf4, al
        "f4 ebfd"  # hlt, for ever
    )
    start = 0x7C00 + 23  # where the BIOS puts the sector, and the length of real_mode
    table = start + len(protected_mode)
    pointer = table + len(descriptors)
    real_mode = bytes.fromhex(
        "fa"  # cli
        "31c0 8ed8"  # xor ax, ax; mov ds, ax
        f"0f0116 {_little(pointer, 2)}"  # lgdt [pointer]
        "0f20c0 0c01 0f22c0"  # mov eax, cr0; or al, 1; mov cr0, eax
        f"ea {_little(start, 2)} 0800"  # jmp 8:start
    )
    limit_and_base = bytes.fromhex(_little(len(descriptors) - 1, 2) + _little(table, 4))
    code = real_mode + protected_mode + descriptors + limit_and_base
    return code.ljust(510, b"\0") + b"\x55\xaa"


def _little(value: int, size: int) -> str:
    return value.to_bytes(size, "little").hex()


class Verdict(NamedTuple):
    """What guests on this machine run with."""

    accelerator: str  # kvm or tcg
    reason: str

    def __str__(self) -> str:
        return f"{self.accelerator.upper()}: {self.reason}"


def run(accelerator: str, *, qemu: str = "qemu-system-x86_64", limit: float = LIMIT, sudo: bool = False) -> Verdict:
    """Run the boot sector under an accelerator; the verdict is that accelerator, or tcg with what went wrong."""
    processor = ["-cpu", "host"] if accelerator == "kvm" else []
    with tempfile.NamedTemporaryFile(prefix="flatprov-sector-") as sector:
        sector.write(boot_sector())
        sector.flush()
        command = [
            *(("sudo", "-n") if sudo else ()),
            *(qemu, "-accel", accelerator, *processor, "-machine", "pc", "-m", "32", "-nodefaults", "-no-user-config"),
            *("-display", "none", "-monitor", "none", "-serial", "none", "-no-reboot"),
            *("-device", "isa-debug-exit,iobase=0xf4,iosize=4"),
            *("-drive", f"file={sector.name},format=raw,if=ide,snapshot=on"),
        ]
        begin = time.monotonic()
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit)
        except FileNotFoundError:
            return Verdict("tcg", f"{qemu} is not installed; apt-get install qemu-system-x86")
        except subprocess.TimeoutExpired:
            return Verdict("tcg", f"a boot sector did not end under {accelerator.upper()} within {limit:g} s")
    took = time.monotonic() - begin
    if done.returncode == EXIT_STATUS:
        return Verdict(accelerator, f"a boot sector ran in {took:.1f} s")
    said = [line for line in done.stderr.splitlines() if "warning:" not in line]
    why = said[0].removeprefix("qemu-system-x86_64: ")[:100] if said else "it said nothing"
    return Verdict("tcg", f"a boot sector under {accelerator.upper()} ended with status {done.returncode} ({why})")


def probe(*, device: str = "/dev/kvm", qemu: str = "qemu-system-x86_64", limit: float = LIMIT) -> Verdict:
    """The accelerator for guests on this machine."""
    if not Path(device).exists():
        return Verdict("tcg", f"there is no {device}")
    # the daemon's QEMU runs as root or in the group kvm, whoever asks for it
    return run("kvm", qemu=qemu, limit=limit, sudo=not os.access(device, os.R_OK | os.W_OK))


if __name__ == "__main__":
    print(probe())
    sys.exit(0)
