"""The dry run names what is wrong with a term or a network before a run folder is made."""

from pathlib import Path

import numpy as np
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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["weights.distillation=1"], r"^recipe: weights\.distillation needs distillation\.teachers"),
        (["weights.historical_averaging=1"], r"^recipe: weights\.historical_averaging needs a critic"),
        (["weights.feature_matching=1"], r"^recipe: weights\.feature_matching needs a critic"),
        (
            ["variant=gan", "critic={name='patchgan', channels=4, scales=2}", "techniques.crop=4"],
            r"^recipe: techniques\.crop: PatchGANCritic: expected images of at least 8x8 .*, got 4x4",
        ),
    ],
)
def test_what_the_first_step_would_fail_at_is_named(
    two_classes: Path, tmp_path: Path, settings: list[str], message: str
) -> None:
    small = ["data.patch=8", "data.batch=2", "generator.channels=4"]
    with pytest.raises(UserError, match=message):
        train(load_recipe("smoke", [*small, *settings], two_classes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_one_image_has_no_statistics(tmp_path: Path) -> None:
    images = tmp_path / "images.npz"
    np.savez(images, x_train=np.zeros((40, 28, 28), np.uint8))
    critics = ["generator.normalisation=none", "critic.normalisation=batch"]
    for player, own in (("generator", []), ("critic", critics)):
        with pytest.raises(UserError, match=rf"data\.batch: expected at least 2, for the {player}'s batch norm, got 1"):
            train(load_recipe("gan", ["data.batch=1", *own], images), tmp_path / "run")
    with pytest.raises(UserError, match=r"^recipe: labels\.batch needs labelled images"):
        train(load_recipe("gan", ["labels.batch=8"], images), tmp_path / "run")
    assert not (tmp_path / "run").exists()
