"""`Upscaler`: one model, or the one that suits each image."""

import doctest
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.read import read_image
from srgan_kit.models import super_resolution
from srgan_kit.models.super_resolution import UpscalingModel, load_model
from srgan_kit.upscaling import upscaler as module
from srgan_kit.upscaling.choice import Dials
from srgan_kit.upscaling.upscaler import Upscaler


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    from skimage import data

    return data.astronaut()[100:228, 180:300]


def test_auto_chooses_by_the_file_and_by_the_pixels(photograph: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(photograph).save(tmp_path / "bad.jpg", quality=30)
    upscaler = Upscaler(device="cpu", precision="fp32")
    bad = read_image(tmp_path / "bad.jpg")
    choice = upscaler.model_for(bad)
    assert (choice.model, choice.reason) == ("x4-photo", "JPEG of quality about 30")
    assert upscaler.model_for(photograph).model == "x4-fidelity"
    assert (upscaler.model, upscaler.scale) == (None, 4)
    expected = Upscaler("x4-photo", "cpu", "fp32").upscale(bad)
    assert np.array_equal(upscaler.upscale(bad).pixels, expected.pixels)


def test_a_result_is_not_judged_by_the_file_of_its_input(photograph: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(photograph[:16, :16]).save(tmp_path / "a.jpg", quality=30)
    assert Upscaler("x2-fidelity", "cpu").upscale(read_image(tmp_path / "a.jpg")).path is None


def test_one_model_needs_no_choice(photograph: np.ndarray) -> None:
    upscaler = Upscaler("x2-fidelity", "cpu")
    assert upscaler.model_for(photograph).model == "x2-fidelity"
    assert upscaler.model_for(photograph).reason == ""
    assert upscaler.model is not None
    assert upscaler.model.channels == 3
    assert upscaler.scale == 2


@pytest.mark.parametrize("model", ["x2-fidelity", "auto"])
def test_another_scale_is_resampled(photograph: np.ndarray, model: str) -> None:
    assert Upscaler(model, "cpu", scale=1.5).upscale(photograph[:20, :30]).shape == (30, 45, 3)


def test_16_bits_and_grey_stay(photograph: np.ndarray) -> None:
    grey = photograph[:20, :20, :1].astype(np.uint16) * 257
    result = Upscaler("x2-fidelity", "cpu").upscale(grey)
    assert (result.shape, result.dtype) == ((40, 40, 1), np.uint16)


def test_the_ensemble_is_another_result(photograph: np.ndarray) -> None:
    model = load_model("x2-fidelity")
    alone, mean = (
        Upscaler(model, "cpu", "fp32", ensemble=each).upscale(photograph[:16, :16]) for each in (False, True)
    )
    assert not np.array_equal(alone, mean)
    assert np.abs(alone.astype(int) - mean).mean() < 3


@pytest.mark.parametrize(
    "pixels",
    [
        *(np.zeros(shape, np.uint8) for shape in ((4,), (0, 4, 3), (4, 4, 5), (2, 4, 4, 3))),
        *(np.zeros((4, 4, 3), dtype) for dtype in (np.int32, bool)),
        *(np.full((4, 4), value) for value in (1.01, -0.01, np.nan)),
    ],
)
def test_other_arrays_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(UserError, match="image: expected"):
        Upscaler("x2-fidelity", "cpu").upscale(pixels)


@pytest.mark.parametrize("scale", [0, -2, 65, float("nan")])
def test_other_scales_are_refused(scale: float) -> None:
    with pytest.raises(UserError, match="scale: expected more than 0 and at most 64"):
        Upscaler("x2-fidelity", "cpu", scale=scale)


def test_an_unknown_model_is_refused_at_once() -> None:
    with pytest.raises(UserError, match="neither a file nor a pretrained model"):
        Upscaler("x9-magic")


def test_the_docstrings_example() -> None:
    assert doctest.testmod(module).failed == 0


def test_many_are_made_one_at_a_time(photograph: np.ndarray) -> None:
    asked: list[int] = []

    def images() -> Iterator[np.ndarray]:
        for side in (5, 6, 7):
            asked.append(side)
            yield photograph[:side, :side]

    results = Upscaler("x2-fidelity", "cpu").upscale_all(images())
    assert asked == []
    assert next(results).shape == (10, 10, 3)
    assert asked == [5]
    assert [result.shape for result in results] == [(12, 12, 3), (14, 14, 3)]


def test_threads_share_an_upscaler(photograph: np.ndarray) -> None:
    """Models loaded at once, images cut into tiles and not, of different sizes: each gets its own result."""
    parts = [photograph[:side, : 100 - side] for side in range(20, 84, 8)]
    alone = Upscaler("x2-fidelity", "cpu", "fp32", tile=32)
    expected = [alone.upscale(part) for part in parts]
    shared = Upscaler("x2-fidelity", "cpu", "fp32", tile=32)
    with ThreadPoolExecutor(8) as pool:
        found = [*pool.map(shared.upscale, parts)]
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def test_threads_load_a_model_once(photograph: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def load(name: str) -> UpscalingModel:
        loaded.append(name)
        time.sleep(0.05)
        return load_model(name)

    monkeypatch.setattr(super_resolution, "load_model", load)
    shared = Upscaler(device="cpu", precision="fp32", dials=Dials(detail=0.5, denoise=0.5))
    with ThreadPoolExecutor(4) as pool:
        results = [*pool.map(shared.upscale, [photograph[:12, :12]] * 4)]
    assert all(np.array_equal(results[0], other) for other in results[1:])
    assert sorted(loaded) == ["x4-fidelity", "x4-fidelity", "x4-perceptual", "x4-photo"]  # one for its weights alone


def test_a_note_is_said_once_whatever_thread_comes_first() -> None:
    class Far(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image + 0 * image.mean()

    model = UpscalingModel("far", Far(), 1, 3, "far", "none")
    shared = Upscaler(model, "cpu", "fp32", tile=16)
    image = LoadedImage(np.zeros((40, 40, 3), np.uint8))
    with ThreadPoolExecutor(8) as pool:
        results = [*pool.map(shared.upscale, [image] * 16)]
    assert sorted(len(result.notes) for result in results) == [*[0] * 15, 1]


def test_a_model_that_is_called_like_a_pretrained_one_is_not_taken_for_it(tmp_path: Path) -> None:
    config = ResidualSRConfig(scale=4, channels=4, groups=1, convolutions=1)
    super_resolution.save_model(config.build(), config, tmp_path / "x4-fidelity.safetensors", {})
    image = LoadedImage(np.random.default_rng(0).integers(0, 256, (9, 8, 3), np.uint8))
    own = Upscaler(tmp_path / "x4-fidelity.safetensors", "cpu", "fp32")
    made, choice = own.fidelity(image, (32, 36))
    assert choice.model == "x4-fidelity"
    assert np.array_equal(made.pixels, Upscaler("x4-fidelity", "cpu", "fp32").upscale(image).pixels)
    assert not np.array_equal(made.pixels, own.upscale(image).pixels)


def test_a_palette_with_opacity_is_transparent() -> None:
    image = Image.new("RGBA", (8, 6), (200, 30, 30, 255))
    image.paste((0, 0, 0, 0), (0, 0, 4, 6))
    made = Upscaler("x2-fidelity", "cpu", "fp32").upscale(image.quantize(4))
    assert made.convert("RGBA").getpixel((2, 2))[3] == 0  # pyright: ignore[reportOptionalSubscript, reportIndexIssue]
    assert made.convert("RGBA").getpixel((13, 2))[3] == 255  # pyright: ignore[reportOptionalSubscript, reportIndexIssue]
