"""Throw-away signing keys, made by gpg, so that times can be chosen and every verdict has a second opinion."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Signer:
    home: Path
    fingerprint: str
    subkeys: tuple[str, ...]

    def gpg(
        self, *arguments: str, at: str = "", data: bytes = b"", check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        clock = ["--faked-system-time", f"{at}T120000"] if at else []
        command = ["gpg", "--batch", "--quiet", "--no-tty"]
        return subprocess.run(
            [*command, "--pinentry-mode", "loopback", "--passphrase", "", *clock, *arguments],
            input=data,
            env={**os.environ, "GNUPGHOME": str(self.home)},
            capture_output=True,
            check=check,
        )

    @property
    def public(self) -> bytes:
        return self.gpg("--armor", "--export", self.fingerprint).stdout

    def detached(self, data: bytes, at: str = "", subkey: int = -1) -> bytes:
        return self.gpg(
            "--local-user", f"{self.subkeys[subkey]}!", "--output", "-", "--detach-sign", at=at, data=data
        ).stdout

    def clearsigned(self, data: bytes, at: str = "", subkey: int = -1) -> bytes:
        return self.gpg(
            "--local-user", f"{self.subkeys[subkey]}!", "--output", "-", "--clear-sign", at=at, data=data
        ).stdout

    def second_opinion(self, signature: bytes, data: bytes, folder: Path) -> str:
        """What gpg says about a detached signature: VALIDSIG, EXPKEYSIG, REVKEYSIG, BADSIG, ERRSIG."""
        (folder / "s.sig").write_bytes(signature)
        done = self.gpg("--status-fd", "1", "--verify", str(folder / "s.sig"), "-", data=data, check=False)
        words = [line.split()[1] for line in done.stdout.decode().splitlines() if line.startswith("[GNUPG:]")]
        return next((word for word in ("EXPKEYSIG", "REVKEYSIG", "BADSIG", "ERRSIG", "VALIDSIG") if word in words), "")


def make_signer(home: Path, name: str, subkeys: tuple[tuple[str, str], ...] = (("20250101", "5y"),)) -> Signer:
    """A primary key of 2020 that only certifies, and signing sub-keys (made on, valid for)."""
    home.mkdir(mode=0o700)
    new = Signer(home, "", ())
    new.gpg("--quick-generate-key", f"{name} <{name}@example.org>", "ed25519", "cert", "never", at="20200101")
    fingerprint = _fingerprints(new)[0]
    for made, valid in subkeys:
        new.gpg("--quick-add-key", fingerprint, "ed25519", "sign", valid, at=made)
    return Signer(home, fingerprint, tuple(_fingerprints(new)[1:]))


def revoke_subkey(signer: Signer, index: int) -> None:
    script = f"key {index}\nrevkey\ny\n1\n\ny\nsave\n".encode()
    signer.gpg("--command-fd", "0", "--yes", "--edit-key", signer.fingerprint, data=script)


def stop_agent(home: Path) -> None:
    subprocess.run(["gpgconf", "--kill", "all"], env={**os.environ, "GNUPGHOME": str(home)}, check=False)


def _fingerprints(signer: Signer) -> list[str]:
    lines = signer.gpg("--list-keys", "--with-colons").stdout.decode().splitlines()
    return [line.split(":")[9] for line in lines if line.startswith("fpr:")]
