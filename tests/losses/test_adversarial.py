"""Adversarial losses: known answers, cross entropy, optimal critics, extreme logits; the same for all of them."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from losses.adversarial import Hinge, LeastSquares, Minimax, NonSaturating, Wasserstein, binary_critic
from losses.energy import EnergyMargin
from losses.f_divergence import FDivergence
from losses.relativistic import RelativisticAverage, RelativisticPairing

SCORES = st.lists(st.floats(-50, 50), min_size=1, max_size=8).map(lambda s: torch.tensor(s, dtype=torch.float64))
F_NAMES = ["kl", "reverse-kl", "pearson", "neyman", "squared-hellinger", "jensen-shannon", "gan", "jeffrey"]
EVERY = {
    "minimax": Minimax(),
    "minimax two-sided": Minimax("two-sided"),
    "non-saturating": NonSaturating(),
    "non-saturating one-sided": NonSaturating("one-sided"),
    "least-squares": LeastSquares(),
    "hinge": Hinge(),
    "wasserstein": Wasserstein(),
    "relativistic": RelativisticAverage(),
    "relativistic least-squares": RelativisticAverage("least-squares"),
    "relativistic hinge": RelativisticAverage("hinge"),
    "energy margin": EnergyMargin(1.0),
    **{f"{name} {form}": FDivergence(name, form) for name in F_NAMES for form in ("paper", "log-ratio")},
    "total-variation paper": FDivergence("total-variation"),
    "alpha .5": FDivergence("alpha", alpha=0.5, generator="alternative"),
    "alpha 3": FDivergence("alpha", "log-ratio", alpha=3.0),
    "alpha 3 paper": FDivergence("alpha", alpha=3.0),
    "alpha 1.05 paper": FDivergence("alpha", alpha=1.05),  # whose f* is a 21st power
}
PAIRS = {f"relativistic pairs {form}": RelativisticPairing(form) for form in ("logistic", "least-squares", "hinge")}
every = pytest.mark.parametrize("loss", [*EVERY.values(), *PAIRS.values()], ids=[*EVERY, *PAIRS])
of_any_shapes = pytest.mark.parametrize("loss", EVERY.values(), ids=EVERY.keys())


# --- known answers ----------------------------------------------------------------------------------------------------


def test_known_answers_at_probabilities_of_three_quarters_and_one_quarter() -> None:
    real, fake = torch.tensor([[math.log(3.0)]]), torch.tensor([[-math.log(3.0)]])
    for loss in (NonSaturating(), Minimax()):
        assert loss.critic_loss(real, fake).item() == pytest.approx(2 * math.log(4 / 3))
    assert NonSaturating().generator_loss(fake).item() == pytest.approx(math.log(4))
    assert Minimax().generator_loss(fake).item() == pytest.approx(-math.log(4 / 3))


def test_known_answers_of_the_losses_without_logarithms() -> None:
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-0.5, -2.0])
    assert LeastSquares().critic_loss(real, fake).item() == pytest.approx((1 + 0.25 + 0.25 + 4) / 4)
    assert LeastSquares().generator_loss(fake).item() == pytest.approx((1.5**2 + 3**2) / 4)
    assert Hinge().critic_loss(real, fake).item() == pytest.approx(0.25 + 0.25)
    assert Hinge().generator_loss(fake).item() == pytest.approx(1.25)
    assert Wasserstein().critic_loss(real, fake).item() == pytest.approx(-1.25 - 1.25)
    assert Wasserstein().generator_loss(fake).item() == pytest.approx(1.25)


def test_known_answers_of_the_relativistic_average() -> None:
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([-1.0, 1.0])  # means 1 and 0: r = 2, 0; f = -2, 0
    cost = {"logistic": lambda s: math.log1p(math.exp(-s)), "least-squares": lambda s: (s - 1) ** 2}
    cost["hinge"] = lambda s: max(0.0, 1 - s)
    for form, h in cost.items():
        loss = RelativisticAverage(form)  # pyright: ignore[reportArgumentType]
        critic = (h(2) + h(0) + h(2) + h(0)) / 2
        generator = (h(-2) + h(0) + h(-2) + h(0)) / 2
        assert loss.critic_loss(real, fake).item() == pytest.approx(critic)
        assert loss.generator_loss(fake, real).item() == pytest.approx(generator)


def test_known_answers_of_relativistic_pairs() -> None:
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([-1.0, 1.0])  # differences 3 and -1
    cost = {"logistic": lambda s: math.log1p(math.exp(-s)), "least-squares": lambda s: (s - 1) ** 2}
    cost["hinge"] = lambda s: max(0.0, 1 - s)
    for form, h in cost.items():
        loss = RelativisticPairing(form)  # pyright: ignore[reportArgumentType]
        assert loss.critic_loss(real, fake).item() == pytest.approx((h(3) + h(-1)) / 2)
        assert loss.generator_loss(fake, real).item() == pytest.approx((h(-3) + h(1)) / 2)
        moved = loss.critic_loss(real + 5, fake + 5)  # only differences count
        assert moved.item() == pytest.approx(loss.critic_loss(real, fake).item())
        assert loss.critic_loss(real, fake.flip(0)) != moved  # of an image and its partner
    with pytest.raises(ValueError, match=r"real and fake scores of one shape, got \(2,\) and \(1,\)"):
        RelativisticPairing().critic_loss(real, fake[:1])
    with pytest.raises(ValueError, match="real_score: a relativistic loss compares with real scores, got None"):
        RelativisticPairing().generator_loss(fake)


@given(SCORES, SCORES)
def test_non_saturating_is_cross_entropy(real: Tensor, fake: Tensor) -> None:
    entropy = F.binary_cross_entropy_with_logits
    loss = NonSaturating()
    expected = entropy(real, torch.ones_like(real)) + entropy(fake, torch.zeros_like(fake))
    torch.testing.assert_close(loss.critic_loss(real, fake), expected)
    torch.testing.assert_close(loss.generator_loss(fake), entropy(fake, torch.ones_like(fake)))
    assert loss.critic_loss(real, fake) >= 0


@given(SCORES, SCORES, st.sampled_from(["one-sided", "two-sided"]))
def test_smoothing_is_cross_entropy_with_other_labels_for_the_critic_only(real: Tensor, fake: Tensor, name) -> None:
    entropy = F.binary_cross_entropy_with_logits
    low = {"one-sided": 0.0, "two-sided": 0.1}[name]
    expected = entropy(real, torch.full_like(real, 0.9)) + entropy(fake, torch.full_like(fake, low))
    for kind in (NonSaturating, Minimax):
        torch.testing.assert_close(kind(name).critic_loss(real, fake), expected)
        torch.testing.assert_close(kind(name).generator_loss(fake), kind().generator_loss(fake))
    squares = LeastSquares(name)
    expected = ((real - 0.9).square().mean() + (fake - low).square().mean()) / 2
    torch.testing.assert_close(squares.critic_loss(real, fake), expected)
    assert torch.equal(squares.generator_loss(fake), LeastSquares().generator_loss(fake))  # whose label is 1


def test_the_generator_of_least_squares_aims_at_1_whatever_the_critic_is_told() -> None:
    for name in ("none", "one-sided", "two-sided"):
        assert LeastSquares(name).generator_loss(torch.ones(3)).item() == 0
        assert LeastSquares(name).generator_loss(torch.full((3,), 0.9)).item() == pytest.approx(0.005)


def test_optimal_critic_of_the_game_is_p_over_p_plus_q_and_is_worth_log_4_where_they_agree() -> None:
    for p, q in ((0.7, 0.2), (0.5, 0.5)):
        score = _optimal_score(NonSaturating(), p, q)
        assert torch.sigmoid(score).item() == pytest.approx(p / (p + q), abs=1e-6)
    zero = torch.zeros(1)
    assert NonSaturating().critic_loss(zero, zero).item() == pytest.approx(math.log(4))


def test_one_sided_smoothing_only_scales_the_optimal_critic_and_two_sided_bends_it() -> None:
    p, q = 0.02, 0.9  # where there are many fakes and few real images
    assert torch.sigmoid(_optimal_score(NonSaturating("one-sided"), p, q)).item() == pytest.approx(0.9 * p / (p + q))
    bent = (0.9 * p + 0.1 * q) / (p + q)
    assert torch.sigmoid(_optimal_score(NonSaturating("two-sided"), p, q)).item() == pytest.approx(bent)


def _optimal_score(loss: NonSaturating, p: float, q: float) -> Tensor:
    """The score at one point with densities p and q, by Newton's method on p * real part + q * fake part."""
    score = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    for _ in range(50):
        real = binary_critic(score, torch.full_like(score, -1e3), loss.real_label, 0.0)
        fake = binary_critic(torch.full_like(score, 1e3), score, 1.0, loss.fake_label)
        value = p * real + q * fake
        (gradient,) = torch.autograd.grad(value, score, create_graph=True)
        (curvature,) = torch.autograd.grad(gradient, score)
        score = (score - gradient / curvature).detach().requires_grad_()
    return score.detach()


# --- what holds for every one of them ---------------------------------------------------------------------------------


@of_any_shapes
def test_mean_per_side_so_that_the_size_of_a_score_map_does_not_matter(loss) -> None:
    one, many = torch.full((2, 1), 0.7), torch.full((2, 1, 16, 16), 0.7)
    torch.testing.assert_close(loss.critic_loss(one, one), loss.critic_loss(many, one))
    torch.testing.assert_close(loss.generator_loss(one, one), loss.generator_loss(many, one))


@of_any_shapes
@given(SCORES, SCORES, st.randoms())
def test_order_of_the_batch_does_not_matter(loss, real: Tensor, fake: Tensor, random) -> None:
    shuffled = [torch.tensor(random.sample(s.tolist(), len(s)), dtype=s.dtype) for s in (real, fake)]
    torch.testing.assert_close(loss.critic_loss(*shuffled), loss.critic_loss(real, fake))
    torch.testing.assert_close(loss.generator_loss(shuffled[1], shuffled[0]), loss.generator_loss(fake, real))


@of_any_shapes
def test_gradients(loss) -> None:
    torch.manual_seed(0)
    real = torch.randn(3, 1, dtype=torch.float64, requires_grad=True)
    fake = torch.randn(3, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss.critic_loss, (real, fake))
    assert torch.autograd.gradcheck(lambda f, r: loss.generator_loss(f, r), (fake, real))


@pytest.mark.parametrize("loss", PAIRS.values(), ids=PAIRS.keys())
def test_the_order_of_pairs_does_not_matter_and_their_gradients_are_slopes(loss) -> None:
    real, fake = (torch.randn(6, 1, 2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    order = torch.randperm(6)
    torch.testing.assert_close(loss.critic_loss(real[order], fake[order]), loss.critic_loss(real, fake))
    assert torch.autograd.gradcheck(loss.critic_loss, (real, fake))
    assert torch.autograd.gradcheck(lambda f, r: loss.generator_loss(f, r), (fake, real))


@every
def test_a_step_against_the_gradient_separates_real_from_fake_and_the_generators_step_raises_its_score(loss) -> None:
    real = torch.full((4, 1), 0.1, requires_grad=True)
    fake = torch.full((4, 1), 0.1, requires_grad=True)
    to_real, to_fake = torch.autograd.grad(loss.critic_loss(real, fake), (real, fake))
    (to_raise,) = torch.autograd.grad(loss.generator_loss(fake, real.detach()), fake)
    energies = isinstance(loss, EnergyMargin)  # there low is real
    assert (to_real < 0).all() != energies
    assert (to_fake > 0).all() != energies
    assert (to_raise < 0).all() != energies


@every
@pytest.mark.parametrize("score", [-1e4, 0.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_finite_at_extreme_scores(loss, score: float, dtype) -> None:
    real, fake = (torch.full((2, 1), score, dtype=dtype, requires_grad=True) for _ in range(2))
    for value in (loss.critic_loss(real, fake), loss.generator_loss(fake, real)):
        assert value.dtype == torch.float32
        assert value.isfinite()
        for gradient in torch.autograd.grad(value, (real, fake), allow_unused=True):
            # autograd casts gradients to the input's type; fp16 holds no more than 65504
            assert gradient is None or not gradient.isnan().any()
            assert gradient is None or dtype == torch.float16 or gradient.isfinite().all()


@every
def test_half_precision_is_computed_in_fp32(loss) -> None:
    score = torch.randn(1000).bfloat16()
    assert torch.equal(loss.critic_loss(score, score), loss.critic_loss(score.float(), score.float()))
    assert torch.equal(loss.generator_loss(score, score), loss.generator_loss(score.float(), score.float()))


@every
def test_compiles_without_graph_breaks(loss) -> None:
    torch._dynamo.reset()  # or the many losses of this file count as one that is compiled anew
    real, fake = torch.randn(4, 1), torch.randn(4, 1)
    critic = torch.compile(loss.critic_loss, backend="eager", fullgraph=True)
    generator = torch.compile(loss.generator_loss, backend="eager", fullgraph=True)
    torch.testing.assert_close(critic(real, fake), loss.critic_loss(real, fake))
    torch.testing.assert_close(generator(fake, real), loss.generator_loss(fake, real))


# --- what is special --------------------------------------------------------------------------------------------------


def test_non_saturating_gradient_does_not_vanish_where_the_critic_is_sure_and_minimaxs_does() -> None:
    fake = torch.tensor([-1e4], requires_grad=True)
    value = NonSaturating().generator_loss(fake)
    assert value.item() == pytest.approx(1e4)
    (strong,) = torch.autograd.grad(value, fake)
    (weak,) = torch.autograd.grad(Minimax().generator_loss(fake), fake)
    assert strong.item() == pytest.approx(-1)
    assert weak.item() == 0


def test_mistake_log_of_sigmoid_plus_eps_freezes_where_ours_goes_on() -> None:
    fake = torch.tensor([-20.0, -200.0], requires_grad=True)
    frozen = -torch.log(torch.sigmoid(fake) + 1e-6)
    assert frozen[1].item() == pytest.approx(13.8155, abs=1e-3)
    assert frozen[0].item() == pytest.approx(frozen[1].item(), abs=0.01)
    (gradient,) = torch.autograd.grad(frozen[1], fake)
    assert gradient.abs().max() == 0
    ours = NonSaturating().generator_loss(fake[1:])
    assert ours.item() == pytest.approx(200)
    (gradient,) = torch.autograd.grad(ours, fake)
    assert gradient[1].item() == pytest.approx(-1)


def test_mistake_relativistic_means_detached_loses_half_of_the_gradient() -> None:
    real = torch.randn(5, 1, dtype=torch.float64, requires_grad=True)
    fake = torch.randn(5, 1, dtype=torch.float64, requires_grad=True)

    def value(real: Tensor, fake: Tensor, detach: bool) -> Tensor:
        mean_real, mean_fake = real.mean(), fake.mean()
        if detach:
            mean_real, mean_fake = mean_real.detach(), mean_fake.detach()
        return F.softplus(-(real - mean_fake)).mean() + F.softplus(fake - mean_real).mean()

    ours = torch.autograd.grad(RelativisticAverage().critic_loss(real, fake), (real, fake))
    right = torch.autograd.grad(value(real, fake, detach=False), (real, fake))
    wrong = torch.autograd.grad(value(real, fake, detach=True), (real, fake))
    torch.testing.assert_close(ours, right)
    assert not torch.allclose(ours[0], wrong[0], rtol=0.2)
    # The generator moves real and fake apart through both means: a shift of all scores changes nothing.
    torch.testing.assert_close((ours[0].sum() + ours[1].sum()).detach(), torch.zeros((), dtype=torch.float64))
    assert abs(float(wrong[0].sum() + wrong[1].sum())) < abs(float(right[0].sum()))


def test_mistake_hinge_whose_generator_ignores_its_target() -> None:
    fake = torch.tensor([2.0], requires_grad=True)
    wrong = F.relu(1 + fake).mean()  # the critic's term for fakes, whatever the generator wants
    (towards,) = torch.autograd.grad(wrong, fake)
    assert towards.item() > 0  # a step against it lowers the score
    (towards,) = torch.autograd.grad(Hinge().generator_loss(fake), fake)
    assert towards.item() < 0


def test_relativistic_average_does_not_change_when_all_scores_shift() -> None:
    real, fake = torch.randn(6, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
    for form in ("logistic", "least-squares", "hinge"):
        loss = RelativisticAverage(form)
        torch.testing.assert_close(loss.critic_loss(real + 3, fake + 3), loss.critic_loss(real, fake))


def test_wrong_input_is_a_value_error_that_says_what_came() -> None:
    score = torch.zeros(2, 1)
    with pytest.raises(ValueError, match="got None"):
        RelativisticAverage().generator_loss(score)
    with pytest.raises(ValueError, match=r"logistic, least-squares, hinge; got 'softplus'"):
        RelativisticAverage("softplus")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="none, one-sided, two-sided; got 'both'"):
        NonSaturating("both")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"got 1\.5"):
        binary_critic(score, score, real_label=1.5)
    for loss in (NonSaturating(), LeastSquares(), Hinge(), Wasserstein(), RelativisticAverage(), FDivergence("kl")):
        with pytest.raises(ValueError, match="int64"):
            loss.critic_loss(score.long(), score)
        with pytest.raises(ValueError, match=r"\(0, 1\)"):
            loss.generator_loss(score[:0], score)
