"""A folder's images: one is read and one written while another one is computed, and nothing else changes by that."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import srgan_kit.images.encode
import srgan_kit.images.read
from srgan_kit.cli import upscaling_batch
from srgan_kit.cli.upscale_options import Existing, UpscaleOptions
from srgan_kit.cli.upscaling_batch import run_jobs
from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.models.super_resolution import UpscalingModel
from srgan_kit.upscaling.jobs import Job
from srgan_kit.upscaling.upscaler import Upscaler

LONG = 20
"""Seconds that steps wait for each other before they give up."""


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    network = ResidualSRConfig(scale=2, channels=4, groups=1, convolutions=1).build().eval()
    return Upscaler(UpscalingModel("tiny", network, 2, 3, "residual", "none"), "cpu", "fp32")


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    made = []
    for number in range(4):
        source = tmp_path / f"{number}.png"
        Image.fromarray(np.full((8, 9, 3), 50 * number, np.uint8)).save(source)
        made.append(Job(source, tmp_path / "out" / f"{number}.png"))
    return made


def run(jobs: list[Job], upscaler: Upscaler) -> None:
    run_jobs(jobs, upscaler, UpscaleOptions(lambda _: None), Existing())


def before(patch: pytest.MonkeyPatch, place: Any, name: str, action: Callable[[Any], None]) -> None:
    """Calls of a function are preceded by an action with their first argument."""
    function = getattr(place, name)

    def call(first: Any, *arguments: Any, **options: Any) -> Any:
        action(first)
        return function(first, *arguments, **options)

    patch.setattr(place, name, call)


def test_three_images_are_at_work_at_a_time(
    jobs: list[Job], upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = threading.Barrier(3)  # reading 2, computing 1, writing 0

    def meet(at: str) -> Callable[[Any], None]:
        def act(first: Any) -> None:
            seen.append(at)
            if seen.count(at) == {"read": 3, "compute": 2, "write": 1}[at]:
                meeting.wait(LONG)

        return act

    seen: list[str] = []
    before(monkeypatch, srgan_kit.images.read, "read_image", meet("read"))
    before(monkeypatch, upscaler, "upscale_to", meet("compute"))
    before(monkeypatch, srgan_kit.images.encode, "write_frames", meet("write"))
    run(jobs, upscaler)
    assert [job.status for job in jobs] == ["done"] * 4


def test_large_results_are_not_held_two_at_a_time(
    jobs: list[Job], upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upscaling_batch, "LARGEST_BESIDE", 8 * 9 * 3 * 4 - 1)
    order: list[str] = []

    def write(_: object) -> None:
        time.sleep(0.1)  # long enough for the next one to be computed
        order.append("write")

    before(monkeypatch, upscaler, "upscale_to", lambda _: order.append("compute"))
    before(monkeypatch, srgan_kit.images.encode, "write_frames", write)
    run(jobs, upscaler)
    assert order == ["compute", "write"] * 4


@pytest.mark.parametrize("step", ["read_image", "upscale_to", "write_frames"])
def test_lines_are_in_order_whatever_fails(
    jobs: list[Job], upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], step: str
) -> None:
    calls: list[object] = []

    def fail(first: object) -> None:
        calls.append(first)
        if len(calls) == 2:
            raise UserError("no")

    places = {"read_image": srgan_kit.images.read, "upscale_to": upscaler, "write_frames": srgan_kit.images.encode}
    before(monkeypatch, places[step], step, fail)
    run(jobs, upscaler)
    assert [job.status for job in jobs] == ["done", "failed", "done", "done"]
    said = capsys.readouterr()
    done = [str(job.source) for job in jobs if job.status == "done"]
    assert [line.split(" -> ")[0] for line in said.out.splitlines()] == done
    assert said.err == f"error: {jobs[1].source}: no\n"
    assert sorted(path.name for path in (jobs[0].source.parent / "out").iterdir()) == ["0.png", "2.png", "3.png"]


def test_what_stops_one_step_waits_for_the_others_and_leaves_no_claim(
    jobs: list[Job], upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StoppedError(BaseException):
        pass

    computed: list[object] = []

    def stop(image: object) -> None:
        computed.append(image)
        if len(computed) == 3:
            raise StoppedError

    before(monkeypatch, upscaler, "upscale_to", stop)
    with pytest.raises(StoppedError):
        run(jobs, upscaler)
    assert [job.status for job in jobs] == ["done", "done", "waiting", "waiting"]
    assert sorted(path.name for path in (jobs[0].source.parent / "out").iterdir()) == ["0.png", "1.png"]
