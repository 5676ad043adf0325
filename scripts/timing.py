"""What the benchmarks share: times of pieces of work that take turns, and thresholds."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

Work = Callable[[], object]


@dataclass(frozen=True)
class Check:
    """One threshold."""

    name: str
    value: float
    bound: str
    ok: bool


def median_seconds(work: dict[str, Work], repeats: int) -> dict[str, float]:
    """Median time of each piece of work after one warm-up; they take turns, so that all see the same machine."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(repeats + 1):
        for name, piece in work.items():
            start = time.perf_counter()
            piece()
            if turn:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}
