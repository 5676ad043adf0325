"""A limit of time, and the number of steps that fit into it."""

import math
import time

PROBE_SECONDS = 10.0
"""The speed is measured for so long, ..."""
PROBE_FRACTION = 0.05
"""... or for this fraction of the time, whichever is less, ..."""
PROBE_STEPS = 3
"""... but for so many steps at least, after the first, which is slower."""
KEPT_FREE = 0.03
"""Fraction of the time that is kept for checkpoints, and for a machine that does not stay as fast."""


class TimeLimit:
    """So many minutes from now on; None for no limit.

    Args:
        minutes: how many.
        fit: whether the run's number of steps is fixed by what fits, once, from the measured speed.
    """

    def __init__(self, minutes: float | None, fit: bool = False) -> None:
        self.minutes = math.inf if minutes is None else minutes
        self.fit = fit and math.isfinite(self.minutes)
        self.deadline = time.monotonic() + 60 * self.minutes
        self._first: tuple[float, int] | None = None

    @property
    def left(self) -> float:
        """Seconds; infinite without a limit."""
        return self.deadline - time.monotonic()

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self.left <= 0

    def seconds_per_step(self, step: int) -> float | None:
        """The time of a step, once enough of them were seen; call it after each, `step` of them being done."""
        now = time.monotonic()
        if self._first is None:
            self._first = now, step
        since, first = self._first
        enough = min(PROBE_SECONDS, PROBE_FRACTION * 60 * self.minutes)
        if step - first < PROBE_STEPS or now - since < enough:
            return None
        return (now - since) / (step - first)


def steps_that_fit(seconds: float, per_step: float, per_validation: float, every: int) -> int:
    """How many more steps fit, with a validation each `every` steps and one at the end; at least one.

    >>> steps_that_fit(100, per_step=0.97, per_validation=0, every=10)
    100
    >>> steps_that_fit(100, per_step=0.9, per_validation=0.7, every=10)
    99
    """
    seconds = seconds * (1 - KEPT_FREE) - per_validation
    return max(1, math.floor(seconds / (per_step + per_validation / every) + 1e-9))
