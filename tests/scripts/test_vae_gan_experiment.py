"""The experiment on VAE/GAN: what it measures has known answers, and all of it runs."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from scripts.experiments.vae_gan import __main__ as experiment
from scripts.experiments.vae_gan.measures import (
    Arithmetic,
    attribute_arithmetic,
    attribute_measures,
    ink,
    reconstructions,
    slant,
    width,
)
from scripts.experiments.vae_gan.plans import FLOWERS, MNIST
from scripts.lib.experiment import open_experiment
from srgan_kit.recipes.load import load_recipe


def bar(lean: float, thickness: int = 3) -> Tensor:
    """A stroke that leans by so many columns a row: (1, 1, 28, 28)."""
    image = torch.zeros(1, 1, 28, 28)
    for row in range(4, 24):
        left = round(13 + lean * (row - 13.5))
        image[0, 0, row, left : left + thickness] = 1
    return image


def test_a_strokes_lean_ink_and_width_are_measured() -> None:
    leaning = bar(0.5)
    assert slant(leaning).item() == pytest.approx(0.5, abs=0.03)
    assert slant(bar(-0.5)).item() == pytest.approx(-0.5, abs=0.03)
    assert ink(bar(0.0)).item() == pytest.approx(60 / 784)
    assert width(bar(0.0)).item() == pytest.approx((2 / 3) ** 0.5)  # of columns -1, 0, 1
    assert width(leaning).item() == pytest.approx((2 / 3) ** 0.5, abs=0.1)  # the lean is taken out
    assert slant(torch.zeros(1, 1, 28, 28)).item() == 0


class Flat:
    """A "model" whose code is the image's mean and its corner, and whose image is the code's first number."""

    def encode(self, image: Tensor) -> Tensor:
        class Posterior:
            mean = torch.stack([image.mean(dim=(1, 2, 3)), image[:, 0, 0, 0]], dim=1)

        return Posterior()  # pyright: ignore[reportReturnType]

    def generate(self, latent: Tensor) -> Tensor:
        return latent[:, :1, None, None].expand(-1, 1, 2, 2)


def test_arithmetic_adds_the_difference_of_the_classes_means() -> None:
    label = torch.arange(10).repeat(4)
    values = label / 20 + torch.tensor([0.0, 0.02, 0.01, 0.05]).repeat_interleave(10)
    found = attribute_arithmetic(Flat(), values[:, None, None, None].expand(-1, 1, 2, 2), label)  # pyright: ignore
    assert found.images.shape == (20, 10, 1, 2, 2)
    row = found.images[13, :, 0, 0, 0]  # the digit 3 with .05 more than its class; means of the first half say + .01
    expected = (3 / 20 + 0.05) + (torch.arange(10) - 3) / 20
    torch.testing.assert_close(row, expected.clamp(0, 1), atol=1 / 255, rtol=0)


class Oracle(torch.nn.Module):
    """Says that every image is of the class that its corner names."""

    def forward(self, image: Tensor) -> Tensor:
        return torch.nn.functional.one_hot((image[:, 0, 0, 0] * 100).round().long(), 10).float()


def test_changes_that_are_seen_and_style_that_is_kept() -> None:
    leans = torch.linspace(-0.5, 0.5, 12)
    originals = torch.cat([bar(float(lean)) for lean in leans])
    images = originals[:, None].repeat(1, 10, 1, 1, 1)
    images[:, :, 0, 0, 0] = torch.arange(10) / 100
    label = torch.arange(12) % 10
    kept = attribute_measures(Arithmetic(images, label), originals, Oracle())  # pyright: ignore[reportArgumentType]
    assert kept["changed_percent"] == 100
    assert kept["slant_kept"] > 0.99
    images[:, :5, 0, 0, 0] = 0.09  # five classes that nobody sees
    strangers = images.flip(0)
    lost = attribute_measures(Arithmetic(strangers, label), originals, Oracle())  # pyright: ignore[reportArgumentType]
    assert 45 < lost["changed_percent"] < 55
    assert lost["slant_kept"] < -0.9


def test_half_and_double_the_sharpness_are_as_far_away() -> None:
    real = 0.5 + 0.1 * torch.randn(4, 3, 16, 16)
    for factor in (0.5, 2.0):
        made = 0.5 + (real - 0.5) * factor**0.5
        assert reconstructions(made, real)["sharpness"] == pytest.approx(factor, rel=0.01)
        assert reconstructions(made, real)["sharpness_away"] == pytest.approx(1, rel=0.01)


def test_all_systems_see_the_same_images_and_are_optimised_alike(data_folder: Path, tmp_path: Path) -> None:
    exp = open_experiment("vae_gan", "", "", None, ["--work", str(tmp_path)])
    for images in (MNIST, FLOWERS):
        plans = [images.plan(exp, name) for name in ("vae", "disl", "vae-gan", "gan")]
        recipes = [load_recipe(recipe, settings) for _, recipe, _, settings in plans]
        assert recipes[0].data.binarise == "none"
        assert all(recipe.data == recipes[0].data for recipe in recipes)
        assert all(recipe.optimizer.betas == recipes[2].optimizer.betas for recipe in recipes[:3])
        assert len({recipe.precision for recipe in recipes}) == 1


def test_all_of_it_runs_and_goes_on(data_folder: Path, tmp_path: Path) -> None:
    experiment.main(["--smoke", "--work", str(tmp_path)])
    found = json.loads((tmp_path / "vae_gan.json").read_text())
    assert found["found"].keys() == {"mnist", "flowers", "super-resolution"}
    assert found["found"]["mnist"].keys() == {"vae", "disl", "vae-gan"}
    assert {figure["status"] for figure in found["figures"]} >= {None}
    assert (tmp_path / "vae_gan.png").stat().st_size
    written = (tmp_path / "flowers-gan" / "model.safetensors").stat().st_mtime_ns
    for name in ("gan", "disl"):
        shutil.rmtree(tmp_path / f"mnist-{name}")
    experiment.main(["--smoke", "--work", str(tmp_path)])
    assert (tmp_path / "flowers-gan" / "model.safetensors").stat().st_mtime_ns == written
    assert not (tmp_path / "mnist-gan").exists()  # nor the run that needs its critic: both are known
    again = json.loads((tmp_path / "vae_gan.json").read_text())
    assert again["found"]["mnist"]["disl"] == found["found"]["mnist"]["disl"]
