"""The start of a run: its device, folder, checkpoint and first lines of output; and what an error in it leaves."""

import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from srgan_kit.devices import pick_device, pick_precision
from srgan_kit.errors import UserError
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks import Task, build_task
from srgan_kit.training.batches import Stopped
from srgan_kit.training.checkpoint import has_checkpoint, held_out_as_before
from srgan_kit.training.dry_run import dry_run
from srgan_kit.training.memory import check_data, out_of_memory
from srgan_kit.training.processes import lost_a_process
from srgan_kit.training.results import BEST, MODEL, leave
from srgan_kit.training.run import Run
from srgan_kit.training.run_folder import RunLock, write_recipe
from srgan_kit.training.telemetry import Telemetry

MIXED_PRECISION = {torch.float32: "no", torch.bfloat16: "bf16", torch.float16: "fp16"}


def start_accelerator(recipe: Recipe) -> Accelerator:
    """Device and precision as the recipe says, or as the machine has them."""
    device = pick_device(recipe.device)
    precision = pick_precision(recipe.precision, device)
    if precision == torch.float16 and device.type == "cpu":
        raise UserError("precision fp16: training on a CPU needs fp32 or bf16")
    AcceleratorState._reset_state()  # one process may train twice, in different precisions
    return Accelerator(mixed_precision=MIXED_PRECISION[precision], cpu=device.type == "cpu")


@contextmanager
def open_run(recipe: Recipe, folder: Path, resume: bool, task: Task | None) -> Iterator[tuple[Run, list[str]]]:
    """A run that has been checked and is ready for its next step, and warnings about its checkpoints.

    While it is open no other process trains in its folder; an error in it becomes one line, after what can be saved is
    saved. The arguments are those of `loop.train`.
    """
    accelerator = start_accelerator(recipe)
    check_data(recipe, accelerator.device)
    with ExitStack() as stack:
        lock = stack.enter_context(RunLock(folder)) if accelerator.is_main_process else None
        if lock is not None and folder.is_dir():
            _take(lock)
        check_new(folder, resume)
        if resume:
            recipe = held_out_as_before(folder, recipe)
        run = Run(recipe, folder, accelerator, task or build_task(recipe, accelerator.device, folder), resume)
        warnings = run.restore() if resume else []
        with _saved_on_error(run):
            dry_run(run)
            if lock is not None:
                folder.mkdir(parents=True, exist_ok=True)
                _take(lock)
                check_new(folder, resume)
                write_recipe(folder, recipe)
            accelerator.wait_for_everyone()
            yield run, warnings


def announce(run: Run, telemetry: Telemetry, warnings: list[str]) -> None:
    """Say what is trained, on what and from which step on."""
    parameters = sum(p.numel() for p in run.generator.network.parameters())
    for line in remarks(run, warnings):
        telemetry.say(line)
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


def remarks(run: Run, warnings: list[str]) -> list[str]:
    """What there is to say of the run's data and settings: skipped files, and warnings, those given among them."""
    skipped = [f"skipped {each.path}: {each.reason}" for each in run.task.skipped]
    return skipped + [f"warning: {each}" for each in [*warnings, *run.task.notes, *_endless_warmups(run)]]


def _endless_warmups(run: Run) -> list[str]:
    """A warning for each player whose learning rate never reaches its peak."""
    tables = {"optimizer": run.recipe.optimizer}
    if run.critic is not None:
        tables["critic_optimizer"] = run.recipe.critic_optimizer
    return [
        f"{table}.warmup of {config.warmup} steps is no shorter than the run ({run.steps}): the learning rate never "
        f"reaches {config.learning_rate:g}"
        for table, config in tables.items()
        if config.warmup >= run.steps
    ]


@contextmanager
def _saved_on_error(run: Run) -> Iterator[None]:
    """Save what can be saved of a run that ends by an error, and say how to go on."""
    try:
        yield
    except UserError as error:
        raise type(error)(f"{error}{'' if isinstance(error, Stopped) else leave(run)}") from None
    except OSError as error:
        where = error.filename2 or error.filename or run.folder  # the second is what a file was to be renamed to
        raise UserError(f"{where}: {error.strerror or error}{leave(run)}") from None
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and lost_a_process(error, run.accelerator):
            leave(run)
            kept = f"the last checkpoint is kept, --resume {shlex.quote(str(run.folder))} goes on"
            raise Stopped(f"step {run.step + 1}: another process of this run has ended; {kept}") from None
        if not out_of_memory(error):
            raise
        leave(run)
        kept = "the last checkpoint is kept; try a smaller data.batch"
        device = run.accelerator.device.type
        raise Stopped(f"out of memory of {device} in step {run.step + 1}; {kept}") from None


def _take(lock: RunLock) -> None:
    try:
        lock.take()
    except OSError as error:
        raise UserError(f"{lock.folder}: cannot be written to ({error.strerror or error})") from None


def check_new(folder: Path, resume: bool = False) -> None:
    """Raise a UserError where a run that is not resumed would meet another's files."""
    if resume:
        return
    if has_checkpoint(folder):
        going_on = f"--resume {shlex.quote(str(folder))} goes on with it"
        raise UserError(f"{folder}: holds a run already; {going_on}, -o takes another folder")
    left = next((name for name in (MODEL, BEST) if (folder / name).exists()), None)
    if left is not None:
        raise UserError(f"{folder}: holds a run already, of which {left} is left; -o takes another folder")
