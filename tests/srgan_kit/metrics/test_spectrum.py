"""High-frequency energy: cosines and noise of known energy."""

import math

import pytest
import torch

from srgan_kit.metrics.spectrum import high_frequency_energy

TO_LUMA = 219.0
"""Levels of luma between black and white."""


def cosine(number: int, size: int = 32) -> torch.Tensor:
    """(1, 1, size, size): a cosine of the transform across, of amplitude .25 around the middle grey."""
    wave = torch.cos(math.pi * number * (torch.arange(size) + 0.5) / size)
    return (0.5 + 0.25 * wave).expand(1, 1, size, size)


@pytest.mark.parametrize(("number", "above"), [(3, False), (7, False), (8, True), (31, True)])
def test_a_cosine_counts_from_the_limit_on(number: int, above: bool) -> None:
    expected = (0.25 * TO_LUMA) ** 2 / 2 if above else 0.0
    for image in (cosine(number), cosine(number).mT):
        assert float(high_frequency_energy(image, 4)) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_all_energy_of_noise_but_that_of_its_low_frequencies() -> None:
    noise = 0.1 * torch.randn(4, 1, 64, 96, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.5
    white = (0.1 * TO_LUMA) ** 2
    assert high_frequency_energy(noise, 4).mean() == pytest.approx(white * (1 - 1 / 16), rel=0.03)
    light = TO_LUMA * noise[:, 0]
    # the orthonormal transform keeps the energy: all but the mean lies above the lowest frequency
    whole = (light - light.mean(dim=(1, 2), keepdim=True)).square().mean(dim=(1, 2))
    torch.testing.assert_close(high_frequency_energy(noise, 96), whole, rtol=1e-9, atol=0)


def test_an_enlarged_image_has_less_than_the_original() -> None:
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    small = torch.nn.functional.avg_pool2d(image, 4)
    large = torch.nn.functional.interpolate(small, scale_factor=4, mode="bicubic")
    assert high_frequency_energy(large) < 0.05 * high_frequency_energy(image)
    assert float(high_frequency_energy(torch.full((1, 3, 8, 8), 0.3))) == pytest.approx(0, abs=1e-20)
    assert float(high_frequency_energy(image, 1)) == pytest.approx(0, abs=1e-9)


def test_bytes_measure_as_floats_do() -> None:
    image = torch.randint(0, 256, (2, 3, 17, 20), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(high_frequency_energy(image), high_frequency_energy(image.double() / 255))


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"got \(3, 8, 8\) and a scale of 4"):
        high_frequency_energy(torch.zeros(3, 8, 8))
