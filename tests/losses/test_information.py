"""InfoGAN's bound: codes of known information, the most and the least it can say, and its entropies."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Categorical, Normal, Uniform
from torch.nn import functional as F

from losses.information import (
    categorical_entropy,
    categorical_information,
    gaussian_entropy,
    gaussian_information,
    uniform_entropy,
    uniform_information,
)

CODE = torch.tensor([0, 2, 1])
EVERY = {
    "categorical": (lambda q: categorical_information(q, CODE), (3, 4)),
    "categorical one-hot": (lambda q: categorical_information(q, F.one_hot(CODE, 4)), (3, 4)),
    "several categorical": (lambda q: categorical_information(q, torch.stack([CODE, CODE], dim=1)), (3, 2, 4)),
    "uniform": (lambda q: uniform_information(q, q.detach() + 0.3, std=0.5), (3, 2)),
    "gaussian": (lambda q: gaussian_information(q[:, :2], q[:, 2:], q[:, :2].detach() - 0.3), (3, 4)),
}
every = pytest.mark.parametrize(("bound", "shape"), EVERY.values(), ids=EVERY.keys())


# --- categorical codes ------------------------------------------------------------------------------------------------


def test_categorical_bound_is_zero_for_a_q_that_knows_nothing_and_ln_10_for_one_that_knows_all() -> None:
    code = torch.arange(10)
    assert categorical_information(torch.zeros(10, 10), code).item() == pytest.approx(0, abs=1e-6)
    knows = 50 * F.one_hot(code, 10).double()
    assert categorical_information(knows, code).item() == pytest.approx(math.log(10), abs=1e-12)


@given(st.integers(2, 12), st.integers(0, 1000), st.floats(0, 30))
def test_categorical_bound_never_exceeds_the_entropy_and_is_torchs_likelihood(
    classes: int, seed: int, sure: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    code = torch.randint(classes, (7,), generator=generator)
    logits = torch.randn(7, classes, generator=generator, dtype=torch.float64) + sure * F.one_hot(code, classes)
    value = categorical_information(logits, code)
    prior = Categorical(torch.ones(classes, dtype=torch.float64))
    torch.testing.assert_close(value, prior.entropy() + Categorical(logits=logits).log_prob(code).mean())
    assert value <= categorical_entropy(classes)


def test_categorical_bound_is_the_information_of_a_noisy_channel_for_the_exact_posterior_only() -> None:
    # An image shows its code with probability 5/8, each of the three others with 1/8: all 32 pairs, as often as likely.
    shown = torch.arange(4).repeat_interleave(8)
    code = (shown + torch.tensor([0, 0, 0, 0, 0, 1, 2, 3]).repeat(4)) % 4
    posterior = torch.full((4, 4), 1 / 8, dtype=torch.float64) + torch.eye(4, dtype=torch.float64) / 2
    information = math.log(4) + 5 / 8 * math.log(5 / 8) + 3 / 8 * math.log(1 / 8)
    exact = categorical_information(posterior.log()[shown], code)
    assert exact.item() == pytest.approx(information, abs=1e-12)
    for _ in range(20):
        other = posterior.log() + torch.randn(4, 4, dtype=torch.float64)
        assert categorical_information(other[shown], code) < exact


def test_one_hot_codes_are_classes_and_several_codes_add() -> None:
    logits, code = torch.randn(5, 3, 4, dtype=torch.float64), torch.randint(4, (5, 3))
    together = categorical_information(logits, code)
    torch.testing.assert_close(categorical_information(logits, F.one_hot(code, 4)), together)
    torch.testing.assert_close(categorical_information(logits, F.one_hot(code, 4).float()), together)
    alone = [categorical_information(logits[:, d], code[:, d]) for d in range(3)]
    torch.testing.assert_close(torch.stack(alone).sum(), together)


# --- continuous codes -------------------------------------------------------------------------------------------------


def test_gaussian_bound_is_the_information_of_a_noisy_channel_for_the_exact_posterior() -> None:
    code = torch.randn(100_000, 1, dtype=torch.float64)
    noise = 0.5
    image = code + noise * torch.randn_like(code)
    mean, variance = image / (1 + noise**2), noise**2 / (1 + noise**2)
    log_variance = torch.full_like(mean, math.log(variance))
    exact = gaussian_information(mean, log_variance, code)
    assert exact.item() == pytest.approx(math.log(1 + 1 / noise**2) / 2, abs=0.01)  # 0.805 nats
    for wrong in (gaussian_information(image, log_variance, code), gaussian_information(mean, log_variance + 1, code)):
        assert wrong < exact - 0.05


def test_uniform_bound_is_below_the_information_of_a_noisy_channel_and_near_it_with_the_right_deviation() -> None:
    code = torch.rand(100_000, 1, dtype=torch.float64) * 2 - 1
    width = 0.1  # of the error, uniform on +-width
    image = code + (torch.rand_like(code) * 2 - 1) * width
    right = uniform_information(image, code, std=width / math.sqrt(3))
    information = math.log(1 / width) + width / 2  # h(image), of a trapezium, - h(error)
    assert information - 0.3 < right.item() < information
    for std in (0.03, 0.12, 1.0):
        assert uniform_information(image, code, std=std) < right


def test_continuous_bounds_are_torchs_entropies_and_likelihoods_summed_over_dimensions() -> None:
    mean, log_variance, code = torch.randn(3, 6, 2, dtype=torch.float64)
    unit = Normal(torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64))
    expected = unit.entropy().sum() + Normal(mean, (log_variance / 2).exp()).log_prob(code).sum(dim=1).mean()
    torch.testing.assert_close(gaussian_information(mean, log_variance, code), expected)
    flat = Uniform(torch.tensor([-2.0, -2.0], dtype=torch.float64), 3.0)
    expected = flat.entropy().sum() + Normal(mean, 0.3).log_prob(code).sum(dim=1).mean()
    torch.testing.assert_close(uniform_information(mean, code, std=0.3, low=-2, high=3), expected)


def test_uniform_bound_is_largest_at_an_exact_reading_and_stays_below_zero_with_std_1() -> None:
    code = torch.rand(8, 2, dtype=torch.float64)
    largest = 2 * (math.log(2) - math.log(2 * math.pi) / 2)
    assert uniform_information(code, code).item() == pytest.approx(largest)
    assert largest < 0
    assert uniform_information(code + 0.1, code).item() == pytest.approx(largest - 2 * 0.1**2 / 2)


def test_gaussian_bound_stops_at_the_smallest_deviation_and_nothing_changes_above_it() -> None:
    code = torch.randn(8, 2, dtype=torch.float64)
    for log_variance in (-1e4, -50.0, 2 * math.log(0.01)):
        value = gaussian_information(code, torch.full_like(code, log_variance), code)
        assert value.item() == pytest.approx(2 * (0.5 - math.log(0.01)))  # 5.1 nats a dimension
    deviation = torch.full_like(code, 2 * math.log(0.02))
    assert gaussian_information(code, deviation, code).item() == pytest.approx(2 * (0.5 - math.log(0.02)))
    wider = gaussian_information(code, deviation, code, smallest_std=0.1)
    assert wider.item() == pytest.approx(2 * (0.5 - math.log(0.1)))


def test_entropies() -> None:
    assert categorical_entropy(10) == pytest.approx(Categorical(torch.ones(10)).entropy().item())
    assert categorical_entropy(10, codes=4) == pytest.approx(4 * math.log(10))
    assert uniform_entropy(3, -1, 2) == pytest.approx(3 * Uniform(-1.0, 2.0).entropy().item())
    assert gaussian_entropy(2) == pytest.approx(2 * Normal(0.0, 1.0).entropy().item())


# --- what holds for every one of them ---------------------------------------------------------------------------------


def test_gradients() -> None:
    logits = torch.randn(3, 2, 4, dtype=torch.float64, requires_grad=True)
    codes = torch.randint(4, (3, 2))
    assert torch.autograd.gradcheck(lambda q: categorical_information(q, codes), logits)
    mean, log_variance, code = (torch.randn(3, 2, dtype=torch.float64, requires_grad=True) for _ in range(3))
    assert torch.autograd.gradcheck(gaussian_information, (mean, log_variance, code))
    assert torch.autograd.gradcheck(lambda m, c: uniform_information(m, c, std=0.5), (mean, code))


@given(st.permutations(range(6)))
def test_order_of_the_batch_does_not_matter(order: list[int]) -> None:
    generator = torch.Generator().manual_seed(1)
    mean, log_variance, code = torch.randn(3, 6, 5, generator=generator, dtype=torch.float64)
    classes = torch.randint(5, (6,), generator=generator)
    for value, shuffled in (
        (categorical_information(mean, classes), categorical_information(mean[order], classes[order])),
        (uniform_information(mean, code), uniform_information(mean[order], code[order])),
        (
            gaussian_information(mean, log_variance, code),
            gaussian_information(mean[order], log_variance[order], code[order]),
        ),
    ):
        torch.testing.assert_close(value, shuffled)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_finite_at_extremes_and_16_bit_input_is_computed_in_fp32(dtype) -> None:
    logits = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], dtype=dtype, requires_grad=True)
    value = categorical_information(logits, torch.tensor([1, 0]))
    value.backward()
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(-2e4, rel=0.01)
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    mean = torch.full((2, 3), 1e4, dtype=dtype, requires_grad=True)
    extreme = torch.tensor([[-1e4, 0.0, 1e4]] * 2, dtype=dtype, requires_grad=True)
    code = torch.zeros(2, 3, dtype=dtype)
    for value in (uniform_information(mean, code), gaussian_information(mean, extreme, code)):
        assert value.dtype == torch.float32
        assert value.isfinite()
        gradients = torch.autograd.grad(value, (mean, extreme), allow_unused=True)
        assert all(not g.isnan().any() for g in gradients if g is not None)
    noise = torch.randn(64, 10).to(dtype)
    codes = torch.randint(10, (64,))
    assert torch.equal(categorical_information(noise, codes), categorical_information(noise.float(), codes))
    assert torch.equal(
        gaussian_information(noise, noise, noise * 2),
        gaussian_information(*(noise.float() * k for k in (1, 1, 2))),  # pyright: ignore[reportArgumentType]
    )


@every
def test_compiles_without_graph_breaks(bound, shape) -> None:
    q = torch.randn(shape)
    torch.testing.assert_close(torch.compile(bound, backend="eager", fullgraph=True)(q), bound(q))


def test_wrong_input_is_a_value_error_that_says_what_came() -> None:
    logits, pair = torch.zeros(2, 3), torch.zeros(2, 3)
    for code in (torch.zeros(3).long(), torch.zeros(2), torch.zeros(2).int(), torch.zeros(2, 4).long()):
        with pytest.raises(ValueError, match=rf"int64 classes \(2,\).*got \({code.shape[0]},"):
            categorical_information(logits, code)
    for wrong, said in ((logits.long(), "floating"), (logits[:, :1], "K >= 2"), (logits[0], "K"), (logits[:0], "one")):
        with pytest.raises(ValueError, match=rf"logits: expected .*{said}"):
            categorical_information(wrong, torch.zeros(2).long())
    with pytest.raises(ValueError, match="got 0"):
        uniform_information(pair, pair, std=0)
    with pytest.raises(ValueError, match="got 1 and 1"):
        uniform_information(pair, pair, low=1, high=1)
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 1\)"):
        uniform_information(pair, pair[:, :1])
    with pytest.raises(ValueError, match=r"got \(2, 1\)"):
        gaussian_information(pair, pair[:, :1], pair)
    with pytest.raises(ValueError, match="got -1"):
        gaussian_information(pair, pair, pair, smallest_std=-1)
    with pytest.raises(ValueError, match=r"got \(0, 3\)"):
        gaussian_information(pair[:0], pair[:0], pair[:0])
    for call in (lambda: categorical_entropy(1), lambda: uniform_entropy(0), lambda: gaussian_entropy(0)):
        with pytest.raises(ValueError, match=r"expected [12] or more, got [01]"):
            call()
