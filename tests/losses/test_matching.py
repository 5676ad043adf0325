"""Feature matching, moments and the kernel's discrepancy: by hand, against plain sums, and as estimates."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from losses import feature_matching, maximum_mean_discrepancy, moment_matching

EVERY = {
    "feature matching": feature_matching,
    "feature matching, mean": lambda real, fake: feature_matching(real, fake, "mean"),
    "moment matching": lambda real, fake: moment_matching(real, fake, 3),
    "discrepancy": lambda real, fake: maximum_mean_discrepancy(real, fake, (0.7, 2.0)),
}
every = pytest.mark.parametrize("loss", EVERY.values(), ids=EVERY.keys())


@st.composite
def batches(draw) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    features = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    n, m = draw(st.integers(2, 8)), draw(st.integers(2, 8))
    real, fake = (torch.randn(size, *features, generator=generator, dtype=torch.float64) for size in (n, m))
    return real, 1.3 * fake + 0.2


# --- what holds for every one of them ---------------------------------------------------------------------------------


@every
@settings(max_examples=30)
@given(pair=batches(), random=st.randoms())
def test_symmetric_not_negative_and_blind_to_order(loss, pair, random) -> None:
    real, fake = pair
    value = loss(real, fake)
    assert value >= -1e-12
    torch.testing.assert_close(loss(fake, real), value)
    order = list(range(len(fake)))
    random.shuffle(order)
    torch.testing.assert_close(loss(real, fake[order]), value)
    torch.testing.assert_close(loss(real, torch.cat([fake, fake])), value)  # a statistic, not a sum
    assert loss(real, real.flip(0)).item() == pytest.approx(0, abs=1e-12)


@every
def test_gradients_reach_the_fake_features_only(loss) -> None:
    real, fake = (torch.randn(n, 3, dtype=torch.float64, requires_grad=True) for n in (5, 4))
    loss(real, fake).backward()
    assert fake.grad is not None
    assert (fake.grad != 0).all()
    assert real.grad is None
    assert torch.autograd.gradcheck(lambda x: loss(real.detach(), x), (fake,))


@every
def test_wrong_batches_are_a_value_error_that_says_what_came(loss) -> None:
    with pytest.raises(ValueError, match=r"alike but for the batch, got \(4, 3\) and \(4, 2\)"):
        loss(torch.rand(4, 3), torch.rand(4, 2))
    with pytest.raises(ValueError, match=r"got \(4,\) and \(4,\)"):
        loss(torch.rand(4), torch.rand(4))
    with pytest.raises(ValueError, match=r"floating-point tensors, got torch\.float32 and torch\.int64"):
        loss(torch.rand(4, 3), torch.zeros(4, 3).long())
    for real, fake, name in ((0, 4, "real"), (4, 0, "fake")):
        with pytest.raises(ValueError, match=rf"{name}(_features)?: expected at least one element, got \(0, 3\)"):
            loss(torch.rand(real, 3), torch.rand(fake, 3))


# --- feature matching -------------------------------------------------------------------------------------------------


def test_feature_matching_compares_means_where_a_distance_of_pairs_never_reaches_zero() -> None:
    real = torch.tensor([[0.0, 2.0], [4.0, 2.0]]).double()
    fake = torch.tensor([[1.0, 2.0], [3.0, 2.0]]).double().requires_grad_()
    of_pairs = (real - fake).square().sum(dim=1).mean()
    assert of_pairs == 1
    assert torch.autograd.grad(of_pairs, fake)[0].abs().sum() > 0  # it wants each fake image to be its real neighbour
    value = feature_matching(real, fake)
    assert value == 0
    assert (torch.autograd.grad(value, fake)[0] == 0).all()


@settings(max_examples=30)
@given(batches())
def test_layers_add_up_and_the_mean_is_that_over_features(pair) -> None:
    real, fake = pair
    difference = (real.mean(dim=0) - fake.mean(dim=0)).square()
    torch.testing.assert_close(feature_matching(real, fake), difference.sum())
    torch.testing.assert_close(feature_matching(real, fake, "mean"), difference.mean())
    layers = feature_matching([real, 2 * real], (fake, 2 * fake))
    torch.testing.assert_close(layers, 5 * difference.sum())
    torch.testing.assert_close(feature_matching([real, 2 * real], [fake, 2 * fake], "mean"), 5 * difference.mean())


def test_wrong_layers_and_reductions_are_a_value_error() -> None:
    features = torch.rand(2, 3)
    for real, fake, said in (([features], [features] * 2, "1 and 2"), ([], [], "0 and 0"), (features, [], "1 and 0")):
        with pytest.raises(ValueError, match=f"as many real as fake layers, at least one; got {said}"):
            feature_matching(real, fake)
    with pytest.raises(ValueError, match="'none'"):
        feature_matching(features, features, "none")  # pyright: ignore[reportArgumentType]


# --- moments ----------------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(batches(), st.integers(1, 5))
def test_moments_are_the_mean_and_the_central_ones(pair, orders: int) -> None:
    def moment(values: Tensor, order: int) -> Tensor:
        mean = values.mean(dim=0)
        return mean if order == 1 else ((values - mean) ** order).mean(dim=0)

    real, fake = pair
    each = [(moment(real, k) - moment(fake, k)).square().mean() for k in range(1, orders + 1)]
    torch.testing.assert_close(moment_matching(real, fake, orders), torch.stack(each).sum())


def test_variances_notice_a_collapse_that_means_do_not() -> None:
    real = torch.randn(1000, 2).double()
    collapsed = real.mean(dim=0, keepdim=True).expand(1000, 2)
    assert moment_matching(real, collapsed, 1) < 1e-20
    assert moment_matching(real, collapsed, 2).item() == pytest.approx(1, rel=0.1)
    with pytest.raises(ValueError, match="orders: expected 1 or more, got 0"):
        moment_matching(real, collapsed, 0)


# --- the kernel -------------------------------------------------------------------------------------------------------


def discrepancy_by_hand(x: Tensor, y: Tensor, bandwidths: tuple[float, ...], unbiased: bool) -> float:
    def mean_kernel(a: Tensor, b: Tensor, leave_out_itself: bool) -> float:
        pairs = [(i, j) for i in range(len(a)) for j in range(len(b)) if not (leave_out_itself and i == j)]
        distances = [(a[i] - b[j]).square().sum().item() for i, j in pairs]
        return sum(math.exp(-d / (2 * s**2)) for s in bandwidths for d in distances) / len(pairs)

    return mean_kernel(x, x, unbiased) + mean_kernel(y, y, unbiased) - 2 * mean_kernel(x, y, False)


@settings(max_examples=30)
@given(batches(), st.booleans())
def test_discrepancy_is_the_sum_over_all_pairs(pair, unbiased: bool) -> None:
    bandwidths = (0.5, 3.0)
    value = maximum_mean_discrepancy(*pair, bandwidths, "unbiased" if unbiased else "biased")  # pyright: ignore[reportCallIssue]
    expected = discrepancy_by_hand(*pair, bandwidths, unbiased)  # pyright: ignore[reportCallIssue]
    assert value.item() == pytest.approx(expected, abs=1e-12)


def test_discrepancy_of_two_gaussians_is_its_closed_form() -> None:
    """E k(x, y) for x - y ~ N(d, 2) is s / sqrt(s^2 + 2) exp(-d^2 / (2 (s^2 + 2)))."""
    real, fake, width, shift = torch.randn(3000, 1).double(), torch.randn(3000, 1).double() + 1.5, 1.3, 1.5
    square = width**2 + 2
    expected = 2 * width / math.sqrt(square) * (1 - math.exp(-(shift**2) / (2 * square)))
    assert maximum_mean_discrepancy(real, fake, (width,), "unbiased").item() == pytest.approx(expected, abs=0.02)


def test_unbiased_estimate_is_zero_on_average_and_the_biased_one_is_not() -> None:
    estimates = {"biased": [], "unbiased": []}
    for _ in range(300):
        real, fake = torch.randn(5, 2).double(), torch.randn(5, 2).double()
        for name, values in estimates.items():
            values.append(maximum_mean_discrepancy(real, fake, (1.0,), name).item())  # pyright: ignore
    unbiased = torch.tensor(estimates["unbiased"])
    assert abs(unbiased.mean()) < 4 * unbiased.std() / math.sqrt(300)
    assert min(estimates["biased"]) > 0
    assert sum(estimates["biased"]) / 300 > 0.1


def test_discrepancy_notices_what_two_moments_do_not() -> None:
    two_points = torch.tensor([[-1.0], [1.0]]).double().repeat(500, 1)
    gaussian = torch.distributions.Normal(0, 1).icdf((torch.arange(1000).double()[:, None] + 0.5) / 1000)
    assert moment_matching(two_points, gaussian, 3) < 1e-3
    assert maximum_mean_discrepancy(two_points, gaussian, (0.5,)) > 0.05


def test_wrong_kernels_and_estimates_are_a_value_error() -> None:
    features = torch.rand(2, 3)
    for bandwidths in ((), (1.0, 0.0), (-1.0,)):
        with pytest.raises(ValueError, match=r"bandwidths: expected (positive numbers|a positive number), got"):
            maximum_mean_discrepancy(features, features, bandwidths)
    with pytest.raises(ValueError, match="'median'"):
        maximum_mean_discrepancy(features, features, estimate="median")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="two samples of each, got 1 and 2"):
        maximum_mean_discrepancy(features[:1], features, estimate="unbiased")


def test_bandwidths_may_be_anything_that_gives_numbers() -> None:
    real, fake = torch.rand(4, 2), torch.rand(4, 2)
    expected = maximum_mean_discrepancy(real, fake, (1.0, 2.0))
    assert torch.equal(maximum_mean_discrepancy(real, fake, torch.tensor([1.0, 2.0])), expected)  # pyright: ignore
    assert torch.equal(maximum_mean_discrepancy(real, fake, iter([1.0, 2.0])), expected)
    with pytest.raises(ValueError, match=r"bandwidths: expected positive numbers, got 2\.0"):
        maximum_mean_discrepancy(real, fake, 2.0)  # pyright: ignore
