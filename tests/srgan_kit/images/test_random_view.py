"""Random views of what critics and comparators see."""

import pytest
import torch

from srgan_kit.errors import UserError
from srgan_kit.images.random_view import RandomView, cropped, draw_corners, draw_shifts, shifted
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


def test_a_crop_is_the_square_at_its_own_corner_and_gradients_pass() -> None:
    image = torch.arange(2.0 * 5 * 6).view(2, 1, 5, 6).requires_grad_()
    part = cropped(image, torch.tensor([[0, 3], [2, 1]]), 3)
    assert torch.equal(part[0, 0], image[0, 0, :3, 3:])
    assert torch.equal(part[1, 0], image[1, 0, 2:, 1:4])
    part.sum().backward()
    assert image.grad is not None
    assert image.grad.sum() == 2 * 9


def test_crops_reach_every_corner_of_the_image_and_none_is_likelier() -> None:
    corners = draw_corners(torch.zeros(20000, 1, 6, 8), 4, torch.Generator().manual_seed(0))
    for axis, places in ((0, 3), (1, 5)):
        counts = torch.bincount(corners[:, axis], minlength=places)
        assert len(counts) == places
        assert counts.min() > 0.95 * 20000 / places
        assert counts.max() < 1.05 * 20000 / places


def test_partners_are_seen_by_the_same_view_and_the_next_pair_by_another() -> None:
    image = torch.rand(4, 3, 16, 16)
    view = RandomView(translation=2, crop=8)
    generator = torch.Generator().manual_seed(1)
    look, other = view.draw(image, generator), view.draw(image, generator)
    assert look(image).shape == (4, 3, 8, 8)
    assert torch.equal(look(1 - image), 1 - look(image))
    assert not torch.equal(look(image), other(image))
    assert RandomView().draw(image)(image) is image


def test_a_crop_changes_no_draw_of_the_shifts() -> None:
    image = torch.rand(4, 1, 16, 16)
    with_crop, without = (RandomView(3, crop).draw(image, torch.Generator().manual_seed(2)) for crop in (8, 0))
    generator = torch.Generator().manual_seed(2)
    draw_shifts(4, 3, generator)
    assert torch.equal(with_crop(image), cropped(without(image), draw_corners(image, 8, generator), 8))


@pytest.mark.parametrize("part", ["techniques", "perceptual", "lpips", "dists"])
def test_a_crop_larger_than_the_image_is_refused(part: str) -> None:
    with pytest.raises(UserError, match=rf"{part}\.crop: expected at most the images' side of 32, or 0, got 40"):
        load_recipe("srgan-x4", ["data.patch=8", f"{part}.crop=40"])


def test_a_critic_that_knows_one_size_alone_sees_no_crops() -> None:
    with pytest.raises(UserError, match=r"techniques\.crop: critic 'srgan' sees whole images alone; use one of unet"):
        load_recipe("perceptual-gan-x4", ["critic=srgan", "techniques.crop=16"])


def test_a_critic_that_sees_the_whole_condition_sees_no_crops() -> None:
    with pytest.raises(UserError, match=r"techniques\.crop: a critic that sees the condition sees all of it"):
        load_recipe("perceptual-gan-x4", ["techniques.crop=16", "critic.conditional=true"])
