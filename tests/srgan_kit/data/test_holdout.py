"""What of a small folder is held out: a tenth at most, one at least, and a single image for itself."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from srgan_kit.data.holdout import ALONE, holdout_count
from srgan_kit.recipes.load import load_recipe
from srgan_kit.tasks import Task, build_task
from srgan_kit.training.loop import train


def photographs(folder: Path, count: int) -> Path:
    folder.mkdir()
    for seed in range(count):
        rough = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(rough).resize((40, 36), Image.Resampling.BICUBIC).save(folder / f"{seed}.png")
    return folder


def task(name: str, data: Path) -> Task:
    small = ["data.patch=8", "generator={name='residual', channels=4, groups=1}"]
    if name != "super-resolution":
        small = ["data.size=16", "data.augment=none", "latent.noise=4", "generator={name='dcgan', channels=4}"]
    recipe = load_recipe("smoke", [f"task={name}", "validation.holdout=16", *small], data)
    return build_task(recipe, torch.device("cpu"), data.parent / "run")


def test_a_tenth_at_most_one_at_least_and_never_all() -> None:
    counts = {images: holdout_count(images, 16, 0.1) for images in (1, 2, 5, 20, 100, 160, 5000)}
    assert counts == {1: 0, 2: 1, 5: 1, 20: 2, 100: 10, 160: 16, 5000: 16}
    assert holdout_count(20, 0, 0.1) == 0
    assert holdout_count(20, 99, 1.0) == 19


@pytest.mark.parametrize("name", ["super-resolution", "unconditional", "reconstruction"])
def test_of_twenty_photographs_eighteen_are_trained_on_in_every_task(name: str, tmp_path: Path) -> None:
    made = task(name, photographs(tmp_path / "photographs", 20))
    words = made.describe().replace(" (18 in memory)", "")
    assert words.startswith("18 training images, 2 held out")
    held = made.held_out(100)
    assert held is not None
    assert len(held.image) == 2
    assert made.notes == []


@pytest.mark.parametrize("name", ["super-resolution", "unconditional", "reconstruction"])
def test_a_single_image_is_trained_on_and_validated_on_itself_with_a_warning(name: str, tmp_path: Path) -> None:
    made = task(name, photographs(tmp_path / "photographs", 1))
    held = made.held_out(100)
    assert held is not None
    assert len(held.image) == 1
    assert made.notes == [ALONE]
    assert made.describe().replace(" (1 in memory)", "").startswith("1 training images, 1 held out")


def test_a_single_image_trains_and_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["steps=2", "data.patch=8", "device=cpu", "generator={name='residual', channels=4, groups=1}"]
    recipe = load_recipe("smoke", settings, photographs(tmp_path / "photographs", 1))
    outcome = train(recipe, tmp_path / "run")
    assert outcome.measured["psnr_y"] > 0
    assert f"warning: {ALONE}" in capsys.readouterr().err
