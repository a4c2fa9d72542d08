"""``python -m tests.ignition.validate.fuzz SECONDS [SEED]``: look for texts on which we and the real tool differ.

Each round changes complete configs, damages their bytes and makes odd units, all from the seed, which is printed: a
round can be had again. Ends with 1 and the texts where there was a difference or an error.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[3])]

from validator_corpus import combined, damaged, unit_texts  # noqa: E402
from validator_oracle import printed, real, same  # noqa: E402

from flatprov.errors import ConfigError  # noqa: E402
from flatprov.ignition.reading import read  # noqa: E402
from flatprov.ignition.validate import validate  # noqa: E402


def difference(text: str | bytes, theirs: list[str]) -> str:
    """Say what is wrong with what we say of a text, or ``""``."""
    try:
        ours = printed(validate(text))
    except Exception as error:
        return f"validate raised {error!r}"
    try:
        read(text)
    except ConfigError:
        pass
    except Exception as error:
        return f"read raised {error!r}"
    return "" if same(ours, theirs) else f"ours {ours}, theirs {theirs}"


def main() -> int:
    """Run rounds until the time is over."""
    parser = argparse.ArgumentParser(prog="fuzz")
    parser.add_argument("seconds", type=float)
    parser.add_argument("seed", type=int, nargs="?", default=int(time.time()))
    options = parser.parse_args()
    end, seed, count, wrong = time.monotonic() + options.seconds, options.seed, 0, 0
    print(f"seed {seed}")
    with ThreadPoolExecutor(2) as pool:
        while time.monotonic() < end:
            texts: list[str | bytes] = [*damaged(60, seed), *combined(60, seed), *unit_texts(40, seed)]
            for text, theirs in zip(texts, pool.map(real, texts), strict=True):
                found = difference(text, theirs)
                if found:
                    wrong += 1
                    print(f"seed {seed}: {text[:3000]!r}\n  {found[:3000]}")
            count += len(texts)
            seed += 1
    print(f"{count} texts, {wrong} differences")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
