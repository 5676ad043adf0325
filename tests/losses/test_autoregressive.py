"""Likelihoods pixel by pixel: all levels' probabilities sum to 1, sampling follows them, the formula in full."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Categorical

from losses.autoregressive import (
    bits_per_dimension,
    categorical_pixel_nll,
    mixture_of_logistics_nll,
    sample_mixture_of_logistics,
)
from losses.variational import discretised_logistic_nll

LEVELS = torch.arange(256)


def grey(seed: int, mixtures: int, spread: float = 1.0) -> Tensor:
    """Parameters of one grey pixel."""
    return spread * torch.randn(1, 3 * mixtures, 1, 1, generator=torch.Generator().manual_seed(seed)).double()


def probability_of_pixel(parameters: Tensor, pixels: Tensor) -> Tensor:
    """Parameters (1, P, 1, 1), pixels int64 (K, C) -> (K,): each as an image of its own."""
    nll = torch.func.vmap(lambda pixel: mixture_of_logistics_nll(parameters, pixel.reshape(1, -1, 1, 1)))
    return (-nll(pixels)).exp()


# --- a softmax over levels --------------------------------------------------------------------------------------------


def test_uniform_images_have_their_number_of_values_times_ln_levels() -> None:
    binary = (torch.rand(3, 1, 28, 28) > 0.5).float()
    nats = categorical_pixel_nll(torch.zeros(3, 2, 1, 28, 28), binary)
    assert nats.item() == pytest.approx(543.4, abs=0.05)
    assert bits_per_dimension(nats, 28 * 28).item() == pytest.approx(1)
    colour = torch.rand(2, 3, 4, 5)
    nats = categorical_pixel_nll(torch.zeros(2, 256, 3, 4, 5), colour)
    assert nats.item() == pytest.approx(60 * math.log(256))
    assert bits_per_dimension(nats, 60).item() == pytest.approx(8)


@given(st.integers(0, 1000), st.integers(2, 7), st.sampled_from([1, 3]))
def test_softmax_likelihood_is_torchs_categorical(seed: int, number: int, channels: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(2, number, channels, 3, 4, generator=generator, dtype=torch.float64)
    level = torch.randint(number, (2, channels, 3, 4), generator=generator)
    expected = -Categorical(logits=logits.movedim(1, -1)).log_prob(level).sum(dim=(1, 2, 3)).mean()
    torch.testing.assert_close(categorical_pixel_nll(logits, level), expected)
    torch.testing.assert_close(categorical_pixel_nll(logits, level.double() / (number - 1)), expected)


def test_softmax_probabilities_of_all_512_binary_3x3_images_sum_to_one() -> None:
    logits = 2 * torch.randn(1, 2, 1, 3, 3, dtype=torch.float64)
    images = torch.cartesian_prod(*[torch.arange(2)] * 9).reshape(512, 1, 1, 3, 3)
    total = sum((-categorical_pixel_nll(logits, image)).exp().item() for image in images)
    assert total == pytest.approx(1)


def test_float_images_count_as_the_nearest_level() -> None:
    logits = torch.randn(1, 4, 1, 1, 5)
    near = torch.tensor([0.0, 0.16, 0.17, 0.6, 0.9]).reshape(1, 1, 1, 5)  # the levels are 0, 1/3, 2/3 and 1
    exact = torch.tensor([0, 0, 1, 2, 3]).reshape(1, 1, 1, 5)
    assert torch.equal(categorical_pixel_nll(logits, near), categorical_pixel_nll(logits, exact))


# --- a mixture of logistics -------------------------------------------------------------------------------------------


@given(st.integers(0, 1000), st.integers(1, 4), st.floats(0, 8))
def test_mixture_probabilities_of_all_256_grey_levels_sum_to_one(seed: int, mixtures: int, spread: float) -> None:
    total = probability_of_pixel(grey(seed, mixtures, spread), LEVELS[:, None]).sum()
    assert total.item() == pytest.approx(1, abs=1e-9)


def coloured() -> Tensor:
    """Two logistics about a level wide whose pixels all lie within 40 of a level: (1, 20, 1, 1)."""
    weights, means = [0.3, -0.4], [-0.2, -0.18, 0.1, 0.12, 0.0, 0.03]
    log_scales, couplings = [-5.0, -5.2, -4.9, -5.1, -5.0, -5.3], [0.4, -0.3, 0.5, 0.2, -0.6, 0.7]
    return torch.tensor(weights + means + log_scales + couplings, dtype=torch.float64).reshape(1, 20, 1, 1)


def test_mixture_probabilities_of_all_colours_sum_to_one() -> None:
    levels = [torch.arange(centre - 40, centre + 41) for centre in (103, 133, 128)]  # of all others: below e^-30
    total = sum(
        probability_of_pixel(coloured(), part).sum().item() for part in torch.cartesian_prod(*levels).split(81**2)
    )
    assert total == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("channels", [1, 3])
def test_mixture_is_the_formula_written_out(channels: int) -> None:
    mixtures, inside = 3, torch.randint(1, 255, (2, channels, 2, 2))
    parameters = torch.randn(2, (3 if channels == 1 else 10) * mixtures, 2, 2, dtype=torch.float64)
    total = 0.0
    for n in range(2):
        for y in range(2):
            for x in range(2):
                rows = parameters[n, :, y, x].reshape(-1, mixtures)
                value = inside[n, :, y, x].double() / 127.5 - 1
                shares, p = rows[0].softmax(dim=0), torch.zeros((), dtype=torch.float64)
                for m in range(mixtures):
                    mean = rows[1 : 1 + channels, m].clone()
                    if channels == 3:
                        a, b, c = rows[7:, m].tanh()
                        mean[1] += a * value[0]
                        mean[2] += b * value[0] + c * value[1]
                    scale = rows[1 + channels : 1 + 2 * channels, m].exp()
                    upper, lower = (torch.sigmoid((value + s / 255 - mean) / scale) for s in (1, -1))
                    p += shares[m] * (upper - lower).prod()
                total -= p.log().item() / 2
    assert mixture_of_logistics_nll(parameters, inside).item() == pytest.approx(total)
    assert mixture_of_logistics_nll(parameters, inside.double() / 255).item() == pytest.approx(total)


def test_one_logistic_is_the_discretised_logistic_on_twice_the_scale() -> None:
    image = torch.rand(3, 1, 4, 4, dtype=torch.float64)
    mean, log_scale = torch.rand_like(image), torch.full_like(image, -2.5)
    parameters = torch.cat([torch.randn_like(image), 2 * mean - 1, log_scale + math.log(2)], dim=1)
    torch.testing.assert_close(
        mixture_of_logistics_nll(parameters, image), discretised_logistic_nll(mean, image, log_scale)
    )


@given(st.permutations(range(3)), st.sampled_from([1, 3]))
def test_order_of_the_logistics_does_not_matter(order: list[int], channels: int) -> None:
    generator = torch.Generator().manual_seed(4)
    parameters = torch.randn(2, 3 if channels == 1 else 10, 3, 4, 4, generator=generator, dtype=torch.float64)
    image = torch.rand(2, channels, 4, 4, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(
        mixture_of_logistics_nll(parameters[:, :, order].flatten(1, 2), image),
        mixture_of_logistics_nll(parameters.flatten(1, 2), image),
    )


# --- samples ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "spread"), [(0, 1.0), (1, 0.3), (2, 2.0)])
def test_grey_samples_follow_the_law_that_the_likelihood_states(seed: int, spread: float) -> None:
    parameters, count = grey(seed, 2, spread), 200_000
    wide = parameters.expand(1, -1, 1, count)
    drawn = sample_mixture_of_logistics(wide, 1, torch.Generator().manual_seed(7))
    shares = torch.bincount((drawn * 255).round().long().flatten(), minlength=256) / count
    law = probability_of_pixel(parameters, LEVELS[:, None])
    deviations = (shares - law) / (law * (1 - law) / count).clamp(min=1 / count**2).sqrt()
    assert deviations[law * count > 20].abs().max() < 4.5
    assert shares[law * count < 1e-3].sum() == 0
    # The likelihood of the samples is the entropy of the distribution.
    entropy = -(law * law.clamp(min=1e-300).log()).sum()
    torch.testing.assert_close(mixture_of_logistics_nll(wide, drawn) / count, entropy, atol=0.02, rtol=0)


def test_coloured_samples_follow_the_law_and_its_couplings() -> None:
    parameters, count = coloured(), 100_000
    wide = parameters.expand(1, -1, 1, count)
    drawn = sample_mixture_of_logistics(wide, 3, torch.Generator().manual_seed(5))
    pixels, counts = (drawn[0, :, 0].T * 255).round().long().unique(dim=0, return_counts=True)
    law = probability_of_pixel(parameters, pixels)
    often = law * count > 20
    deviations = (counts / count - law) / (law * (1 - law) / count).sqrt()
    assert often.sum() > 100
    assert deviations[often].abs().max() < 5
    # Without the couplings the same samples would be less likely.
    uncoupled = torch.cat([parameters[:, :14], torch.zeros(1, 6, 1, 1)], dim=1).expand(1, -1, 1, count)
    assert mixture_of_logistics_nll(wide, drawn) < mixture_of_logistics_nll(uncoupled, drawn) - count


def test_samples_are_levels_repeat_with_the_seed_and_have_no_gradient() -> None:
    parameters = torch.randn(2, 20, 3, 4, requires_grad=True)
    first, again, other = (
        sample_mixture_of_logistics(parameters, 3, torch.Generator().manual_seed(s)) for s in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not first.requires_grad
    assert first.min() >= 0
    assert first.max() <= 1
    torch.testing.assert_close(first * 255, (first * 255).round())
    sure = torch.tensor([0.0, 51 / 127.5 - 1, -1e4]).reshape(1, 3, 1, 1)
    torch.testing.assert_close(sample_mixture_of_logistics(sure, 1), torch.full((1, 1, 1, 1), 0.2))


# --- what holds for every one of them ---------------------------------------------------------------------------------

EVERY = {
    "softmax": (lambda x: categorical_pixel_nll(x, torch.tensor([[[[0, 2, 1]]]] * 2)), (2, 3, 1, 1, 3)),
    "grey": (lambda x: mixture_of_logistics_nll(x, torch.tensor([[[[0, 255, 100]]]] * 2)), (2, 6, 1, 3)),
    "rgb": (lambda x: mixture_of_logistics_nll(x, torch.tensor([[[[0, 9]], [[255, 7]], [[3, 1]]]] * 2)), (2, 20, 1, 2)),
}
every = pytest.mark.parametrize(("loss", "shape"), EVERY.values(), ids=EVERY.keys())


@every
def test_gradients(loss, shape) -> None:
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, x)
    (gradient,) = torch.autograd.grad(loss(x), x)
    reached = gradient.flatten(2).abs().sum(dim=2)
    assert (reached > 0).all()


@every
def test_batches_of_images_are_averaged(loss, shape) -> None:
    x = torch.randn(shape, dtype=torch.float64)
    both = torch.stack([loss(torch.stack([row, row])) for row in x])
    torch.testing.assert_close(both.mean(), loss(x))


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_finite_at_extremes_and_in_fp32_at_least(loss, shape, dtype) -> None:
    for fill in (-1e4, 0.0, 1e4):
        x = torch.full(shape, fill).to(dtype)
        x[:, 0] = -1e4
        x.requires_grad_()
        value = loss(x)
        assert value.dtype == torch.float32
        assert value.isfinite()
        (gradient,) = torch.autograd.grad(value, x)
        assert gradient.isfinite().all()
    noise = torch.randn(shape).to(dtype)
    assert torch.equal(loss(noise), loss(noise.float()))


@every
def test_compiles_without_graph_breaks(loss, shape) -> None:
    torch._dynamo.reset()
    x = torch.randn(shape)
    torch.testing.assert_close(torch.compile(loss, backend="eager", fullgraph=True)(x), loss(x))


def test_bits_per_dimension() -> None:
    assert bits_per_dimension(543.4, 784) == pytest.approx(1, abs=1e-4)
    assert bits_per_dimension(torch.tensor(3 * math.log(2)), 2).item() == pytest.approx(1.5)
    with pytest.raises(ValueError, match="got 0"):
        bits_per_dimension(1.0, 0)


def test_wrong_input_is_a_value_error_that_says_what_came() -> None:
    logits, image = torch.zeros(2, 4, 1, 3, 3), torch.zeros(2, 1, 3, 3)
    for wrong in (logits[:, :1], logits[:, :, 0], logits.long(), logits[:1], logits[..., :2]):
        with pytest.raises(ValueError, match="expected floating-point logits"):
            categorical_pixel_nll(wrong, image)
    with pytest.raises(ValueError, match="int32"):
        categorical_pixel_nll(logits, image.int())
    parameters = torch.zeros(2, 6, 3, 3)
    with pytest.raises(ValueError, match="uint8"):
        mixture_of_logistics_nll(parameters, image.byte())
    for wrong in (image[:1], image[..., :2], image[0]):
        with pytest.raises(ValueError, match=r"\(2, 6, 3, 3\) and"):
            mixture_of_logistics_nll(parameters, wrong)
    with pytest.raises(ValueError, match="got 2"):
        mixture_of_logistics_nll(parameters, torch.zeros(2, 2, 3, 3))
    for wrong in (torch.zeros(2, 7, 3, 3), parameters.long()):
        with pytest.raises(ValueError, match=r"3 \* M"):
            mixture_of_logistics_nll(wrong, image)
    with pytest.raises(ValueError, match=r"10 \* M"):
        sample_mixture_of_logistics(parameters, 3)
    with pytest.raises(ValueError, match="got 4"):
        sample_mixture_of_logistics(parameters, 4)  # pyright: ignore
