"""Likelihoods and bounds of variational auto-encoders: torch's distributions, closed forms, sums of probabilities."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import AffineTransform, Bernoulli, Normal, TransformedDistribution, Uniform, kl_divergence
from torch.distributions.transforms import SigmoidTransform

from losses import variational
from losses._range import RangeWarning
from losses.batch_parts import batch_part
from losses.variational import (
    OverSamples,
    bernoulli_nll,
    discretised_logistic_nll,
    gaussian_kl,
    gaussian_nll,
    importance_log_weights,
    iwae_bound,
    learned_similarity,
    levels,
    negative_elbo,
    reparameterise,
    sample_mean,
)

LOG_SCALES = (-9.0, -7.0, -4.5, -2.0, 0.0, 3.0, 5.0, 12.0)


@st.composite
def posteriors(draw) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mean and log variance, twice."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 5)))
    spread = draw(st.floats(0, 5))
    one, other, first, second = spread * torch.randn(4, *shape, generator=generator, dtype=torch.float64)
    return one, first, other, second


def normal(mean: Tensor, log_variance: Tensor) -> Normal:
    return Normal(mean, (log_variance / 2).exp())


def probabilities(mean: float, log_scale: float) -> Tensor:
    """One image for each of the 256 levels, in order."""
    grey = torch.arange(256, dtype=torch.float64) / 255
    centre = torch.full((1, 1), mean, dtype=torch.float64)
    return torch.stack([(-discretised_logistic_nll(centre, x.reshape(1, 1), log_scale)).exp() for x in grey])


# --- divergence and samples -------------------------------------------------------------------------------------------


@given(posteriors())
def test_gaussian_kl_is_torchs_summed_over_a_sample_and_averaged_over_the_batch(values) -> None:
    mean, log_variance, other_mean, other_log_variance = values
    prior = normal(torch.zeros_like(mean), torch.zeros_like(mean))
    expected = kl_divergence(normal(mean, log_variance), prior).sum(dim=1).mean()
    torch.testing.assert_close(gaussian_kl(mean, log_variance), expected)
    other = normal(other_mean, other_log_variance)
    expected = kl_divergence(normal(mean, log_variance), other).sum(dim=1).mean()
    found = gaussian_kl(mean, log_variance, other_mean, other_log_variance)
    torch.testing.assert_close(found, expected)
    assert found >= 0


@given(posteriors())
def test_gaussian_kl_of_a_gaussian_from_itself_is_zero(values) -> None:
    mean, log_variance, _, _ = values
    assert gaussian_kl(mean, log_variance, mean, log_variance) == 0


def test_gaussian_kl_known_answers() -> None:
    mean, none = torch.full((4, 2), 1.0), torch.zeros(4, 2)
    assert gaussian_kl(mean, none).item() == 1.0  # half a square, twice
    assert gaussian_kl(none, torch.full((4, 2), math.log(4.0))).item() == pytest.approx(3 - math.log(4))
    assert gaussian_kl(none, 0.0, prior_mean=2.0).item() == 4.0  # pyright: ignore[reportArgumentType]
    assert gaussian_kl(none, 0.0, prior_log_variance=math.log(4.0)).item() == pytest.approx(math.log(4) - 0.75)  # pyright: ignore[reportArgumentType]


def test_gaussian_kl_keeps_its_digits_where_the_posterior_is_almost_the_prior() -> None:
    log_variance = torch.full((1, 1), 1e-4)
    exact = 1e-8 / 4  # (e^l - 1 - l) / 2 = l^2 / 4 + ...
    naive = ((log_variance.exp() - 1 - log_variance) / 2).item()
    assert naive != pytest.approx(exact, rel=0.1)
    assert gaussian_kl(torch.zeros(1, 1), log_variance).item() == pytest.approx(exact, rel=1e-3)


def test_reparameterised_samples_have_the_gaussians_moments_and_gradients_reach_both_parameters() -> None:
    mean = torch.tensor([[-1.0, 2.0]]).double().requires_grad_()
    log_variance = torch.tensor([[0.5, -3.0]]).double().requires_grad_()
    generator = torch.Generator().manual_seed(1)
    drawn = reparameterise(mean.expand(200_000, 2), log_variance.expand(200_000, 2), generator)
    torch.testing.assert_close(drawn.mean(dim=0), mean[0], atol=0.01, rtol=0)
    torch.testing.assert_close(drawn.var(dim=0), log_variance[0].exp(), atol=0, rtol=0.02)
    # d E[z] / d mean = 1 and d E[z^2] / d log variance = variance.
    (slope,) = torch.autograd.grad(drawn.mean(dim=0).sum(), mean, retain_graph=True)
    torch.testing.assert_close(slope, torch.ones_like(slope))
    (slope,) = torch.autograd.grad(drawn.square().mean(dim=0).sum(), log_variance)
    torch.testing.assert_close(slope, log_variance.exp(), atol=0.02, rtol=0.02)


def test_reparameterise_repeats_with_the_generators_seed_and_keeps_the_type() -> None:
    mean = torch.zeros(3, 4, dtype=torch.bfloat16)
    first, again, other = (reparameterise(mean, mean, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.dtype == torch.bfloat16


# --- likelihoods ------------------------------------------------------------------------------------------------------


@given(posteriors())
def test_bernoulli_and_gaussian_are_torchs(values) -> None:
    mean, log_variance, target, _ = values
    binary = (target > 0).double()
    expected = -Bernoulli(logits=mean).log_prob(binary).sum(dim=1).mean()
    torch.testing.assert_close(bernoulli_nll(mean, binary), expected)
    expected = -normal(mean, log_variance).log_prob(target).sum(dim=1).mean()
    torch.testing.assert_close(gaussian_nll(mean, target, log_variance), expected)
    one = log_variance[0, 0]
    expected = -normal(mean, one).log_prob(target).sum(dim=1).mean()
    torch.testing.assert_close(gaussian_nll(mean, target, one), expected)
    torch.testing.assert_close(gaussian_nll(mean, target, one.item()), expected)


def test_a_uniform_binary_28x28_image_has_543_nats() -> None:
    image = (torch.rand(5, 1, 28, 28) > 0.5).double()
    assert bernoulli_nll(torch.zeros_like(image), image).item() == pytest.approx(784 * math.log(2))
    assert 784 * math.log(2) == pytest.approx(543.4, abs=0.05)


@given(st.lists(st.floats(-30, 30), min_size=3, max_size=3))
def test_bernoulli_probabilities_of_all_images_sum_to_one(logits: list[float]) -> None:
    row = torch.tensor([logits], dtype=torch.float64)
    images = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 3)
    assert sum((-bernoulli_nll(row, image[None])).exp().item() for image in images) == pytest.approx(1)


def test_bernoulli_of_a_grey_target_is_least_at_its_own_probability() -> None:
    target = torch.tensor([[0.2, 0.7]], dtype=torch.float64)
    logits = torch.logit(target).requires_grad_()
    value = bernoulli_nll(logits, target)
    (gradient,) = torch.autograd.grad(value, logits)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient))
    torch.testing.assert_close(value, Bernoulli(probs=target).entropy().sum())


def test_gaussian_density_integrates_to_one() -> None:
    x = torch.linspace(-20, 20, 4001, dtype=torch.float64)
    mean = torch.full((1, 1), 0.3, dtype=torch.float64)
    density = torch.stack([(-gaussian_nll(mean, v.reshape(1, 1), math.log(1.7))).exp() for v in x])
    assert torch.trapezoid(density, x).item() == pytest.approx(1)


@pytest.mark.parametrize("log_scale", LOG_SCALES)
@pytest.mark.parametrize("mean", [-0.5, 0.0, 0.5013, 100 / 255, 1.0, 3.0])
def test_discretised_logistic_probabilities_of_all_levels_sum_to_one(mean: float, log_scale: float) -> None:
    assert probabilities(mean, log_scale).sum().item() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("mean", "log_scale"), [(0.4, -3.0), (0.9, -1.0), (0.1, 0.5)])
def test_discretised_logistic_is_the_mass_of_torchs_logistic_between_the_edges(mean: float, log_scale: float) -> None:
    base = Uniform(torch.zeros((), dtype=torch.float64), 1.0)
    logistic = TransformedDistribution(
        base, [SigmoidTransform().inv, AffineTransform(mean, math.exp(log_scale))], validate_args=False
    )
    edges = (torch.arange(255, dtype=torch.float64) + 0.5) / 255
    below = logistic.cdf(edges)
    expected = torch.cat([below[:1], below.diff(), 1 - below[-1:]])
    torch.testing.assert_close(probabilities(mean, log_scale), expected, atol=1e-12, rtol=1e-9)


def test_discretised_logistic_is_exact_where_the_difference_of_two_sigmoids_is_lost() -> None:
    mean, target = torch.zeros(1, 1), torch.full((1, 1), 200 / 255)
    scale = 0.01  # the sigmoids at both edges are 1 in fp32
    naive = torch.sigmoid((target + 1 / 510 - mean) / scale) - torch.sigmoid((target - 1 / 510 - mean) / scale)
    assert naive.item() == 0
    edges = torch.tensor([199.5, 200.5], dtype=torch.float64) / 255 / scale
    exact = -(torch.sigmoid(-edges[0]) - torch.sigmoid(-edges[1])).log()
    assert discretised_logistic_nll(mean, target, math.log(scale)).item() == pytest.approx(exact.item(), rel=1e-5)


def test_discretised_logistic_rounds_to_the_nearest_level_and_bounds_its_scale() -> None:
    mean = torch.full((2, 3), 0.4)
    exact, near = (discretised_logistic_nll(mean, torch.full((2, 3), x / 255), -3.0) for x in (77.0, 77.4))
    assert torch.equal(exact, near)
    neighbour = torch.full((2, 3), 78 / 255, dtype=torch.float64)
    centre = torch.full((2, 3), 77 / 255, dtype=torch.float64)
    half = 0.5 / 255 * math.exp(7 + math.log(2))  # half a level in units of the smallest scale: 4.3
    exact_floor = -math.log(1 / (1 + math.exp(-3 * half)) - 1 / (1 + math.exp(-half)))
    for log_scale in (-7.7, -8.0, -1e4):
        assert discretised_logistic_nll(centre, neighbour, log_scale).item() == pytest.approx(3 * exact_floor)
    assert discretised_logistic_nll(centre, neighbour, -7.6).item() < 3 * exact_floor - 0.1
    floor, below = (discretised_logistic_nll(mean, torch.full((2, 3), 0.6), s) for s in (-7.0 - math.log(2), -1e4))
    assert torch.equal(floor, below)
    torch.testing.assert_close(levels(torch.tensor([-3.0, 0.4999, 1.0, 7.0]), 2), torch.tensor([0.0, 0.0, 1.0, 1.0]))


def test_learned_similarity_is_a_gaussians_nll_but_for_its_constant() -> None:
    real, fake = torch.randn(2, 3, 4, 5, 5, dtype=torch.float64)
    constant = real[0].numel() * math.log(2 * math.pi) / 2
    torch.testing.assert_close(learned_similarity(real, fake), gaussian_nll(real, fake) - constant)


# --- bounds -----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 1000), st.floats(0, 20))
def test_iwae_rises_with_the_number_of_samples_from_the_elbo(seed: int, spread: float) -> None:
    # The mean of the bounds of all subsets of k never falls as k grows: here k = 1, 2, 4 of four samples.
    weights = spread * torch.randn(4, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    pairs = [iwae_bound(weights[list(pair)]) for pair in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))]
    one, two, four = weights.mean(), torch.stack(pairs).mean(), iwae_bound(weights)
    torch.testing.assert_close(torch.stack([iwae_bound(w[None]) for w in weights]).mean(), one)
    assert one <= two + 1e-9
    assert two <= four + 1e-9
    assert four <= weights.amax(dim=0).mean() + 1e-9


def linear_model(k: int, images: int = 1000) -> tuple[Tensor, Tensor, Tensor]:
    """(log weights (k, images), exact ln p(x), ELBO): z ~ N(0, 1), x ~ N(z, 1), so x ~ N(0, 2); q = N(x / 3, 0.8)."""
    generator = torch.Generator().manual_seed(3)
    x = math.sqrt(2) * torch.randn(images, 1, generator=generator, dtype=torch.float64)
    mean, log_variance = x / 3, torch.full_like(x, math.log(0.8))
    z = reparameterise(mean.expand(k, -1, -1), log_variance.expand(k, -1, -1), generator)
    prior, likelihood = Normal(0.0, 1.0).log_prob(z), Normal(z, 1.0).log_prob(x)
    log_weights = (prior + likelihood - normal(mean, log_variance).log_prob(z)).squeeze(2)
    exact = Normal(0.0, math.sqrt(2)).log_prob(x).mean()
    # E_q of the Gaussian likelihood in closed form: that at the mean, and half the posterior's variance.
    elbo = -negative_elbo(gaussian_nll(mean, x) + 0.4, mean, log_variance)
    return log_weights, exact, elbo


def test_bounds_of_a_linear_model_rise_from_the_elbo_to_its_exact_likelihood() -> None:
    log_weights, exact, elbo = linear_model(500)
    # The same samples in groups of k: each bound is measured on all of them.
    found = [torch.stack([iwae_bound(group) for group in log_weights.split(k)]).mean().item() for k in (1, 5, 50, 500)]
    assert found[0] == pytest.approx(elbo.item(), abs=0.005)
    assert elbo < exact - 0.05
    assert all(low < high for low, high in pairwise(found))
    assert found[-1] == pytest.approx(exact.item(), abs=0.003)


def test_importance_weights_are_ratios_of_densities() -> None:
    generator = torch.Generator().manual_seed(5)
    mean, log_variance, given = torch.randn(3, 4, 2, generator=generator, dtype=torch.float64)
    code = torch.randn(7, 4, 2, generator=generator, dtype=torch.float64)
    likelihood = given[:, 0].expand(7, 4)
    expected = likelihood + (Normal(0.0, 1.0).log_prob(code) - normal(mean, log_variance).log_prob(code)).sum(2)
    torch.testing.assert_close(importance_log_weights(likelihood, code, mean, log_variance), expected)
    with pytest.raises(ValueError, match=r"expected \(K, N\), \(K, N, D\), .* got \(7, 4\), \(7, 3, 2\)"):
        importance_log_weights(likelihood, code[:, :3], mean, log_variance)


def test_likelihoods_of_each_sample_have_the_batch_s_mean() -> None:
    generator = torch.Generator().manual_seed(6)
    mean, target = torch.randn(2, 5, 3, 2, generator=generator, dtype=torch.float64)
    grey = target.sigmoid()
    for nll, likely in ((bernoulli_nll, grey), (gaussian_nll, target), (logistic, grey)):
        each = nll(mean, likely, reduction="none")
        assert each.shape == (5,)
        torch.testing.assert_close(each.mean(), nll(mean, likely))
        torch.testing.assert_close(each[2], nll(mean[2:3], likely[2:3]))
    with pytest.raises(ValueError, match="reduction: expected one of mean, none; got 'sum'"):
        bernoulli_nll(mean, grey, reduction="sum")  # pyright: ignore[reportArgumentType]


def logistic(mean: Tensor, target: Tensor, reduction: OverSamples = "mean") -> Tensor:
    return discretised_logistic_nll(mean, target, -2.0, reduction)


def test_iwae_of_equal_weights_is_that_weight_and_of_one_that_dominates_ln_k_less() -> None:
    assert iwae_bound(torch.full((7, 3), -90.0)).item() == pytest.approx(-90)
    weights = torch.full((8, 2), -1e4)
    weights[3] = -80.0
    assert iwae_bound(weights).item() == pytest.approx(-80 - math.log(8))


def test_negative_elbo_is_its_two_terms() -> None:
    logits, image = torch.randn(4, 9), (torch.rand(4, 9) > 0.5).float()
    mean, log_variance = torch.randn(2, 4, 3)
    nll = bernoulli_nll(logits, image)
    torch.testing.assert_close(negative_elbo(nll, mean, log_variance), nll + gaussian_kl(mean, log_variance))


# --- what holds for every one of them ---------------------------------------------------------------------------------


def test_gradients() -> None:
    mean, log_variance, target = (torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    number = torch.tensor(-1.5, dtype=torch.float64, requires_grad=True)
    grey = torch.rand(3, 4, dtype=torch.float64)
    check = torch.autograd.gradcheck
    assert check(gaussian_kl, (mean, log_variance, target, number))
    assert check(gaussian_nll, (mean, target, log_variance))
    assert check(gaussian_nll, (mean, target, number))
    assert check(bernoulli_nll, (mean, torch.sigmoid(target)))
    assert check(lambda m, s: discretised_logistic_nll(m, grey, s), (mean, log_variance))
    assert check(lambda m, s: discretised_logistic_nll(m, grey, s), (mean, number))
    assert check(lambda m, s: discretised_logistic_nll(m, grey, s + 12), (mean, log_variance))  # wider than a level
    assert check(iwae_bound, (mean,))
    assert check(learned_similarity, (mean, target))
    assert check(
        lambda m, v: reparameterise(m, v, torch.Generator().manual_seed(0)).square().sum(), (mean, log_variance)
    )


@given(st.permutations(range(5)), st.permutations(range(4)))
def test_order_of_the_batch_and_of_the_elements_does_not_matter(order: list[int], elements: list[int]) -> None:
    generator = torch.Generator().manual_seed(1)
    mean, log_variance, target = torch.randn(3, 5, 4, generator=generator, dtype=torch.float64)
    grey = target.sigmoid()

    def values(pick) -> list[Tensor]:
        m, v, t, g = (pick(x) for x in (mean, log_variance, target, grey))
        return [
            gaussian_kl(m, v),
            gaussian_nll(m, t, v),
            bernoulli_nll(m, g),
            discretised_logistic_nll(m, g, v),
            iwae_bound(m),
            learned_similarity(m, t),
        ]

    for shuffled, plain in zip(values(lambda x: x[order][:, elements]), values(lambda x: x), strict=True):
        torch.testing.assert_close(shuffled, plain)


def test_likelihoods_add_over_elements_and_do_not_change_when_the_batch_is_repeated() -> None:
    mean, log_variance, target = torch.randn(3, 5, 4, dtype=torch.float64)
    for loss in (
        lambda m, v, t: gaussian_kl(m, v),
        lambda m, v, t: gaussian_nll(m, t, v),
        lambda m, v, t: bernoulli_nll(m, t.sigmoid()),
        lambda m, v, t: discretised_logistic_nll(m, t.sigmoid(), v),
    ):
        whole = loss(mean, log_variance, target)
        left, right = (loss(*(x[:, part] for x in (mean, log_variance, target))) for part in (slice(1), slice(1, 4)))
        torch.testing.assert_close(left + right, whole)
        torch.testing.assert_close(loss(*(torch.cat([x, x]) for x in (mean, log_variance, target))), whole)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_finite_at_extremes_and_in_fp32_at_least(dtype) -> None:
    extreme = torch.tensor([[1e4, -1e4, 0.0]] * 2, dtype=dtype, requires_grad=True)
    grey = torch.tensor([[0.0, 1.0, 0.5]] * 2, dtype=dtype)
    for value in (
        gaussian_kl(extreme, torch.zeros_like(grey)),
        gaussian_kl(torch.zeros_like(grey), extreme.clamp(max=20)),
        bernoulli_nll(extreme, grey),
        gaussian_nll(extreme, grey),
        discretised_logistic_nll(extreme, grey, -1e4),
        discretised_logistic_nll(grey, grey, extreme),
        learned_similarity(extreme, grey),
        iwae_bound(extreme),
    ):
        assert value.dtype == torch.float32
        assert value.isfinite()
        (gradient,) = torch.autograd.grad(value, extreme)
        assert gradient.isfinite().all()


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: gaussian_kl(x, x),
        lambda x: bernoulli_nll(x, x.sigmoid()),
        lambda x: gaussian_nll(x, x + 1, -1.0),
        lambda x: discretised_logistic_nll(x, x.sigmoid(), x),
        lambda x: negative_elbo(x.sum(), x, x),
        lambda x: learned_similarity(x, x + 1),
        iwae_bound,
    ],
    ids=["kl", "bernoulli", "gaussian", "logistic", "elbo", "similarity", "iwae"],
)
def test_compiles_without_graph_breaks(loss) -> None:
    torch._dynamo.reset()
    x = torch.randn(3, 4)
    torch.testing.assert_close(torch.compile(loss, backend="eager", fullgraph=True)(x), loss(x))


def test_wrong_input_is_a_value_error_that_says_what_came() -> None:
    pair, narrow = torch.zeros(2, 3), torch.zeros(2, 1)
    two_tensors = (gaussian_kl, gaussian_nll, bernoulli_nll, learned_similarity, reparameterise)
    for loss in two_tensors:
        with pytest.raises(ValueError, match=r"\(2, 1\)"):  # nothing is broadcast: that hides mistakes
            loss(pair, narrow)
        with pytest.raises(ValueError, match="int64"):
            loss(pair.long(), pair)
    for loss in two_tensors[:-1]:
        with pytest.raises(ValueError, match=r"got \(0, 3\)"):
            loss(pair[:0], pair[:0])
    with pytest.raises(ValueError, match=r"got \(2, 1\)"):
        gaussian_nll(pair, pair, narrow)
    with pytest.raises(ValueError, match=r"got \(3,\)"):
        discretised_logistic_nll(pair, pair, torch.zeros(3))
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 1\)"):
        discretised_logistic_nll(pair, narrow, 0.0)
    for wrong, said in ((torch.zeros(3), r"\(3,\)"), (pair.long(), "int64"), (pair[:0], r"\(0, 3\)")):
        with pytest.raises(ValueError, match=said):
            iwae_bound(wrong)
    with pytest.raises(ValueError, match=r"got \(\)"):
        sample_mean(torch.tensor(1.0))


def test_codes_of_any_shape_are_drawn_as_for_the_whole_batch() -> None:
    for shape, dim in (((8, 4, 3, 3), 0), ((5, 8, 4), 1), ((8, 6), 0)):
        whole = torch.zeros(shape)
        torch.manual_seed(0)
        expected = reparameterise(whole, whole, batch_dim=dim)
        found: list[Tensor] = []
        for number, part in enumerate(whole.chunk(4, dim=dim)):
            torch.manual_seed(0)
            with batch_part(number, of=4):
                found.append(reparameterise(part, part, batch_dim=dim))
        assert torch.equal(torch.cat(found, dim=dim), expected)
    with pytest.raises(ValueError, match=r"batch_dim: expected a dimension of \(2, 3\), got 2"):
        reparameterise(torch.zeros(2, 3), torch.zeros(2, 3), batch_dim=2)


def test_a_likelihood_of_each_image_is_refused_beside_the_mean_divergence() -> None:
    nll = bernoulli_nll(torch.zeros(4, 3), torch.ones(4, 3), "none")
    with pytest.raises(ValueError, match=r"nll: expected the mean over the batch, one number, got \(4,\)"):
        negative_elbo(nll, torch.zeros(4, 2), torch.zeros(4, 2))


@pytest.mark.parametrize("loss", [bernoulli_nll, lambda mean, image: discretised_logistic_nll(mean, image, 0.0)])
def test_images_of_8_bits_are_warned_of(loss, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variational, "_warn", RangeWarning())
    with pytest.warns(UserWarning, match="divide 8-bit values by 255") as caught:
        loss(torch.zeros(2, 3), torch.full((2, 3), 200.0))
    assert caught[0].filename == __file__
