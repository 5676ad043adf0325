"""SIGINT (Ctrl-C), SIGTERM and SIGHUP end a command in order: tidied up, with one line, status 128 + their number."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
WAIT = 0.02
"""Seconds until a signal that came during an import is heard again."""


class StoppedBySignal(BaseException):
    """A signal came. No `Exception`, so that nobody takes it for the failure of one image."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.name = signal.Signals(number).name
        self.exit_status = 128 + number
        self.done = ""
        """What was done until then, in words."""


_raised: StoppedBySignal | None = None
_waiting: int | None = None
"""A signal that waits for the end of an import."""


@contextmanager
def stopping_wins() -> Iterator[None]:
    """An error of the block is `StoppedBySignal` where a signal came: compiled libraries wrap it in their own."""
    try:
        yield
    except Exception:
        check_stopped()
        raise
    check_stopped()


def check_stopped() -> None:
    """Raise `StoppedBySignal` (again) if a signal has come: some libraries drop what is raised inside them."""
    if _raised is not None:
        raise _raised from None
    if _waiting is not None:
        _stop(_waiting)


def stop_on_signals() -> None:
    """From now on the first of them raises `StoppedBySignal`; those that are ignored (as nohup does) stay so."""
    global _raised, _waiting
    _raised = _waiting = None
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _hear)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # a worker has held them back until now


def ignore_signals() -> None:
    """From now on nothing is stopped any more."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _hear(number: int, frame: FrameType | None) -> None:
    if not hasattr(signal, "setitimer") or not _is_importing(frame):
        _stop(number)
        return
    # In the middle of an import an exception would be swallowed, reported or turned into another one: a little later.
    global _waiting
    _waiting = number
    for each in SIGNALS:
        if signal.getsignal(each) is _hear:
            signal.signal(each, _leave)
    signal.signal(signal.SIGALRM, lambda _, frame: None if _is_importing(frame) else _stop(number))
    signal.setitimer(signal.ITIMER_REAL, WAIT, WAIT)


def _stop(number: int) -> None:
    ignore_signals()  # the first is heard; more would only disturb the tidying
    global _raised
    _raised = StoppedBySignal(number)
    raise _raised


def _leave(number: int, frame: FrameType | None) -> None:
    """Who asks twice does not wait for the end of an import, while which nothing is half written."""
    os._exit(128 + number)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False
