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
LOG_SCALE = torch.full((1, 1), -2.0)


def random_vgg() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    state: dict[str, Tensor] = {}
    for layer, before, after in ((0, 3, 64), (2, 64, 64)):
        state[f"features.{layer}.weight"] = torch.randn(after, before, 3, 3, generator=generator) * 0.1
        state[f"features.{layer}.bias"] = torch.randn(after, generator=generator) * 0.1
    return state


def downscale(image: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(image, 2)


@dataclass(frozen=True)
class Case:
    """A loss as a function of one input, everything else fixed by that input's shape."""

    function: Callable[[Tensor], Tensor]
    shape: tuple[int, ...]
    symmetric_in_batch: bool = True  # whether the other input is the same for every sample


def half(x: Tensor) -> Tensor:
    """A target for any input: 1/2 everywhere but for a little structure."""
    return 0.5 + 0.2 * torch.sin(torch.arange(x[0].numel(), dtype=torch.float32)).reshape(x.shape[1:]).expand(x.shape)


CASES: dict[str, Case] = {
    "l1": Case(lambda x: losses.l1(x, half(x)), IMAGE),
    "mse": Case(lambda x: losses.mse(x, half(x)), IMAGE),
    "charbonnier": Case(lambda x: losses.charbonnier(x, half(x)), IMAGE),
    "charbonnier barron": Case(lambda x: losses.charbonnier(x, half(x), 0.1, "barron"), IMAGE),
    "huber": Case(lambda x: losses.huber(x, half(x), 0.1), IMAGE),
    "masked l1": Case(lambda x: losses.l1(x, half(x), weight=(half(x) > 0.5).float()), IMAGE),
    "total variation": Case(losses.total_variation, IMAGE),
    "total variation isotropic": Case(lambda x: losses.total_variation(x, "isotropic"), IMAGE),
    "ssim": Case(lambda x: losses.SSIMLoss()(x, half(x)), IMAGE),
    "ms-ssim": Case(lambda x: losses.MSSSIMLoss()(x, half(x)), LARGE),
    "focal frequency": Case(lambda x: losses.focal_frequency(x, half(x)), IMAGE),
    "focal frequency patches": Case(lambda x: losses.focal_frequency(x, half(x), 2.0, patches=2), IMAGE),
    "fourier l1": Case(lambda x: losses.fourier_l1(x, half(x)), IMAGE),
    "local discriminative": Case(lambda x: losses.local_discriminative(x, half(x)), IMAGE),
    "local discriminative average": Case(lambda x: losses.local_discriminative(x, half(x), half(x) * 0.5), IMAGE),
    "consistency": Case(lambda x: losses.consistency(x, downscale(half(x)), downscale), IMAGE),
    "contextual": Case(lambda x: losses.contextual(x, half(x)), IMAGE),
    "gram matrix": Case(lambda x: losses.gram_matrix(x).square().sum(), IMAGE),
    "pulling away": Case(losses.pulling_away, VECTOR),
    "reconstruction energy": Case(lambda x: losses.reconstruction_energy(x, half(x)).mean(), IMAGE),
    "mean-square energy": Case(lambda x: losses.reconstruction_energy(x, half(x), "mean-square").mean(), IMAGE),
    "feature matching": Case(lambda x: losses.feature_matching(half(x), x), IMAGE),
    "moment matching": Case(lambda x: losses.moment_matching(half(x), x, 3), VECTOR),
    "mmd": Case(lambda x: losses.maximum_mean_discrepancy(half(x), x), VECTOR),
    "mmd unbiased": Case(lambda x: losses.maximum_mean_discrepancy(half(x), x, (1.0,), "unbiased"), VECTOR),
    "minibatch similarity": Case(lambda x: losses.minibatch_similarity(x[..., None]).sum(), VECTOR),
    "categorical information": Case(lambda x: losses.categorical_information(x, CODE), VECTOR, False),
    "uniform information": Case(lambda x: losses.uniform_information(x, half(x)), VECTOR),
    "gaussian information": Case(lambda x: losses.gaussian_information(x, x, half(x)), VECTOR),
    "entropy": Case(losses.entropy_from_logits, VECTOR),
    "marginal entropy": Case(losses.marginal_entropy, VECTOR),
    "labelled cross entropy": Case(lambda x: losses.labelled_cross_entropy(x, LABEL), VECTOR, False),
    "catgan critic": Case(lambda x: losses.CategoricalGAN().critic_loss(x, 2 * x), VECTOR),
    "catgan critic, labelled": Case(lambda x: losses.CategoricalGAN().critic_loss(x, 2 * x, LABEL), VECTOR, False),
    "catgan generator": Case(losses.CategoricalGAN().generator_loss, VECTOR),
    "semi-supervised critic": Case(lambda x: losses.SemiSupervised().critic_loss(x, 2 * x, LABEL), VECTOR, False),
    "gaussian kl": Case(lambda x: losses.gaussian_kl(x, half(x)), VECTOR),
    "bernoulli nll": Case(lambda x: losses.bernoulli_nll(x, half(x)), IMAGE),
    "gaussian nll": Case(lambda x: losses.gaussian_nll(x, half(x), -1.0), IMAGE),
    "discretised logistic nll": Case(lambda x: losses.discretised_logistic_nll(x, LOG_SCALE, half(x)), VECTOR),
    "learned similarity": Case(lambda x: losses.learned_similarity(x, half(x)), IMAGE),
    "iwae": Case(lambda x: losses.iwae_bound(x.T), VECTOR),
    "categorical pixel nll": Case(
        lambda x: losses.categorical_pixel_nll(x[:, :, None], (half(x)[:, :1] > 0.5).float()), IMAGE
    ),
    "mixture of logistics, grey": Case(
        lambda x: losses.mixture_of_logistics_nll(x, half(x)[:, :1].clamp(0, 1)), (2, 6, 8, 7)
    ),
    "mixture of logistics, rgb": Case(
        lambda x: losses.mixture_of_logistics_nll(x, half(x)[:, :3].clamp(0, 1)), (2, 20, 8, 7)
    ),
    "historical averaging": Case(lambda x: losses.historical_averaging([x], [half(x)]), VECTOR),
    "vgg features": Case(lambda x: losses.feature_distance({"a": x}, {"a": half(x)}, {"a": 1.0}, "charbonnier"), IMAGE),
}
every = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


@every
def test_gradient_reaches_every_part_of_the_input(case: Case) -> None:
    x = torch.rand(case.shape, requires_grad=True)
    value = case.function(x)
    assert value.shape == ()
    (gradient,) = torch.autograd.grad(value, x)
    assert gradient.isfinite().all()
    assert (gradient.flatten(1).abs().sum(dim=1) > 0).sum() >= len(x) - 3  # unlabelled samples may have none


@every
@pytest.mark.parametrize(
    "fill",
    [
        lambda shape: half(torch.empty(shape)),  # the target itself
        torch.zeros,
        torch.ones,
        lambda shape: torch.full(shape, 0.5),
        lambda shape: torch.full(shape, 1e4),
        lambda shape: torch.full(shape, -1e4),
        lambda shape: torch.linspace(-1e4, 1e4, torch.Size(shape).numel()).reshape(shape),
    ],
    ids=["target", "zeros", "ones", "half", "1e4", "-1e4", "range"],
)
def test_finite_where_formulas_are_delicate(case: Case, fill) -> None:
    x = fill(case.shape).requires_grad_()
    if case is CASES["gaussian information"] and x.abs().max() > 1e3:
        pytest.skip("log variances of 1e4 are no logits")
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
    torch.testing.assert_close(value, case.function(x.detach().float()), rtol=2e-2, atol=1e-3)
    (gradient,) = torch.autograd.grad(value, x)
    assert gradient.dtype == dtype
    assert gradient.isfinite().all()


@every
def test_autocast_does_not_cost_digits(case: Case) -> None:
    x = torch.rand(case.shape)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = case.function(x)
    torch.testing.assert_close(inside, case.function(x), rtol=1e-5, atol=1e-6)


@every
def test_compiles_without_graph_breaks(case: Case) -> None:
    torch._dynamo.reset()  # pyright: ignore
    x = torch.rand(case.shape)
    compiled = torch.compile(case.function, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), case.function(x))


@every
def test_order_of_the_batch_does_not_matter(case: Case) -> None:
    if not case.symmetric_in_batch:
        pytest.skip("each sample has a label of its own")
    x = torch.rand(case.shape, dtype=torch.float64)
    torch.testing.assert_close(case.function(x.flip(0)), case.function(x), rtol=1e-6, atol=1e-8)


@every
def test_gradient_is_the_slope(case: Case) -> None:
    shape = case.shape if len(case.shape) == 2 else tuple(min(n, 12) if n > 10 else n for n in case.shape)
    if case.shape == LARGE:
        pytest.skip("too many pixels for finite differences: see test_structural.py")
    x = torch.rand(shape, dtype=torch.float64, requires_grad=True)
    if case.function in (CASES["focal frequency"].function, CASES["focal frequency patches"].function):
        pytest.skip("its weights have no gradient by definition: see test_focal_frequency.py")
    if "local discriminative" in {name.split(" average")[0] for name, c in CASES.items() if c is case}:
        pytest.skip("its weights have no gradient by definition: see test_local_discriminative.py")
    assert torch.autograd.gradcheck(case.function, (x,), fast_mode=True, atol=1e-5)


def test_everything_that_is_public_is_exported_once() -> None:
    assert sorted(losses.__all__) == losses.__all__
    for name in losses.__all__:
        assert getattr(losses, name).__doc__, f"{name} has no docstring"
