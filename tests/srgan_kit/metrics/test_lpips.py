"""LPIPS under its right name, and consistency with the low-resolution image."""

from pathlib import Path

import pytest
import torch

from srgan_kit.data.image_folder import find_images, read_rgb
from srgan_kit.images.resize import Padding, crop_to_multiple, resize, resize_8bit
from srgan_kit.metrics.lpips import PerceptualDistance, lpips_like, lr_consistency


@pytest.fixture(scope="module")
def distance(data_folder: Path) -> PerceptualDistance:
    return lpips_like(data_folder / "weights" / "squeezenet1_1_onnxzoo_tvkeys.pth")


def test_other_weights_than_torchvisions_are_named(distance: PerceptualDistance) -> None:
    assert distance.name == "LPIPS-like (squeeze)"


def test_equal_images_are_at_no_distance_and_the_authors_examples_are_in_order(
    distance: PerceptualDistance, data_folder: Path
) -> None:
    examples = data_folder / "lpips_examples"
    reference, blurred, warped = (read_rgb(examples / f"ex_{name}.png")[None] for name in ("ref", "p0", "p1"))
    assert distance(reference, reference).tolist() == [0]
    assert distance(blurred, reference).item() > distance(warped, reference).item() > 0


def test_a_batch_is_its_images_and_floats_are_rounded_to_8_bits(distance: PerceptualDistance) -> None:
    first, second = torch.randint(0, 256, (2, 3, 3, 40, 36), dtype=torch.uint8)
    together = distance(first, second)
    assert together.shape == (3,)
    alone = [distance(a[None], b[None]) for a, b in zip(first, second, strict=True)]
    assert torch.allclose(torch.cat(alone), together, rtol=1e-4)
    almost = first.float() / 255 + 0.3 / 255
    assert torch.equal(distance(almost, second), together)


def test_bicubic_enlargement_on_b100_scores_what_was_measured_before(
    distance: PerceptualDistance, data_folder: Path
) -> None:
    folder = data_folder / "sr_test" / "B100"
    scores = []
    for high, low in zip(find_images(folder / "HR")[:20], find_images(folder / "LR_bicubic" / "X4")[:20], strict=True):
        enlarged = resize(read_rgb(low).double() / 255, 4.0)
        scores.append(distance(enlarged[None], crop_to_multiple(read_rgb(high), 4)[None]))
    assert torch.cat(scores).mean().item() == pytest.approx(0.198, abs=0.003)


def test_torchvisions_own_file_is_known_by_its_digest(data_folder: Path, tmp_path: Path) -> None:
    given = data_folder / "weights" / "squeezenet1_1_onnxzoo_tvkeys.pth"
    renamed = tmp_path / "squeezenet1_1-b8a52dc0.pth"
    renamed.write_bytes(given.read_bytes())
    assert lpips_like(renamed).name == "LPIPS-like (squeeze)", "the contents count, not the name"


def test_weights_of_another_network_are_an_error(data_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="squeezenet1_1's"):
        lpips_like(data_folder / "weights" / "vgg_normalised_conv3_1.pth")
    with pytest.raises(ValueError, match="cannot be read"):
        lpips_like(tmp_path / "absent.pth")


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_what_reduces_to_the_low_image_is_perfectly_consistent(scale: int) -> None:
    high = torch.randint(0, 256, (2, 3, 8 * scale, 7 * scale), dtype=torch.uint8)
    low = resize_8bit(high, 1 / scale)
    assert lr_consistency(high, low, scale).tolist() == [torch.inf, torch.inf]
    assert lr_consistency(high.double() / 255, low.double() / 255, scale).tolist() == [torch.inf, torch.inf]


def test_consistency_of_a_shade_is_its_psnr() -> None:
    low = torch.full((1, 3, 6, 6), 100, dtype=torch.uint8)
    other = torch.full((1, 3, 24, 24), 110, dtype=torch.uint8)
    expected = 20 * torch.log10(torch.tensor(25.5, dtype=torch.float64))
    assert torch.allclose(lr_consistency(other, low, 4), expected)


def test_the_published_low_images_are_consistent_with_the_high_ones(data_folder: Path) -> None:
    paddings: dict[str, Padding] = {"Set5": "symmetric", "B100": "replicate"}
    for name, padding in paddings.items():
        folder = data_folder / "sr_test" / name
        highs, lows = find_images(folder / "HR")[:3], find_images(folder / "LR_bicubic" / "X4")[:3]
        for high, low in zip(highs, lows, strict=True):
            image = crop_to_multiple(read_rgb(high), 4)[None]
            assert lr_consistency(image, read_rgb(low)[None], 4, padding).item() == torch.inf
            shifted = image.roll(1, dims=3)
            assert lr_consistency(shifted, read_rgb(low)[None], 4, padding).item() < 45


def test_an_image_of_another_size_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"4 times as large, got \(1, 3, 23, 24\) for \(1, 3, 6, 6\)"):
        lr_consistency(torch.rand(1, 3, 23, 24), torch.rand(1, 3, 6, 6), 4)
