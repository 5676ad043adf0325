"""Train x4-perceptual and the pretrained generators, in stages, in slices of minutes, on an accelerator or a CPU.

    python -m scripts.pretrained.train x4-perceptual --data training.zip --minutes 9 --resume [--device auto]

Everything is kept in runs/NAME, one run folder per stage; `--resume` goes on there, or starts where there is nothing
yet. A stage is a shipped recipe with settings, which `--show` prints as commands of `srgan-kit train`. Without `--data`
the images are those in the folder that SRGAN_KIT_DATA names.
"""

import argparse
import json
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from scripts.lib import paths
from srgan_kit.devices import pick_device
from srgan_kit.errors import UserError
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.training.checkpoint import has_checkpoint
from srgan_kit.training.loop import MODEL, is_finished, train
from srgan_kit.training.telemetry import LOG

PROFILES = ("gpu", "cpu")
Settings = tuple[str, ...]


@dataclass(frozen=True)
class Stage:
    """A run, which starts from the weights of the one before it."""

    name: str
    """Name of its folder."""
    recipe: str
    """A shipped recipe."""
    both: Settings
    """Settings under both profiles."""
    gpu: Settings = ()
    """Settings on an accelerator."""
    cpu: Settings = ()
    """Settings on a few CPU cores."""

    def whole(self, profile: str) -> Settings:
        """All settings under that profile."""
        return (*self.both, *(self.gpu if profile == "gpu" else self.cpu))


@dataclass(frozen=True)
class Plan:
    """How a pretrained model is trained."""

    data: str
    """Its training images, below SRGAN_KIT_DATA."""
    stages: tuple[Stage, ...]
    """In order."""
    start: str | None = None
    """The pretrained model that the first stage starts from."""


DISTANCES = ("weights.phase_bias=10", "lpips.translation=4", "optimizer.learning_rate=2e-4")
"""Settings of a last stage without a critic, after which the critic's texture stays."""
TEXTURE = (*DISTANCES, "weights.lpips=4", "weights.pixel=0.5", "weights.phase_balance=0.1")
GPU_CROPS = ("data.batch=32", "data.pipeline=device")
CPU_CROPS = ("data.batch=8", "data.patch=24", "ema=0.99", "checkpoint_every=100")
INFOGAN = ("generator.channels=32", "variant.labels=first-code")
"""The first code is told from labels, so that a digit can be asked for; the two numbers are found."""
PLANS: dict[str, Plan] = {
    "x4-perceptual": Plan(
        "sr_train",
        (
            Stage("1-gan", "perceptual-gan-x4", (), ("steps=20000", *GPU_CROPS), ("steps=1200", *CPU_CROPS)),
            Stage(
                "2-lpips",
                "perceptual-x4",
                (*TEXTURE, "weights.perceptual=0"),
                ("steps=5000", *GPU_CROPS),
                ("steps=2500", *CPU_CROPS),
            ),
        ),
        start="x4-fidelity",
    ),
    "dcgan-flowers": Plan(
        "gan/flowers64.npz",  # at the recipe's width the file would be 14 MB
        (Stage("1-gan", "dcgan", ("generator.channels=32", "latent.noise=64"), ("steps=30000",), ("steps=2000",)),),
    ),
    "infogan-mnist": Plan("gan/mnist.npz", (Stage("1-gan", "infogan", INFOGAN, ("steps=20000",), ("steps=2000",)),)),
    "vae-mnist": Plan("gan/mnist.npz", (Stage("1-vae", "vae", ()),)),
}
"""The pretrained models by name; the fidelity and photo models are students (`scripts/pretrained/students`)."""


def settings_of(plan: Plan, runs: Path, profile: str, device: str, extra: Settings) -> list[list[str]]:
    """Every stage's `--set` values, later ones win; a stage starts from the model of the one before."""
    found: list[list[str]] = []
    start = plan.start
    for stage in plan.stages:
        settings = [*stage.whole(profile), f"device={device}", *extra]
        if start is not None:
            settings.append(f"initialise_from={json.dumps(start)}")
        found.append(settings)
        start = str(runs / stage.name / MODEL)
    return found


def recipes(plan: Plan, runs: Path, data: Path | None, profile: str, device: str, extra: Settings) -> list[Recipe]:
    """Every stage's recipe.

    Raises:
        UserError: a setting that no recipe has.
    """
    settings = settings_of(plan, runs, profile, device, extra)
    return [load_recipe(stage.recipe, own, data) for stage, own in zip(plan.stages, settings, strict=True)]


def train_slice(name: str, plan: Plan, runs: Path, stages: list[Recipe], minutes: float | None, resume: bool) -> bool:
    """Train until all stages are done (True) or the time is up (False).

    Raises:
        UserError: there is a run already and `resume` was not given; whatever training raises.
    """
    if runs.exists() and not resume:
        raise UserError(f"{runs}: holds a run already; give --resume to go on with it")
    begin = time.monotonic()
    for stage, recipe in zip(plan.stages, stages, strict=True):
        folder = runs / stage.name
        if is_finished(folder):
            continue
        left = None if minutes is None else minutes - (time.monotonic() - begin) / 60
        if left is not None and left <= 0:
            return False
        outcome = train(recipe, folder, has_checkpoint(folder), left)
        print(progress(name, plan, runs, stages), flush=True)
        if not outcome.finished:
            return False
    return True


def progress(name: str, plan: Plan, runs: Path, stages: list[Recipe]) -> str:
    """Steps and crops so far, in all stages, the speed, and what is left at that speed per pixel."""
    steps = crops = pixels = left = 0
    seconds_per_pixel, now, pace = 0.0, "not begun", "no speed known yet"
    for stage, recipe in zip(plan.stages, stages, strict=True):
        per_step = recipe.data.batch * recipe.image_shape[1] ** 2
        done, speed = _logged(runs / stage.name) or (0, 0.0)
        if is_finished(runs / stage.name):
            done = recipe.steps
        if done:
            now = f"stage {stage.name} at step {done:,} of {recipe.steps:,}"
        if speed:
            seconds_per_pixel = 1 / (speed * per_step)
            pace = f"{speed:.2f} steps/s"
        steps, crops, pixels = steps + done, crops + done * recipe.data.batch, pixels + done * per_step
        left += (recipe.steps - done) * per_step
    if seconds_per_pixel:
        pace += f", about {left * seconds_per_pixel / 60:.0f} minutes left"
    return f"{name}: {now}; in all {steps:,} steps, {crops:,} images, {pixels / 1e9:.2f} G pixels made; {pace}"


def _logged(folder: Path) -> tuple[int, float] | None:
    """The last logged step of a run, and the steps per second then."""
    path = folder / LOG
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []
    found = [(line["step"], line["steps_per_second"]) for line in lines if "steps_per_second" in line]
    return found[-1] if found else None


def main() -> None:
    """Train one slice, or say what would be trained."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=PLANS)
    parser.add_argument("--data", type=Path, help="folder, packed .zip or .npz of training images")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where NAME's folder is")
    parser.add_argument("--minutes", type=float, help="stop after so many, saved")
    parser.add_argument("--resume", action="store_true", help="go on, or start where there is nothing yet")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--profile", choices=PROFILES, help="sizes and steps; by default what the device is")
    parser.add_argument(
        "--set", action="append", default=[], dest="settings", metavar="KEY=VALUE", help="in each stage"
    )
    parser.add_argument("--show", action="store_true", help="print the stages as commands and stop")
    options = parser.parse_args()
    if any(setting.startswith("initialise_from") for setting in options.settings):
        parser.error("--set initialise_from: what each stage starts from is the plan's to say")
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    try:
        plan, runs = PLANS[options.name], options.runs / options.name
        profile = options.profile or ("cpu" if pick_device(options.device).type == "cpu" else "gpu")
        data = _data(plan, options.data)
        extra = (*_networks(), *options.settings)
        stages = recipes(plan, runs, data, profile, options.device, extra)
        if options.show:
            _show(plan, runs, data, profile, options.device, extra)
            return
        print(f"{options.name}: profile {profile}, starts from {stages[0].initialise_from or 'random weights'}")
        finished = train_slice(options.name, plan, runs, stages, options.minutes, options.resume)
    except UserError as error:
        sys.exit(f"error: {error}")
    if not finished:
        sys.exit(130)  # as `srgan-kit train` where it was stopped
    print(f"finished: {runs / plan.stages[-1].name / MODEL}")


def _data(plan: Plan, given: Path | None) -> Path:
    folder = given or paths.optional_data_folder()
    if folder is None:
        raise UserError("no training images: give --data, or name their folder in SRGAN_KIT_DATA")
    return given or folder / plan.data


def _networks() -> Settings:
    """Where the data folder has the networks that terms compare with; without it the recipes' own settings hold."""
    folder = paths.optional_data_folder()
    files = {term: str(folder / "weights" / file) for term, file in paths.NETWORKS.items()} if folder else {}
    return tuple(f"{term}.weights={json.dumps(file)}" for term, file in files.items())


def _show(plan: Plan, runs: Path, data: Path, profile: str, device: str, extra: Settings) -> None:
    for stage, settings in zip(plan.stages, settings_of(plan, runs, profile, device, extra), strict=True):
        words = ["srgan-kit", "train", stage.recipe, "--data", str(data), "-o", str(runs / stage.name)]
        print(shlex.join([*words, *(word for setting in settings for word in ("--set", setting))]) + "\n")


if __name__ == "__main__":
    main()
