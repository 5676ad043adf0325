"""Workers: processes with PyTorch loaded that do one job after the other, and the queue before them."""

import json
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from srgan_kit.errors import UserError
from srgan_kit.serve.channel import BEGUN, DONE, INPUT, JOB, READY, Channel, Job

POLL = 0.1
"""Seconds between looks at whether a waiting client is still there."""
GRACE = 10.0
"""Seconds that a job has to tidy up in when the server ends."""
HANGUP = getattr(signal, "SIGHUP", signal.SIGTERM)
"""What a job is stopped by whose client has left."""
Outlet = Callable[[bytes, bytes], None]
"""Is given the frames of a job: kind and content."""


class Busy(Exception):
    """As many wait as may wait."""


class Cancelled(Exception):
    """A job was stopped by this signal before it began."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class WorkerDied(Exception):
    """A worker ended in the middle of a job: killed for want of memory, or by a fault of a library."""


class Worker:
    """A process that does one job at a time; where it has died, the next job starts another.

    Args:
        command: the program's command line.
        environment: what its environment has besides the server's.

    Raises:
        UserError: it cannot be started.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._command, self._environment = list(command), {**os.environ, **(environment or {})}
        self._lock, self._is_running, self._sent, self._is_closed = threading.Lock(), False, 0, False
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C at the server's terminal is for the server alone
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._channel = Channel(self._process.stdout, self._process.stdin)  # pyright: ignore[reportArgumentType]
        frame = self._channel.receive()
        if frame is None or frame[0] != READY:
            raise UserError(f"a worker ended with status {self._process.wait()} before it had started")
        self.about: dict[str, Any] = json.loads(frame[1])
        """What it says of itself: its devices."""

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def run(self, job: Job, outlet: Outlet, stopped_by: Callable[[], int] = lambda: 0) -> int:
        """Do a job; its exit status.

        Args:
            job: a command line.
            outlet: is given what the job says. Where it fails, the job is stopped, and its error raised.
            stopped_by: the signal because of which the job is not to begin after all; 0 for none.

        Raises:
            Cancelled: it was not.
            WorkerDied: the process is gone, though nobody stopped the job.
        """
        if self._is_closed:
            raise Cancelled(signal.SIGTERM)
        if self._process.poll() is not None:  # since the last job
            self._start()
        if number := stopped_by():
            raise Cancelled(number)
        self._sent = 0
        try:
            status = self._relay(job, outlet, stopped_by)
        finally:
            with self._lock:
                self._is_running = False
        if status is not None:
            return status
        status = self._process.wait()
        if self._sent:
            return 128 + self._sent
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        raise WorkerDied(f"the worker {how} in the middle of the work; the next starts another")

    def _relay(self, job: Job, outlet: Outlet, stopped_by: Callable[[], int]) -> int | None:
        """The job's exit status; None where the process died."""
        failure: Exception | None = None
        with suppress(OSError):  # then it is dead, and says nothing
            self._channel.send(JOB, job.to_bytes())
        while (frame := self._channel.receive()) is not None and frame[0] != DONE:
            if frame[0] == BEGUN:
                with self._lock:  # from here on `stop` reaches the job
                    self._is_running = True
                if number := stopped_by() or (signal.SIGTERM if self._is_closed else 0):
                    self.stop(number)
                continue
            try:
                if failure is None:
                    outlet(*frame)
            except Exception as error:  # a client that left, mostly: the worker is to end its job all the same
                failure = error
                self.stop(HANGUP)
        if failure is not None:
            raise failure
        return None if frame is None else int(frame[1])

    def feed(self, content: bytes) -> None:
        """Standard input of the job that is running."""
        with self._lock, suppress(OSError):
            if self._is_running:
                self._channel.send(INPUT, content)

    def stop(self, number: int) -> None:
        """Send a signal to the job that is running; nothing to one that has ended."""
        with self._lock:
            if self._is_running:
                self._sent = number
                if os.name == "nt":
                    self._process.terminate()  # there is no gentler way: nothing half written keeps its name
                else:
                    self._process.send_signal(number)

    def close(self) -> None:
        """End it, after the job that is running has been stopped."""
        self._is_closed = True
        self.stop(signal.SIGTERM)
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Workers:
    """All workers, and how many jobs wait for one.

    Args:
        command: the command line of a worker.
        most_waiting: jobs beyond those that run.

    Raises:
        UserError: no worker can be started.
    """

    def __init__(self, command: Sequence[str], most_waiting: int) -> None:
        self.all = [Worker(command)]
        devices = self.all[0].about["devices"]
        if len(devices) > 1:
            self.all.pop().close()  # it has taken hold of all of them
            try:
                for name in devices:
                    self.all.append(Worker(command, {"CUDA_VISIBLE_DEVICES": name}))
            except UserError:
                self.close()
                raise
        self._idle: queue.Queue[Worker] = queue.Queue()
        for worker in self.all:
            self._idle.put(worker)
        self.most = len(self.all) + most_waiting
        """Jobs that run or wait, at most."""
        self._count, self._lock = 0, threading.Lock()

    @property
    def count(self) -> int:
        """Jobs that run or wait."""
        return self._count

    @property
    def is_full(self) -> bool:
        """Whether one more would be refused."""
        return self._count >= self.most

    @contextmanager
    def place(self) -> "Iterator[Place]":
        """A place in the queue, as long as the block lasts.

        Raises:
            Busy: there is none.
        """
        with self._lock:
            if self.is_full:
                raise Busy("as many images wait as may wait")
            self._count += 1
        try:
            yield Place(self._idle)
        finally:
            with self._lock:
                self._count -= 1

    def close(self) -> None:
        """End all of them."""
        for worker in self.all:
            worker.close()


class Place:
    """A job's place in the queue, and then its worker; may be stopped by another thread all the time."""

    def __init__(self, idle: "queue.Queue[Worker]") -> None:
        self._idle, self._worker, self._stopped_by = idle, None, 0

    def run(self, job: Job, outlet: Outlet) -> int:
        """Wait for a worker, and do the job; its exit status.

        Raises:
            Cancelled: it was stopped before it began.
            WorkerDied: see `Worker.run`.
        """
        self._worker = worker = self._wait()
        try:
            return worker.run(job, outlet, lambda: self._stopped_by)
        finally:
            self._worker = None
            self._idle.put(worker)

    def _wait(self) -> Worker:
        while not self._stopped_by:
            with suppress(queue.Empty):
                return self._idle.get(timeout=POLL)
        raise Cancelled(self._stopped_by)

    def feed(self, content: bytes) -> None:
        """Standard input of the job."""
        if self._worker is not None:
            self._worker.feed(content)

    def stop(self, number: int) -> None:
        """Stop the job as a signal of that number does; one that waits never begins."""
        self._stopped_by = number
        if self._worker is not None:
            self._worker.stop(number)
