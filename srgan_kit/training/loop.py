"""The training loop: from a recipe and images to a weight file."""

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch.utils.data import DataLoader

from srgan_kit.contracts import Batch
from srgan_kit.data.crops import StepSampler
from srgan_kit.data.device_crops import DeviceCrops
from srgan_kit.devices import pick_device, pick_precision
from srgan_kit.errors import UserError
from srgan_kit.generators.model import Model
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks import Task, build_task
from srgan_kit.training.animation import animate_sheets
from srgan_kit.training.checkpoint import has_checkpoint, held_out_as_before
from srgan_kit.training.diagnostics import diagnose
from srgan_kit.training.limit import TimeLimit, steps_that_fit
from srgan_kit.training.memory import check_data, out_of_memory
from srgan_kit.training.results import BEST, MODEL, export, is_finished, keep_best, leave
from srgan_kit.training.run import Run
from srgan_kit.training.run_folder import RunLock, write_recipe
from srgan_kit.training.signals import interruption
from srgan_kit.training.telemetry import NullTelemetry, Telemetry

__all__ = ["BEST", "MODEL", "Outcome", "Stopped", "is_finished", "start_accelerator", "train"]
MIXED_PRECISION = {torch.float32: "no", torch.bfloat16: "bf16", torch.float16: "fp16"}


class Stopped(UserError):
    """Something that the run needs was taken away while it trained; what it has learned is saved."""

    exit_status = 1


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    step: int
    """Steps done."""
    steps: int
    """Of the whole run."""
    finished: bool
    """False where it was interrupted or its time was up; `--resume` goes on from there."""
    signal: int | None
    """The signal that interrupted it."""
    model: Path | None
    """The exported weights; None in processes beside the main one."""
    measured: dict[str, float]
    """The last validation."""


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
        minutes: after so many, counted from the call, the step in progress ends, is saved, and the run stops as it
            does at Ctrl-C; None for no limit.
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
    accelerator = start_accelerator(recipe)
    check_data(recipe, accelerator.device)
    with ExitStack() as stack:
        lock = stack.enter_context(RunLock(folder)) if accelerator.is_main_process else None
        if lock is not None and folder.is_dir():
            _take(lock)
        _check_new(folder, resume)
        if resume:
            recipe = held_out_as_before(folder, recipe)
        run = Run(recipe, folder, accelerator, task or build_task(recipe, accelerator.device, folder), resume)
        warnings = run.restore() if resume else []
        if replan or (limit.fit and run.step == run.steps < recipe.steps):
            run.planned = None  # all that was planned is done, and there is time for more
        try:
            run.dry_run()
            if lock is not None:
                folder.mkdir(parents=True, exist_ok=True)
                _take(lock)
                _check_new(folder, resume)
                write_recipe(folder, recipe)
            accelerator.wait_for_everyone()
            return _train(run, limit, warnings)
        except UserError as error:
            raise type(error)(f"{error}{'' if isinstance(error, Stopped) else leave(run)}") from None
        except OSError as error:
            where = error.filename2 or error.filename or folder  # the second one is what a file was to be renamed to
            raise UserError(f"{where}: {error.strerror or error}{leave(run)}") from None
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            leave(run)
            kept = "the last checkpoint is kept; try a smaller data.batch"
            raise Stopped(f"out of memory of {accelerator.device.type} in step {run.step + 1}; {kept}") from None


def start_accelerator(recipe: Recipe) -> Accelerator:
    """Device and precision as the recipe says, or as the machine has them."""
    device = pick_device(recipe.device)
    precision = pick_precision(recipe.precision, device)
    if precision == torch.float16 and device.type == "cpu":
        raise UserError("precision fp16: training on a CPU needs fp32 or bf16")
    AcceleratorState._reset_state()  # one process may train twice, in different precisions
    return Accelerator(mixed_precision=MIXED_PRECISION[precision], cpu=device.type == "cpu")


def _take(lock: RunLock) -> None:
    try:
        lock.take()
    except OSError as error:
        raise UserError(f"{lock.folder}: cannot be written to ({error.strerror or error})") from None


def _check_new(folder: Path, resume: bool) -> None:
    if resume:
        return
    if has_checkpoint(folder):
        raise UserError(f"{folder}: holds a run already; --resume {folder} goes on with it, -o takes another folder")
    left = next((name for name in (MODEL, BEST) if (folder / name).exists()), None)
    if left is not None:
        raise UserError(f"{folder}: holds a run already, of which {left} is left; -o takes another folder")


def _train(run: Run, limit: TimeLimit, warnings: list[str]) -> Outcome:
    main = run.accelerator.is_main_process
    with (
        Telemetry(run.folder, run.step, run.steps, limit) if main else NullTelemetry() as telemetry,
        interruption() as signals,
    ):
        _announce(telemetry, run, warnings)
        validated = _loop(run, telemetry, limit, signals)
        finished = run.step == run.steps
        run.save()
        if main:
            export(run, {})  # there may be no time for more
        if not finished:
            telemetry.say(f"{'stopping' if signals else 'the time is up'}: step {run.step} is saved; validating")
        measured = _validate(run, telemetry, finished) if validated is None else validated
        if main:
            animate_sheets(run.folder)
    signal = None if finished or not signals else signals[0]
    return Outcome(run.step, run.steps, finished, signal, run.folder / MODEL if main else None, measured)


def _loop(run: Run, telemetry: Telemetry, limit: TimeLimit, signals: list[int]) -> dict[str, float] | None:
    """Train to the end, to an interruption or the deadline; the validation of the last step, if it had one."""
    recipe = run.recipe
    if run.step == run.steps:
        return None
    clock, since = time.perf_counter(), run.step
    for batches in _batches(run):
        logged = (run.step + 1) % recipe.log_every == 0 or run.step + 1 == run.steps
        values = run.train_step(batches[-1], detailed=logged, earlier=batches[:-1])
        telemetry.step(run.step)
        if logged:
            now = time.perf_counter()
            speed = (run.step - since) / (now - clock)
            rate = run.generator.optimizer.param_groups[0]["lr"]
            telemetry.record(run.step, values | {"learning_rate": rate, "steps_per_second": speed})
            clock, since = now, run.step
        if run.step % recipe.checkpoint_every == 0:
            run.save()
        validated = None
        if run.step % recipe.validation.every == 0 and run.step != run.steps:
            validated = _validate(run, telemetry, True)
            clock, since = time.perf_counter(), run.step
        if limit.fit and run.planned is None and _plan(run, telemetry, limit):
            clock, since = time.perf_counter(), run.step
        if run.step == run.steps or _any_process(bool(signals) or limit.over, run.accelerator):
            return validated
    return None


def _plan(run: Run, telemetry: Telemetry, limit: TimeLimit) -> bool:
    """Fix the number of steps, once the speed is known: True in that step."""
    per_step = limit.seconds_per_step(run.step)
    if not _of_main(int(per_step is not None), run.accelerator):
        return False
    start = time.monotonic()
    _validate(run, telemetry, False)
    per_validation = time.monotonic() - start
    more = steps_that_fit(limit.left, per_step or 1.0, per_validation, run.recipe.validation.every)
    run.planned = _of_main(min(run.step + more, run.recipe.steps), run.accelerator)
    run.save()  # so that a run that is killed now goes on by the same schedule
    telemetry.plan(run.steps)
    return True


def _of_main(number: int, accelerator: Accelerator) -> int:
    """The main process's number, in every process."""
    if accelerator.num_processes == 1:
        return number
    own = torch.tensor(number if accelerator.is_main_process else 0, device=accelerator.device)
    everywhere = accelerator.reduce(own, "sum")
    assert isinstance(everywhere, torch.Tensor)
    return int(everywhere)


def _any_process(here: bool, accelerator: Accelerator) -> bool:
    """Whether it holds in any process: all must leave the loop at the same step."""
    if accelerator.num_processes == 1:
        return here
    flag = torch.tensor(int(here), device=accelerator.device)
    return bool(accelerator.reduce(flag, "sum"))


def _batches(run: Run) -> Iterator[list[Batch]]:
    """The real images of each step from now on: a batch for each of the critic's steps, the generator's last."""
    recipe, accelerator, task = run.recipe, run.accelerator, run.task
    count = recipe.data.batch * run.batches
    sampler = StepSampler(run.step, recipe.steps, count, accelerator.process_index, accelerator.num_processes)
    if isinstance(task.examples, DeviceCrops):
        loader: Iterable[Any] = map(task.examples.batch, sampler)
    else:
        loader = DataLoader(
            task.examples,
            batch_sampler=sampler,
            num_workers=recipe.data.workers,
            pin_memory=accelerator.device.type == "cuda",
        )
    items = iter(loader)
    while True:
        try:
            some = next(items)
        except StopIteration:
            return
        except (UserError, OSError, RuntimeError) as error:  # an image that is gone, or a worker
            lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
            reason = lines[-1].rpartition("UserError: ")[2]  # of a worker's traceback the last line says it
            raise Stopped(f"{reason}{leave(run)}") from None
        if run.batches == 1:
            yield [task.batch(some)]
        else:
            size = recipe.data.batch
            parts = range(0, count, size)
            yield [task.batch(tuple(each[start : start + size] for each in some)) for start in parts]


def _validate(run: Run, telemetry: Telemetry, regular: bool) -> dict[str, float]:
    """Measure, draw and export the averaged model; a regular validation is one that a run not stopped has too."""
    run.save()  # so that no model is of a later step than what can be gone on from
    network = run.average.network
    assert isinstance(network, Model)
    with run.accelerator.autocast():
        measured, diagnosed = run.task.validate(network), diagnose(run, network)
    if run.accelerator.is_main_process:
        sheets = run.folder / "sheets"
        sheets.mkdir(exist_ok=True)
        run.task.sheet(network, sheets / f"{run.step:07d}.png")
        values = {f"validation/{name}": value for name, value in measured.items()} | diagnosed
        if values:
            telemetry.record(run.step, values)
        export(run, measured)
    keep_best(run, measured, regular)
    return measured


def _announce(telemetry: Telemetry, run: Run, warnings: list[str]) -> None:
    parameters = sum(p.numel() for p in run.generator.network.parameters())
    for skipped in run.task.skipped:
        telemetry.say(f"skipped {skipped.path}: {skipped.reason}")
    for warning in [*warnings, *run.task.notes]:
        telemetry.say(f"warning: {warning}")
    accelerator = run.accelerator
    precision = accelerator.mixed_precision.replace("no", "fp32")
    telemetry.say(
        f"{run.recipe.name}: {parameters:,} parameters, {accelerator.device.type} {precision}; "
        f"{run.task.describe()}; run folder {run.folder}"
    )
    if run.step:
        telemetry.say(f"resumed at step {run.step} of {run.steps}")
    if run.step == run.recipe.steps:
        telemetry.say("all its steps are done; --set steps=N with a larger N goes on")
    elif run.step == run.steps:
        telemetry.say("all steps that fit into its time are done; --minutes M or --set steps=N goes on")
    elif run.recipe.compile:
        telemetry.say("compiling the generator: the first step takes a minute or more")
