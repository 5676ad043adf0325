"""Every experiment on a system, one after the other, as far as the time goes; a second call goes on.

    SRGAN_KIT_DATA=... python -m scripts.experiments.all --minutes 60        what has no complete result yet
    SRGAN_KIT_DATA=... python -m scripts.experiments.all --only f_gan gan    these, whether they have one or not
    SRGAN_KIT_DATA=... python -m scripts.experiments.all --smoke             a few steps of each
    SRGAN_KIT_DATA=... python -m scripts.experiments.all --jobs 12           twelve trainings side by side

Each runs in a process of its own: if one fails, the others still run. Of several jobs each goes through the experiments
from another one on, and trains what no other one does; then each experiment measures what all have trained. At last the
pages are written.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from scripts.lib import paths
from scripts.lib.results_page import PAGES, read, render

ONLY_MEASURE = 0.0
"""Minutes that are up before anything trains."""


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status: how many experiments failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, help="for all together; what is running then stops, and can go on")
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"some of: {', '.join(PAGES)}")
    parser.add_argument("--jobs", type=int, default=1, help="how many train side by side (default: 1)")
    parser.add_argument("--smoke", action="store_true", help="a few steps of each; no result is written to docs/")
    parser.add_argument("--work", type=Path, help="where runs lie, a folder for each (default: runs/experiments)")
    arguments = parser.parse_args(argv)
    if unknown := set(arguments.only or ()) - PAGES.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if arguments.jobs < 1:
        parser.error(f"--jobs: expected at least 1, got {arguments.jobs}")
    names = arguments.only or list(PAGES if arguments.smoke else missing())
    deadline = None if arguments.minutes is None else time.monotonic() + 60 * arguments.minutes
    call = partial(run, work=arguments.work, smoke=arguments.smoke)
    if arguments.jobs > 1:
        orders = [names[first % len(names) :] + names[: first % len(names)] for first in range(arguments.jobs)]
        with ThreadPoolExecutor(arguments.jobs) as pool:
            list(pool.map(lambda order: [call(name, left(deadline)) for name in order], orders))
    failed = sum(not call(name, left(deadline) if arguments.jobs == 1 else ONLY_MEASURE) for name in names)
    if not arguments.smoke:
        render()
    return failed


def left(deadline: float | None) -> float | None:
    """Minutes until then."""
    return None if deadline is None else (deadline - time.monotonic()) / 60


def run(name: str, minutes: float | None, work: Path | None, smoke: bool) -> bool:
    """Call an experiment, if there is time; whether it did not fail."""
    if not runnable(name):
        print(f"{name}: has no script", flush=True)
        return True
    if minutes is not None and minutes < 0:
        print(f"{name}: no time left", flush=True)
        return True
    print(f"{name}", flush=True)
    words = command(name, minutes, None if work is None else work / name, smoke)
    return not subprocess.run(words, cwd=paths.ROOT, check=False).returncode


def missing(folder: Path = paths.RESULTS) -> list[str]:
    """Experiments without a result, or with one in which runs are missing."""
    results = {name: read(name, folder) for name in PAGES}
    return [name for name, result in results.items() if result is None or result.get("unfinished")]


def runnable(name: str) -> bool:
    """Whether `python -m scripts.experiments.NAME` finds something to run."""
    module = f"scripts.experiments.{name}"
    found = find_spec(module)
    if found is None:
        return False
    return found.submodule_search_locations is None or find_spec(f"{module}.__main__") is not None


def command(name: str, minutes: float | None, work: Path | None, smoke: bool) -> list[str]:
    """How an experiment is run."""
    words = [sys.executable, "-m", f"scripts.experiments.{name}"]
    words += [] if minutes is None else ["--minutes", f"{minutes:.2f}"]
    words += [] if work is None else ["--work", str(work)]
    return words + (["--smoke"] if smoke else [])


if __name__ == "__main__":
    sys.exit(main())
