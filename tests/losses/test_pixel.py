"""Pixel losses: known answers, properties, gradients."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from losses import CharbonnierLoss, HuberLoss, L1Loss, MSELoss, charbonnier, huber, l1, mse

FUNCTIONS = [
    l1,
    mse,
    charbonnier,
    lambda a, b, reduction="mean", weight=None: huber(a, b, 0.5, reduction, weight),  # pyright: ignore[reportArgumentType]
    lambda a, b, reduction="mean", weight=None: charbonnier(a, b, 0.1, "barron", reduction, weight),  # pyright: ignore[reportArgumentType]
]
NUMBERS = st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=1, max_size=20)


def pair(numbers: list[tuple[float, float]]) -> tuple[Tensor, Tensor]:
    a, b = zip(*numbers, strict=True)
    return torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)


def test_known_answers() -> None:
    a, b = torch.tensor([1.0, -2.0, 0.5, 0.0]), torch.tensor([0.0, 1.0, 0.5, 4.0])
    assert l1(a, b).item() == pytest.approx((1 + 3 + 0 + 4) / 4)
    assert mse(a, b).item() == pytest.approx((1 + 9 + 0 + 16) / 4)
    root = [math.sqrt(d * d + 9) for d in (1, -3, 0, -4)]
    assert charbonnier(a, b, eps=3.0).item() == pytest.approx(sum(root) / 4)
    barron = [math.sqrt(d * d / 9 + 1) - 1 for d in (1, -3, 0, -4)]
    assert charbonnier(a, b, eps=3.0, form="barron").tolist() == pytest.approx(sum(barron) / 4)
    assert charbonnier(a, b, eps=3.0, form="barron", reduction="none").tolist() == pytest.approx(barron)


@given(NUMBERS)
def test_symmetric_and_not_negative(numbers: list[tuple[float, float]]) -> None:
    a, b = pair(numbers)
    for function in FUNCTIONS:
        assert torch.equal(function(a, b), function(b, a))
        assert function(a, b) >= 0
        assert function(a, b) >= function(a, a)


@given(NUMBERS)
def test_reductions_agree(numbers: list[tuple[float, float]]) -> None:
    a, b = pair(numbers)
    for function in FUNCTIONS:
        each = function(a, b, reduction="none")
        assert each.shape == a.shape
        torch.testing.assert_close(function(a, b, reduction="sum"), each.sum())
        torch.testing.assert_close(function(a, b, reduction="mean"), each.sum() / a.numel())


@given(st.floats(-1, 1), st.floats(1e-6, 1e-2))
def test_charbonnier_is_within_eps_of_l1(d: float, eps: float) -> None:
    a, b = torch.tensor([d], dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    assert abs(d) <= charbonnier(a, b, eps).item() <= abs(d) + eps
    assert charbonnier(a, b, eps, "barron").item() == pytest.approx(math.hypot(d / eps, 1) - 1, abs=1e-9)


@given(NUMBERS, st.floats(0.01, 20))
def test_huber_is_torchs(numbers: list[tuple[float, float]], delta: float) -> None:
    a, b = pair(numbers)
    for reduction in ("mean", "sum", "none"):
        torch.testing.assert_close(huber(a, b, delta, reduction), F.huber_loss(a, b, delta=delta, reduction=reduction))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_mask_leaves_only_what_it_marks(function) -> None:
    a, b = torch.rand(2, 3, 4, 5, requires_grad=True), torch.rand(2, 3, 4, 5)
    mask = torch.zeros(2, 1, 4, 5)
    mask[0, 0, 1, 2] = mask[1, 0, 3, 4] = 1
    marked = mask.expand_as(a) == 1
    value = function(a, b, weight=mask)
    torch.testing.assert_close(value, function(a[marked], b[marked]))
    torch.testing.assert_close(function(a, b, weight=7 * mask), value)
    total = function(a[marked], b[marked], reduction="sum")
    torch.testing.assert_close(function(a, b, reduction="sum", weight=7 * mask), 7 * total)
    each = function(a, b, reduction="none", weight=mask)
    assert torch.equal(each, mask * function(a, b, reduction="none"))
    (gradient,) = torch.autograd.grad(value, a)
    assert (gradient[~marked] == 0).all()
    assert (gradient[marked] != 0).all()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_weights_of_all_zeros_or_ones_and_of_another_shape(function) -> None:
    a, b = torch.rand(2, 3, 4, 5, requires_grad=True), torch.rand(2, 3, 4, 5)
    nothing = function(a, b, weight=torch.zeros(1))
    assert nothing == 0
    assert (torch.autograd.grad(nothing, a)[0] == 0).all()  # pyright: ignore[reportArgumentType, reportCallIssue]
    torch.testing.assert_close(function(a, b, weight=torch.ones_like(a)), function(a, b))
    with pytest.raises(ValueError, match=r"weight: expected one that can be broadcast .* \(2, 4\) for \(2, 3, 4, 5\)"):
        function(a, b, weight=torch.ones(2, 4))


def test_barron_keeps_small_differences() -> None:
    d = torch.tensor([1e-6])
    torch.testing.assert_close(charbonnier(d, torch.zeros(1), 1e-2, "barron"), torch.tensor(0.5e-8), rtol=1e-4, atol=0)


@pytest.mark.parametrize("function", [mse, *FUNCTIONS[2:]])
def test_gradients(function) -> None:
    a = torch.rand(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    b = torch.rand(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(function, (a, b))


def test_l1_gradient_is_the_sign() -> None:
    a = torch.tensor([1.0, -1.0], requires_grad=True)
    l1(a, torch.zeros(2), reduction="sum").backward()
    assert a.grad is not None
    assert a.grad.tolist() == [1.0, -1.0]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_bfloat16_is_computed_in_fp32(function) -> None:
    a, b = torch.rand(1000).bfloat16(), torch.rand(1000).bfloat16()
    result = function(a, b)
    assert result.dtype == torch.float32
    assert torch.equal(result, function(a.float(), b.float()))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_wrong_input(function) -> None:
    with pytest.raises(ValueError, match=r"one shape, got \(1, 3, 4, 4\) and \(1, 1, 4, 4\)"):
        function(torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4))
    with pytest.raises(ValueError, match="floating-point"):
        function(torch.zeros(2, dtype=torch.uint8), torch.zeros(2))
    with pytest.raises(ValueError, match="'average'"):
        function(torch.zeros(2), torch.zeros(2), reduction="average")


def test_wrong_settings() -> None:
    with pytest.raises(ValueError, match=r"delta: expected a positive number, got -1"):
        huber(torch.zeros(2), torch.zeros(2), delta=-1)
    with pytest.raises(ValueError, match=r"positive number, got 0"):
        charbonnier(torch.zeros(2), torch.zeros(2), eps=0.0)
    with pytest.raises(ValueError, match="'huber'"):
        charbonnier(torch.zeros(2), torch.zeros(2), form="huber")  # pyright: ignore[reportArgumentType]


def test_modules_are_the_functions() -> None:
    a, b = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4)
    assert torch.equal(L1Loss("sum")(a, b), l1(a, b, "sum"))
    assert torch.equal(MSELoss("none")(a, b), mse(a, b, "none"))
    assert torch.equal(HuberLoss(0.3, "sum")(a, b), huber(a, b, 0.3, "sum"))
    assert torch.equal(CharbonnierLoss(0.3, "barron", "sum")(a, b), charbonnier(a, b, 0.3, "barron", "sum"))
    for module in (L1Loss(), MSELoss(), CharbonnierLoss(), HuberLoss()):
        assert module(a, b).shape == ()
        assert module(a, b, torch.zeros(1)) == 0
