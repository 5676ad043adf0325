"""Gradient penalties of critics whose gradients are known, historical averaging, and penalties at intervals."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from losses import HistoricalAverage, LazyRegularization, gradient_penalty, historical_averaging, r1_penalty, r2_penalty

PENALTIES = pytest.mark.parametrize("penalty", [r1_penalty, r2_penalty])


def quadratic(image: Tensor) -> Tensor:
    """Half the squared length of each sample: its gradient is the sample."""
    return image.flatten(1).square().sum(dim=1) / 2


@st.composite
def images(draw) -> Tensor:
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    return torch.randn(draw(st.tuples(*[st.integers(1, 5)] * 4)), generator=generator, dtype=torch.float64)


# --- R1 and R2 --------------------------------------------------------------------------------------------------------


@PENALTIES
@settings(max_examples=30)
@given(image=images(), gamma=st.floats(0, 100))
def test_penalty_is_half_gamma_times_the_mean_squared_length_of_the_samples_gradients(penalty, image, gamma) -> None:
    image = image.requires_grad_()
    expected = gamma / 2 * image.detach().flatten(1).square().sum(dim=1).mean()
    torch.testing.assert_close(penalty(quadratic(image), image, gamma), expected)
    torch.testing.assert_close(penalty(7 + 3 * quadratic(image), image, gamma), 9 * expected)
    flipped = image.detach().flip(0).requires_grad_()
    torch.testing.assert_close(penalty(quadratic(flipped), flipped, gamma), expected)


def test_default_has_the_half_that_others_forget() -> None:
    image = torch.tensor([[3.0, 4.0]], requires_grad=True)
    assert r1_penalty(quadratic(image), image).item() == 12.5
    (gradient,) = torch.autograd.grad(quadratic(image).sum(), image)
    without_the_half = gradient.square().sum().item()
    assert without_the_half == 25
    assert r1_penalty(quadratic(image), image, gamma=10).item() == 125


@PENALTIES
def test_scores_of_patches_count_as_the_sum_over_a_sample(penalty) -> None:
    image = torch.rand(2, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    patches = image.square() / 2
    torch.testing.assert_close(penalty(patches, image), penalty(quadratic(image), image))


@PENALTIES
def test_real_images_without_requires_grad_are_refused(penalty) -> None:
    """A penalty that quietly takes 0 for a gradient never acts."""
    image = torch.rand(2, 3)
    weight = torch.rand(3, requires_grad=True)
    with pytest.raises(ValueError, match=r"image\.requires_grad_\(\) before the critic"):
        penalty(image @ weight, image)
    image.requires_grad_()
    with torch.no_grad():
        score = image @ weight
    with pytest.raises(ValueError, match="score: expected one computed from the image with gradients"):
        penalty(score, image)
    with pytest.raises(ValueError, match="does not depend on it"):
        penalty(torch.rand(2, 3) @ weight, image)


@PENALTIES
def test_averaged_scores_are_refused_because_they_would_divide_the_penalty_by_the_squared_batch(penalty) -> None:
    image = torch.rand(4, 3, requires_grad=True)
    with pytest.raises(ValueError, match=r"not yet averaged, of images \(N, \.\.\.\); got \(\) and \(4, 3\)"):
        penalty(quadratic(image).mean(), image)
    with pytest.raises(ValueError, match=r"got \(4,\) and \(4,\)"):
        penalty(image[:, 0], image[:, 0])


@PENALTIES
def test_penalty_trains_the_critics_weights(penalty) -> None:
    image = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)

    def of_weights(weight: Tensor, bias: Tensor) -> Tensor:
        return penalty(torch.tanh(image @ weight + bias).sum(dim=1), image)

    weight, bias = (torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in ((4, 5), (5,)))
    assert torch.autograd.gradcheck(of_weights, (weight, bias))
    assert torch.autograd.grad(of_weights(weight, bias), weight)[0].abs().sum() > 0


def test_a_flat_critic_costs_nothing_and_has_a_gradient_to_leave_flatness() -> None:
    image, weight = torch.rand(2, 3, requires_grad=True), torch.zeros(3, requires_grad=True)
    value = r1_penalty(image @ weight, image)
    assert value == 0
    assert torch.autograd.grad(value, weight)[0].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_squares_of_16_bit_gradients_are_summed_in_fp32(dtype) -> None:
    image = torch.rand(2, 3, 8, 8, dtype=dtype, requires_grad=True)
    penalty = r1_penalty((300 * image).flatten(1).sum(dim=1), image)
    assert penalty.dtype == torch.float32
    assert penalty.item() == pytest.approx(300**2 * 192 / 2, rel=0.01)  # beyond fp16's 65504


# --- the gradient penalty ---------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(images(), st.floats(0, 5), st.floats(0, 3))
def test_penalty_of_a_linear_critic_is_the_squared_distance_of_its_slope_from_the_target(image, slope, target) -> None:
    direction = torch.randn(image[0].numel(), dtype=torch.float64)
    direction = slope * direction / direction.norm()
    value = gradient_penalty(lambda x: x.flatten(1) @ direction, image, image + 1, target)
    assert value.item() == pytest.approx((slope - target) ** 2, abs=1e-9)


def test_norm_is_that_of_a_sample_where_the_norm_over_channels_is_one_for_each_pixel() -> None:
    """A critic of slope 1 everywhere must cost nothing, whatever the size of the image."""
    real, fake = torch.rand(2, 3, 8, 8).double(), torch.rand(2, 3, 8, 8).double()

    def critic(x: Tensor) -> Tensor:
        return x.flatten(1).sum(dim=1) / math.sqrt(3 * 8 * 8)

    between = real.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between)
    per_pixel = (gradient.norm(dim=1) - 1).square().mean()
    assert per_pixel > 0.7
    assert gradient_penalty(critic, real, fake).item() == pytest.approx(0, abs=1e-12)


def test_points_lie_between_fake_and_real_at_a_share_of_each_samples_own() -> None:
    real, fake, seen = torch.ones(500, 2, 3), -torch.ones(500, 2, 3), []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return quadratic(x)

    gradient_penalty(critic, real, fake)
    (points,) = seen
    assert (points == points[:, :1, :1]).all()  # one share for all of a sample
    shares = points[:, 0, 0].sort().values
    assert shares.unique().numel() > 490
    torch.testing.assert_close(shares, torch.linspace(-1, 1, 500), rtol=0, atol=0.15)  # uniform


def test_value_of_a_quadratic_critic_and_reproducible_draws() -> None:
    real, fake = torch.full((400, 1), 3.0).double(), torch.full((400, 1), 1.0).double()
    value = gradient_penalty(quadratic, real, fake, generator=torch.Generator().manual_seed(1))
    again = gradient_penalty(quadratic, real, fake, generator=torch.Generator().manual_seed(1))
    assert torch.equal(value, again)
    assert value.item() == pytest.approx(4 / 3, rel=0.1)  # the mean of (x - 1)^2 for x uniform on [1, 3]
    assert gradient_penalty(quadratic, real, fake, target=0).item() == pytest.approx(13 / 3, rel=0.1)


def test_penalty_trains_the_critic_and_neither_image() -> None:
    real, fake = (torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))

    def of_weights(weight: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return gradient_penalty(lambda x: torch.tanh(x @ weight).sum(dim=1), real, fake, generator=generator)

    weight = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(of_weights, (weight,))
    of_weights(weight).backward()
    assert weight.grad is not None
    assert weight.grad.abs().sum() > 0
    assert real.grad is None
    assert fake.grad is None


def test_a_critic_without_slope_has_a_finite_gradient() -> None:
    weight = torch.zeros(3, requires_grad=True)
    value = gradient_penalty(lambda x: x @ weight, torch.rand(2, 3), torch.rand(2, 3))
    assert value == 1
    assert torch.autograd.grad(value, weight)[0].isfinite().all()


def test_fake_images_of_another_precision() -> None:
    real, fake = torch.ones(2, 3), torch.ones(2, 3).bfloat16()
    for pair in ((real, fake), (fake, real), (real, fake.double())):
        torch.testing.assert_close(gradient_penalty(quadratic, *pair).float(), torch.tensor((3**0.5 - 1) ** 2))
    assert gradient_penalty(quadratic, fake, fake).dtype == torch.float32


def test_wrong_images_and_critics_are_a_value_error_that_says_what_came() -> None:
    image = torch.rand(2, 3)
    with pytest.raises(ValueError, match=r"one shape, got \(2, 3\) and \(1, 3\)"):
        gradient_penalty(quadratic, image, image[:1])
    with pytest.raises(ValueError, match=r"got \(3,\) and \(3,\)"):
        gradient_penalty(quadratic, image[0], image[0])
    with pytest.raises(ValueError, match=r"floating-point images, got torch\.uint8 and torch\.float32"):
        gradient_penalty(quadratic, image.byte(), image)
    with pytest.raises(ValueError, match="not yet averaged"):
        gradient_penalty(lambda x: x.mean(), image, image)
    with pytest.raises(ValueError, match="score: expected one computed from the image"):
        gradient_penalty(lambda x: torch.zeros(2), image, image)


# --- historical averaging ---------------------------------------------------------------------------------------------


def test_averaging_is_the_squared_distance_and_its_gradient_leads_back() -> None:
    parameters = [torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([[3.0]], requires_grad=True)]
    averages = [torch.tensor([0.0, 4.0], requires_grad=True), torch.tensor([[3.5]])]
    value = historical_averaging(parameters, averages)
    assert value.item() == 1 + 4 + 0.25
    value.backward()
    assert [p.grad.tolist() for p in parameters if p.grad is not None] == [[2, -4], [[-1]]]
    assert averages[0].grad is None
    assert torch.equal(historical_averaging(iter(parameters), iter(averages)), value)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=1, max_size=20))
def test_average_is_that_of_all_updates(history: list[tuple[float, float]]) -> None:
    steps = torch.tensor(history, dtype=torch.float64)
    average = HistoricalAverage([steps[0, :1], steps[0, 1:]])
    for step in steps[1:]:
        average.update([step[:1], step[1:]])
    torch.testing.assert_close(torch.cat(average.averages), steps.mean(dim=0))
    expected = (steps[-1] - steps.mean(dim=0)).square().sum()
    torch.testing.assert_close(average.penalty([steps[-1, :1], steps[-1, 1:]]), expected)


def test_first_step_costs_nothing_and_the_average_does_not_follow_the_parameter_itself() -> None:
    parameter = nn.Parameter(torch.ones(3))
    average = HistoricalAverage([parameter])
    assert average.penalty([parameter]) == 0
    with torch.no_grad():
        parameter += 1
    assert average.penalty([parameter]) == 3


def test_more_than_ten_parameters_keep_their_order() -> None:
    parameters = [torch.full((2,), float(i)) for i in range(12)]
    average = HistoricalAverage(parameters)
    assert [a[0].item() for a in average.averages] == list(range(12))
    average.update(parameters)
    assert average.penalty(parameters) == 0


def test_averages_survive_a_restart() -> None:
    first = HistoricalAverage([torch.zeros(2)])
    for i in range(5):
        first.update([torch.full((2,), float(i))])
    second = HistoricalAverage([torch.ones(2)])
    second.load_state_dict(first.state_dict())
    for average in (first, second):
        average.update([torch.full((2,), 9.0)])
    assert torch.equal(first.averages[0], second.averages[0])
    assert second.count == 7


def test_averages_of_16_bit_parameters_keep_small_steps() -> None:
    average = HistoricalAverage([torch.ones(1).bfloat16()])
    for _ in range(1000):
        average.update([torch.tensor([1.0078125]).bfloat16()])  # the next number in bf16
    assert average.averages[0].item() == pytest.approx(1 + 0.0078125 * 1000 / 1001, abs=1e-4)


def test_the_term_belongs_to_the_players_loss_where_an_optimiser_step_of_its_own_loses_its_weight() -> None:
    """Adam scales each step to the learning rate, so what is alone in a loss acts whatever its weight."""

    def trained(weight: float, separately: bool) -> float:
        parameter, past = torch.ones(1, requires_grad=True), torch.zeros(1)
        optimizer, other = (torch.optim.Adam([parameter], lr=0.1) for _ in range(2))
        loss, term = -parameter.sum(), weight * historical_averaging([parameter], [past])
        if separately:
            gradients = torch.autograd.grad(loss, parameter), torch.autograd.grad(term, parameter)
            for player, (gradient,) in zip((optimizer, other), gradients, strict=True):
                parameter.grad = gradient
                player.step()
        else:
            (loss + term).backward()
            optimizer.step()
        return parameter.item()

    assert trained(1e-3, separately=True) == pytest.approx(trained(1e3, separately=True), abs=1e-3)
    assert trained(1e-3, separately=False) == pytest.approx(1.1)  # away from the past, as the loss asks
    assert trained(1e3, separately=False) == pytest.approx(0.9)  # back


def test_parameters_that_do_not_fit_their_averages_are_a_value_error_that_says_what_came() -> None:
    average = HistoricalAverage([torch.zeros(2)])
    for wrong in ([], [torch.zeros(1)], [torch.zeros(2), torch.zeros(3)]):
        for call in (average.penalty, average.update):
            with pytest.raises(ValueError, match=r"parameters and averages of the same shapes, got .* and \[\(2,\)\]"):
                call(wrong)
    assert average.count == 1
    with pytest.raises(ValueError, match=r"got \[\] and \[\]"):
        historical_averaging([], [])


# --- intervals --------------------------------------------------------------------------------------------------------


@given(st.integers(1, 64), st.integers(0, 5))
def test_weights_at_intervals_are_one_on_average(every: int, rounds: int) -> None:
    weights = [LazyRegularization(every).weight(step) for step in range(every * rounds, every * (rounds + 1))]
    assert sum(weights) == every
    assert [step for step, weight in enumerate(weights) if weight] == [0]
    assert [LazyRegularization(every).is_due(step) for step in range(every)] == [True] + [False] * (every - 1)


@pytest.mark.parametrize("every", [0, -3])
def test_interval_of_no_steps(every: int) -> None:
    with pytest.raises(ValueError, match=f"every: expected 1 or more, got {every}"):
        LazyRegularization(every)


def test_an_average_keeps_its_digits_when_its_model_is_cast() -> None:
    average = HistoricalAverage([torch.tensor([1.0])])
    holder = torch.nn.ModuleList([average]).half()
    for _ in range(3000):
        average.update([torch.tensor([2.0])])
    assert average.averages[0].dtype == torch.float32
    assert average.averages[0].item() == pytest.approx(2 - 1 / 3001, abs=1e-5)
    assert holder.state_dict()["0.average0"].dtype == torch.float32
