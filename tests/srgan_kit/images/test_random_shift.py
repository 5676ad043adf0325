"""Random shifts of what critics and comparators see."""

import pytest
import torch

from srgan_kit.errors import UserError
from srgan_kit.images.random_shift import draw_shifts, shifted
from srgan_kit.recipes.load import load_recipe


def test_a_shift_moves_every_pixel_and_mirrors_at_the_edge() -> None:
    image = torch.arange(16.0).view(1, 1, 4, 4)
    assert torch.equal(shifted(image, torch.tensor([[0, 0]]), 2), image)
    down = shifted(image, torch.tensor([[1, 0]]), 2)
    assert torch.equal(down[0, 0, :3], image[0, 0, 1:])
    assert torch.equal(down[0, 0, 3], image[0, 0, 2])  # beyond the last row lies the one before it
    left = shifted(image, torch.tensor([[0, -2]]), 2)
    assert torch.equal(left[0, 0, :, 2:], image[0, 0, :, :2])
    assert torch.equal(left[0, 0, :, 0], image[0, 0, :, 2])


def test_each_image_has_its_own_shift_and_gradients_pass() -> None:
    image = torch.rand(2, 3, 6, 6, requires_grad=True)
    moved = shifted(image, torch.tensor([[2, -1], [0, 1]]), 2)
    assert torch.equal(moved[0, :, :4, 1:], image[0, :, 2:, :-1])
    assert torch.equal(moved[1, :, :, :-1], image[1, :, :, 1:])
    moved[:, :, 2:-2, 2:-2].sum().backward()
    assert image.grad is not None
    assert image.grad.sum() == 2 * 3 * 4


def test_shifts_reach_both_ends_and_none_is_likelier() -> None:
    shifts = draw_shifts(20000, 2, torch.Generator().manual_seed(0))
    counts = torch.bincount(shifts.flatten() + 2, minlength=5)
    assert counts.min() > 0.95 * 8000
    assert counts.max() < 1.05 * 8000


@pytest.mark.parametrize("part", ["techniques", "perceptual", "lpips"])
def test_a_shift_as_large_as_the_image_is_refused(part: str) -> None:
    with pytest.raises(UserError, match=rf"{part}\.translation: expected less than the images' side of 32, got 32"):
        load_recipe("srgan-x4", ["data.patch=8", f"{part}.translation=32"])
