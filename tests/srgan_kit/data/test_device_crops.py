"""Batches made on the device are the loader's, bit for bit, and so are runs that train on them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.utils.data import default_collate

from srgan_kit.data.crops import CropSettings, PairedCrops
from srgan_kit.data.device_crops import DeviceCrops
from srgan_kit.data.image_set import ImageSet
from srgan_kit.data.labels import LabelledDraws
from srgan_kit.data.sources import open_files
from srgan_kit.images.resize import resize_8bit
from srgan_kit.recipes.load import load_recipe
from srgan_kit.tasks.super_resolution import SuperResolution
from srgan_kit.training.loop import train

CPU = torch.device("cpu")
PLAIN = {"reductions": (1.0,), "shuffle_channels": False}
MORE = {"reductions": (1.0, 0.8, 0.6), "shuffle_channels": True}
GREY = {**MORE, "grey": 0.25}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    """Noise of sizes that are no multiples of the factors; one hardly larger than a crop."""
    folder = tmp_path_factory.mktemp("noise")
    for seed, size in enumerate([(61, 54, 3), (50, 83, 3), (33, 33, 3)]):
        pixels = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{seed}.png")
    return ImageSet([open_files(folder)], 10)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("augment", ["none", "flips", "flips-and-rotations"])
@pytest.mark.parametrize("more", [PLAIN, MORE, GREY], ids=["plain", "reduced and shuffled", "some grey"])
def test_a_batch_is_what_the_loader_makes(images: ImageSet, scale: int, augment: str, more: dict) -> None:
    labels = np.array([0, -1, 1])
    settings = CropSettings(
        scale=scale, patch=8, augment=augment, seed=5, labelled_draws=LabelledDraws(share=0.5), **more
    )
    loader = PairedCrops(images, None, settings, labels)
    device = DeviceCrops(images, settings, CPU, labels)
    numbers = list(range(40, 120))
    expected = default_collate([loader[number] for number in numbers])
    for made, wanted in zip(device.batch(numbers), expected, strict=True):
        assert made.dtype == wanted.dtype
        assert torch.equal(made, wanted)
    for made, wanted in zip(device[70], loader[70], strict=True):
        assert torch.equal(made, wanted)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_float32_rounds_as_float64_does(images: ImageSet, scale: int) -> None:
    exact, short = (DeviceCrops(images, CropSettings(scale=scale, patch=8, seed=0), CPU) for _ in range(2))
    short._dtype, short._weights = torch.float32, short._weights.float()
    numbers = list(range(200))
    assert torch.equal(short.batch(numbers)[1], exact.batch(numbers)[1])


def test_more_augmentation_gives_all_sizes_and_all_orders_of_channels(images: ImageSet) -> None:
    crops = PairedCrops(images, None, CropSettings(scale=4, patch=8, seed=0, **MORE))
    plans = [crops.plan(number) for number in range(600)]
    assert {(plan.image, plan.reduction) for plan in plans} == {(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)}
    assert len({plan.channels for plan in plans}) == 6
    number = next(n for n, plan in enumerate(plans) if plan.reduction == 2 and plan.channels == (2, 0, 1))
    plan = plans[number]
    small = resize_8bit(images[plan.image], 0.6)[[2, 0, 1]]
    assert torch.equal(crops[number][0], small[:, 4 * plan.top : 4 * plan.top + 32, 4 * plan.left :][:, :, :32])


@pytest.mark.parametrize("reductions", ["[0.5]", "[0.4, 0.5]"])
def test_images_that_no_reduction_leaves_large_enough_are_named(tmp_path: Path, reductions: str) -> None:
    for side in (63, 64, 90):
        pixels = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{side}.png")
    settings = ["data.patch=8", f"data.reductions={reductions}", "validation.holdout=0", "device=cpu"]
    task = SuperResolution(load_recipe("smoke", settings, tmp_path), CPU, tmp_path / "run")
    assert [skipped.reason for skipped in task.skipped] == ["63x63 pixels, smaller than 64x64"]
    assert all(task.examples[number][0].shape == (3, 32, 32) for number in range(60))


def test_a_part_of_the_crops_is_grey_and_the_others_stay_as_they_are(images: ImageSet) -> None:
    flipped = CropSettings(scale=4, patch=8, augment="flips", seed=0)
    crops, before = (PairedCrops(images, None, replace(flipped, **more)) for more in (GREY, MORE))
    plans = [crops.plan(number) for number in range(1200)]
    grey = [number for number, plan in enumerate(plans) if len(set(plan.channels)) == 1]
    assert 240 < len(grey) < 360  # four standard deviations about a quarter
    assert {plans[number].channels[0] for number in grey} == {0, 1, 2}
    for number in grey[:5]:
        high, low, _ = crops[number]
        for crop in (high, low):
            assert torch.equal(crop, crop[:1].expand(3, -1, -1))
    for number in range(1200):
        expected = (
            replace(before.plan(number), channels=plans[number].channels) if number in grey else before.plan(number)
        )
        assert plans[number] == expected


def test_a_run_on_device_crops_equals_one_on_the_loader(tmp_path: Path) -> None:
    for seed in range(4):
        pixels = np.random.default_rng(seed).integers(0, 256, (40, 48, 3), dtype=np.uint8)
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{seed}.png")
    small = ["steps=4", "data.batch=2", "data.patch=8", "device=cpu", "precision=fp32", "checkpoint_every=2"]
    settings = [*small, "data.reductions=[1.0, 0.8]", "data.shuffle_channels=true", "validation.holdout=0"]

    def states(pipeline: str) -> dict[str, torch.Tensor]:
        run = tmp_path / pipeline
        train(load_recipe("smoke", [*settings, f"data.pipeline={pipeline}"], tmp_path / "images"), run)
        return load_file(run / "model.safetensors")

    loader, device = states("loader"), states("device")
    assert all(torch.equal(loader[name], device[name]) for name in loader)
