"""MATLAB's bicubic: equal to its files bit for bit, and each form equal to the others."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from srgan_kit.images.resize import bicubic_weights, crop_to_multiple, downscale_crop, resize, resize_8bit


def read(path: Path) -> Tensor:
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_set5_files_bit_for_bit(data_folder: Path, scale: int) -> None:
    folder = data_folder / "sr_test" / "Set5"
    files = sorted((folder / "LR_bicubic" / f"X{scale}").glob("*.png"))
    assert len(files) == 5
    for file in files:
        image = read(next(folder.rglob(f"{file.stem.removesuffix(f'x{scale}')}.png")))
        assert torch.equal(resize_8bit(crop_to_multiple(image, scale), 1 / scale), read(file)), file.name


@pytest.mark.parametrize("scale", [2, 4])
def test_b100_files_bit_for_bit(data_folder: Path, scale: int) -> None:
    folder = data_folder / "sr_test" / "B100"
    files = sorted((folder / "LR_bicubic" / f"X{scale}").glob("*.png"))
    assert len(files) == 100
    for file in files[::10]:
        image = read(next(folder.rglob(f"{file.stem.removesuffix(f'x{scale}')}.png")))
        reduced = resize_8bit(crop_to_multiple(image, scale), 1 / scale, padding="replicate")
        assert torch.equal(reduced, read(file)), file.name


@settings(max_examples=60, deadline=None)
@given(data=st.data(), scale=st.sampled_from([2, 3, 4]), height=st.integers(1, 50), width=st.integers(1, 50))
def test_a_crop_is_the_crop_of_the_whole(data: st.DataObject, scale: int, height: int, width: int) -> None:
    seed = data.draw(st.integers(0, 1000))
    image = torch.randint(0, 256, (3, height, width), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)
    whole = resize_8bit(image, 1 / scale)
    rows, columns = whole.shape[-2:]
    top, left = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    crop_height, crop_width = data.draw(st.integers(1, rows - top)), data.draw(st.integers(1, columns - left))
    crop = downscale_crop(image, scale, top, left, crop_height, crop_width)
    assert torch.equal(crop, whole[:, top : top + crop_height, left : left + crop_width])


@pytest.mark.parametrize(("top", "left", "height", "width"), [(-1, 0, 2, 2), (0, 0, 6, 2), (0, 4, 2, 2), (0, 0, 0, 1)])
def test_a_crop_outside_the_image_is_an_error(top: int, left: int, height: int, width: int) -> None:
    with pytest.raises(ValueError, match="not inside the 5x5"):
        downscale_crop(torch.zeros(3, 20, 20, dtype=torch.uint8), 4, top, left, height, width)


@pytest.mark.parametrize("padding", ["symmetric", "replicate"])
@pytest.mark.parametrize("size", [0.25, 1 / 3, 0.5, 1.0, 2.0, 4.0, (7, 31)])
def test_a_constant_stays(size: tuple[int, int] | float, padding: str) -> None:
    result = resize(torch.full((1, 3, 10, 13), 0.3, dtype=torch.float64), size, padding=padding)  # pyright: ignore
    assert torch.allclose(result, torch.tensor(0.3, dtype=torch.float64), atol=1e-14)


def test_equals_torch_away_from_the_borders() -> None:
    image = torch.rand(1, 3, 64, 48, dtype=torch.float64)
    for scale in (0.25, 0.5, 2.0):
        ours = resize(image, scale)
        theirs = torch.nn.functional.interpolate(
            image, scale_factor=scale, mode="bicubic", antialias=True, align_corners=False
        )
        assert ours.shape == theirs.shape
        assert torch.allclose(ours[..., 4:-4, 4:-4], theirs[..., 4:-4, 4:-4], atol=1e-10)


def test_enlarging_a_step_by_two_gives_the_known_values() -> None:
    # Keys' kernel at the quarter positions: 111/128 and 29/128 of the two neighbours, minus 9/128 and 3/128 outside
    step = torch.tensor([[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]], dtype=torch.float64)
    row = resize(step, (1, 12))[0]
    assert row[3].item() == pytest.approx(-3 / 128)
    assert row[4].item() == pytest.approx(-9 / 128)
    assert row[5].item() == pytest.approx(29 / 128 - 3 / 128)
    assert torch.allclose(row + row.flip(0), torch.ones(12, dtype=torch.float64))  # a step is odd about its middle


@pytest.mark.parametrize(
    ("size_in", "size_out", "scale"), [(40, 10, 0.25), (10, 40, 4.0), (2, 1, 0.25), (31, 11, 1 / 3)]
)
def test_weights_sum_to_one_and_stay_inside(size_in: int, size_out: int, scale: float) -> None:
    for padding in ("symmetric", "replicate"):
        indices, weights = bicubic_weights(size_in, size_out, scale, padding)
        assert indices.dtype == torch.int64
        assert weights.dtype == torch.float64
        assert indices.shape == weights.shape
        assert indices.shape[0] == size_out
        assert indices.min() >= 0
        assert indices.max() < size_in
        assert torch.allclose(weights.sum(1), torch.ones(size_out, dtype=torch.float64))


def test_halves_round_away_from_zero() -> None:
    # two equal halves of a 1-pixel-high image: the mean of 0 and 1 in the middle of a symmetric pattern is exactly 0.5
    image = torch.tensor([[[0, 1]]], dtype=torch.uint8)
    assert resize_8bit(image, 0.5).tolist() == [[[1]]]
    image = torch.tensor([[[2, 3]]], dtype=torch.uint8)
    assert resize_8bit(image, 0.5).tolist() == [[[3]]]


def test_gradients_flow() -> None:
    image = torch.rand(2, 6, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: resize(x, 0.5), (image,))
    assert torch.autograd.gradcheck(lambda x: resize(x, (9, 7)), (image,))


def test_weights_made_in_inference_mode_serve_training() -> None:
    with torch.inference_mode():
        resize(torch.rand(1, 17, 19), 0.5)
    image = torch.rand(1, 17, 19, requires_grad=True)
    resize(image, 0.5).sum().backward()
    assert image.grad is not None


def test_wrong_types_and_sizes_are_named() -> None:
    with pytest.raises(ValueError, match="expected a float image"):
        resize(torch.zeros(3, 4, 4, dtype=torch.uint8), 0.5)
    with pytest.raises(ValueError, match="expected a uint8 image"):
        resize_8bit(torch.zeros(3, 4, 4), 0.5)
    with pytest.raises(ValueError, match="positive"):
        resize(torch.zeros(3, 4, 4), (0, 4))
