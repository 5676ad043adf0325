"""Signals that ask a run to stop: it ends its step, saves and leaves a model."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOPPING = ("SIGINT", "SIGTERM", "SIGHUP")
"""Ctrl-C, what schedulers and `kill` send, and a terminal that closes; not every system has all."""
AGAIN = 0.5
"""Seconds after the first from which another one is meant as such: launchers pass on what a process has got already."""


@contextmanager
def interruption() -> Iterator[list[int]]:
    """A list that gets the number of the first such signal, so that the step in progress can end.

    A second one does at once what it did before. A closed terminal is no signal where it is ignored, as under `nohup`.
    """
    signals: list[int] = []
    first = 0.0
    before: dict[int, Any] = {}

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if not signals:
            signals.append(number)
            first = time.monotonic()
        elif time.monotonic() - first > AGAIN:
            if callable(before[number]):
                before[number](number, frame)
            else:
                signal.signal(number, before[number])
                os.kill(os.getpid(), number)

    for number in (getattr(signal, name) for name in STOPPING if hasattr(signal, name)):
        if number == getattr(signal, "SIGHUP", None) and signal.getsignal(number) == signal.SIG_IGN:
            continue
        before[number] = signal.signal(number, note)
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
