"""What the fuzzers share: mutations of files, and a loop that counts what goes wrong."""

import argparse
import resource
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

HANG = 20
"""Seconds after which a file counts as one that hangs."""


@dataclass
class Outcome:
    """What became of all files."""

    counts: Counter[str] = field(default_factory=Counter)
    """"done" and "refused", and what should not happen: "tracebacks", "hangs", "leftovers"."""
    slowest: float = 0.0
    """Seconds."""

    def line(self, what: str, seed: int) -> str:
        """The summary."""
        bad = ", ".join(f"{self.counts[name]} {name}" for name in ("tracebacks", "hangs", "leftovers"))
        total = self.counts["done"] + self.counts["refused"] + self.counts["tracebacks"] + self.counts["hangs"]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        good = f"{self.counts['done']} done, {self.counts['refused']} refused"
        return f"{total} mutated {what}, seed {seed}: {bad}; {good}; slowest {self.slowest:.1f} s, peak {peak:.0f} MiB"


class Hang(BaseException):
    """A file took longer than `HANG`; no handler of ordinary errors stops it."""


def mutated(content: bytes, random: np.random.Generator) -> bytes:
    """The file with a few bytes changed, inserted, removed or repeated, and sometimes cut short."""
    found = bytearray(content)
    for _ in range(int(random.integers(1, 6))):
        place = (
            int(random.integers(len(found))) if random.random() < 0.5 else int(random.integers(min(len(found), 512)))
        )
        kind, length = random.integers(5), int(random.integers(1, 9))
        if kind == 0:
            found[place] ^= 1 << int(random.integers(8))
        elif kind == 1:
            found[place : place + length] = random.bytes(length)
        elif kind == 2:
            found[place:place] = random.bytes(length)
        elif kind == 3:
            del found[place : place + length]
        else:
            found[place : place + length] = bytes([int(random.choice([0, 1, 127, 128, 255]))]) * length
        if not found:
            return b""
    return bytes(found[: int(random.integers(len(found)))] if random.random() < 0.15 else found)


def fuzz(
    files: dict[str, bytes], count: int, seed: int, folder: Path, attempt: Callable[[Path], bool], show: bool = False
) -> Outcome:
    """Mutate the files in turns and try each.

    Args:
        files: intact ones, by name.
        count: how many mutants.
        seed: of the mutations: mutant number n is a function of (seed, n).
        folder: where they are written, one at a time.
        attempt: does what a user would; True where it worked, False where it was refused in one line.
        show: whether tracebacks are printed.
    """
    outcome, names = Outcome(), sorted(files)
    for number in range(count):
        random = np.random.default_rng((seed, number))
        name = names[number % len(names)]
        path = folder / f"{number}{Path(name).suffix}"
        path.write_bytes(mutated(files[name], random))
        before, start = {each.name for each in folder.iterdir()}, time.monotonic()
        try:
            with _at_most(HANG):
                outcome.counts["done" if attempt(path) else "refused"] += 1
        except Hang:
            outcome.counts["hangs"] += 1
        except Exception:
            outcome.counts["tracebacks"] += 1
            if show:
                print(f"{name}, mutant {number}:")
                traceback.print_exc()
        outcome.slowest = max(outcome.slowest, time.monotonic() - start)
        outcome.counts["leftovers"] += len({each.name for each in folder.iterdir()} - before)
        path.unlink(missing_ok=True)
    return outcome


def ending_in(files: dict[str, bytes], ending: str) -> dict[str, bytes]:
    """Those whose names end so."""
    chosen = {name: content for name, content in files.items() if name.endswith(ending)}
    if not chosen:
        raise SystemExit(f"--only {ending}: no such file; there are {', '.join(sorted(files))}")
    return chosen


def print_summary(run: Callable[[int, int, bool, str], str], count: int, description: str | None) -> None:
    """What a fuzzer does from the command line: `run` of --count, --seed, --show and --only."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=count)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", action="store_true", help="print tracebacks")
    parser.add_argument("--only", default="", metavar="ENDING", help="of files whose names end so")
    options = parser.parse_args()
    print(run(options.count, options.seed, options.show, options.only))


@contextmanager
def _at_most(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
