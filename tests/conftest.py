"""What several files of tests need: data, small images and weights to train on, a step or two of training."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from hypothesis import settings
from PIL import Image
from tiny_runs import TinyRuns, next_batches

from scripts.lib.browser import chromium
from srgan_kit.cli import main
from srgan_kit.cli.stopping import SIGNALS
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks import build_task
from srgan_kit.training.dry_run import dry_run
from srgan_kit.training.loop import train
from srgan_kit.training.run import Run

if TYPE_CHECKING:
    from playwright.sync_api import Browser

if "PYTEST_XDIST_WORKER" in os.environ:  # processes that want all cores each would stand in each other's way
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)

# A busy machine is not a failure, and the first example pays for imports.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real images and weights, named by SRGAN_KIT_DATA; tests that need it skip without it."""
    folder = os.environ.get("SRGAN_KIT_DATA")
    if not folder:
        pytest.skip("SRGAN_KIT_DATA is not set: it names the folder of test images and weights")
    return Path(folder)


@pytest.fixture(autouse=True)
def _cache_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept between runs is not kept in the user's folder."""
    monkeypatch.setenv("SRGAN_KIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("SRGAN_KIT_MODELS", str(tmp_path_factory.getbasetemp() / "models"))


@pytest.fixture(autouse=True)
def _precision() -> None:
    """An `Accelerator` of another test, on a processor with bf16, does not decide over this one's precision."""
    AcceleratorState._reset_state()


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """The command's entry point is called in this process too, and leaves the signals to nobody."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def two_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of eight small images in two inner folders, which are two classes."""
    root = tmp_path_factory.mktemp("two_classes")
    random = np.random.default_rng(0)
    for number in range(8):
        folder = root / ("left" if number % 2 else "right")
        folder.mkdir(exist_ok=True)
        rough = random.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(rough).resize((40, 36), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return root


@pytest.fixture(scope="session")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a VGG19 up to conv1_2."""
    generator = torch.Generator().manual_seed(0)
    state: dict[str, torch.Tensor] = {}
    for position, channels in (("0", 3), ("2", 64)):
        state[f"features.{position}.weight"] = torch.randn(64, channels, 3, 3, generator=generator) / channels
        state[f"features.{position}.bias"] = torch.zeros(64)
    path = tmp_path_factory.mktemp("vgg") / "vgg.pth"
    torch.save(state, path)
    return path


@pytest.fixture(scope="session")
def squeezenet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of SqueezeNet 1.1."""
    from torchvision.models import squeezenet1_1

    path = tmp_path_factory.mktemp("squeezenet") / "squeezenet.pth"
    torch.save(squeezenet1_1(weights=None).state_dict(), path)
    return path


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """A headless Chromium; tests that need it skip where there is none."""
    pytest.importorskip("playwright")
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(chromium())
        except FileNotFoundError as error:
            pytest.skip(str(error))
        yield opened


@pytest.fixture
def train_two_steps(tmp_path: Path) -> Callable[[Recipe], tuple[Run, dict[str, float]]]:
    """Builds a run, rehearses it and takes two steps; the run, and what the second one logs."""

    def train(recipe: Recipe) -> tuple[Run, dict[str, float]]:
        accelerator = Accelerator(cpu=True)
        run = Run(recipe, tmp_path, accelerator, build_task(recipe, accelerator.device, tmp_path))
        dry_run(run)
        values: dict[str, float] = {}
        for _ in range(2):
            *earlier, batch = next_batches(run)
            values = run.train_step(batch, detailed=True, earlier=earlier)
        return run, values

    return train


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Runs `srgan-kit` with these arguments in this process; exit status, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["srgan-kit", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main.run()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


TINY_RUNS = {
    "gan": ("unconditional", "variant=gan", "critic={name='dcgan', channels=4}", "latent.noise=6"),
    "infogan": (
        "unconditional",
        "variant={name='infogan', labels='first-code'}",
        "critic={name='dcgan', channels=4}",
        "latent={noise=6, categorical=[3, 2], continuous=2}",
    ),
    "unlabelled": (
        "unconditional",
        "variant=infogan",
        "critic={name='dcgan', channels=4}",
        "latent={categorical=[3]}",
    ),
    "pixel": (
        "unconditional",
        "variant=pixelrnn",
        "generator={name='pixelcnn', levels=4, channels=6, layers=2}",
        "latent={noise=2, categorical=[2]}",
        "data.size=8",
        "data.channels=1",
    ),
    "vae": ("reconstruction", "variant=vae", "latent.noise=6"),
    "autoencoder": ("reconstruction", "weights.pixel=1", "latent.noise=6", "data.channels=1"),
    "inversion": (
        "reconstruction",
        "weights.pixel=1",
        "reconstruction.source=features",
        "perceptual.layers={conv1_2=1.0}",
        "generator={name='inversion', channels=4}",
    ),
    "pixel-autoencoder": (
        "reconstruction",
        "variant=pixelrnn",
        "generator={name='pixelcnn', levels=4, channels=6, layers=2}",
        "latent.noise=4",
        "data.size=8",
        "data.channels=1",
    ),
    "steered": (
        "super-resolution",
        "variant=infogan",
        "critic={name='dcgan', channels=4}",
        "latent={noise=4, categorical=[3]}",
    ),
    "detail": ("super-resolution", "variant=vae", "latent.noise=4"),
    "plain": ("super-resolution", "weights.pixel=1"),
    "pixel-super-resolution": (
        "super-resolution",
        "variant=pixelrnn",
        "generator={name='pixelcnn', levels=4, channels=6, layers=2, scale=2}",
        "data.patch=4",
    ),
}
"""Task and settings of runs that differ in what can be made with them."""


@pytest.fixture(scope="session")
def tiny_run(two_classes: Path, vgg_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a finished run of `TINY_RUNS`, trained when it is first asked for."""
    root = tmp_path_factory.mktemp("tiny_runs")
    done: dict[str, Path] = {}

    def run(name: str) -> Path:
        if name not in done:
            task, *settings = TINY_RUNS[name]
            decoder, rate = ("residual", 0.003) if task == "super-resolution" else ("dcgan", 0.02)
            lines = [f"name='{name}'", f"task='{task}'", "steps=10", "device='cpu'", "precision='fp32'", "ema=0.5"]
            lines += [f"generator={{name='{decoder}', channels=4}}"]
            lines += [f"optimizer={{learning_rate={rate}, warmup=0, clip_gradient=1e6}}"]
            lines += ["data={size=16, patch=4, batch=4, augment='none'}", "encoder.channels=4"]
            lines += ["validation={every=5, holdout=2, holdout_part=1, largest_side=32}"]
            lines += [f"perceptual.weights='{vgg_file}'"]
            (root / f"{name}.toml").write_text("\n".join(lines))
            train(load_recipe(str(root / f"{name}.toml"), settings, two_classes), root / name)
            done[name] = root / name
        return done[name]

    return run


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyRuns:
    """Tiny runs."""
    return TinyRuns(tmp_path_factory.mktemp("tiny"))
