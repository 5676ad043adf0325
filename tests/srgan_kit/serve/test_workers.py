"""Workers and their queue, with a program of a few lines in PyTorch's place."""

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator

import psutil
import pytest

from srgan_kit.errors import UserError
from srgan_kit.serve.channel import OUT, WANT, Job
from srgan_kit.serve.workers import Busy, Cancelled, Place, WorkerDied, Workers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs Unix")
PROGRAM = """
import json, os, signal, sys, time
from srgan_kit.serve.channel import *
channel = Channel(os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb"))
def stop(number, frame):
    raise SystemExit(128 + number)
channel.send(READY, json.dumps({"devices": sys.argv[1:]}).encode())
while (frame := channel.receive()) is not None:
    what, *rest = Job.from_bytes(frame[1]).arguments
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)
    channel.send(BEGUN)
    status = 0
    try:
        if what == "say":
            channel.send(OUT, (rest[0] + os.environ.get("CUDA_VISIBLE_DEVICES", "")).encode())
        if what == "read":
            channel.send(WANT)
            channel.send(OUT, channel.receive()[1])
        if what == "sleep":
            channel.send(OUT, b"begun")
            time.sleep(60)
        if what == "die":
            os.kill(os.getpid(), signal.SIGKILL)
    except SystemExit as end:
        status = end.code
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    channel.send(DONE, str(status).encode())
"""


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers([sys.executable, "-c", PROGRAM], most_waiting=1)
    yield made
    made.close()
    assert not any(psutil.pid_exists(worker.pid) for worker in made.all)


def run(workers: Workers, *arguments: str) -> tuple[int, list[tuple[bytes, bytes]]]:
    frames: list[tuple[bytes, bytes]] = []
    with workers.place() as place:
        status = place.run(Job(list(arguments), "/"), lambda *frame: frames.append(frame))
    return status, frames


def test_a_job_is_done_and_what_it_says_is_passed_on(workers: Workers) -> None:
    for word in ("one", "two"):
        assert run(workers, "say", word) == (0, [(OUT, word.encode())])
    assert workers.count == 0


def test_input_reaches_the_job(workers: Workers) -> None:
    frames: list[tuple[bytes, bytes]] = []
    with workers.place() as place:

        def hear(kind: bytes, content: bytes) -> None:
            frames.append((kind, content))
            if kind == WANT:
                place.feed(b"given")

        assert place.run(Job(["read"], "/"), hear) == 0
    assert frames == [(WANT, b""), (OUT, b"given")]


def test_a_dead_worker_is_told_and_started_again(workers: Workers) -> None:
    before = workers.all[0].pid
    with pytest.raises(WorkerDied, match="was killed by SIGKILL in the middle"):
        run(workers, "die")
    assert run(workers, "say", "x")[0] == 0
    assert workers.all[0].pid != before
    psutil.Process(workers.all[0].pid).kill()  # between two jobs
    psutil.Process(workers.all[0].pid).wait()
    assert run(workers, "say", "x")[0] == 0


def test_a_job_is_stopped_wherever_it_is(workers: Workers) -> None:
    statuses: dict[str, int] = {}
    places: dict[str, Place] = {}
    begun = threading.Event()

    def sleep(name: str) -> None:
        with workers.place() as places[name]:
            try:
                statuses[name] = places[name].run(Job(["sleep"], "/"), lambda *_: begun.set())
            except Cancelled as error:
                statuses[name] = error.number

    threads = {name: threading.Thread(target=sleep, args=(name,)) for name in ("running", "waiting")}
    threads["running"].start()
    assert begun.wait(10)
    threads["waiting"].start()
    while workers.count < 2:
        time.sleep(0.01)
    with pytest.raises(Busy), workers.place():
        pass
    places["waiting"].stop(signal.SIGINT)
    threads["waiting"].join(10)
    assert statuses == {"waiting": signal.SIGINT}
    places["running"].stop(signal.SIGTERM)
    threads["running"].join(10)
    assert statuses["running"] == 128 + signal.SIGTERM
    places["running"].stop(signal.SIGTERM)  # too late: nothing happens
    assert run(workers, "say", "x")[0] == 0


def test_a_client_that_fails_stops_its_job(workers: Workers) -> None:
    def fail(kind: bytes, content: bytes) -> None:
        raise BrokenPipeError

    start = time.monotonic()
    with pytest.raises(BrokenPipeError), workers.place() as place:
        place.run(Job(["sleep"], "/"), fail)
    assert time.monotonic() - start < 20
    assert run(workers, "say", "x")[0] == 0


def test_each_device_has_a_worker() -> None:
    others = {child.pid for child in psutil.Process().children()}
    workers = Workers([sys.executable, "-c", PROGRAM, "2", "3"], most_waiting=0)
    try:
        running = {child.pid for child in psutil.Process().children()} - others
        assert running == {worker.pid for worker in workers.all}  # the first one, which held both, has ended
        assert len(running) == 2
        said: set[bytes] = set()
        barrier = threading.Barrier(2)

        def hear(_: bytes, content: bytes) -> None:
            said.add(content)
            barrier.wait(10)

        def work() -> None:
            with workers.place() as place:
                place.run(Job(["say", "on "], "/"), hear)

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert said == {b"on 2", b"on 3"}
    finally:
        workers.close()


def test_a_worker_that_cannot_start_is_an_error() -> None:
    with pytest.raises(UserError, match="ended with status 3 before it had started"):
        Workers([sys.executable, "-c", "raise SystemExit(3)"], most_waiting=0)


def test_a_job_is_the_same_after_a_channel() -> None:
    job = Job(["a\udcff.png", "-s", "2"], "/tmp", 0o22, {"A": "ü"}, (True, False, True))
    assert Job.from_bytes(job.to_bytes()) == job
    assert json.loads(job.to_bytes())["umask"] == 0o22
    with pytest.raises(ValueError, match="unexpected keyword"):
        Job.from_bytes(b'{"terminals": [], "more": 1}')
