"""What holds for every loss: gradients reach its inputs, nothing is NaN, 16-bit input, compilation, order of the batch.

The adversarial losses have the same tests in test_adversarial.py.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

import losses

IMAGE = (2, 3, 24, 20)
LARGE = (2, 1, 176, 161)
VECTOR = (6, 5)
CODE = torch.tensor([0, 1, 2, 3, 4, 0])
LABEL = torch.tensor([0, -1, 2, -1, 4, 0])
WEIGHTS_OF_CHANNELS = {"a": torch.tensor([0.1, 0.2, 0.1])}, {"a": torch.tensor([0.3, 0.1, 0.2])}


@dataclass(frozen=True)
class Case:
    """A loss as a function of one input, everything else fixed by that input's shape."""

    function: Callable[[Tensor], Tensor]
    shape: tuple[int, ...]
    order_matters: bool = False
    """The other input differs from sample to sample: labels, for instance."""
    without_gradient: tuple[int, ...] = ()
    """Samples that the loss does not look at: the unlabelled."""
    constant_weights: bool = False
    """The loss weighs its terms by the input but by definition gives these weights no gradient."""
    largest: float = 1e4
    """The largest magnitude of an input for which the formula itself is finite in fp32."""


def half(x: Tensor) -> Tensor:
    """A target for any input, the same for every sample: 1/2 with a little structure."""
    return 0.5 + 0.2 * torch.sin(torch.arange(x[0].numel(), dtype=torch.float32)).reshape(x.shape[1:]).expand(x.shape)


def halved(image: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(image, 2)


def every_class(x: Tensor) -> Tensor:
    """(N, L, ...) -> levels (N, ...), the same for every sample."""
    return torch.arange(x[0, 0].numel()).remainder(x.shape[1]).reshape(x[0, 0].shape).expand(x[:, 0].shape)


CASES: dict[str, Case] = {  # by the name of the function; after a comma, what is particular
    "l1": Case(lambda x: losses.l1(x, half(x)), IMAGE),
    "l1, masked": Case(lambda x: losses.l1(x, half(x), weight=0.1 + (half(x) > 0.5).float()), IMAGE),
    "mse": Case(lambda x: losses.mse(x, half(x)), IMAGE),
    "charbonnier": Case(lambda x: losses.charbonnier(x, half(x)), IMAGE),
    "charbonnier, barron": Case(lambda x: losses.charbonnier(x, half(x), 0.1, "barron"), IMAGE),
    "huber": Case(lambda x: losses.huber(x, half(x), 0.1), IMAGE),
    "phase_balance": Case(lambda x: losses.phase_balance(x, half(x)), IMAGE),
    "phase_evenness": Case(lambda x: losses.phase_evenness(x, half(x)), IMAGE),
    "phase_bias": Case(lambda x: losses.phase_bias(x, half(x), 2, 2), IMAGE),
    "total_variation": Case(losses.total_variation, IMAGE),
    "total_variation, isotropic": Case(lambda x: losses.total_variation(x, "isotropic"), IMAGE),
    "total_variation, squared": Case(lambda x: losses.total_variation(x, "squared"), IMAGE),
    "ssim": Case(lambda x: losses.ssim(x, half(x)), IMAGE),
    "ms_ssim": Case(lambda x: losses.ms_ssim(x, half(x)), LARGE),
    "focal_frequency": Case(lambda x: losses.focal_frequency(x, half(x)), IMAGE, constant_weights=True),
    "focal_frequency, patches": Case(
        lambda x: losses.focal_frequency(x, half(x), 2.0, patches=2), IMAGE, constant_weights=True
    ),
    "focal_frequency, alpha 0": Case(lambda x: losses.focal_frequency(x, half(x), 0.0), IMAGE),
    "fourier_l1": Case(lambda x: losses.fourier_l1(x, half(x)), IMAGE),
    "local_discriminative": Case(lambda x: losses.local_discriminative(x, half(x)), IMAGE, constant_weights=True),
    "local_discriminative, average": Case(
        lambda x: losses.local_discriminative(x, half(x), half(x) * 0.5), IMAGE, constant_weights=True
    ),
    "color_consistency": Case(lambda x: losses.color_consistency(x, half(x)), IMAGE),
    "sobel": Case(lambda x: losses.sobel(x, half(x)), IMAGE),
    "sobel, magnitude": Case(lambda x: losses.sobel(x, half(x), "magnitude"), IMAGE),
    "stationary_wavelet": Case(lambda x: losses.stationary_wavelet(x, half(x)), IMAGE),
    "stationary_wavelet, two levels": Case(
        lambda x: losses.stationary_wavelet(x, half(x), "haar", 2, 0.1, "sum"), IMAGE
    ),
    "structure_and_texture": Case(
        lambda x: losses.structure_and_texture({"a": x}, {"a": half(x)}, *WEIGHTS_OF_CHANNELS), IMAGE
    ),
    "consistency": Case(lambda x: losses.consistency(x, halved(half(x)), halved), IMAGE),
    "contextual": Case(lambda x: losses.contextual(x, half(x)), IMAGE),
    "gram_matrix": Case(lambda x: losses.gram_matrix(x).square().sum(), IMAGE),
    "feature_distance": Case(lambda x: losses.feature_distance({"a": x}, {"a": half(x)}, {"a": 2.0}, "l2"), IMAGE),
    "reconstruction_energy": Case(lambda x: losses.reconstruction_energy(x, half(x)).mean(), IMAGE),
    "reconstruction_energy, of the image": Case(lambda x: losses.reconstruction_energy(half(x), x).mean(), IMAGE),
    "reconstruction_energy, mean-square": Case(
        lambda x: losses.reconstruction_energy(x, half(x), "mean-square").mean(), IMAGE
    ),
    "pulling_away": Case(losses.pulling_away, VECTOR),
    "feature_matching": Case(lambda x: losses.feature_matching(half(x), x), IMAGE),
    "feature_matching, several layers": Case(lambda x: losses.feature_matching([half(x)] * 2, [x, x * x]), VECTOR),
    "moment_matching": Case(lambda x: losses.moment_matching(half(x), x, 3), VECTOR),
    "maximum_mean_discrepancy": Case(lambda x: losses.maximum_mean_discrepancy(half(x), x), VECTOR),
    "maximum_mean_discrepancy, unbiased": Case(
        lambda x: losses.maximum_mean_discrepancy(half(x), x, (1.0,), "unbiased"), VECTOR
    ),
    "minibatch_similarity": Case(lambda x: losses.minibatch_similarity(x[..., None]).sum(), VECTOR),
    "categorical_information": Case(lambda x: losses.categorical_information(x, CODE), VECTOR, order_matters=True),
    "uniform_information": Case(lambda x: losses.uniform_information(x, half(x)), VECTOR),
    "gaussian_information": Case(lambda x: losses.gaussian_information(x, half(x), half(x)), VECTOR),
    "gaussian_information, log variance": Case(
        lambda x: losses.gaussian_information(half(x), x, half(x) + 1), VECTOR, largest=80
    ),
    "entropy_from_logits": Case(losses.entropy_from_logits, VECTOR),
    "marginal_entropy": Case(losses.marginal_entropy, VECTOR),
    "labelled_cross_entropy": Case(
        lambda x: losses.labelled_cross_entropy(x, LABEL), VECTOR, order_matters=True, without_gradient=(1, 3)
    ),
    "real_logit": Case(lambda x: losses.real_logit(x).mean(), VECTOR),
    "unlabelled_loss": Case(lambda x: losses.unlabelled_loss(x, half(x)), VECTOR),
    "unlabelled_loss, fake": Case(lambda x: losses.unlabelled_loss(half(x), x), VECTOR),
    "gaussian_kl": Case(lambda x: losses.gaussian_kl(x, half(x)), VECTOR),
    "gaussian_kl, log variance": Case(lambda x: losses.gaussian_kl(half(x), x), VECTOR, largest=80),
    "bernoulli_nll": Case(lambda x: losses.bernoulli_nll(x, half(x)), IMAGE),
    "gaussian_nll": Case(lambda x: losses.gaussian_nll(x, half(x), -1.0), IMAGE),
    "gaussian_nll, log variance": Case(lambda x: losses.gaussian_nll(half(x), half(x) + 1, x), VECTOR, largest=80),
    "discretised_logistic_nll": Case(lambda x: losses.discretised_logistic_nll(x, half(x), -2.0), VECTOR),
    "discretised_logistic_nll, log scale": Case(
        lambda x: losses.discretised_logistic_nll(half(x) + 0.1, half(x), x), VECTOR
    ),
    "negative_elbo": Case(lambda x: losses.negative_elbo(losses.bernoulli_nll(x, half(x)), x, half(x)), VECTOR),
    "iwae_bound": Case(lambda x: losses.iwae_bound(x.T), VECTOR),
    "importance_log_weights": Case(
        lambda x: losses.importance_log_weights(half(x).sum(1)[None], x[None], half(x), torch.zeros_like(x)).mean(),
        VECTOR,
    ),
    "learned_similarity": Case(lambda x: losses.learned_similarity(x, half(x)), IMAGE),
    "categorical_pixel_nll": Case(
        lambda x: losses.categorical_pixel_nll(x[:, :, None], every_class(x)[:, None]), IMAGE
    ),
    "mixture_of_logistics_nll, grey": Case(
        lambda x: losses.mixture_of_logistics_nll(x, half(x)[:, :1].clamp(0, 1)), (2, 6, 8, 7)
    ),
    "mixture_of_logistics_nll, rgb": Case(
        lambda x: losses.mixture_of_logistics_nll(x, half(x)[:, :3].clamp(0, 1)), (2, 20, 8, 7)
    ),
    "historical_averaging": Case(lambda x: losses.historical_averaging([x], [half(x)]), VECTOR),
    "estimate_divergence": Case(lambda x: losses.estimate_divergence("kl", half(x), x)[0], VECTOR),
    "estimate_divergence, error": Case(lambda x: losses.estimate_divergence("gan", x, half(x))[1], VECTOR),
    "SSIMLoss": Case(lambda x: losses.SSIMLoss()(x, half(x)), IMAGE),
    "MSSSIMLoss": Case(lambda x: losses.MSSSIMLoss()(x, half(x)), LARGE),
    "FeatureLoss": Case(lambda x: losses.FeatureLoss(lambda image: {"a": image * image})(x, half(x)), IMAGE),
    "EnergyMargin, critic": Case(
        lambda x: losses.EnergyMargin(1.0).critic_loss(x.mean(dim=1), x.mean(dim=1) / 2), VECTOR
    ),
    "EnergyMargin, generator": Case(losses.EnergyMargin(1.0).generator_loss, VECTOR),
    "CategoricalGAN, critic": Case(lambda x: losses.CategoricalGAN().critic_loss(x, 2 * x), VECTOR),
    "CategoricalGAN, labelled critic": Case(
        lambda x: losses.CategoricalGAN().critic_loss(x, 2 * x, LABEL), VECTOR, order_matters=True
    ),
    "CategoricalGAN, generator": Case(losses.CategoricalGAN().generator_loss, VECTOR),
    "SemiSupervised, critic": Case(
        lambda x: losses.SemiSupervised().critic_loss(x, 2 * x, LABEL), VECTOR, order_matters=True
    ),
    "SemiSupervised, generator": Case(losses.SemiSupervised().generator_loss, VECTOR),
    "MSSSIMLoss, small": Case(lambda x: losses.MSSSIMLoss()(half(x) + 0.1 * x, half(x)), (2, 1, 64, 70)),
}
FILLS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "target": lambda x, _: half(x).clone(),
    "zeros": lambda x, _: torch.zeros_like(x),
    "ones": lambda x, _: torch.ones_like(x),
    "half": lambda x, _: torch.full_like(x, 0.5),
    "largest": torch.full_like,
    "smallest": lambda x, largest: torch.full_like(x, -largest),
    "range": lambda x, largest: torch.linspace(-largest, largest, x.numel()).reshape(x.shape),
}
ELSEWHERE = {
    "alone": "no loss: see test_distributed.py",
    "artifact_map": "a weight, without a gradient",
    "batch_layout": "no loss: see tests/srgan_kit/training/test_whole_batches.py",
    "batch_part": "no loss: the same",
    "bits_per_dimension": "another unit",
    "categorical_entropy": "a constant",
    "drawn_for_batch": "no loss: the same",
    "global_mean": "no loss: see test_distributed.py",
    "gradient_penalty": "takes a critic: see test_regularization.py",
    "processes": "no loss: see test_distributed.py",
    "r1_penalty": "takes a critic: see test_regularization.py",
    "r2_penalty": "takes a critic: see test_regularization.py",
    "reparameterise": "a sample",
    "sample_mixture_of_logistics": "a sample",
    "uniform_entropy": "a constant",
}
every = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
pytestmark = pytest.mark.filterwarnings("ignore:.*far outside")  # extreme values are meant here


def test_every_public_function_is_here_or_has_a_reason_not_to_be() -> None:
    here = {name.partition(",")[0] for name in CASES}
    assert {name for name in losses.__all__ if name.islower()} == {n for n in here if n.islower()} | set(ELSEWHERE)


@every
def test_gradient_reaches_every_sample_that_counts(case: Case) -> None:
    x = torch.rand(case.shape, requires_grad=True)
    value = case.function(x)
    assert value.shape == ()
    (gradient,) = torch.autograd.grad(value, x)
    assert gradient.isfinite().all()
    reached = (gradient.flatten(1) != 0).any(dim=1)
    assert [i for i in range(len(x)) if not reached[i]] == list(case.without_gradient)


@every
@pytest.mark.parametrize("fill", FILLS.values(), ids=FILLS.keys())
def test_finite_where_formulas_are_delicate(case: Case, fill) -> None:
    x = fill(torch.empty(case.shape), case.largest).requires_grad_()
    value = case.function(x)
    (gradient,) = torch.autograd.grad(value, x)
    assert value.isfinite()
    assert gradient.isfinite().all()


@every
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_16_bit_input_is_computed_in_fp32(case: Case, dtype) -> None:
    x = torch.rand(case.shape).to(dtype).requires_grad_()
    value = case.function(x)
    assert value.dtype == torch.float32
    # What the cases themselves compute of x, 2 x for instance, is rounded to 8 bits.
    torch.testing.assert_close(value, case.function(x.detach().float()), rtol=2e-2, atol=1e-3)
    (gradient,) = torch.autograd.grad(value, x)
    assert gradient.dtype == dtype
    assert gradient.isfinite().all()


@every
def test_float64_stays_float64(case: Case) -> None:
    x = torch.rand(case.shape, dtype=torch.float64)
    value = case.function(x)
    assert value.dtype == torch.float64
    torch.testing.assert_close(value.float(), case.function(x.float()), rtol=1e-4, atol=1e-5)


@every
def test_autocast_does_not_cost_digits(case: Case) -> None:
    x = torch.rand(case.shape)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = case.function(x)
    torch.testing.assert_close(inside, case.function(x), rtol=1e-5, atol=1e-6)


@every
def test_compiles_without_graph_breaks(case: Case) -> None:
    torch._dynamo.reset()
    x = torch.rand(case.shape)
    compiled = torch.compile(case.function, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), case.function(x))


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=name) for name, case in CASES.items() if not case.order_matters]
)
def test_order_of_the_batch_does_not_matter(case: Case) -> None:
    x = torch.rand(case.shape, dtype=torch.float64)
    torch.testing.assert_close(case.function(x.flip(0)), case.function(x), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=name) for name, case in CASES.items() if not case.constant_weights]
)
def test_gradient_is_the_slope(case: Case) -> None:
    x = torch.rand(case.shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(case.function, (x,), fast_mode=True, atol=1e-5)


def test_everything_that_is_public_is_exported_once() -> None:
    assert sorted(losses.__all__) == losses.__all__
    for name in losses.__all__:
        assert getattr(losses, name).__doc__, f"{name} has no docstring"


def test_values_keep_their_type_whatever_torchs_default_is() -> None:
    image, target = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    torch.set_default_dtype(torch.float64)
    try:
        found = [losses.l1(image, target), losses.total_variation(image), losses.color_consistency(image, target)]
    finally:
        torch.set_default_dtype(torch.float32)
    assert {value.dtype for value in found} == {torch.float32}
