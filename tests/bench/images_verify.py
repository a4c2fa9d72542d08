"""What verification costs beside ``gpgv`` over the whole image: same file, same key, one run.

flatprov checks the signature of DIGESTS and hashes the image once; ``gpgv FILE.sig FILE`` hashes it too, more slowly.
Hashing happens while the image arrives, so the wall time of a download does not show it; CPU seconds are compared.

``python -m tests.bench.images_verify [MIB]`` prints the figures alone.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flatprov.images.keys import load_key
from flatprov.images.remembered import Remembered
from flatprov.images.verify import check_sha512, sha512_of, verify_clearsigned
from flatprov.testing.release_server import digests_text
from flatprov.testing.signing import SigningKey

GOAL = 0.55
ROUNDS = 3


@dataclass(frozen=True)
class Verification:
    """CPU seconds for one image; the best of some rounds, taken in turns.

    Attributes:
        size_bytes: of the image.
        ours_seconds: signature of DIGESTS, then SHA-512 of the image.
        gpgv_seconds: ``gpgv`` over the image.
    """

    size_bytes: int
    ours_seconds: float
    gpgv_seconds: float

    @property
    def ratio(self) -> float:
        """Ours beside gpgv's."""
        return self.ours_seconds / self.gpgv_seconds


def measure(size_bytes: int = 542 << 20) -> Verification:
    """Measure both over the same random file."""
    with tempfile.TemporaryDirectory(prefix="fp-bench-") as name:
        folder = Path(name)
        image = folder / "flatcar_production_image.bin.bz2"
        key = SigningKey()
        _fill(image, size_bytes)
        data = image.read_bytes()
        (folder / "image.sig").write_bytes(key.detached(data))
        signed = key.clearsigned(digests_text(image.name, data))
        del data
        ring = folder / "key.gpg"
        ring.write_bytes(_binary(key.public))
        gpgv = ["gpgv", "--quiet", "--keyring", str(ring), str(folder / "image.sig"), str(image)]
        ours, theirs = [], []
        for _ in range(ROUNDS):
            theirs.append(_children(lambda: subprocess.run(gpgv, capture_output=True, check=True)))
            began = time.process_time()
            _verify(key, signed, image, folder / "known")
            ours.append(time.process_time() - began)
        return Verification(size_bytes, min(ours), min(theirs))


def report(found: Verification) -> str:
    """One line."""
    return (
        f"verify {found.size_bytes >> 20} MiB: {found.ours_seconds:.3f} s CPU, gpgv over the image "
        f"{found.gpgv_seconds:.3f} s: {found.ratio:.2f} of it (goal {GOAL})"
    )


def _verify(key: SigningKey, signed: bytes, image: Path, known: Path) -> None:
    text, _ = verify_clearsigned(load_key(key.public, key.fingerprint), signed, image.name)
    found = Remembered(known / str(time.monotonic_ns())).sha512(image)
    check_sha512(found, sha512_of(text, image.name, image.name), image.name)


def _fill(path: Path, size_bytes: int) -> None:
    with path.open("wb") as file:
        for start in range(0, size_bytes, 1 << 20):
            file.write(os.urandom(min(1 << 20, size_bytes - start)))


def _binary(armored: bytes) -> bytes:
    from pysequoia import Cert

    return bytes(Cert.from_bytes(armored))


def _children(run: Callable[[], object]) -> float:
    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = used()
    run()
    return used() - before


def main() -> None:
    """Print the figures, for a file of so many MiB as the first argument says."""
    print(report(measure(int(sys.argv[1]) << 20 if sys.argv[1:] else 542 << 20)))


if __name__ == "__main__":
    main()
