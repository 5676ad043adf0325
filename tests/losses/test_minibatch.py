"""Minibatch discrimination: against plain sums, and the statistics that give a collapsed batch away."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from losses import MinibatchDiscrimination, minibatch_similarity


@st.composite
def projections(draw) -> Tensor:
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    return torch.randn(draw(st.tuples(*[st.integers(1, 6)] * 3)), generator=generator, dtype=torch.float64)


@settings(max_examples=50)
@given(projections())
def test_similarity_is_the_papers_sum_over_the_other_samples(projected: Tensor) -> None:
    samples, kernels, _ = projected.shape
    expected = torch.zeros(samples, kernels, dtype=torch.float64)
    for i in range(samples):
        for b in range(kernels):
            for j in range(samples):
                if j != i:
                    expected[i, b] += math.exp(-(projected[i, b] - projected[j, b]).abs().sum())
    torch.testing.assert_close(minibatch_similarity(projected), expected)


@settings(max_examples=50)
@given(projections(), st.randoms())
def test_similarity_moves_with_the_samples_and_lies_between_zero_and_the_number_of_others(projected, random) -> None:
    value = minibatch_similarity(projected)
    assert (value >= -1e-12).all()
    assert (value <= len(projected) - 1 + 1e-12).all()
    order = list(range(len(projected)))
    random.shuffle(order)
    torch.testing.assert_close(minibatch_similarity(projected[order]), value[order])
    torch.testing.assert_close(minibatch_similarity(projected + 5), value)
    torch.testing.assert_close(minibatch_similarity(-projected), value)


def test_a_sample_is_not_its_own_neighbour() -> None:
    assert minibatch_similarity(torch.randn(1, 4, 3)).tolist() == [[0, 0, 0, 0]]
    far_apart = 1000 * torch.arange(5.0).view(5, 1, 1)
    assert (minibatch_similarity(far_apart) == 0).all()


def test_two_equal_samples_see_each_other_and_a_third_sees_neither() -> None:
    projected = torch.tensor([[[0.0, 1.0]], [[0.0, 1.0]], [[99.0, 1.0]]])
    torch.testing.assert_close(minibatch_similarity(projected), torch.tensor([[1.0], [1.0], [0.0]]))


def test_real_and_fake_images_in_one_batch_hide_the_collapse_that_batches_of_their_own_show() -> None:
    real, collapsed = torch.randn(32, 1, 5), torch.randn(1, 1, 5).expand(32, 1, 5)
    own = minibatch_similarity(real), minibatch_similarity(collapsed)
    assert own[1].min() == 31
    assert own[0].max() < 10
    mixed = minibatch_similarity(torch.cat([real, collapsed]))
    assert (mixed[:32] >= own[0]).all()
    assert (mixed[:32] > own[0] + 1e-3).any()  # the real images' statistics now depend on the fake ones


def test_gradients_reach_all_samples_and_are_the_slope() -> None:
    projected = torch.randn(4, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(minibatch_similarity, (projected,))
    (gradient,) = torch.autograd.grad(minibatch_similarity(projected)[0].sum(), projected)
    assert (gradient.flatten(1).abs().sum(dim=1) > 0).all()  # the others' as well as its own
    equal = torch.ones(3, 2, 2, requires_grad=True)
    assert (torch.autograd.grad(minibatch_similarity(equal).sum(), equal)[0] == 0).all()


def test_module_appends_the_similarities_of_the_projected_features() -> None:
    module = MinibatchDiscrimination(6, kernels=4, dimensions=3).double()
    features = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    output = module(features)
    assert torch.equal(output[:, :6], features)
    tensor = module.projection.view(6, 4, 3)  # T: features x kernels x dimensions
    projected = torch.einsum("nf,fbc->nbc", features, tensor)
    torch.testing.assert_close(output[:, 6:], minibatch_similarity(projected))
    output.sum().backward()
    assert features.grad is not None
    assert module.projection.grad is not None
    assert module.projection.grad.abs().sum() > 0


def test_published_size_and_an_untrained_layer_that_tells_a_collapsed_batch_from_a_varied_one() -> None:
    module = MinibatchDiscrimination(256)
    assert module.projection.shape == (256, 100 * 5)
    varied = module(torch.randn(32, 256))[:, 256:]
    collapsed = module(torch.randn(1, 256).expand(32, 256))[:, 256:]
    assert varied.mean() < 10
    torch.testing.assert_close(collapsed, torch.full((32, 100), 31.0))
    assert varied.std() > 0  # neither saturated nor silent


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_16_bit_features_keep_their_type_and_similarities_are_summed_in_fp32(dtype) -> None:
    module = MinibatchDiscrimination(4).to(dtype)
    assert module(torch.randn(3, 4).to(dtype)).dtype == dtype
    projected = torch.zeros(600, 1, 1, dtype=dtype)  # 599 is no number of bf16
    assert (minibatch_similarity(projected) == 599).all()


def test_wrong_input_is_a_value_error_that_says_what_came() -> None:
    with pytest.raises(ValueError, match=r"\(N, B, C\), got \(3, 4\)"):
        minibatch_similarity(torch.zeros(3, 4))
    with pytest.raises(ValueError, match=r"torch\.int64"):
        minibatch_similarity(torch.zeros(3, 4, 5).long())
    for sizes, name in (((0, 1, 1), "features"), ((1, 0, 1), "kernels"), ((1, 1, 0), "dimensions")):
        with pytest.raises(ValueError, match=f"{name}: expected 1 or more, got 0"):
            MinibatchDiscrimination(*sizes)
    module = MinibatchDiscrimination(4)
    for wrong in (torch.zeros(2, 5), torch.zeros(4), torch.zeros(2, 4, 1)):
        with pytest.raises(ValueError, match=r"features \(N, 4\), got"):
            module(wrong)
