"""The training loop: from a recipe and images to a weight file."""

import math
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch.utils.data import DataLoader

from srgan_kit.config import Recipe
from srgan_kit.data.crops import StepSampler
from srgan_kit.data.device_crops import DeviceCrops
from srgan_kit.devices import pick_device, pick_precision
from srgan_kit.errors import UserError
from srgan_kit.generators.model import Model
from srgan_kit.generators.saved import save_run
from srgan_kit.tasks import build_task
from srgan_kit.training.checkpoint import NAME as CHECKPOINT
from srgan_kit.training.diagnostics import diagnose
from srgan_kit.training.progress import animate_sheets
from srgan_kit.training.run import Run
from srgan_kit.training.telemetry import Silence, Telemetry

MODEL = "model.safetensors"
MIXED_PRECISION = {torch.float32: "no", torch.bfloat16: "bf16", torch.float16: "fp16"}


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    step: int
    """Steps done."""
    finished: bool
    """False where it was interrupted or its time was up; `--resume` goes on from there."""
    model: Path | None
    """The exported weights, once finished."""
    measured: dict[str, float]
    """The last validation."""


def train(recipe: Recipe, folder: Path, resume: bool = False, minutes: float | None = None) -> Outcome:
    """Train `recipe` in `folder`; the run's weights end up in `folder/model.safetensors`.

    Args:
        recipe: what to train.
        folder: the run's folder.
        resume: whether to go on with the run that it holds.
        minutes: after so many, counted from the call, the step in progress ends, is saved, and the run stops as it
            does at Ctrl-C; None for no limit.

    Raises:
        UserError: data, weights or a checkpoint that cannot be used, an existing run without `resume`, a full disk.
        Diverged: a term became NaN or infinite.
    """
    deadline = math.inf if minutes is None else time.monotonic() + 60 * minutes
    if not resume and any((folder / name).exists() for name in (CHECKPOINT, MODEL)):
        raise UserError(f"{folder}: holds a run already; give --resume to go on with it, or another folder with -o")
    accelerator = start_accelerator(recipe)
    run = Run(recipe, folder, accelerator, build_task(recipe, accelerator.device, folder))
    if resume:
        run.restore()
    run.rehearse()
    try:
        if accelerator.is_main_process and not resume:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "recipe.json").write_text(recipe.model_dump_json(indent=2) + "\n", encoding="utf-8")
        accelerator.wait_for_everyone()
        return _train(run, deadline)
    except OSError as error:
        raise UserError(f"{error.filename or folder}: {error.strerror or error}") from None


def start_accelerator(recipe: Recipe) -> Accelerator:
    """Device and precision as the recipe says, or as the machine has them."""
    device = pick_device(recipe.device)
    precision = pick_precision(recipe.precision, device)
    if precision == torch.float16 and device.type == "cpu":
        raise UserError("precision fp16: training on a CPU needs fp32 or bf16")
    AcceleratorState._reset_state()  # one process may train twice, in different precisions
    return Accelerator(mixed_precision=MIXED_PRECISION[precision], cpu=device.type == "cpu")


def _train(run: Run, deadline: float) -> Outcome:
    recipe, accelerator, task = run.recipe, run.accelerator, run.task
    sampler = StepSampler(
        run.step, recipe.steps, recipe.data.batch, accelerator.process_index, accelerator.num_processes
    )
    if isinstance(task.examples, DeviceCrops):
        loader = map(task.examples.batch, sampler)
    else:
        loader = DataLoader(
            task.examples,
            batch_sampler=sampler,
            num_workers=recipe.data.workers,
            pin_memory=accelerator.device.type == "cuda",
        )
    with Telemetry(run.folder, run.step, recipe.steps) if accelerator.is_main_process else Silence() as telemetry:
        _announce(telemetry, run)
        finished = _loop(run, loader, telemetry, deadline)
        run.save()
        measured = _validate(run, telemetry) if finished else {}
        model = _export(run, measured) if finished and accelerator.is_main_process else None
        if accelerator.is_main_process:
            animate_sheets(run.folder)
    return Outcome(step=run.step, finished=finished, model=model, measured=measured)


def _loop(run: Run, loader: Iterable[Any], telemetry: Telemetry, deadline: float) -> bool:
    """Train to the end (True) or to an interruption or the deadline (False)."""
    recipe = run.recipe
    clock, since = time.perf_counter(), run.step
    with _interruption() as signals:
        for items in loader:
            logged = (run.step + 1) % recipe.log_every == 0 or run.step + 1 == recipe.steps
            values = run.train_step(run.task.batch(items), detailed=logged)
            telemetry.step(run.step)
            if logged:
                now = time.perf_counter()
                speed = (run.step - since) / (now - clock)
                rate = run.generator.optimizer.param_groups[0]["lr"]
                telemetry.record(run.step, values | {"learning_rate": rate, "steps_per_second": speed})
                clock, since = now, run.step
            if run.step % recipe.checkpoint_every == 0:
                run.save()
            if run.step % recipe.validation.every == 0 and run.step != recipe.steps:
                _validate(run, telemetry)
                clock, since = time.perf_counter(), run.step
            if _any_process(bool(signals) or time.monotonic() >= deadline, run.accelerator):
                break
    return run.step == recipe.steps


def _any_process(here: bool, accelerator: Accelerator) -> bool:
    """Whether it holds in any process: all must leave the loop at the same step."""
    if accelerator.num_processes == 1:
        return here
    flag = torch.tensor(int(here), device=accelerator.device)
    return bool(accelerator.reduce(flag, "sum"))


def _validate(run: Run, telemetry: Telemetry) -> dict[str, float]:
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
    return measured


def _export(run: Run, measured: dict[str, float]) -> Path:
    """The averaged weights as a model file that `srgan-kit upscale -m` takes."""
    recipe = run.recipe
    path = run.folder / MODEL
    metadata = {"recipe": recipe.without_paths().model_dump_json(), "steps": str(run.step)}
    metadata |= {f"validation_{name}": f"{value:.4f}" for name, value in measured.items()}
    save_run(run.average.network, recipe, run.task, path, metadata)
    return path


def _announce(telemetry: Telemetry, run: Run) -> None:
    parameters = sum(p.numel() for p in run.generator.network.parameters())
    for skipped in run.task.skipped:
        telemetry.say(f"skipped {skipped.path}: {skipped.reason}")
    for note in run.task.notes:
        telemetry.say(f"warning: {note}")
    accelerator = run.accelerator
    precision = accelerator.mixed_precision.replace("no", "fp32")
    telemetry.say(
        f"{run.recipe.name}: {parameters:,} parameters, {accelerator.device.type} {precision}; "
        f"{run.task.describe()}; run folder {run.folder}"
    )
    if run.step:
        telemetry.say(f"resumed at step {run.step}")


@contextmanager
def _interruption() -> Iterator[list[int]]:
    """A list that becomes non-empty at Ctrl-C or SIGTERM, so that the step in progress can end; a second one kills."""
    signals: list[int] = []

    def note(number: int, frame: object) -> None:
        if signals:
            raise KeyboardInterrupt
        signals.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
