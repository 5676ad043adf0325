"""Train the pretrained models, in stages, in slices of minutes, on an accelerator or a CPU.

    python -m scripts.pretrained.train x4-fidelity --data training.zip --minutes 9 --resume [--device auto]

Everything is kept in runs/NAME, one run folder per stage; `--resume` goes on there, or starts where there is nothing
yet. A stage is a shipped recipe with settings, which `--show` prints as commands of `srgan-kit train`. Without `--data`
the images are those in the folder that SRGAN_KIT_DATA names.
"""

import argparse
import json
import os
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from scripts.pretrained.teachers.span import write_whole
from srgan_kit.devices import pick_device
from srgan_kit.errors import UserError
from srgan_kit.models.pretrained import pretrained_upscalers
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
    """Of its folder."""
    recipe: str
    """A shipped recipe."""
    both: Settings
    """Settings under both profiles."""
    gpu: Settings = ()
    """Settings on an accelerator."""
    cpu: Settings = ()
    """Settings on a few CPU cores."""
    taught_by: Settings = ()
    """What the term `distillation` compares with: stages before this one, or `SPAN`."""

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
    trunk: bool = False
    """Whether it takes that one's trunk alone."""


STRETCH = ("data.reductions=[1.0, 0.8, 0.6]", "data.shuffle_channels=true")
"""Augmentation for few images."""
SHARP = ("weights.fourier=0.05",)
ON_DEVICE = ("data.pipeline=device",)
COMPARATORS = {"perceptual": "vgg_normalised_conv3_1.pth", "lpips": "squeezenet1_1_onnxzoo_tvkeys.pth"}
"""Files below SRGAN_KIT_DATA of the networks that terms compare with."""
SPAN, SLIM_SPAN = "span", "team38_span_ch28_slim.pth"
"""A teacher, and its file below SRGAN_KIT_DATA, which `span_teacher.py` makes loadable."""
SQUARED = ("weights.pixel=0", "weights.mse=1")
MSE = (*SQUARED, "optimizer.learning_rate=2e-5", "optimizer.warmup=0")


LARGE_BATCH = ("data.batch=64", "data.patch=48", "ema=0.9995", *ON_DEVICE, "validation.every=5000")
"""Of a first stage on an accelerator."""


def fidelity(scale: int, steps: tuple[int, int], rate: float) -> tuple[Stage, ...]:
    """L1 on small crops, on larger ones, then the mean squared error, which is what PSNR measures; steps (gpu, cpu)."""
    gpu, cpu = steps
    common = (f"generator.scale={scale}", *STRETCH)
    larger = (*common, *SHARP, f"optimizer.learning_rate={rate / 4}", "optimizer.warmup=100")
    return (
        Stage(
            "1-l1",
            "fidelity-x4",
            (*common, *SHARP, f"optimizer.learning_rate={rate}"),
            (f"steps={gpu}", *LARGE_BATCH),
            (f"steps={cpu}", "data.batch=16", "data.patch=32"),
        ),
        Stage(
            "2-larger",
            "fidelity-x4",
            larger,
            (f"steps={gpu // 8}", "data.batch=64", "data.patch=64", "ema=0.9995", *ON_DEVICE),
            (f"steps={cpu // 8}", "data.batch=8", "data.patch=64"),
        ),
        Stage(
            "3-mse",
            "fidelity-x4",
            (*common, *MSE),
            (f"steps={gpu // 20}", "data.batch=64", "data.patch=64", *ON_DEVICE),
            (f"steps={cpu // 20}", "data.batch=8", "data.patch=64"),
        ),
    )


DISTANCES = ("weights.phase_bias=10", "lpips.translation=4", "optimizer.learning_rate=2e-4")
"""Of a last stage without a critic, after which the critic's texture stays."""
TEXTURE = (*DISTANCES, "weights.lpips=4", "weights.pixel=0.5", "weights.phase_balance=0.1")
SMOOTH = (*DISTANCES, "weights.pixel=1", "weights.phase_evenness=0.3")
"""Balance would ask for as much contrast as the original's, which a noisy input does not show: for grain."""


def photo(scale: int, patch: int, lpips: float, steps: tuple[int, ...], pixels: Settings = ()) -> tuple[Stage, ...]:
    """L1 and LPIPS on degradations of the second order, then LPIPS on light ones; the data loader makes them.

    A critic was tried between the first two (the recipe photo-gan-x4): what grain it draws the later stages keep. The
    patch, the stages' steps and further settings of the first are a CPU's.
    """
    size, harsh = f"generator.scale={scale}", "data.degradation.name=second-order"
    on_gpu = ("data.batch=32", "data.patch=48", "data.workers=12")
    on_cpu = ("data.batch=8", f"data.patch={patch}", "ema=0.99", "checkpoint_every=200")
    distances = (size, "weights.fourier=0", *SMOOTH, f"weights.lpips={lpips}")
    stages: tuple[tuple[str, Settings, int, Settings], ...] = (  # the number is an accelerator's steps
        ("1-l1", (size, harsh, *STRETCH), 30_000, pixels),
        ("2-lpips", (*distances, harsh), 5000, ()),
        ("3-light", distances, 2000, ()),
    )
    return tuple(
        Stage(name, "photo-x4", both, (f"steps={gpu}", *on_gpu), (f"steps={cpu}", *on_cpu, *more))
        for (name, both, gpu, more), cpu in zip(stages, steps, strict=True)
    )


CPU_CROPS = ("data.batch=8", "data.patch=24", "ema=0.99", "checkpoint_every=100")
BRANCHED = (
    "generator={name='reparameterised', channels=64, groups=5, convolutions=3, image_skip='bilinear', scale=4}",
)
"""The winner of docs/studies/architectures.md; it is exported as the plain network, which the later stages train on."""
INFOGAN = ("generator.channels=32", "variant.labels=first-code")
"""The first code is told from labels, so that a digit can be asked for; the two numbers are found."""
TAUGHT = (*STRETCH, *SQUARED, "weights.distillation=3", "distillation.distance=l2", "optimizer.warmup=100")
PLANS: dict[str, Plan] = {
    "x4-fidelity": Plan(
        "sr_train",
        (
            Stage("1-l1", "fidelity-x4", (), (*STRETCH, *SHARP, *BRANCHED, "steps=70000", *LARGE_BATCH)),
            Stage(
                "2-distilled",
                "fidelity-x4",
                (*TAUGHT, "optimizer.learning_rate=3e-4"),
                ("steps=20000", "data.batch=32", "data.patch=64", *ON_DEVICE),
                ("steps=11000", "data.batch=8", "data.patch=48"),
                taught_by=("1-l1", SPAN),
            ),
            Stage(
                "3-longer",
                "fidelity-x4",
                (*TAUGHT, "optimizer.learning_rate=4e-4"),
                ("steps=40000", "data.batch=32", "data.patch=64", *ON_DEVICE),
                ("steps=17000", "data.batch=16", "data.patch=48"),
                taught_by=("1-l1", SPAN),
            ),
        ),
    ),
    "x3-fidelity": Plan("sr_train", fidelity(3, (30_000, 2_500), 5e-4), "x4-fidelity", trunk=True),
    "x2-fidelity": Plan("sr_train", fidelity(2, (30_000, 4_000), 5e-4), "x4-fidelity", trunk=True),
    "x4-perceptual": Plan(
        "sr_train",
        (
            Stage(
                "1-gan",
                "perceptual-gan-x4",
                (),
                ("steps=20000", "data.batch=32", *ON_DEVICE),
                ("steps=1200", *CPU_CROPS),
            ),
            Stage(
                "2-lpips",
                "perceptual-x4",
                (*TEXTURE, "weights.perceptual=0"),
                ("steps=5000", "data.batch=32", *ON_DEVICE),
                ("steps=2500", *CPU_CROPS),
            ),
        ),
        "x4-fidelity",
    ),
    "x4-photo": Plan(
        "sr_train",
        photo(
            4,
            32,
            1.0,
            (4500, 800, 150),
            ("data.batch=16", "ema=0.999", "checkpoint_every=500", "weights.fourier=0"),
        ),
        "x4-fidelity",
    ),
    "x2-photo": Plan("sr_train", photo(2, 48, 2.0, (700, 300, 200)), "x2-fidelity"),
    "dcgan-flowers": Plan(
        "gan/flowers64.npz",  # at the recipe's width the file would be 14 MB
        (Stage("1-gan", "dcgan", ("generator.channels=32", "latent.noise=64"), ("steps=30000",), ("steps=2000",)),),
    ),
    "infogan-mnist": Plan("gan/mnist.npz", (Stage("1-gan", "infogan", INFOGAN, ("steps=20000",), ("steps=2000",)),)),
    "vae-mnist": Plan("gan/mnist.npz", (Stage("1-vae", "vae", (), ("steps=60000",), ("steps=20000",)),)),
}
"""The pretrained models by name."""


def settings_of(plan: Plan, runs: Path, profile: str, device: str, extra: Settings) -> list[list[str]]:
    """Every stage's `--set` values, later ones win; a stage starts from the model of the one before.

    Raises:
        UserError: the plan starts from a model that there is not.
    """
    found: list[list[str]] = []
    start: Path | str | None = None if plan.start is None else _start(plan.start, runs.parent)
    for stage in plan.stages:
        settings = [*stage.whole(profile), f"device={device}"]
        if stage.taught_by:
            settings.append(f"distillation.teachers={json.dumps([str(_teacher(of, runs)) for of in stage.taught_by])}")
        settings += extra
        if start is not None:
            settings.append(f"initialise_from={json.dumps(str(start))}")
        if plan.trunk and stage is plan.stages[0]:
            settings.append("initialise_parts=trunk")
        found.append(settings)
        start = runs / stage.name / MODEL
    return found


def recipes(plan: Plan, runs: Path, data: Path | None, profile: str, device: str, extra: Settings) -> list[Recipe]:
    """Every stage's recipe.

    Raises:
        UserError: a setting that no recipe has; the plan starts from a model that there is not.
    """
    settings = settings_of(plan, runs, profile, device, extra)
    return [load_recipe(stage.recipe, own, data) for stage, own in zip(plan.stages, settings, strict=True)]


def _teacher(name: str, runs: Path) -> Path:
    return runs.parent / f"{SPAN}.safetensors" if name == SPAN else runs / name / MODEL


def make_teacher(stages: list[Recipe], runs: Path, given: Path | None) -> None:
    """Make SPAN loadable, where a stage is taught by it; without a file given once is enough.

    Raises:
        UserError: its file is not known, or cannot be read.
    """
    target, shared = _teacher(SPAN, runs), os.environ.get("SRGAN_KIT_DATA")
    taught = [stage.distillation.teachers for stage in stages if stage.generator_weights.get("distillation")]
    if not any(str(target) in teachers for teachers in taught) or (given is None and target.is_file()):
        return
    if given is None and not shared:
        raise UserError(f"no teacher: give --teacher {SLIM_SPAN}, or name the folder of weights/ in SRGAN_KIT_DATA")
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(given or Path(str(shared)) / "weights" / SLIM_SPAN, target)


def _start(name: str, runs: Path) -> Path | str:
    """The model of that name, as trained here if it is finished, else as pretrained.

    Raises:
        UserError: there is neither.
    """
    own = runs / name / PLANS[name].stages[-1].name / MODEL
    if own.is_file():
        return own
    if name not in pretrained_upscalers():
        raise UserError(f"{name}: to be started from, but neither trained in {runs} nor pretrained")
    return name


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
    parser.add_argument("--features", type=Path, help="VGG19 weights of the perceptual term")
    parser.add_argument("--squeezenet", type=Path, help="SqueezeNet 1.1 weights of the LPIPS term")
    parser.add_argument("--teacher", type=Path, help="slim SPAN checkpoint that teaches x4-fidelity")
    parser.add_argument("--compile", action="store_true", help="torch.compile; try whether it is faster")
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
        extra = (*options.settings, *(["compile=true"] if options.compile else []))
        for term, given in (("perceptual", options.features), ("lpips", options.squeezenet)):
            weights = _comparator(term, given)
            if weights is not None:
                extra += (f"{term}.weights={json.dumps(str(weights))}",)
        stages = recipes(plan, runs, data, profile, options.device, extra)
        for option, given, term in (
            ("--features", options.features, "perceptual"),
            ("--squeezenet", options.squeezenet, "lpips"),
            ("--teacher", options.teacher, "distillation"),
        ):
            if given is not None and not any(stage.generator_weights.get(term) for stage in stages):
                raise UserError(f"{option}: no stage of {options.name} has the term {term}")
        make_teacher(stages, runs, options.teacher)
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
    shared = os.environ.get("SRGAN_KIT_DATA")
    if given is None and not shared:
        raise UserError("no training images: give --data, or name their folder in SRGAN_KIT_DATA")
    return given or Path(str(shared)) / plan.data


def _comparator(term: str, given: Path | None) -> Path | None:
    """Weights of the network of a term; None leaves the recipe's."""
    shared = os.environ.get("SRGAN_KIT_DATA")
    return given or (Path(shared) / "weights" / COMPARATORS[term] if shared else None)


def _show(plan: Plan, runs: Path, data: Path, profile: str, device: str, extra: Settings) -> None:
    for stage, settings in zip(plan.stages, settings_of(plan, runs, profile, device, extra), strict=True):
        words = ["srgan-kit", "train", stage.recipe, "--data", str(data), "-o", str(runs / stage.name)]
        print(shlex.join([*words, *(word for setting in settings for word in ("--set", setting))]) + "\n")


if __name__ == "__main__":
    main()
