"""PSNR and SSIM on luma: known answers, scikit-image's, and the published protocol on the published files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import structural_similarity
from torch import Tensor

from srgan_kit.errors import UserError
from srgan_kit.images.pixels import to_8bit
from srgan_kit.images.resize import resize
from srgan_kit.metrics.folder import (
    Evaluation,
    ImagePair,
    ImageScore,
    Upscale,
    bicubic_upscaler,
    evaluate_pairs,
    pair_images,
)
from srgan_kit.metrics.psnr_ssim import luma, psnr, psnr_y, ssim_y
from srgan_kit.models.super_resolution import DEFAULT_MODEL, load_model
from srgan_kit.upscaling.torch_engine import torch_upscaler


def grey(level: int, side: int = 32) -> Tensor:
    return torch.full((1, 3, side, side), level, dtype=torch.uint8)


def reference_ssim(first: np.ndarray, second: np.ndarray) -> float:
    """scikit-image's SSIM where its window fits: it reflects the image at the border, which the protocol does not."""
    similarity: Any = structural_similarity(
        first, second, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    return similarity[1][5:-5, 5:-5].mean()


def test_luma_of_the_primaries() -> None:
    colours = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0]]).T.reshape(3, 1, 5)
    expected = torch.tensor([81.481, 144.553, 40.966, 235.0, 16.0], dtype=torch.float64)
    assert torch.allclose(luma(colours)[0], expected)
    assert torch.equal(luma((colours * 255).to(torch.uint8)), luma(colours))


def test_psnr_of_one_level_of_grey() -> None:
    # one level of grey is 219 / 255 of a level of luma
    expected = 20 * np.log10(255 / (219 / 255))
    assert psnr_y(grey(101), grey(100), border=4).item() == pytest.approx(expected, abs=1e-9)
    assert psnr_y(grey(100), grey(100), border=4).item() == np.inf


def test_the_border_is_not_measured() -> None:
    framed = grey(100)
    framed[..., :4, :] = framed[..., -4:, :] = framed[..., :4] = framed[..., -4:] = 255
    assert psnr_y(framed, grey(100), border=4).item() == np.inf
    assert ssim_y(framed, grey(100), border=4).item() == pytest.approx(1)
    assert psnr_y(framed, grey(100), border=3).item() < 30


def test_floats_are_rounded_to_8_bits_and_clipped() -> None:
    image = torch.tensor([-1.0, 100.4 / 255, 100.6 / 255, 2.0])
    assert to_8bit(image).tolist() == [0, 100, 101, 255]
    almost = grey(100).double() / 255 + 0.3 / 255
    assert psnr_y(almost, grey(100), border=0).item() == np.inf


def test_a_batch_is_its_images() -> None:
    first, second = torch.rand(3, 3, 24, 20), torch.rand(3, 3, 24, 20)
    for measure in (psnr_y, ssim_y):
        together = measure(first, second, border=2)
        alone = [measure(first[i : i + 1], second[i : i + 1], border=2) for i in range(3)]
        assert together.dtype == torch.float64
        assert torch.allclose(together, torch.cat(alone), atol=1e-12)


@pytest.mark.parametrize("noise", [2, 20, 100])
def test_ssim_equals_scikit_image(noise: int) -> None:
    original = torch.randint(0, 256, (1, 3, 40, 33), dtype=torch.uint8)
    smooth = resize(resize(original.double(), 0.25), (40, 33)).clamp(0, 255)
    other = (smooth + torch.randn(smooth.shape) * noise).clamp(0, 255).to(torch.uint8)
    border = 2
    first, second = (luma(image)[0, border:-border, border:-border].numpy() for image in (smooth.byte(), other))
    assert ssim_y(smooth.byte(), other, border=border).item() == pytest.approx(reference_ssim(first, second), abs=1e-6)


def test_what_cannot_be_compared_is_an_error() -> None:
    with pytest.raises(ValueError, match="same size"):
        psnr_y(grey(1, 32), grey(1, 31), border=4)
    with pytest.raises(ValueError, match="at least 11 pixels"):
        ssim_y(grey(1, 18), grey(1, 18), border=4)
    with pytest.raises(ValueError, match="3, H, W"):
        luma(torch.zeros(1, 1, 4, 4))
    with pytest.raises(ValueError, match="uint8"):
        to_8bit(torch.zeros(3, 4, 4, dtype=torch.int32))


@pytest.mark.parametrize(("name", "psnr", "ssim"), [("Set5", 28.43, 0.8113), ("B100", 25.96, 0.6682)])
def test_bicubic_gives_the_published_numbers(data_folder: Path, name: str, psnr: float, ssim: float) -> None:
    evaluation = _evaluate("bicubic", bicubic_upscaler(4), data_folder / "sr_test" / name)
    assert round(evaluation.psnr_y, 2) == psnr
    assert round(evaluation.ssim_y, 4) == ssim


def test_the_embedded_model_is_as_good_as_it_says(data_folder: Path) -> None:
    model = load_model(DEFAULT_MODEL)
    claimed = json.loads(model.metadata["measured"])["Set5"]
    for precision, tolerance in (("fp32", 1e-3), ("auto", 0.01)):
        evaluation = _evaluate(
            model.name, torch_upscaler(model, "cpu", precision).upscale, data_folder / "sr_test" / "Set5"
        )
        assert evaluation.psnr_y == pytest.approx(claimed["psnr_y"], abs=tolerance)
        assert evaluation.ssim_y == pytest.approx(claimed["ssim_y"], abs=tolerance)


def _evaluate(name: str, upscale: Upscale, folder: Path) -> Evaluation:
    pairs = pair_images(folder / "HR", folder / "LR_bicubic" / "X4", scale=4)
    return Evaluation(name, 4, "", tuple(evaluate_pairs(pairs, upscale, scale=4)))


def test_bicubic_on_b100_equals_an_independent_computation(data_folder: Path) -> None:
    folder = data_folder / "sr_test" / "B100"
    pairs = pair_images(folder / "HR", folder / "LR_bicubic" / "X4", scale=4)
    assert len(pairs) == 100
    for pair, score in zip(pairs[:5], evaluate_pairs(pairs[:5], bicubic_upscaler(4), scale=4), strict=True):
        assert pair.low is not None
        high, low = (np.asarray(Image.open(path).convert("RGB"), dtype=np.float64) for path in (pair.high, pair.low))
        height, width = high.shape[0] // 4 * 4, high.shape[1] // 4 * 4
        upscaled = _bicubic_x4(_bicubic_x4(low, height, 0), width, 1).round().clip(0, 255)
        ys = [image[4 : height - 4, 4 : width - 4] @ [65.481, 128.553, 24.966] / 255 + 16 for image in (upscaled, high)]
        psnr = 10 * np.log10(255**2 / ((ys[0] - ys[1]) ** 2).mean())
        assert score.psnr_y == pytest.approx(psnr, abs=1e-3)
        assert score.ssim_y == pytest.approx(reference_ssim(*ys), abs=1e-5)


def _bicubic_x4(image: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Keys' interpolation by four along an axis, from its four phases, on an edge mirrored twice."""
    padded = np.pad(image, [(3, 3) if each == axis else (0, 0) for each in range(image.ndim)], mode="symmetric")
    outputs = []
    for i in range(size):
        position = (i + 0.5) / 4 - 0.5
        base = int(np.floor(position))
        t = position - base
        taps = [
            -0.5 * t**3 + t**2 - 0.5 * t,
            1.5 * t**3 - 2.5 * t**2 + 1,
            -1.5 * t**3 + 2 * t**2 + 0.5 * t,
            0.5 * t**3 - 0.5 * t**2,
        ]
        outputs.append(sum(tap * padded.take(base - 1 + k + 3, axis=axis) for k, tap in enumerate(taps)))
    return np.stack(outputs, axis=axis)


def test_the_mean_rate_is_all_pixels_by_all_time() -> None:
    scores = (ImageScore("a", 20.0, 0.5, 1.0, 1.0, 0.5), ImageScore("b", 30.0, 0.7, 3.0, 1.0, 1.0))
    evaluation = Evaluation("m", 4, "p", scores)
    assert (evaluation.psnr_y, evaluation.megapixels_per_second) == (25.0, 0.5)
    assert evaluation.ssim_y == pytest.approx(0.6)


@pytest.mark.parametrize("content", [b"", b"not an image", None])
def test_an_unreadable_image_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "broken.png"
    if content is None:  # cut in the middle of the pixels
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(file)
        content = file.read_bytes()[:2000]
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.png: "):
        list(evaluate_pairs([ImagePair("broken", file, None)], bicubic_upscaler(2), 2))


def test_sixteen_bits_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "deep.png"
    Image.fromarray(np.full((32, 32), 40000, dtype=np.uint16)).save(file)
    with pytest.raises(UserError, match=r"deep\.png: expected an image of 8 bits"):
        list(evaluate_pairs([ImagePair("deep", file, None)], bicubic_upscaler(2), 2))


def test_psnr_over_all_channels_by_hand() -> None:
    original = torch.zeros(3, 2, 4, 4)
    image = torch.stack([original[0] + 0.1, original[1], torch.cat([original[2, :1] + 0.2, original[2, 1:]])])
    # errors .01 everywhere; none; .04 in one of two channels
    assert psnr(image, original).tolist() == pytest.approx([20.0, 100.0, -10 * np.log10(0.02)], abs=1e-4)


def test_psnr_over_all_channels_names_differing_sizes() -> None:
    with pytest.raises(ValueError, match=r"\(1, 3, 4, 4\) and \(1, 1, 4, 4\)"):
        psnr(torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4))
