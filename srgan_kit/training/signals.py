"""Signals that ask a run to stop: it ends its step, saves and leaves a model."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

STOPPING = ("SIGINT", "SIGTERM", "SIGHUP")
"""Ctrl-C, what schedulers and `kill` send, and a terminal that closes; not every system has all."""


@contextmanager
def interruption() -> Iterator[list[int]]:
    """A list that gets the number of the first such signal, so that the step in progress can end; a second one kills.

    A closed terminal is no signal where it is ignored, as under `nohup`.
    """
    signals: list[int] = []

    def note(number: int, frame: object) -> None:
        if signals:
            raise KeyboardInterrupt
        signals.append(number)

    before = {}
    for number in (getattr(signal, name) for name in STOPPING if hasattr(signal, name)):
        if number == getattr(signal, "SIGHUP", None) and signal.getsignal(number) == signal.SIG_IGN:
            continue
        before[number] = signal.signal(number, note)
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
