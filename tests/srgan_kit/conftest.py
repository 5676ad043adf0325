"""What several files of tests train on, and how they train a step or two."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image
from torch.utils.data import default_collate

from srgan_kit.config import Recipe
from srgan_kit.tasks import build_task
from srgan_kit.training.run import Run


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


@pytest.fixture
def train_two_steps(tmp_path: Path) -> Callable[[Recipe], tuple[Run, dict[str, float]]]:
    """Builds a run, rehearses it and takes two steps; the run, and what the second one logs."""

    def train(recipe: Recipe) -> tuple[Run, dict[str, float]]:
        accelerator = Accelerator(cpu=True)
        run = Run(recipe, tmp_path, accelerator, build_task(recipe, accelerator.device, tmp_path))
        run.rehearse()
        values: dict[str, float] = {}
        for _ in range(2):
            first = run.step * recipe.data.batch
            items = [run.task.examples[first + index] for index in range(recipe.data.batch)]
            values = run.train_step(run.task.batch(default_collate(items)), detailed=True)
        return run, values

    return train
