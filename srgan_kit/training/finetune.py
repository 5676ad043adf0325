"""Fine-tuning in one call: from a model and a folder of photographs to a model that is better at them, or the same."""

import json
import math
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from torch import Tensor

from srgan_kit.errors import UserError
from srgan_kit.generators.model import Model
from srgan_kit.generators.super_resolution.community import CommunityConfig, CommunityNetwork, read_safetensors
from srgan_kit.generators.super_resolution.settings import SRSettings
from srgan_kit.models import added
from srgan_kit.models.super_resolution import RUN_MODEL, UpscalingModel, generator_config, load_model, write_tensors
from srgan_kit.problems import first_problem
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks.super_resolution import SuperResolution
from srgan_kit.training.batches import step_batches
from srgan_kit.training.limit import KEPT_FREE
from srgan_kit.training.loop import BEST, MODEL, Outcome, train
from srgan_kit.training.results import DIGITS, export
from srgan_kit.training.run import Diverged
from srgan_kit.training.start import check_new, open_run, start_accelerator

RATES = (3e-5, 1e-4, 3e-4, 1e-3)
"""Learning rates that are tried, in this order, until one is clearly worse than the one before."""
TRIALS = 0.2
"""Fraction of the time that all of them may take."""
WORSE = 0.02
"""dB."""
SMALLEST_GAIN = 0.05
"""dB: a few held-out photographs do not show less, and the start is kept."""
VALIDATIONS = 10
PATCH, BATCH = 32, 8
AVERAGED = 0.1
"""Fraction of the steps over which weights are averaged."""
PHOTO_NAMES = ("photo", "realesr")
"""Parts of the names of models that were taught on compressed and noisy images."""


@dataclass(frozen=True)
class Start:
    """What a model does on the held-out images before it is trained."""

    psnr: float
    """dB."""
    bicubic: float
    """PSNR of bicubic upscaling, in dB."""
    images: int
    """Number of images held out."""
    file: tuple[dict[str, Tensor], dict[str, str]]
    """What a model file of it holds: tensors and metadata."""


@dataclass(frozen=True)
class FineTuned:
    """What came of fine-tuning, as PSNR on luma of held-out images."""

    model_before: str
    """Name of the model at the start."""
    before: Start
    """What was measured of it."""
    after: float
    """PSNR of the best model on the way, in dB; the start's where none was better by `SMALLEST_GAIN`."""
    learning_rate: float
    """The one that was chosen."""
    model: Path
    """That model."""
    outcome: Outcome | None
    """How the run ended; None where training diverged."""

    @property
    def better(self) -> bool:
        """Whether training helped."""
        return self.after > self.before.psnr


@dataclass(frozen=True)
class Trial:
    """A learning rate after a short run."""

    learning_rate: float
    psnr: float
    """dB, on the held-out images; minus infinity where it diverged."""
    seconds_per_step: float


def fine_tune(photos: Path, start: str, minutes: float, folder: Path, say: Callable[[str], None] = print) -> FineTuned:
    """Train a super-resolver further on photographs, for so many minutes.

    Low resolution is made as that model was taught: MATLAB's bicubic, or the light degradations for photo models. A
    tenth of the photographs is held out. The learning rate is chosen by short runs, each measured on the held-out ones
    (after the range test of Smith 2015, "Cyclical learning rates for training neural networks", arXiv:1506.01186, sec.
    3.3), the number of steps by the time left. The best model of the run's validations is kept, or the start where
    none is better by `SMALLEST_GAIN`.

    Args:
        photos: a folder of images, or a .zip of one.
        start: a pretrained model's name, a run folder or file of ours, or a community checkpoint.
        minutes: the time, for all of it.
        folder: the run's folder; `model.safetensors` in it is the best model.
        say: what is done with each line about the progress.

    Raises:
        UserError: no usable photographs, a model that cannot be trained, a folder that holds a run.
    """
    begin = time.monotonic()
    check_new(folder)
    _check_writable(folder)
    model = load_model(start)
    recipe = starting_recipe(model, start, photos)
    taught = "bicubic" if recipe.data.random_degradation is None else "light degradations"
    say(f"fine-tuning {model.name} (x{model.scale}, {model.parameters:,} parameters), low resolution by {taught}")
    task = SuperResolution(recipe, start_accelerator(recipe).device, folder)
    before = measure_start(recipe, task)
    say(f"before: {before.psnr:.2f} dB on {before.images} held-out photographs, bicubic {before.bicubic:.2f} dB")
    trials = try_rates(recipe, task, TRIALS * 60 * minutes, say)
    best = max(trials, key=lambda trial: trial.psnr)
    left = 60 * minutes - (time.monotonic() - begin)
    steps = max(VALIDATIONS, math.floor(left * (1 - KEPT_FREE) / best.seconds_per_step))
    if best.psnr > -math.inf:
        say(f"learning rate {best.learning_rate:g}; about {steps} steps in the {left / 60:.1f} minutes left")
    else:
        say("training diverged at every learning rate")
    recipe = with_rate(recipe, best.learning_rate, 2 * steps)  # as many as fit are planned from the measured speed
    every = max(1, steps // VALIDATIONS)
    recipe = recipe.model_copy(
        update={
            "ema": min(max(1 - 1 / (AVERAGED * steps), 0.5), 0.999),
            "validation": recipe.validation.model_copy(update={"every": every}),
            "log_every": max(1, every // 2),
        }
    )
    outcome = None
    try:
        if best.psnr > -math.inf:
            outcome = train(recipe, folder, minutes=max(left, 1.0) / 60, fit=True, task=task)
    except Diverged as error:
        say(str(error))
    after = _keep_better(model, before, folder, outcome.steps if outcome else 0)
    return FineTuned(model.name, before, after, best.learning_rate, folder / MODEL, outcome)


def starting_recipe(model: UpscalingModel, source: str, photos: Path) -> Recipe:
    """The run that goes on from a model, at a learning rate that is still to be chosen.

    Raises:
        UserError: a model that cannot be trained.
    """
    own = _degradation(model.metadata.get("recipe", "{}"))
    photo = any(part in model.name for part in PHOTO_NAMES) if own is None else own != "bicubic"
    photo = photo or model.scale == 1  # where bicubic would leave nothing to learn
    settings = {
        "name": f"finetune-{model.name}",
        "steps": 1,
        "generator": trainable(model, source),
        "initialise_from": None if isinstance(model.network, CommunityNetwork) else source,
        "weights": {"pixel": 1.0, "fourier": 0.05} if photo else {"pixel": 1.0},
        "data": {
            "folder": photos,
            "channels": model.channels,
            "patch": PATCH,
            "batch": BATCH,
            "degradation": "light" if photo else "bicubic",
        },
    }
    try:
        return Recipe.model_validate(settings)
    except ValidationError as error:
        raise UserError(f"model {model.name}: cannot be fine-tuned: {first_problem(error)}") from None


def _degradation(recipe: str) -> str | None:
    """The degradation of a recipe in a model file; None where the file is not ours, or says none."""
    try:
        return json.loads(recipe)["data"]["degradation"]["name"]
    except (ValueError, KeyError, TypeError):
        return None


def _check_writable(folder: Path) -> None:
    """Raise a UserError where a folder cannot be made or written to; nothing of this try is left."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    try:
        if not there.is_dir():
            raise UserError(f"{folder}: cannot be made: {there} is a file")
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror or error}") from None


def trainable(model: UpscalingModel, source: str) -> SRSettings:
    """The generator's settings for a model.

    Raises:
        UserError: a model that cannot be trained.
    """
    if isinstance(model.network, CommunityNetwork):
        kept = added.find(source)
        path = Path(source) if kept is None else kept[0]
        return CommunityConfig(scale=model.scale, file=path / RUN_MODEL if path.is_dir() else path)
    text = model.metadata.get("generator")
    if text is None:
        raise UserError(f"model {model.name}: an ncnn graph cannot be trained; its .pth or .safetensors file can")
    return generator_config(text)


def with_rate(recipe: Recipe, learning_rate: float, steps: int, final: float = 0.01) -> Recipe:
    """The recipe at a peak learning rate that falls to the fraction `final` of it."""
    optimizer = {"learning_rate": learning_rate, "final_learning_rate": final * learning_rate, "warmup": 10}
    return recipe.model_copy(update={"steps": steps, "optimizer": recipe.optimizer.model_copy(update=optimizer)})


def measure_start(recipe: Recipe, task: SuperResolution) -> Start:
    """PSNR on the held-out images before any training."""
    with tempfile.TemporaryDirectory() as folder, open_run(recipe, Path(folder) / "run", False, task) as (run, _):
        network = run.average.network
        assert isinstance(network, Model)
        measured = task.validate(network)
        file = read_safetensors(export(run, measured))
        return Start(round(measured["psnr_y"], DIGITS), measured["bicubic_psnr_y"], len(task.validation), file)


def try_rates(recipe: Recipe, task: SuperResolution, seconds: float, say: Callable[[str], None]) -> list[Trial]:
    """Short runs from the start, one for each learning rate, until one is clearly worse than the one before."""
    trials: list[Trial] = []
    for rate in RATES:
        trial = _trial(with_rate(recipe, rate, 10**6, final=1.0), task, seconds / len(RATES))
        say(f"learning rate {rate:g}: {trial.psnr:.2f} dB")
        trials.append(trial)
        if len(trials) > 1 and trial.psnr < trials[-2].psnr - WORSE:
            break
    return trials


def _trial(recipe: Recipe, task: SuperResolution, seconds: float) -> Trial:
    """A run of so many seconds, which leaves nothing behind."""
    recipe = recipe.model_copy(update={"ema": 0.9})
    with tempfile.TemporaryDirectory() as folder, open_run(recipe, Path(folder) / "run", False, task) as (run, _):
        begin, taken, psnr = time.monotonic(), 0.0, -math.inf
        with suppress(Diverged):
            for batches in step_batches(run):
                run.train_step(batches[-1])
                taken = time.monotonic() - begin
                if taken > seconds:
                    break
            network = run.average.network
            assert isinstance(network, Model)
            psnr = task.validate(network)["psnr_y"]
        return Trial(recipe.optimizer.learning_rate, psnr, taken / max(run.step, 1))


def _keep_better(model: UpscalingModel, before: Start, folder: Path, of_steps: int) -> float:
    """Put the best of the start and the run's validations in the place of the last; its PSNR on the held-out images."""
    best = folder / BEST
    tensors, metadata = read_safetensors(best) if best.exists() else before.file
    after = float(metadata["validation_psnr_y"])
    if after < before.psnr + SMALLEST_GAIN:
        (tensors, metadata), after = before.file, before.psnr
    folder.mkdir(parents=True, exist_ok=True)  # a run that came to no step leaves none
    # the best one may be of a validation before the steps were planned
    write_tensors(tensors, folder / MODEL, metadata | {"of_steps": str(of_steps)})
    return after
