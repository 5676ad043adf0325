"""CatGAN's entropies and the K + 1 classes of semi-supervised learning: extremes, torch's own answers, estimates."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Categorical
from torch.nn import functional as F

from losses.categorical import (
    CategoricalGAN,
    SemiSupervised,
    entropy_from_logits,
    labelled_cross_entropy,
    marginal_entropy,
    real_logit,
    unlabelled_loss,
)

LABEL = torch.tensor([2, -1, 0, -1, 4, 1])
EVERY = {
    "entropy": entropy_from_logits,
    "marginal": marginal_entropy,
    "labelled": lambda x: labelled_cross_entropy(x, LABEL),
    "real logit": lambda x: real_logit(x).mean(),
    "unlabelled": lambda x: unlabelled_loss(x, x / 2 + 1),
    "catgan critic": lambda x: CategoricalGAN(0.5).critic_loss(x, x / 2 + 1, LABEL),
    "catgan generator": CategoricalGAN().generator_loss,
    "semi-supervised critic": lambda x: SemiSupervised().critic_loss(x, x / 2 + 1, LABEL),
}
every = pytest.mark.parametrize("loss", EVERY.values(), ids=EVERY.keys())


@st.composite
def batches(draw) -> Tensor:
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    shape = draw(st.tuples(st.integers(1, 8), st.integers(2, 12)))
    return draw(st.floats(0, 1e4)) * torch.randn(shape, generator=generator, dtype=torch.float64)


def certain(classes: Tensor, number: int) -> Tensor:
    return 1e3 * F.one_hot(classes, number).double()


# --- entropies --------------------------------------------------------------------------------------------------------


@given(batches())
def test_entropies_are_torchs_and_lie_between_zero_and_ln_k_with_the_marginals_above_the_mean(logits: Tensor) -> None:
    largest = math.log(logits.shape[1])
    mean, marginal = entropy_from_logits(logits), marginal_entropy(logits)
    torch.testing.assert_close(mean, Categorical(logits=logits).entropy().mean())
    torch.testing.assert_close(marginal, Categorical(probs=logits.softmax(dim=1).mean(dim=0)).entropy())
    assert 0 <= mean <= largest + 1e-9
    assert 0 <= marginal <= largest + 1e-9
    assert mean <= marginal + 1e-9  # entropy is concave


def test_entropies_at_the_extremes() -> None:
    unsure, even, one = torch.zeros(20, 10), certain(torch.arange(20) % 10, 10), certain(torch.zeros(20).long(), 10)
    for logits, mean, marginal in ((unsure, 1, 1), (even, 0, 1), (one, 0, 0)):
        assert entropy_from_logits(logits).item() == pytest.approx(mean * math.log(10), abs=1e-6)
        assert marginal_entropy(logits).item() == pytest.approx(marginal * math.log(10), abs=1e-6)


@pytest.mark.parametrize(("samples", "published"), [(20, 0.26), (100, 0.045)])
def test_marginal_entropy_of_a_small_batch_is_too_low_by_the_amount_the_binomial_distribution_says(
    samples: int, published: float
) -> None:
    trials = 1500
    found = [marginal_entropy(certain(torch.randint(10, (samples,)), 10)).item() for _ in range(trials)]
    counts = torch.arange(1, samples + 1, dtype=torch.float64)
    binomial = torch.distributions.Binomial(samples, torch.tensor(0.1, dtype=torch.float64))
    share = counts / samples
    expected = 10 * (binomial.log_prob(counts).exp() * -share * share.log()).sum().item()
    spread = torch.tensor(found).std().item() / math.sqrt(trials)
    assert sum(found) / trials == pytest.approx(expected, abs=4 * spread)
    assert math.log(10) - expected == pytest.approx(published, abs=0.005)


def test_catgan_losses_at_the_players_goals_and_in_between() -> None:
    sure, unsure = certain(torch.arange(10), 10), torch.zeros(10, 10, dtype=torch.float64)
    loss, most = CategoricalGAN(), math.log(10)
    assert loss.critic_loss(sure, unsure).item() == pytest.approx(-2 * most)
    assert loss.critic_loss(sure, sure).item() == pytest.approx(-most)
    assert loss.critic_loss(unsure, sure).item() == pytest.approx(0, abs=1e-9)
    assert loss.generator_loss(sure).item() == pytest.approx(-most)
    assert loss.generator_loss(unsure).item() == pytest.approx(0, abs=1e-9)
    assert loss.generator_loss(certain(torch.zeros(10).long(), 10)).item() == pytest.approx(0, abs=1e-9)  # collapsed


def test_catgan_losses_are_the_sum_of_their_terms() -> None:
    real, fake = torch.randn(6, 5, dtype=torch.float64), torch.randn(4, 5, dtype=torch.float64)
    terms = entropy_from_logits(real) - marginal_entropy(real) - entropy_from_logits(fake)
    torch.testing.assert_close(CategoricalGAN().critic_loss(real, fake), terms)
    weighted = CategoricalGAN(label_weight=0.3).critic_loss(real, fake, LABEL)
    torch.testing.assert_close(weighted, terms + 0.3 * labelled_cross_entropy(real, LABEL))
    torch.testing.assert_close(
        CategoricalGAN().generator_loss(fake), entropy_from_logits(fake) - marginal_entropy(fake)
    )


def test_catgan_players_pull_a_fake_images_class_in_opposite_directions() -> None:
    fake = torch.tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    real = torch.zeros(2, 2)
    (critic,) = torch.autograd.grad(CategoricalGAN().critic_loss(real, fake), fake)
    (generator,) = torch.autograd.grad(CategoricalGAN().generator_loss(fake), fake)
    assert critic[0, 0] > 0  # a step against it makes the critic less sure
    assert generator[0, 0] < 0


# --- labels -----------------------------------------------------------------------------------------------------------


@given(batches(), st.data())
def test_labelled_cross_entropy_is_that_of_the_labelled_samples_alone(logits: Tensor, data) -> None:
    number, classes = logits.shape
    label = torch.tensor(data.draw(st.lists(st.integers(-1, classes - 1), min_size=number, max_size=number)))
    logits.requires_grad_()
    value = labelled_cross_entropy(logits, label)
    (gradient,) = torch.autograd.grad(value, logits)
    labelled = label >= 0
    if labelled.any():
        expected = F.cross_entropy(logits[labelled], label[labelled])
        (wanted,) = torch.autograd.grad(expected, logits)
    else:
        expected, wanted = torch.zeros((), dtype=torch.float64), torch.zeros_like(logits)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient, wanted)
    assert (gradient[~labelled] == 0).all()


@given(batches())
def test_real_logit_is_that_of_the_first_k_of_k_plus_1_classes(logits: Tensor) -> None:
    all_classes = torch.cat([logits, torch.zeros(len(logits), 1, dtype=torch.float64)], dim=1)
    log_p = all_classes.log_softmax(dim=1)
    log_real, log_fake = log_p[:, :-1].logsumexp(dim=1), log_p[:, -1]
    torch.testing.assert_close(real_logit(logits), log_real - log_fake)
    torch.testing.assert_close(unlabelled_loss(logits, logits), -(log_real + log_fake).mean() / 2)


def test_k_plus_1_classes_at_equal_logits_and_with_labels() -> None:
    # 4 zeros and the zero of "fake": real with probability 4/5.
    real, fake = torch.zeros(6, 4), torch.zeros(3, 4)
    expected = -(math.log(4 / 5) + math.log(1 / 5)) / 2
    assert unlabelled_loss(real, fake).item() == pytest.approx(expected)
    assert SemiSupervised().critic_loss(real, fake).item() == pytest.approx(expected)
    label = torch.tensor([0, -1, 3, -1, -1, -1])
    assert SemiSupervised().critic_loss(real, fake, label).item() == pytest.approx(expected + math.log(4))


# --- what holds for every one of them ---------------------------------------------------------------------------------


@every
def test_gradients(loss) -> None:
    logits = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, logits)
    (gradient,) = torch.autograd.grad(loss(logits), logits)
    assert gradient.abs().max() > 0


@given(st.permutations(range(6)), st.permutations(range(5)))
def test_order_of_the_batch_and_names_of_the_classes_do_not_matter(order: list[int], classes: list[int]) -> None:
    logits = torch.randn(6, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    renamed = torch.where(LABEL < 0, -1, torch.tensor(classes).argsort()[LABEL.clamp(min=0)])
    shuffled, label = logits[order][:, classes], renamed[order]
    for loss in (
        entropy_from_logits,
        marginal_entropy,
        lambda x: real_logit(x).mean(),
        CategoricalGAN().generator_loss,
    ):
        torch.testing.assert_close(loss(shuffled), loss(logits))
    for kind in (CategoricalGAN(), SemiSupervised()):
        torch.testing.assert_close(kind.critic_loss(shuffled, shuffled, label), kind.critic_loss(logits, logits, LABEL))


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_finite_at_extreme_logits(loss, dtype) -> None:
    for value in (-1e4, 0.0, 1e4):
        for logits in (
            torch.full((6, 5), value),
            torch.cat([torch.full((6, 2), value), torch.full((6, 3), -value)], 1),
        ):
            logits = logits.to(dtype).requires_grad_()
            result = loss(logits)
            assert result.dtype == torch.float32
            assert result.isfinite()
            (gradient,) = torch.autograd.grad(result, logits)
            assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_fp32(dtype) -> None:
    logits = (3 * torch.randn(6, 5)).to(dtype)
    for loss in (entropy_from_logits, marginal_entropy, real_logit, lambda x: labelled_cross_entropy(x, LABEL)):
        assert torch.equal(loss(logits), loss(logits.float()))


@every
def test_compiles_without_graph_breaks(loss) -> None:
    torch._dynamo.reset()
    logits = torch.randn(6, 5)
    torch.testing.assert_close(torch.compile(loss, backend="eager", fullgraph=True)(logits), loss(logits))


def test_semi_supervised_generator_is_the_non_saturating_loss_of_the_real_logit() -> None:
    logits = torch.tensor([[math.log(1.0), math.log(2.0)], [math.log(0.5), math.log(0.5)]])  # 3 to 1, 1 to 1 for real
    assert SemiSupervised().generator_loss(logits).item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)
    fake = torch.randn(4, 3, requires_grad=True)
    loss = SemiSupervised().generator_loss(fake)
    (gradient,) = torch.autograd.grad(loss, fake)
    assert SemiSupervised().generator_loss(fake - gradient) < loss
    assert (gradient < 0).all()  # any real class makes it more real


def test_a_class_that_is_ruled_out_has_no_part_in_the_entropy() -> None:
    logits = torch.tensor([[0.0, 0.0, -math.inf]]).requires_grad_()
    for entropy in (entropy_from_logits, marginal_entropy):
        value = entropy(logits)
        assert value.item() == pytest.approx(math.log(2))
        assert torch.autograd.grad(value, logits)[0].isfinite().all()


def test_a_nan_of_an_unlabelled_sample_is_not_lost() -> None:
    logits = torch.zeros(3, 4)
    logits[1, 2] = math.nan
    assert labelled_cross_entropy(logits, torch.tensor([0, -1, 3])).isnan()


def test_wrong_input_is_a_value_error_that_says_what_came() -> None:
    logits = torch.zeros(3, 4)
    for loss in (entropy_from_logits, marginal_entropy, real_logit, CategoricalGAN().generator_loss):
        for wrong, said in ((logits.long(), "int64"), (logits[0], r"\(4,\)"), (logits[:0], r"\(0, 4\)")):
            with pytest.raises(ValueError, match=said):
                loss(wrong)
        with pytest.raises(ValueError, match=r"got \(3, 1\)"):
            loss(logits[:, :1])
    for wrong in (torch.zeros(3), torch.zeros(3).int(), torch.zeros(2).long(), torch.zeros(3, 1).long()):
        with pytest.raises(ValueError, match=rf"int64 \(3,\), got \({len(wrong)},.*{wrong.dtype}"):
            labelled_cross_entropy(logits, wrong)
    with pytest.raises(ValueError, match="label: expected 0 to 3, got 4"):
        labelled_cross_entropy(logits, torch.tensor([0, -1, 4]))
    with pytest.raises(ValueError, match="got -1"):
        CategoricalGAN(label_weight=-1)
