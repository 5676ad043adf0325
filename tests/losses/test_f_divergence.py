"""f-divergences: every row of the table against numeric suprema, Gaussians in closed form, and trained critics."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal

from losses.divergences import DIVERGENCES, Divergence
from losses.f_divergence import FDivergence, divergence, estimate_divergence

ROWS: dict[str, Divergence] = {
    **DIVERGENCES,
    **{f"alpha {alpha}": divergence("alpha", alpha) for alpha in (-1.0, 0.5, 0.8, 2.0, 3.0)},
}
every_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
RATIOS = torch.logspace(-6, 6, 200_001, dtype=torch.float64)
SCORES = torch.linspace(-4, 4, 33, dtype=torch.float64)


def closed_form(name: str, shift: float) -> float:
    """The divergence of N(0, 1) from N(shift, 1)."""
    chi, hellinger = math.expm1(shift**2), 2 - 2 * math.exp(-(shift**2) / 8)
    known = {"kl": shift**2 / 2, "reverse-kl": shift**2 / 2, "pearson": chi, "neyman": chi, "jeffrey": shift**2}
    known |= {"squared-hellinger": hellinger, "total-variation": math.erf(shift / 2 / math.sqrt(2))}
    if name in ("jensen-shannon", "gan"):  # no closed form: from D_f's definition, by quadrature
        x = torch.linspace(-12, 12 + shift, 200_001, dtype=torch.float64)
        p, q = Normal(0.0, 1.0).log_prob(x), Normal(shift, 1.0).log_prob(x)
        middle = torch.logaddexp(p, q) - math.log(2)
        twice = torch.trapezoid(p.exp() * (p - middle) + q.exp() * (q - middle), x).item()
        return twice - (math.log(4) if name == "gan" else 0)
    if name.startswith("alpha"):  # E_q[(p/q)^a] of Gaussians is exp(a (a - 1) shift^2 / 2)
        alpha = float(name.split()[1])
        return math.expm1(alpha * (alpha - 1) * shift**2 / 2) / (alpha * (alpha - 1))
    return known[name]


# --- the table --------------------------------------------------------------------------------------------------------


@every_row
def test_conjugate_is_the_supremum_over_ratios(row: Divergence) -> None:
    step = row is DIVERGENCES["total-variation"]  # the only one whose log-ratio witness takes two values only
    for t in (row.paper if step else row.log_ratio).value(SCORES[8:-8]):
        supremum = (RATIOS * t - row.function(RATIOS)).max()
        assert row.conjugate(t).item() == pytest.approx(supremum.item(), abs=2e-5)


@every_row
def test_biconjugate_is_the_function(row: Divergence) -> None:
    scores = torch.linspace(-30, 30, 200_001, dtype=torch.float64)
    t = row.paper.value(scores)
    for u in (0.3, 0.8, 1.0, 1.7, 3.0):
        supremum = (u * t - row.conjugate(t)).nan_to_num(-math.inf).max()
        assert row.function(torch.tensor(u, dtype=torch.float64)).item() == pytest.approx(supremum.item(), abs=2e-5)


@every_row
@pytest.mark.parametrize("form", ["paper", "log_ratio"])
def test_witness_rises_stays_in_the_domain_and_has_the_conjugates_price(row: Divergence, form: str) -> None:
    witness = getattr(row, form)
    t = witness.value(SCORES)
    assert (t <= row.supremum).all()
    steps = t.diff()
    assert (steps > 0).all() or (row is DIVERGENCES["total-variation"] and (steps >= 0).all() and t[0] < t[-1])
    torch.testing.assert_close(witness.price(SCORES), row.conjugate(t), rtol=1e-9, atol=1e-9)


@every_row
def test_log_ratio_witness_is_the_derivative_at_the_ratio_and_its_threshold_is_zero(row: Divergence) -> None:
    u = torch.logspace(-1, 1, 20, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(row.function(u).sum(), u)
    torch.testing.assert_close(row.log_ratio.value(u.log()), slope)
    torch.testing.assert_close(row.log_ratio.price(u.log()), u * slope - row.function(u))


# --- bounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("shift", [1.0, 0.5])
def test_bound_at_the_optimal_witness_is_the_divergence_of_two_gaussians(name: str, shift: float) -> None:
    row = ROWS[name]
    x = torch.linspace(-30, 30 + shift, 600_001, dtype=torch.float64)
    p, q = Normal(0.0, 1.0).log_prob(x), Normal(shift, 1.0).log_prob(x)
    witness = row.log_ratio
    bound = torch.trapezoid(p.exp() * witness.value(p - q) - q.exp() * witness.price(p - q), x)
    tolerance = 2e-4 if name == "total-variation" else 1e-6  # a step is integrated to the width of the grid
    assert bound.item() == pytest.approx(closed_form(name, shift), abs=tolerance)


def test_closed_forms_are_those_of_the_published_figures() -> None:
    published = {"kl": 0.5, "reverse-kl": 0.5, "pearson": 1.71828, "neyman": 1.71828, "squared-hellinger": 0.23501}
    published |= {"jensen-shannon": 0.22284, "gan": -1.16345, "total-variation": 0.38292, "jeffrey": 1.0}
    for name, value in published.items():
        assert closed_form(name, 1.0) == pytest.approx(value, abs=6e-6)
    assert closed_form("neyman", 0.5) == pytest.approx(0.28403, abs=6e-6)


@pytest.mark.parametrize(
    ("name", "shift", "tightness"),
    [
        ("kl", 1.0, 0.998),
        ("reverse-kl", 1.0, 0.998),
        ("squared-hellinger", 1.0, 0.998),
        ("jensen-shannon", 1.0, 0.998),
        ("gan", 1.0, 0.998),
        ("total-variation", 1.0, 0.998),
        ("pearson", 1.0, 0.97),
        ("neyman", 0.5, 0.97),
    ],
)
def test_a_small_trained_critic_comes_close_from_below(name: str, shift: float, tightness: float) -> None:
    loss = FDivergence(name)
    network = _trained(loss, shift)
    x, p, q = _densities(shift)
    with torch.no_grad():
        score = network(x[:, None])[:, 0]
    bound = torch.trapezoid(p * loss.witness.value(score) - q * loss.witness.price(score), x).item()
    # "gan" is negative: there, and for the others, tightness is a share of the distance from knowing nothing.
    nothing = -math.log(4) if name == "gan" else 0.0
    reached = (bound - nothing) / (closed_form(name, shift) - nothing)
    assert tightness <= reached <= 1 + 1e-3


def test_one_critic_in_log_ratio_form_reports_every_divergence() -> None:
    network = _trained(FDivergence("jensen-shannon", "log-ratio"), shift=0.5)
    torch.manual_seed(1)
    with torch.no_grad():
        real, fake = (network(torch.randn(200_000, 1, dtype=torch.float64) + shift) for shift in (0.0, 0.5))
    for name in (*DIVERGENCES, "alpha"):
        value, error = estimate_divergence(name, real, fake, alpha=0.5 if name == "alpha" else None)
        true = closed_form("alpha 0.5" if name == "alpha" else name, 0.5)
        assert value.item() == pytest.approx(true, abs=4 * error.item() + 0.03 * abs(true))


def test_standard_error_is_the_spread_of_repeated_estimates() -> None:
    torch.manual_seed(0)
    real = torch.randn(400, 500, dtype=torch.float64) / 2
    fake = torch.randn(400, 300, dtype=torch.float64) / 2
    for name in DIVERGENCES:
        pairs = [estimate_divergence(name, r, f) for r, f in zip(real, fake, strict=True)]
        values = torch.stack([value for value, _ in pairs])
        errors = torch.stack([error for _, error in pairs])
        assert errors.mean().item() == pytest.approx(values.std().item(), rel=0.15)


def test_the_scores_of_one_image_count_as_one_sample() -> None:
    real, fake = torch.tensor([0.5, 1.0, -1.0]), torch.tensor([-2.0, 0.0])
    once = estimate_divergence("kl", real, fake)
    repeated = estimate_divergence("kl", real[:, None, None].expand(3, 4, 4), fake[:, None, None].expand(2, 4, 4))
    torch.testing.assert_close(repeated, once)


def _trained(loss: FDivergence, shift: float, batch: int = 512, steps: int = 1500) -> nn.Module:
    """A 64-64 tanh critic of N(0, 1) against N(shift, 1), from batches with one sample in each quantile."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        quantiles = ((torch.arange(batch) + torch.rand(2, batch)) / batch).clamp(1e-6, 1 - 1e-6)
        real, fake = Normal(0.0, 1.0).icdf(quantiles)
        score = network(torch.cat([real, fake + shift])[:, None])
        value = loss.critic_loss(score[:batch], score[batch:])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.step()
    return network.double()


def _densities(shift: float) -> tuple[Tensor, Tensor, Tensor]:
    x = torch.linspace(-5, 5 + shift, 4001, dtype=torch.float64)
    return x, Normal(0.0, 1.0).log_prob(x).exp(), Normal(shift, 1.0).log_prob(x).exp()


# --- the two players --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("form", ["paper", "log-ratio"])
def test_players_sum_to_a_zero_sum_game_in_the_minimax_form(name: str, form) -> None:
    score = torch.linspace(-2, 2, 9, dtype=torch.float64)
    minimax, alternative = (FDivergence(name, form, generator=g) for g in ("minimax", "alternative"))
    row = divergence(name)
    t = (row.paper if form == "paper" else row.log_ratio).value(score)
    assert minimax.critic_loss(score, score).item() == pytest.approx((row.conjugate(t) - t).mean().item())
    assert minimax.generator_loss(score).item() == pytest.approx(-row.conjugate(t).mean().item())
    assert alternative.generator_loss(score).item() == pytest.approx(-t.mean().item())


def test_gan_is_the_gan_loss() -> None:
    from losses.adversarial import Minimax, NonSaturating

    real, fake = torch.randn(7, dtype=torch.float64), torch.randn(7, dtype=torch.float64)
    ours = FDivergence("gan")
    torch.testing.assert_close(ours.critic_loss(real, fake), Minimax().critic_loss(real, fake))
    torch.testing.assert_close(ours.generator_loss(fake), Minimax().generator_loss(fake))
    alternative = FDivergence("gan", generator="alternative")
    torch.testing.assert_close(alternative.generator_loss(fake), NonSaturating().generator_loss(fake))


def test_alpha_contains_its_special_cases() -> None:
    ratio = torch.linspace(0.1, 4, 30, dtype=torch.float64)
    for alpha, name, factor in ((2.0, "pearson", 2), (-1.0, "neyman", 2), (0.5, "squared-hellinger", 1 / 2)):
        ours = divergence("alpha", alpha).function(ratio) * factor
        torch.testing.assert_close(ours, divergence(name).function(ratio))


def test_total_variation_in_log_ratio_form_is_worth_the_step_and_has_a_gradient() -> None:
    score = torch.tensor([-0.3, 0.2], dtype=torch.float64, requires_grad=True)
    value = FDivergence("total-variation", "log-ratio").critic_loss(score[1:], score[:1])
    assert value.item() == pytest.approx(-1.0)
    (gradient,) = torch.autograd.grad(value, score)
    torch.testing.assert_close(gradient, torch.stack([1 - score[0].tanh() ** 2, score[1].tanh() ** 2 - 1]) / 2)


def test_mistake_a_falling_activation_is_still_a_bound_but_high_scores_no_longer_mean_real() -> None:
    """-exp(v) instead of -exp(-v) for the reverse KL: in the domain, yet the critic's sign is turned."""
    ratio = torch.tensor(3.0)  # three times as likely real
    optimal = -1 / ratio
    wrong, ours = (-optimal).log(), -(-optimal).log()
    assert wrong < 0 < ours
    assert divergence("reverse-kl").paper.value(ours).item() == pytest.approx(optimal.item())
    for row in ROWS.values():
        assert row.paper.value(SCORES).diff().min() >= 0


def test_compressed_scores_are_still_a_lower_bound_and_still_rise() -> None:
    score = torch.logspace(0, 5, 50, dtype=torch.float64)
    for sign in (1, -1):
        for name in DIVERGENCES:
            values = torch.stack([-FDivergence(name).critic_loss(s, torch.zeros(1)) for s in sign * score])
            assert (values.diff() * sign >= 0).all()


def test_the_papers_form_of_an_alpha_above_1_is_exact_up_to_its_limit_and_rises_without_overflow_beyond() -> None:
    for alpha in (1.05, 1.5, 3.0):
        power = alpha / (alpha - 1)
        limit = divergence("alpha", alpha).paper.limit
        loss, nothing = FDivergence("alpha", alpha=alpha), torch.zeros(1)
        t = torch.tensor([0.9 * limit])  # of the critic's loss only the price of a fake score is left
        exact = ((0.9 * limit * (alpha - 1) + 1) ** power - 1) / alpha
        assert loss.critic_loss(nothing, t).item() == pytest.approx(exact, rel=1e-3)
        at, beyond = loss.critic_loss(nothing, t / 0.9), loss.critic_loss(nothing, torch.tensor([1e30]))
        assert at.item() == pytest.approx(math.exp(60) / alpha, rel=1e-3)  # the largest exponent that is exact
        assert at < beyond < torch.inf


def test_wrong_names_and_alphas_are_value_errors() -> None:
    with pytest.raises(ValueError, match=r"kl, reverse-kl, .*, alpha; got 'chi'"):
        FDivergence("chi")
    with pytest.raises(ValueError, match="needs a number"):
        FDivergence("alpha")
    with pytest.raises(ValueError, match="only the divergence 'alpha'"):
        FDivergence("kl", alpha=2.0)
    for alpha in (0.0, 1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="got"):
            FDivergence("alpha", alpha=alpha)
    with pytest.raises(ValueError, match="overflows"):
        FDivergence("alpha", alpha=0.99)
    assert FDivergence("alpha", "log-ratio", alpha=0.99).critic_loss(torch.zeros(2), torch.zeros(2)).item() == 0
    with pytest.raises(ValueError, match="one of paper, log-ratio; got 'ratio'"):
        FDivergence("kl", "ratio")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="one of minimax, alternative; got 'other'"):
        FDivergence("kl", generator="other")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="at least two"):
        estimate_divergence("kl", torch.zeros(1), torch.zeros(5))


def test_jensen_shannon_with_the_alternative_step_is_the_non_saturating_gan() -> None:
    from losses.adversarial import NonSaturating

    js, gan = FDivergence("jensen-shannon", "log-ratio", "alternative"), NonSaturating()
    real, fake = 6 * torch.randn(2, 64, 1, dtype=torch.float64)
    torch.testing.assert_close(js.critic_loss(real, fake), gan.critic_loss(real, fake) - 2 * math.log(2))
    torch.testing.assert_close(js.generator_loss(fake), gan.generator_loss(fake) - math.log(2))
    scores = [real.requires_grad_(), fake.requires_grad_()]
    for of_js, of_gan in (
        (js.critic_loss(real, fake), gan.critic_loss(real, fake)),
        (js.generator_loss(fake) + 0 * real.sum(), gan.generator_loss(fake) + 0 * real.sum()),
    ):
        torch.testing.assert_close(torch.autograd.grad(of_js, scores), torch.autograd.grad(of_gan, scores))
