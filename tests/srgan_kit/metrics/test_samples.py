"""Diversity, sharpness, class usage and copies: known answers and what each has to find."""

import math

import pytest
import torch
from torch.nn import functional as F

from srgan_kit.metrics.samples import (
    class_usage,
    nearest_training_distance,
    pairwise_diversity,
    ratio_to_real,
    sharpness,
)


def test_diversity_of_a_collapsed_batch_is_zero_and_of_black_and_white_one() -> None:
    assert pairwise_diversity(torch.rand(1, 3, 4, 4).expand(5, -1, -1, -1)) == 0
    assert pairwise_diversity(torch.stack([torch.zeros(1, 4, 4), torch.ones(1, 4, 4)])) == 1


def test_diversity_is_the_mean_over_all_pairs() -> None:
    images = torch.tensor([0.0, 0.1, 0.4]).view(3, 1, 1, 1).expand(3, 2, 4, 4)
    assert pairwise_diversity(images) == pytest.approx((0.1 + 0.4 + 0.3) / 3, abs=1e-7)
    assert pairwise_diversity((images * 255).round().to(torch.uint8)) == pytest.approx(0.8 / 3, abs=0.003)
    with pytest.raises(ValueError, match="at least 2 images, got 1"):
        pairwise_diversity(images[:1])


def test_sharpness_of_ramp_checkerboard_and_noise() -> None:
    ramp = torch.arange(8.0).expand(1, 3, 8, 8)
    assert sharpness(ramp / 8) == pytest.approx(0, abs=1e-12)
    rows, columns = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    assert sharpness(((rows + columns) % 2)[None, None].float()) == pytest.approx(16)
    noise = torch.randn(4, 1, 200, 200) * 0.1
    assert sharpness(noise) == pytest.approx(20 * 0.01, rel=0.02)
    for wrong in (torch.zeros(1, 1, 2, 9), torch.zeros(0, 1, 9, 9), torch.zeros(1, 9, 9)):
        with pytest.raises(ValueError, match="sides >= 3"):
            sharpness(wrong)


def test_a_blurred_image_is_less_sharp_than_the_real_one_and_the_border_plays_no_part() -> None:
    real = torch.rand(6, 3, 32, 32)
    blurred = F.avg_pool2d(real, 3, stride=1, padding=1, count_include_pad=False)
    assert ratio_to_real(sharpness, blurred, real) < 0.2
    assert ratio_to_real(sharpness, real, real) == 1
    assert ratio_to_real(sharpness, real + 0.1, real) == pytest.approx(1)
    assert ratio_to_real(pairwise_diversity, blurred, real) < 1
    with pytest.raises(ValueError, match="real images measure 0"):
        ratio_to_real(sharpness, real, torch.zeros(2, 3, 8, 8))


def test_class_usage_of_one_class_of_all_and_of_a_half() -> None:
    sure = 1e3 * torch.eye(4)
    assert class_usage(sure[[1, 1, 1]]).share.tolist() == [0, 1, 0, 0]
    assert class_usage(sure[[1, 1, 1]]).entropy == pytest.approx(0)
    assert class_usage(sure).entropy == pytest.approx(math.log(4))
    half = class_usage(sure[[0, 0, 3, 3]])
    assert half.share.tolist() == [0.5, 0, 0, 0.5]
    assert half.entropy == pytest.approx(math.log(2))
    assert class_usage(torch.zeros(5, 4)).entropy == pytest.approx(math.log(4)), "unsure of each is even in all"


def test_copies_of_training_images_are_found() -> None:
    training = torch.randint(0, 256, (50, 3, 8, 8), dtype=torch.uint8)
    generated = torch.cat([training[[7, 49]], 255 - training[:1]])
    distance, index = nearest_training_distance(generated, training, chunk=16)
    assert distance[:2].tolist() == [0, 0]
    assert index[:2].tolist() == [7, 49]
    assert distance[2] > 0.2
    as_floats, same = nearest_training_distance(generated.float() / 255, training)
    assert torch.allclose(as_floats, distance, atol=1e-6)
    assert torch.equal(same, index)


def test_the_nearest_distance_is_that_of_a_plain_search() -> None:
    training, generated = torch.rand(40, 1, 5, 6), torch.rand(7, 1, 5, 6)
    differences = (generated[:, None].double() - training[None].double()).square().mean(dim=(2, 3, 4)).sqrt()
    distance, index = nearest_training_distance(generated, training, chunk=9)
    assert torch.allclose(distance, differences.min(dim=1).values)
    assert torch.equal(index, differences.argmin(dim=1))
    with pytest.raises(ValueError, match="images of one shape"):
        nearest_training_distance(generated, training[:, :, :4])
    with pytest.raises(ValueError, match="at least one"):
        nearest_training_distance(generated, training[:0])
