"""The estimate of artifacts: the trained network run in NumPy, and what it says of known images."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from skimage import data
from torch.nn import functional as F

from scripts.lib.compression import through_jpeg
from scripts.pretrained.artifact_level import square, train
from srgan_kit.models.pretrained import pretrained_folder
from srgan_kit.upscaling import artifacts
from srgan_kit.upscaling.artifacts import LEAST, SMALLEST, artifact_level
from srgan_kit.upscaling.evidence import LUMA


def photograph(side: int = 128) -> Image.Image:
    """Reduced, so that it is sharp and free of what its own file went through."""
    return Image.fromarray(data.astronaut()).resize((side, side), Image.Resampling.BICUBIC)


def level_of(pixels: np.ndarray) -> float:
    found = artifact_level(pixels)
    assert found is not None
    return found


def light(image: Image.Image) -> np.ndarray:
    return np.asarray(image) @ LUMA


def compressed_elsewhere(quality: int, factor: float) -> Image.Image:
    """Compressed at another size, and brought back."""
    image = photograph()
    other = image.resize((round(factor * image.width), round(factor * image.height)), Image.Resampling.BICUBIC)
    return through_jpeg(other, quality).resize(image.size, Image.Resampling.BICUBIC)


def by_pytorch(pixels: np.ndarray) -> float:
    """What the shipped weights make of (H, W) levels, by PyTorch's own layers."""
    weights = {name: value.float() for name, value in load_file(pretrained_folder() / artifacts.FILE).items()}
    whole = torch.from_numpy(pixels.astype(np.float32))[None, None]
    values = torch.asinh(whole[:, :, 2:-2, 2:-2] - F.avg_pool2d(whole, 5, 1))
    for number, stride in enumerate((1, 2, 1, 2, 1, 1)):
        values = F.relu(F.conv2d(values, weights[f"{number}.weight"], weights[f"{number}.bias"], stride))
    features = torch.cat([values.mean((2, 3)), values.square().mean((2, 3)).add(1e-6).sqrt()], dim=1)
    return 2 ** float(features @ weights["head.weight"] + weights["head.bias"]) - LEAST


@pytest.mark.parametrize(("height", "width"), [(48, 48), (75, 131), (128, 128)])
def test_numpy_computes_what_pytorch_does(height: int, width: int) -> None:
    for quality in (20, 60, 95):
        pixels = light(through_jpeg(photograph(), quality).resize((160, 160)))[:height, :width]
        assert level_of(pixels) == pytest.approx(max(0, by_pytorch(pixels)), rel=1e-3, abs=1e-3)


def test_the_exported_weights_are_the_trained_network() -> None:
    network = train([photograph(384)], 30)
    pixels = torch.from_numpy(light(through_jpeg(photograph(), 40)).astype(np.float32))
    weights = {
        name: value.float().numpy() for name, value in network.folded().items()
    }  # it is in its evaluation mode now
    with torch.no_grad():
        expected = 2 ** float(network(pixels[None])) - LEAST
    artifacts._weights.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifacts, "_weights", lambda: weights)
        assert level_of(pixels.numpy()) == pytest.approx(max(0, expected), rel=2e-2)  # of weights rounded to 16 bits


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.6])
def test_stronger_compression_at_any_size_is_seen(factor: float) -> None:
    levels = [level_of(light(compressed_elsewhere(quality, factor))) for quality in (30, 60, 95)]
    assert levels == sorted(levels, reverse=True)
    assert levels[0] > 2 * levels[2]


@pytest.mark.parametrize("sigma", [3.0, 8.0])
def test_noise_is_seen(sigma: float) -> None:
    noisy = light(photograph()) + np.random.default_rng(0).normal(0, sigma, (128, 128))
    assert level_of(noisy) == pytest.approx(sigma, rel=0.6)


def test_what_was_left_alone_has_little() -> None:
    assert level_of(light(photograph())) < 1.5
    assert level_of(np.full((64, 64), 128.0)) < 1
    assert artifact_level(np.zeros((SMALLEST - 1, 500))) is None


def test_what_is_learnt_is_what_was_added() -> None:
    image, found = photograph(384), []
    for seed in range(30):
        seen, logarithm = square(image, np.random.default_rng(seed))
        assert seen.shape == (64, 64)
        found.append(2**logarithm - LEAST)
    assert min(found) == pytest.approx(0, abs=1e-5)  # some are left alone
    assert 2 < max(found) < 40
