"""The estimate of artifacts: the trained network run in NumPy, and what it says of known images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from skimage import data

from scripts.lib.compression import through_jpeg
from scripts.pretrained.artifact_level import ArtifactNetwork, square, train
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


def test_numpy_computes_what_pytorch_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = ArtifactNetwork()
    for norm in network.norms:  # as if it were trained
        assert isinstance(norm, torch.nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        torch.nn.init.uniform_(norm.running_mean)
        torch.nn.init.uniform_(norm.running_var, 0.5, 2)
        torch.nn.init.uniform_(norm.weight)
        torch.nn.init.uniform_(norm.bias)
    network.eval()
    for height, width in ((48, 48), (75, 131)):
        pixels = np.random.default_rng(height).uniform(0, 255, (height, width)).astype(np.float32)
        with torch.no_grad():
            expected = 2 ** float(network(torch.from_numpy(pixels)[None])) - LEAST
        (tmp_path / "evidence").mkdir(exist_ok=True)
        save_file({name: value.float() for name, value in network.folded().items()}, tmp_path / artifacts.FILE)
        monkeypatch.setattr(artifacts, "pretrained_folder", lambda: tmp_path)
        artifacts._weights.cache_clear()
        try:
            assert level_of(pixels) == pytest.approx(expected, abs=0.01)  # of weights rounded to 16 bits
        finally:
            artifacts._weights.cache_clear()


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


def test_it_can_be_trained() -> None:
    network = train([photograph(384)], 2)
    assert all(value.isfinite().all() for value in network.folded().values())
