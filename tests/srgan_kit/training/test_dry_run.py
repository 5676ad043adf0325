"""The dry run names what is wrong with a term or a network before a run folder is made."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.residual import ResidualSR, ResidualSRConfig
from srgan_kit.recipes.load import load_recipe
from srgan_kit.tasks import content
from srgan_kit.training.loop import train


def test_a_term_that_is_no_scalar_is_named(two_classes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(content.TERMS, "pixel", content.Term(lambda fake, real: (fake - real).abs()))
    with pytest.raises(UserError, match=r"^term 'pixel': expected a scalar, got \(4, 3, 32, 32\)$"):
        train(load_recipe("smoke", ["data.patch=8"], two_classes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_crops_that_the_generator_does_not_take_are_named(two_classes: Path, tmp_path: Path) -> None:
    class Wide(ResidualSR):
        def forward(self, image: Tensor, latent: Tensor | None = None) -> Tensor:
            return super().forward(nn.functional.conv2d(image, torch.zeros(3, 3, 9, 9)), latent)

    recipe = load_recipe("smoke", ["data.patch=8", "generator.channels=4"], two_classes)
    wide = type("WideConfig", (ResidualSRConfig,), {"build": lambda self, spec: Wide(channels=4, groups=1)})
    with pytest.raises(UserError, match=r"^generator 'residual' does not take images of 8x8 pixels: .*[Kk]ernel"):
        train(recipe.model_copy(update={"generator": wide(channels=4)}), tmp_path / "run")
