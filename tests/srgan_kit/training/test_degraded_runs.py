"""Training on degraded crops: which crops they are, comparable validations, runs that resume bit for bit."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.nn import functional as F

from srgan_kit.data.crops import CropSettings, PairedCrops
from srgan_kit.data.degradation_settings import LightConfig, RoundsConfig, SecondOrderConfig
from srgan_kit.data.image_folder import read_rgb
from srgan_kit.data.image_set import ImageSet
from srgan_kit.data.sources import open_files
from srgan_kit.errors import UserError
from srgan_kit.images.resize import resize_8bit
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks.super_resolution import SuperResolution
from srgan_kit.training.loop import train

SECOND_ORDER = SecondOrderConfig(name="second-order")
NEVER = {"probability": 0.0}
QUIET = {"blur": NEVER, "noise": NEVER, "jpeg": NEVER, "resize": {"enlarge": 0.0, "reduce": 0.0, "antialias": 0.0}}
REDUCED_ONLY = LightConfig.model_validate({"name": "light", "first": QUIET, "final_sinc": NEVER})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Smooth images, most of sizes that are no multiples of 4."""
    root = tmp_path_factory.mktemp("pictures")
    for seed, size in enumerate([(61, 54), (50, 83), (47, 60), (58, 49), (70, 53)]):
        rough = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
        Image.fromarray(rough).resize(size[::-1], Image.Resampling.BICUBIC).save(root / f"{seed}.png")  # pyright: ignore[reportArgumentType]
    return root


@pytest.fixture(scope="module")
def images(folder: Path) -> ImageSet:
    return ImageSet([open_files(folder)], 10)


def crops(images: ImageSet, degradation: RoundsConfig | None, seed: int = 5, **more) -> PairedCrops:
    settings = {"scale": 4, "patch": 8, "augment": "flips-and-rotations", "seed": seed} | more
    return PairedCrops(images, None, CropSettings(**settings), degradation=degradation)


@pytest.mark.parametrize("more", [{}, {"reductions": (1.0, 0.8), "shuffle_channels": True}], ids=["plain", "more"])
def test_the_high_resolution_crops_are_those_of_the_bicubic(images: ImageSet, more: dict) -> None:
    plain, degraded = crops(images, None, **more), crops(images, SECOND_ORDER, **more)
    for number in range(40):
        assert torch.equal(degraded[number][0], plain[number][0])
        assert not torch.equal(degraded[number][1], plain[number][1])
        assert degraded[number][1].shape == (3, 8, 8)


def test_the_low_resolution_crop_lies_where_the_high_one_does(images: ImageSet) -> None:
    """Without blur, noise and JPEG it is the high-resolution crop in one of three plain reductions."""
    only = crops(images, REDUCED_ONLY)
    for number in range(60):
        high, low, _ = only[number]
        errors = [
            (F.interpolate(high[None].float(), (8, 8), mode=mode)[0].clamp(0, 255) - low.float())[:, 1:-1, 1:-1].abs()
            for mode in ("area", "bilinear", "bicubic")
        ]
        assert min(error.max() for error in errors) <= 1


def test_a_sample_is_a_function_of_seed_and_number(images: ImageSet) -> None:
    first, again, other = crops(images, SECOND_ORDER), crops(images, SECOND_ORDER), crops(images, SECOND_ORDER, seed=6)
    _ = [first[number] for number in range(5)]  # what was made before does not matter
    for number in (3, 1000, 2**31):
        for made, wanted in zip(again[number], first[number], strict=True):
            assert torch.equal(made, wanted)
        assert not torch.equal(other[number][1], first[number][1])


def test_the_same_crop_is_degraded_anew_each_time_it_comes(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    image = ImageSet([open_files(tmp_path)], 10)
    one, other = (crops(image, SECOND_ORDER, seed=seed, augment="none") for seed in (5, 6))
    samples = [run[number] for run in (one, other) for number in range(3)]
    assert all(torch.equal(sample[0], samples[0][0]) for sample in samples)
    assert len({sample[1].numpy().tobytes() for sample in samples}) == 6


# --- runs -----------------------------------------------------------------------------------------------------------

SMALL = ["steps=6", "data.batch=2", "data.patch=8", "device=cpu", "precision=fp32", "validation.holdout=2"]
SMALL += ["validation.holdout_part=1"]


def recipe(folder: Path, *more: str) -> Recipe:
    return load_recipe("smoke", [*SMALL, "data.degradation.name=second-order", *more], folder)


def test_validation_is_degraded_in_the_same_way_whatever_the_runs_seed(folder: Path, tmp_path: Path) -> None:
    def pairs(*more: str) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return SuperResolution(recipe(folder, *more), torch.device("cpu"), tmp_path / "run").validation

    first, other, clean = pairs("seed=1"), pairs("seed=2"), pairs("data.degradation={name='bicubic'}")
    assert len(first) == 2
    for (low, high), (low_again, high_again), (bicubic, same) in zip(first, other, clean, strict=True):
        assert torch.equal(low, low_again)
        assert torch.equal(high, high_again)
        assert torch.equal(high, same)
        assert low.shape == bicubic.shape
        assert not torch.equal(low, bicubic)
    middle = pairs("validation.largest_side=32")
    assert all(low.shape == (3, 8, 8) and high.shape == (3, 32, 32) for low, high in middle)


def test_partners_of_validation_images_are_taken_as_they_are(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "high").mkdir()
    (tmp_path / "low").mkdir()
    for path in folder.iterdir():
        high = read_rgb(path)[:, :44, :44]
        for image, kind in ((high, "high"), (resize_8bit(high, 0.25), "low")):
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(tmp_path / kind / path.name)
    given = [f"validation.folder={tmp_path / 'high'}", f"validation.lr_folder={tmp_path / 'low'}"]
    task = SuperResolution(recipe(folder, *given), torch.device("cpu"), tmp_path / "run")
    assert all(torch.equal(low, resize_8bit(high, 0.25)) for low, high in task.validation)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model.safetensors")


def test_a_run_in_slices_equals_one_in_a_piece_and_workers_change_nothing(folder: Path, tmp_path: Path) -> None:
    train(recipe(folder), tmp_path / "whole")
    assert not train(recipe(folder), tmp_path / "slices", minutes=0).finished
    assert train(recipe(folder, "data.workers=1"), tmp_path / "slices", resume=True).finished
    clean = recipe(folder, "data.degradation={name='bicubic'}")
    train(clean, tmp_path / "clean")
    whole, slices, other = (weights(tmp_path / run) for run in ("whole", "slices", "clean"))
    assert all(torch.equal(whole[name], slices[name]) for name in whole)
    assert not all(torch.equal(whole[name], other[name]) for name in whole)


def test_a_run_does_not_go_on_with_another_degradation(folder: Path, tmp_path: Path) -> None:
    train(recipe(folder), tmp_path / "run", minutes=0)
    changed = "data.degradation.second.jpeg.quality=[30, 60]"
    key = r"data\.degradation\.second\.jpeg\.quality = \[30, 95\], but the recipe now says \[30, 60\]"
    with pytest.raises(UserError, match=key):
        train(recipe(folder, changed), tmp_path / "run", resume=True)
    with pytest.raises(UserError, match=r"started with data\.degradation = .*'second-order'.* now says .*'bicubic'"):
        train(recipe(folder, "data.degradation={name='bicubic'}"), tmp_path / "run", resume=True)
