"""The terms that compare the output with the real image: each is the loss it is named after."""

from pathlib import Path

import pytest
import torch

import losses
from losses import LPIPSLoss
from srgan_kit.config import Recipe
from srgan_kit.contracts import Batch, Sample
from srgan_kit.errors import UserError
from srgan_kit.tasks.content import Content

CPU = torch.device("cpu")


def content(**settings: object) -> Content:
    return Content(Recipe.model_validate({"name": "test", "steps": 1, **settings}), CPU)


def pair(scale: int = 4) -> tuple[Batch, Sample]:
    """A batch of 32x32 real images with their low-resolution ones, and other images as output."""
    real, fake = torch.rand(2, 2, 3, 32, 32)
    low = torch.rand(2, 3, 32 // scale, 32 // scale)
    return Batch(real, condition=low), Sample(fake)


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("name", ["phase_balance", "phase_evenness", "phase_bias"])
def test_terms_against_the_lattice_have_the_period_of_the_scale(name: str, scale: int) -> None:
    batch, sample = pair(scale)
    terms = content(weights={name: 1.0})(batch, sample)
    assert terms.keys() == {name}
    loss = getattr(losses, name)
    torch.testing.assert_close(terms[name], loss(sample.paired, batch.image, scale))
    assert terms[name] != loss(sample.paired, batch.image, 6 - scale)


def test_a_term_of_scale_needs_the_low_resolution_image() -> None:
    batch, sample = pair()
    with pytest.raises(AssertionError):
        content(weights={"phase_balance": 1.0})(Batch(batch.image), sample)
    assert content(weights={"pixel": 1.0})(Batch(batch.image), sample).keys() == {"pixel"}


def test_lpips_is_the_loss_on_the_given_weights(squeezenet_file: Path) -> None:
    batch, sample = pair()
    terms = content(weights={"lpips": 1.0}, lpips={"weights": squeezenet_file})(batch, sample)
    torch.testing.assert_close(terms["lpips"], LPIPSLoss("squeeze", squeezenet_file)(sample.paired, batch.image))


def test_lpips_without_its_weights_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"recipe: lpips: .*nowhere\.pth"):
        content(weights={"lpips": 1.0}, lpips={"weights": tmp_path / "nowhere.pth"})


def test_a_weight_of_0_switches_a_term_off(tmp_path: Path) -> None:
    batch, sample = pair()
    nowhere = {"weights": tmp_path / "nowhere.pth"}
    off = content(
        weights={"pixel": 1.0, "mse": 0.0, "lpips": 0.0, "perceptual": 0.0}, lpips=nowhere, perceptual=nowhere
    )
    assert off(batch, sample).keys() == {"pixel"}


def test_crops_that_are_too_small_for_a_term_are_named_with_it() -> None:
    batch, sample = Batch(torch.rand(1, 3, 24, 24), condition=torch.rand(1, 3, 6, 6)), Sample(torch.rand(1, 3, 24, 24))
    with pytest.raises(ValueError, match=r"weights\.phase_bias: expected images .* at least 32, got .* data\.patch"):
        content(weights={"phase_bias": 1.0})(batch, sample)
