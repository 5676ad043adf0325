"""What an image needs is known before: pixels times a measured rate, and an upper bound of memory."""

import time

import numpy as np
import psutil
import pytest
from torch import Tensor, nn

from srgan_kit.images.image import LoadedImage
from srgan_kit.models.super_resolution import UpscalingModel
from srgan_kit.upscaling.composite import Chain, Mixed
from srgan_kit.upscaling.engine import TiledUpscaler
from srgan_kit.upscaling.estimate import Estimator
from srgan_kit.upscaling.image import upscale_image
from srgan_kit.upscaling.torch_engine import torch_upscaler


class Slow(nn.Module):
    """Doubles an image and takes its time: seconds for a million pixels."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.larger = nn.Upsample(scale_factor=2)

    def forward(self, image: Tensor) -> Tensor:
        time.sleep(self.seconds * image.shape[-1] * image.shape[-2] / 1e6)
        return self.larger(image)


def slow(seconds: float) -> TiledUpscaler:
    return torch_upscaler(UpscalingModel("slow", Slow(seconds), 2, 3, "slow", "none"), "cpu", "fp32")


def image(width: int, height: int) -> LoadedImage:
    return LoadedImage(np.zeros((height, width, 3), np.uint8))


@pytest.mark.parametrize("seconds", [10, 200])
def test_the_time_is_that_of_the_pixels(seconds: float) -> None:
    upscaler, estimator = slow(seconds), Estimator()
    found = estimator.estimate(upscaler, image(400, 300), (800, 600)).seconds
    assert found == pytest.approx(0.12 * seconds, rel=0.5)
    again = estimator.estimate(upscaler, image(200, 300), (800, 600)).seconds
    assert again == pytest.approx(found / 2)


def test_all_models_of_a_choice_count_with_what_they_see() -> None:
    first, second, estimator = slow(10), slow(20), Estimator()
    one, other = (estimator.estimate(each, image(60, 40), (120, 80)).seconds for each in (first, second))
    assert estimator.estimate(Mixed(first, second, 0.5), image(60, 40), (120, 80)).seconds == pytest.approx(one + other)
    chained = estimator.estimate(Chain(first, second), image(60, 40), (240, 160)).seconds
    assert chained == pytest.approx(one + 4 * other)


def test_memory_counts_images_and_grows_with_them() -> None:
    upscaler, estimator, now = slow(0), Estimator(), psutil.Process().memory_info().rss
    small = estimator.estimate(upscaler, image(10, 10), (20, 20)).bytes
    large = estimator.estimate(upscaler, image(4000, 3000), (8000, 6000)).bytes
    assert small >= now
    assert large - small > 3 * 8000 * 6000
    in_parts = estimator.estimate(upscaler, image(4000, 3000), (8000, 6000), in_parts=True).bytes
    assert large - in_parts > 2 * 3 * 8000 * 6000
    assert upscale_image(upscaler, image(10, 10)).image.size == (20, 20)
