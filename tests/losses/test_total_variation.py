"""Total variation: known answers, properties, an independent implementation."""

import math

import kornia
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from losses import TotalVariationLoss, total_variation

NORMS = ["anisotropic", "isotropic", "squared"]


def test_known_answers() -> None:
    # dx = 3, 0 and dy = 4, 1; the one pixel with both neighbours has dx = 3 and dy = 4.
    image = torch.tensor([[0.0, 3.0], [4.0, 4.0]])
    assert total_variation(image, "anisotropic", "sum").item() == 3 + 0 + 4 + 1
    assert total_variation(image, "isotropic", "sum").item() == 5
    assert total_variation(image, "squared", "sum").item() == 9 + 0 + 16 + 1
    assert total_variation(image, "anisotropic").item() == 1.5 + 2.5
    assert total_variation(image, "isotropic").item() == 5
    assert total_variation(image, "squared").item() == 4.5 + 8.5


def test_equals_kornia() -> None:
    image = torch.rand(2, 3, 7, 9, dtype=torch.float64)
    ours, theirs = total_variation(image), kornia.losses.total_variation(image, reduction="mean").mean()
    torch.testing.assert_close(ours, theirs)
    ours, theirs = total_variation(image, reduction="sum"), kornia.losses.total_variation(image, reduction="sum").sum()
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(("norm", "value"), [("anisotropic", 7.0), ("isotropic", 5.0), ("squared", 25.0)])
@given(size=st.tuples(st.integers(2, 12), st.integers(2, 12)), batch=st.integers(1, 3))
def test_mean_of_a_ramp_is_its_slope_at_any_size(norm, value: float, size: tuple[int, int], batch: int) -> None:
    y, x = torch.meshgrid(torch.arange(size[0]).double(), torch.arange(size[1]).double(), indexing="ij")
    image = (3 * x + 4 * y).expand(batch, 3, *size)
    assert total_variation(image, norm).item() == pytest.approx(value)
    terms = {"isotropic": (size[0] - 1) * (size[1] - 1)}
    if norm in terms:
        assert total_variation(image, norm, "sum").item() == pytest.approx(value * 3 * batch * terms[norm])


@given(st.integers(0, 10_000))
def test_isotropic_lies_between(seed: int) -> None:
    image = torch.rand(1, 1, 6, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    inner = (image[..., :-1, 1:] - image[..., :-1, :-1]).abs() + (image[..., 1:, :-1] - image[..., :-1, :-1]).abs()
    isotropic = total_variation(image, "isotropic", "sum").item()
    assert inner.sum().item() / math.sqrt(2) <= isotropic + 1e-12
    assert isotropic <= inner.sum().item() + 1e-12


@pytest.mark.parametrize("norm", NORMS)
def test_gradients(norm) -> None:
    image = torch.rand(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: total_variation(x, norm), (image,))


@pytest.mark.parametrize("norm", NORMS)
def test_constant_image_has_value_and_gradient_zero(norm) -> None:
    image = torch.full((1, 3, 4, 4), 0.3, requires_grad=True)
    value = total_variation(image, norm)
    value.backward()
    assert value.item() == 0
    assert image.grad is not None
    assert image.grad.abs().max() == 0  # NaN would fail as well


def test_wrong_input() -> None:
    with pytest.raises(ValueError, match=r"at least 2x2 pixels, got \(1, 3, 1, 8\)"):
        total_variation(torch.zeros(1, 3, 1, 8))
    with pytest.raises(ValueError, match="floating-point"):
        total_variation(torch.zeros(4, 4, dtype=torch.uint8))
    with pytest.raises(ValueError, match="'l7'"):
        total_variation(torch.zeros(4, 4), "l7")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="'none'"):
        total_variation(torch.zeros(4, 4), reduction="none")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("norm", NORMS)
def test_module_is_the_function(norm) -> None:
    image = torch.rand(2, 3, 5, 5)
    assert torch.equal(TotalVariationLoss(norm, "sum")(image), total_variation(image, norm, "sum"))
