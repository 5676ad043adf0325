"""The training loop: from a recipe and images to a weight file."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor
from torch.utils.data import DataLoader

from srgan_kit.config import Recipe
from srgan_kit.data.crops import StepSampler
from srgan_kit.devices import pick_device, pick_precision
from srgan_kit.errors import UserError
from srgan_kit.tasks.super_resolution import SuperResolution
from srgan_kit.training.checkpoint import NAME as CHECKPOINT
from srgan_kit.training.run import Run
from srgan_kit.training.telemetry import Silence, Telemetry
from srgan_kit.upscaling.models import save_model

MODEL = "model.safetensors"
MIXED_PRECISION = {torch.float32: "no", torch.bfloat16: "bf16", torch.float16: "fp16"}


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    step: int
    """Steps done."""
    finished: bool
    """False where it was interrupted; `--resume` goes on from there."""
    model: Path | None
    """The exported weights, once finished."""
    measured: dict[str, float]
    """The last validation."""


def train(recipe: Recipe, folder: Path, resume: bool = False) -> Outcome:
    """Train `recipe` in `folder`; the run's weights end up in `folder/model.safetensors`.

    Raises:
        UserError: data, weights or a checkpoint that cannot be used, an existing run without `resume`, a full disk.
        Diverged: a term became NaN or infinite.
    """
    if not resume and any((folder / name).exists() for name in (CHECKPOINT, MODEL)):
        raise UserError(f"{folder}: holds a run already; give --resume to go on with it, or another folder with -o")
    accelerator = _accelerator(recipe)
    task = SuperResolution(recipe, accelerator.device, folder)
    run = Run(recipe, folder, accelerator, task.fingerprint())
    if resume:
        run.restore()
    run.rehearse(task)
    try:
        if accelerator.is_main_process and not resume:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "recipe.json").write_text(recipe.model_dump_json(indent=2) + "\n", encoding="utf-8")
        accelerator.wait_for_everyone()
        return _train(run, task)
    except OSError as error:
        raise UserError(f"{error.filename or folder}: {error.strerror or error}") from None


def _accelerator(recipe: Recipe) -> Accelerator:
    device = pick_device(recipe.device)
    precision = pick_precision(recipe.precision, device)
    if precision == torch.float16 and device.type == "cpu":
        raise UserError("precision fp16: training on a CPU needs fp32 or bf16")
    AcceleratorState._reset_state()  # one process may train twice, in different precisions
    return Accelerator(
        mixed_precision=MIXED_PRECISION[precision],
        cpu=device.type == "cpu",
        # Spectral norm's vectors must not be overwritten between the critic's passes over real and fake images.
        kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
    )


def _train(run: Run, task: SuperResolution) -> Outcome:
    recipe, accelerator = run.recipe, run.accelerator
    sampler = StepSampler(
        run.step, recipe.steps, recipe.data.batch, accelerator.process_index, accelerator.num_processes
    )
    loader = DataLoader(
        task.crops,
        batch_sampler=sampler,
        num_workers=recipe.data.workers,
        pin_memory=accelerator.device.type == "cuda",
    )
    with Telemetry(run.folder, run.step, recipe.steps) if accelerator.is_main_process else Silence() as telemetry:
        _announce(telemetry, task, run)
        finished = _loop(run, task, loader, telemetry)
        run.save()
        measured = _validate(run, task, telemetry) if finished else {}
        model = _export(run, measured) if finished and accelerator.is_main_process else None
    return Outcome(step=run.step, finished=finished, model=model, measured=measured)


def _loop(run: Run, task: SuperResolution, loader: DataLoader[tuple[Tensor, Tensor]], telemetry: Telemetry) -> bool:
    """Train to the end (True) or to an interruption (False)."""
    recipe = run.recipe
    clock, since = time.perf_counter(), run.step
    with _interruption() as signals:
        for items in loader:
            values = run.train_step(task, task.batch(items))
            telemetry.step(run.step)
            if run.step % recipe.log_every == 0 or run.step == recipe.steps:
                now = time.perf_counter()
                speed = (run.step - since) / (now - clock)
                rate = run.generator.optimizer.param_groups[0]["lr"]
                telemetry.record(run.step, values | {"learning_rate": rate, "steps_per_second": speed})
                clock, since = now, run.step
            if run.step % recipe.checkpoint_every == 0:
                run.save()
            if run.step % recipe.validation.every == 0 and run.step != recipe.steps:
                _validate(run, task, telemetry)
                clock, since = time.perf_counter(), run.step
            if _any_process(bool(signals), run.accelerator):
                break
    return run.step == recipe.steps


def _any_process(here: bool, accelerator: Accelerator) -> bool:
    """Whether it holds in any process: all must leave the loop at the same step."""
    if accelerator.num_processes == 1:
        return here
    flag = torch.tensor(int(here), device=accelerator.device)
    return bool(accelerator.reduce(flag, "sum"))


def _validate(run: Run, task: SuperResolution, telemetry: Telemetry) -> dict[str, float]:
    network = run.average.network
    with run.accelerator.autocast():
        measured = task.validate(network)
    if run.accelerator.is_main_process:
        sheets = run.folder / "sheets"
        sheets.mkdir(exist_ok=True)
        task.sheet(network, sheets / f"{run.step:07d}.png")
        if measured:
            telemetry.record(run.step, {f"validation/{name}": value for name, value in measured.items()})
    return measured


def _export(run: Run, measured: dict[str, float]) -> Path:
    """The averaged weights as a model file that `srgan-kit upscale -m` takes."""
    recipe = run.recipe
    path = run.folder / MODEL
    metadata = {"recipe": recipe.without_paths().model_dump_json(), "steps": str(run.step)}
    metadata |= {f"validation_{name}": f"{value:.4f}" for name, value in measured.items()}
    save_model(run.average.network, recipe.generator, path, metadata)
    return path


def _announce(telemetry: Telemetry, task: SuperResolution, run: Run) -> None:
    parameters = sum(p.numel() for p in run.generator.raw.parameters())
    for skipped in task.skipped:
        telemetry.say(f"skipped {skipped.path}: {skipped.reason}")
    images, accelerator = task.images, run.accelerator
    telemetry.say(
        f"{run.recipe.name}: {parameters:,} parameters, {accelerator.device.type} {accelerator.mixed_precision}; "
        f"{len(images)} training images ({images.cached} in memory), {len(task.skipped)} skipped, "
        f"{len(task.validation)} for validation; run folder {run.folder}"
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
