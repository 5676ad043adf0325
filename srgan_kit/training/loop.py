"""The training loop: from a recipe and images to a weight file. Only this file calls `backward`."""

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor, nn
from torch.utils.data import DataLoader

from srgan_kit.config import OptimizerConfig, Recipe
from srgan_kit.contracts import Batch, Sample, Variant
from srgan_kit.critics import build_critic
from srgan_kit.data.crops import StepSampler
from srgan_kit.devices import pick_device, pick_precision
from srgan_kit.errors import UserError
from srgan_kit.generators import build_generator
from srgan_kit.tasks.super_resolution import SuperResolution
from srgan_kit.training.checkpoint import load_checkpoint, save_checkpoint
from srgan_kit.training.ema import MovingAverage
from srgan_kit.training.schedule import learning_rate
from srgan_kit.training.telemetry import Silence, Telemetry
from srgan_kit.upscaling.models import load_model, save_model
from srgan_kit.variants import VARIANTS

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


class Diverged(UserError):
    """A term became NaN or infinite; the last good checkpoint is kept."""


class Player:
    """A network with its optimiser: the generator or the critic."""

    def __init__(self, name: str, network: nn.Module, config: OptimizerConfig, accelerator: Accelerator) -> None:
        self.name, self.config, self.accelerator = name, config, accelerator
        self.raw = network.to(accelerator.device, memory_format=torch.channels_last)  # pyright: ignore
        optimizer = torch.optim.Adam(self.raw.parameters(), lr=config.learning_rate, betas=config.betas)
        self.network, self.optimizer = accelerator.prepare(self.raw, optimizer)

    def minimise(self, terms: dict[str, Tensor], weights: dict[str, float], step: int, steps: int) -> dict[str, float]:
        """One optimisation step on the weighted sum; the terms and the gradient norm, as numbers to log.

        Raises:
            Diverged: a term or the gradient is not finite; the weights are untouched.
            UserError: a term without a weight, or a weight without a term.
        """
        if terms.keys() != weights.keys():
            lone = sorted(terms.keys() ^ weights.keys())[0]
            missing = (
                f"no weight for the term {lone!r}" if lone in terms else f"a weight for {lone!r}, which is no term"
            )
            raise UserError(f"recipe: {missing} of the {self.name}'s loss; its terms are {', '.join(sorted(terms))}")
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, step, steps)
        values = {name: float(term.detach()) for name, term in terms.items()}
        for name, value in values.items():
            if not math.isfinite(value):
                raise Diverged(f"step {step + 1}: the {self.name}'s term {name!r} is {value}; the run has stopped")
        loss = torch.stack([weights[name] * term.float() for name, term in terms.items()]).sum()
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        norm = self.accelerator.clip_grad_norm_(self.network.parameters(), self.config.clip_gradient)
        gradient = float(norm) if norm is not None else math.nan
        if not math.isfinite(gradient) and self.accelerator.scaler is None:  # fp16's scaler skips such steps itself
            raise Diverged(f"step {step + 1}: the {self.name}'s gradient is {gradient}; the run has stopped")
        self.optimizer.step()
        return values | {f"{self.name}_gradient": gradient}

    def state(self) -> dict[str, Any]:
        return {"network": self.raw.state_dict(), "optimizer": self.optimizer.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        self.raw.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])


class Run:
    """Everything that changes while a run goes on, and how it is saved and restored."""

    def __init__(self, recipe: Recipe, folder: Path, accelerator: Accelerator) -> None:
        self.recipe, self.folder, self.accelerator = recipe, folder, accelerator
        torch.manual_seed(recipe.seed)
        generator = build_generator(recipe.generator)
        if recipe.initialise_from is not None:
            _initialise(generator, recipe.initialise_from)
        self.generator = Player("generator", generator, recipe.optimizer, accelerator)
        self.average = MovingAverage(self.generator.raw, recipe.ema)
        self.critic: Player | None = None
        self.variant: Variant | None = None
        if recipe.critic is not None:
            self.critic = Player("critic", build_critic(recipe.critic), recipe.critic_optimizer, accelerator)
            self.variant = VARIANTS[recipe.variant]()
        self.step = 0

    def train_step(self, task: SuperResolution, batch: Batch) -> dict[str, float]:
        """Critic, then generator, on one batch; the numbers to log."""
        recipe = self.recipe
        # All randomness inside a step is a function of (seed, step, rank): a resumed run needs no generator state.
        torch.manual_seed((recipe.seed * 1_000_003 + self.step) * 1_009 + self.accelerator.process_index)
        sample = task.sample(self.generator.network, batch)
        values: dict[str, float] = {}
        terms = task.content_terms(batch, sample)
        if self.critic is not None and self.variant is not None:
            values |= self.critic.minimise(
                self._critic_terms(self.variant, batch, sample), recipe.critic_weights, self.step, recipe.steps
            )
            self.critic.raw.requires_grad_(False)
            with self.accelerator.autocast():  # not the distributed wrapper: this pass gives its weights no gradient
                fake = self.critic.raw(sample.image)
            terms |= self.variant.generator_terms(real=None, fake=fake, batch=batch, sample=sample)
        values |= self.generator.minimise(terms, recipe.weights, self.step, recipe.steps)
        if self.critic is not None:
            self.critic.raw.requires_grad_(True)
        self.step += 1
        self.average.update(self.generator.raw, self.step)
        return values

    def _critic_terms(self, variant: Variant, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        assert self.critic is not None
        real = self.critic.network(batch.image)
        fake = self.critic.network(sample.image.detach())
        return variant.critic_terms(real=real, fake=fake, batch=batch, sample=sample)

    def save(self) -> None:
        """Write the checkpoint (main process only)."""
        if not self.accelerator.is_main_process:
            return
        scaler = self.accelerator.scaler
        state = {
            "recipe": self.recipe.model_dump_json(),
            "step": self.step,
            "generator": self.generator.state(),
            "average": self.average.network.state_dict(),
            "critic": self.critic.state() if self.critic else None,
            "scaler": scaler.state_dict() if scaler else None,
        }
        save_checkpoint(self.folder, state)

    def restore(self) -> None:
        """Go back to the folder's checkpoint."""
        state = load_checkpoint(self.folder, self.recipe)
        self.step = state["step"]
        self.generator.restore(state["generator"])
        self.average.network.load_state_dict(state["average"])
        if self.critic is not None:
            self.critic.restore(state["critic"])
        if self.accelerator.scaler is not None and state["scaler"] is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])


def train(recipe: Recipe, folder: Path, resume: bool = False) -> Outcome:
    """Train `recipe` in `folder`; the run's weights end up in `folder/model.safetensors`.

    Raises:
        UserError: data, weights or a checkpoint that cannot be used, an existing run without `resume`.
        Diverged: a term became NaN or infinite.
    """
    if not resume and (folder / "recipe.json").exists():
        raise UserError(f"{folder}: holds a run already; give --resume to go on with it, or another folder with -o")
    device = pick_device(recipe.device)
    AcceleratorState._reset_state()  # one process may train twice, in different precisions
    accelerator = Accelerator(
        mixed_precision=MIXED_PRECISION[pick_precision(recipe.precision, device)],
        cpu=device.type == "cpu",
        # Spectral norm's vectors must not be overwritten between the critic's passes over real and fake images.
        kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
    )
    task = SuperResolution(recipe, accelerator.device)
    run = Run(recipe, folder, accelerator)
    if resume:
        run.restore()
    elif accelerator.is_main_process:
        _start_folder(folder, recipe)
    accelerator.wait_for_everyone()
    sampler = StepSampler(
        run.step, recipe.steps, recipe.data.batch, accelerator.process_index, accelerator.num_processes
    )
    loader = DataLoader(
        task.crops, batch_sampler=sampler, num_workers=recipe.data.workers, pin_memory=device.type == "cuda"
    )
    with Telemetry(folder, run.step, recipe.steps) if accelerator.is_main_process else Silence() as telemetry:
        _announce(telemetry, task, run, accelerator)
        finished = _loop(run, task, loader, telemetry)
        measured = _validate(run, task, telemetry) if finished else {}
        run.save()
        model = _export(run, measured) if finished and accelerator.is_main_process else None
    return Outcome(step=run.step, finished=finished, model=model, measured=measured)


def _loop(run: Run, task: SuperResolution, loader: DataLoader[tuple[Tensor, Tensor]], telemetry: Telemetry) -> bool:
    """Train to the end (True) or to an interruption (False)."""
    recipe = run.recipe
    clock, since = time.perf_counter(), run.step
    with _interruption() as interrupted:
        for items in loader:
            values = run.train_step(task, task.batch(items))
            telemetry.step(run.step)
            if run.step % recipe.log_every == 0 or run.step == recipe.steps:
                now = time.perf_counter()
                speed = (run.step - since) / (now - clock)
                rate = run.generator.optimizer.param_groups[0]["lr"]
                telemetry.record(run.step, values | {"learning_rate": rate, "steps_per_second": speed})
                clock, since = now, run.step
            if run.step % recipe.validation.every == 0 and run.step != recipe.steps:
                _validate(run, task, telemetry)
                clock, since = time.perf_counter(), run.step
            if run.step % recipe.checkpoint_every == 0:
                run.save()
            if interrupted:
                break
    return run.step == recipe.steps


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
    path = run.folder / "model.safetensors"
    metadata = {"recipe": recipe.model_dump_json(), "steps": str(run.step)}
    metadata |= {f"validation_{name}": f"{value:.4f}" for name, value in measured.items()}
    save_model(run.average.network, recipe.generator, path, metadata)
    return path


def _start_folder(folder: Path, recipe: Recipe) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "recipe.json").write_text(recipe.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror})") from None


def _initialise(generator: nn.Module, source: str) -> None:
    try:
        generator.load_state_dict(load_model(source).network.state_dict())
    except RuntimeError:
        raise UserError(f"initialise_from {source!r}: its weights do not fit this recipe's generator") from None


def _announce(telemetry: Telemetry, task: SuperResolution, run: Run, accelerator: Accelerator) -> None:
    parameters = sum(p.numel() for p in run.generator.raw.parameters())
    for skipped in task.skipped:
        telemetry.say(f"skipped {skipped.path}: {skipped.reason}")
    images = task.images
    telemetry.say(
        f"{run.recipe.name}: {parameters:,} parameters, {accelerator.device.type} {accelerator.mixed_precision}; "
        f"{len(images)} training images ({images.cached} in memory), {len(task.skipped)} skipped, "
        f"{len(task.validation or [])} for validation; run folder {run.folder}"
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
