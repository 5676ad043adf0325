"""Consistency with the low-resolution input, under MATLAB's bicubic and other operators."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from losses import ConsistencyLoss, charbonnier, consistency, l1, learned_similarity, mse
from srgan_kit.images.resize import resize

DISTANCES = {"l1": l1, "l2": mse, "charbonnier": charbonnier, "euclidean": learned_similarity}


def quarter(image: Tensor) -> Tensor:
    return resize(image, 1 / 4)


@settings(max_examples=15)
@given(st.integers(0, 1000), st.integers(2, 6), st.integers(2, 6), st.sampled_from(sorted(DISTANCES)))
def test_value_is_the_distance_from_the_image_under_matlabs_bicubic(seed: int, h: int, w: int, distance) -> None:
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(2, 3, 4 * h, 4 * w, generator=generator, dtype=torch.float64)
    low = torch.rand(2, 3, h, w, generator=generator, dtype=torch.float64)
    value = consistency(image, low, quarter, distance)
    torch.testing.assert_close(value, DISTANCES[distance](quarter(image), low))
    torch.testing.assert_close(consistency(image.flip(0), low.flip(0), quarter, distance), value)
    torch.testing.assert_close(consistency(image.flip(1, 2, 3), low.flip(1, 2, 3), quarter, distance), value)
    assert value > 0


def test_the_image_that_made_the_input_is_consistent_and_another_operator_says_otherwise() -> None:
    image = torch.rand(1, 3, 16, 20, dtype=torch.float64)
    assert consistency(image, quarter(image), quarter) == 0
    assert consistency(image, quarter(image), lambda x: F.avg_pool2d(x, 4)) > 0.01
    assert consistency(image, quarter(image), lambda x: F.interpolate(x, scale_factor=1 / 4, mode="bicubic")) > 0.01


def test_only_what_the_operator_keeps_counts() -> None:
    """A checkerboard of single pixels averages to grey."""
    checkerboard = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).repeat(4, 4)[None, None]
    grey = torch.full((1, 1, 4, 4), 0.5)
    assert consistency(checkerboard, grey, lambda x: F.avg_pool2d(x, 2)) == 0
    assert consistency(checkerboard, grey, lambda x: x[..., ::2, ::2]).item() == pytest.approx(0.5)


@pytest.mark.parametrize("distance", ["l2", "charbonnier", "euclidean"])
def test_gradients_flow_through_the_operator(distance) -> None:
    image = torch.rand(1, 2, 8, 8, dtype=torch.float64, requires_grad=True)
    low = torch.rand(1, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, y: consistency(x, y, quarter, distance), (image, low))
    (gradient,) = torch.autograd.grad(consistency(image, low, quarter, distance), image)
    assert (gradient != 0).all()


def test_steps_along_the_gradient_make_an_image_consistent() -> None:
    low, image = torch.rand(1, 3, 4, 4), torch.full((1, 3, 16, 16), 0.5)
    before = consistency(image, low, quarter, "l2")
    for _ in range(20):
        image.requires_grad_()
        (gradient,) = torch.autograd.grad(consistency(image, low, quarter, "l2"), image)
        image = (image - 300 * gradient).detach()
    assert consistency(image, low, quarter, "l2") < before / 100


def test_module_is_the_function() -> None:
    image, low = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 2, 2)
    assert torch.equal(ConsistencyLoss(quarter)(image, low), consistency(image, low, quarter))
    assert torch.equal(ConsistencyLoss(quarter, "l2")(image, low), consistency(image, low, quarter, "l2"))


def test_wrong_input_is_a_value_error_that_says_what_came() -> None:
    image, low = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 2, 2)
    with pytest.raises(ValueError, match=r"reduced \(1, 3, 8, 8\) to \(1, 3, 2, 2\), expected \(1, 3, 4, 4\)"):
        consistency(image, torch.rand(1, 3, 4, 4), quarter)
    with pytest.raises(ValueError, match=r"torch\.uint8"):
        consistency(image, low.byte(), quarter)
    with pytest.raises(ValueError, match="'cosine'"):
        consistency(image, low, quarter, "cosine")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="'cosine'"):
        ConsistencyLoss(quarter, "cosine")  # pyright: ignore[reportArgumentType]
