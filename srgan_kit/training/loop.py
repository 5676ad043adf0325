"""The training loop: from a recipe and images to a weight file."""

import time
from dataclasses import dataclass
from pathlib import Path

from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks import Task
from srgan_kit.training.animation import animate_sheets
from srgan_kit.training.batches import Stopped, step_batches
from srgan_kit.training.limit import TimeLimit, steps_that_fit
from srgan_kit.training.processes import number_of_main_process, true_in_any_process
from srgan_kit.training.report.page import write_report
from srgan_kit.training.results import BEST, MODEL, export, is_finished
from srgan_kit.training.run import Run
from srgan_kit.training.signals import interruption
from srgan_kit.training.start import announce, open_run, start_accelerator
from srgan_kit.training.telemetry import NullTelemetry, Telemetry
from srgan_kit.training.validation import measure_start, validate

__all__ = ["BEST", "MODEL", "Outcome", "Stopped", "is_finished", "start_accelerator", "train"]


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    step: int
    """Steps done."""
    steps: int
    """Steps of the whole run."""
    finished: bool
    """False where it was interrupted or its time was up; `--resume` goes on from there."""
    signal: int | None
    """The signal that interrupted it."""
    model: Path | None
    """The exported weights; None in processes beside the main one."""
    measured: dict[str, float]
    """The measures of the last validation."""
    start: dict[str, float]
    """Those of what the run started from."""


def train(
    recipe: Recipe,
    folder: Path,
    resume: bool = False,
    minutes: float | None = None,
    fit: bool = False,
    replan: bool = False,
    task: Task | None = None,
) -> Outcome:
    """Train `recipe` in `folder`; the averaged weights are in `folder/model.safetensors` wherever the run ends.

    Args:
        recipe: what to train.
        folder: the run's folder.
        resume: whether to go on with the run that it holds.
        minutes: time limit, counted from the call; the run then finishes its step, saves and stops as at Ctrl-C; None
            for no limit.
        fit: whether the run's number of steps, and with it the schedule, is fixed by what fits into the minutes. It is
            fixed once, from the speed of the first steps, and kept in the checkpoint. A run that has done all its steps
            is given as many more as fit.
        replan: whether a resumed run's number of steps is the recipe's again, instead of the one that was fixed.
        task: where images come from and how they are measured; None for the recipe's own. A script can train on
            anything with an object that has what `tasks.Task` says.

    Raises:
        UserError: data, weights or a checkpoint that cannot be used, an existing run without `resume`, a folder in
            which another process trains, a full disk.
        Diverged: a term became NaN or infinite.
        Stopped: images were taken away while the run needed them.
    """
    limit = TimeLimit(minutes, fit)
    with open_run(recipe, folder, resume, task) as (run, warnings), interruption() as signals:
        recipe, main = run.recipe, run.accelerator.is_main_process
        if replan or (limit.fit and run.step == run.steps < recipe.steps):
            run.planned = None  # all that was planned is done, and there is time for more
        with Telemetry(folder, run.step, run.steps, limit) if main else NullTelemetry() as telemetry:
            announce(run, telemetry, warnings)
            if run.step == 0:
                measure_start(run, telemetry)
            measured: dict[str, float] | None = None  # of a validation of the last step
            speed = Speed(run.step)
            for batches in step_batches(run):
                logged = (run.step + 1) % recipe.log_every == 0 or run.step + 1 == run.steps
                values = run.train_step(batches[-1], detailed=logged, earlier=batches[:-1])
                telemetry.step(run.step)
                if logged:
                    rates = {
                        "learning_rate": run.generator.learning_rate,
                        "steps_per_second": speed.per_second(run.step),
                    }
                    telemetry.record(run.step, values | rates)
                if run.step % recipe.checkpoint_every == 0:
                    run.save()
                measured = None
                if run.step % recipe.validation.every == 0 and run.step != run.steps:
                    measured = validate(run, telemetry, regular=True)
                    speed = Speed(run.step)
                if limit.fit and run.planned is None and _plan(run, telemetry, limit):
                    speed = Speed(run.step)
                if run.step == run.steps or true_in_any_process(bool(signals) or limit.over, run.accelerator):
                    break
            finished = run.step == run.steps
            run.save()
            if main:
                export(run, {})  # there may be no time for more
            if not finished:
                telemetry.say(f"{'stopping' if signals else 'the time is up'}: step {run.step} is saved; validating")
            if measured is None:
                measured = validate(run, telemetry, regular=finished)
            if main:
                animate_sheets(folder)
                _write_report(folder, telemetry)
    signal = None if finished or not signals else signals[0]
    return Outcome(run.step, run.steps, finished, signal, folder / MODEL if main else None, measured, telemetry.start)


class Speed:
    """Steps per second since the last record: a new one is made after each validation, whose time does not count."""

    def __init__(self, step: int) -> None:
        self._step, self._time = step, time.perf_counter()

    def per_second(self, step: int) -> float:
        """The speed up to this step, from which the next record counts."""
        now = time.perf_counter()
        speed = (step - self._step) / (now - self._time)
        self._step, self._time = step, now
        return speed


def _write_report(folder: Path, telemetry: Telemetry) -> None:
    """Write the run's page; a run whose page cannot be written has ended well all the same."""
    try:
        telemetry.say(f"report: {write_report(folder)}")
    except Exception as error:
        telemetry.say(f"warning: no page of the run: {error}")


def _plan(run: Run, telemetry: Telemetry, limit: TimeLimit) -> bool:
    """Fix the number of steps, once the speed is known: True in that step."""
    per_step = limit.seconds_per_step(run.step)
    if not number_of_main_process(int(per_step is not None), run.accelerator):
        return False
    start = time.monotonic()
    validate(run, telemetry, regular=False)
    per_validation = time.monotonic() - start
    more = steps_that_fit(limit.left, per_step or 1.0, per_validation, run.recipe.validation.every)
    run.planned = number_of_main_process(min(run.step + more, run.recipe.steps), run.accelerator)
    run.save()  # so that a run that is killed now goes on by the same schedule
    telemetry.plan(run.steps)
    return True
