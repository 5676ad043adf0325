"""`Upscaler` takes what Python programs have, and gives the same type back."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.images.image import LoadedImage
from srgan_kit.models.super_resolution import UpscalingModel
from srgan_kit.upscaling.upscaler import Upscaler

Upscale = Callable[..., object]


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    """A small random network of x2."""
    torch.manual_seed(0)
    network = ResidualSRConfig(channels=4, groups=1, scale=2).build().eval()
    return Upscaler(UpscalingModel("tiny", network, 2, 3, "residual", "none"), "cpu", "fp32")


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def expected(upscaler: Upscaler, pixels: np.ndarray) -> np.ndarray:
    return upscaler.upscale(LoadedImage(pixels)).pixels


def test_arrays(upscaler: Upscaler, pixels: np.ndarray, expected: np.ndarray) -> None:
    assert np.array_equal(upscaler.upscale(pixels), expected)
    deep = upscaler.upscale(pixels.astype(np.uint16) * 257)
    assert deep.dtype == np.uint16
    assert np.abs(deep / 257 - expected).max() <= 0.51
    for dtype in (np.float16, np.float32, np.float64):
        floats = upscaler.upscale((pixels / 255).astype(dtype))
        assert (floats.dtype, floats.shape) == (dtype, (18, 24, 3))
        assert 0 <= floats.min() <= floats.max() <= 1
        assert np.abs(floats.astype(float) * 255 - expected).max() <= (0.51 if dtype != np.float16 else 0.7)


def test_grey_arrays_keep_their_dimensions(upscaler: Upscaler, pixels: np.ndarray) -> None:
    flat, one = upscaler.upscale(pixels[:, :, 0]), upscaler.upscale(pixels[:, :, :1])
    assert (flat.shape, one.shape) == ((18, 24), (18, 24, 1))
    assert np.array_equal(flat, one[:, :, 0])


def test_a_fourth_channel_is_opacity(upscaler: Upscaler, pixels: np.ndarray) -> None:
    alpha = np.full((9, 12, 1), 200, np.uint8)
    result = upscaler.upscale(np.concatenate([pixels, alpha], axis=2))
    assert (result[:, :, 3] == 200).all()
    assert np.array_equal(result[:, :, :3], upscaler.upscale(LoadedImage(pixels, alpha)).pixels)
    assert upscaler.upscale(np.concatenate([pixels[:, :, :1], alpha], axis=2)).shape == (18, 24, 2)


def test_strided_arrays(upscaler: Upscaler, pixels: np.ndarray) -> None:
    for view in (pixels[::-1], pixels[:, ::2], pixels.transpose(1, 0, 2), np.asfortranarray(pixels)):
        assert np.array_equal(upscaler.upscale(view), upscaler.upscale(view.copy()))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors(upscaler: Upscaler, pixels: np.ndarray, expected: np.ndarray, dtype: torch.dtype) -> None:
    image = torch.from_numpy(pixels).permute(2, 0, 1)
    image = image if dtype == torch.uint8 else (image / 255).to(dtype)
    result = upscaler.upscale(image)
    assert (result.dtype, result.device, result.shape) == (dtype, image.device, (3, 18, 24))
    levels = result.permute(1, 2, 0).double().numpy() * (1 if dtype == torch.uint8 else 255)
    close = {torch.uint8: 0, torch.bfloat16: 4, torch.float16: 0.7}.get(dtype, 0.51)
    assert np.abs(levels - expected).max() <= close


def test_batches_of_tensors(upscaler: Upscaler, pixels: np.ndarray, expected: np.ndarray) -> None:
    batch = torch.from_numpy(np.stack([pixels, pixels[::-1]])).permute(0, 3, 1, 2)
    result = upscaler.upscale(batch)
    assert result.shape == (2, 3, 18, 24)
    assert np.array_equal(result[0].permute(1, 2, 0).numpy(), expected)
    assert torch.equal(result[1], upscaler.upscale(batch[1]))
    seen: list[tuple[int, int]] = []
    upscaler.upscale(batch, lambda done, total: seen.append((done, total)))
    assert seen == [(1000, 2000), (2000, 2000)]


def test_a_tensor_that_wants_gradients_gets_a_result_without(upscaler: Upscaler) -> None:
    assert not upscaler.upscale(torch.rand(3, 4, 5, requires_grad=True)).requires_grad


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("L", "L"), ("LA", "LA"), ("RGB", "RGB"), ("RGBA", "RGBA"), ("1", "L"), ("P", "RGB"), ("CMYK", "RGB")],
)
def test_pillows_images(upscaler: Upscaler, pixels: np.ndarray, mode: str, expected: str) -> None:
    result = upscaler.upscale(Image.fromarray(pixels).convert(mode))
    assert isinstance(result, Image.Image)
    assert (result.mode, result.size) == (expected, (24, 18))
    if mode in ("L", "RGB"):
        source = np.asarray(Image.fromarray(pixels).convert(mode))
        assert np.array_equal(np.asarray(result), upscaler.upscale(source))


def test_16_bits_and_profiles_of_pillows_images(upscaler: Upscaler, pixels: np.ndarray) -> None:
    deep = upscaler.upscale(Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257))
    assert deep.mode == "I;16"
    image = Image.fromarray(pixels)
    image.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert upscaler.upscale(image).info["icc_profile"] == image.info["icc_profile"]


def test_auto_sees_how_pillows_image_was_compressed(pixels: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(pixels.repeat(4, 0).repeat(4, 1)).save(tmp_path / "bad.jpg", quality=30)
    with Image.open(tmp_path / "bad.jpg") as image:
        assert Upscaler(device="cpu").model_for(image).model == "x4-photo"


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("photo.jpg", "got str"),
        ([[1, 2], [3, 4]], "got list"),
        (torch.zeros(4, 5), "tensor"),
        (torch.zeros(8, 9, 3), "tensor"),
        (torch.zeros(3, 4, 5, dtype=torch.int64), "int64"),
        (torch.zeros(0, 3, 4, 5), "tensor"),
        (torch.full((3, 4, 5), 2.0), r"in \[0, 1\], got 2 to 2"),
        (Image.new("F", (4, 4)), "floating-point"),
        (Image.new("RGB", (0, 4)), "at least one pixel"),
    ],
)
def test_what_is_no_image_is_refused(upscaler: Upscaler, image: object, reason: str) -> None:
    with pytest.raises(UserError, match=f"^image: .*{reason}"):
        upscaler.upscale(image)


def test_arrays_need_neither_pillow_nor_torch() -> None:
    program = """
import sys
sys.modules["torch"] = sys.modules["PIL"] = None
import numpy as np
from srgan_kit.upscaling.python_images import opened
given = opened(np.zeros((4, 5), np.uint8))
print(given.give_back(given.images).shape)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "(4, 5)\n"), done.stderr
