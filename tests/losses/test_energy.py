"""The energy-based losses: values by hand, the mistakes of other implementations, properties."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from losses import EnergyMargin, pulling_away, r1_penalty, reconstruction_energy


@st.composite
def embeddings(draw) -> Tensor:
    shape = draw(st.tuples(st.integers(2, 8), st.integers(1, 10)))
    return torch.randn(shape, generator=torch.Generator().manual_seed(draw(st.integers(0, 10_000)))).double()


# --- the energy of an image -------------------------------------------------------------------------------------------


def test_energy_is_the_length_or_the_mean_square_of_each_samples_residual() -> None:
    image, reconstruction = torch.rand(3, 2, 4, 5), torch.rand(3, 2, 4, 5)
    for i in range(3):
        residual = (image[i] - reconstruction[i]).flatten().tolist()
        square = sum(r * r for r in residual)
        assert reconstruction_energy(image, reconstruction)[i].item() == pytest.approx(math.sqrt(square), rel=1e-5)
        mean_square = reconstruction_energy(image, reconstruction, "mean-square")[i].item()
        assert mean_square == pytest.approx(square / 40, rel=1e-5)


def test_energy_has_gradients_for_the_image_as_well_which_a_detached_target_takes_away() -> None:
    """The generator of an auto-encoder critic is trained through the image, on both sides of the difference."""
    image = torch.rand(2, 4, dtype=torch.float64, requires_grad=True)

    def reconstruction(x: Tensor) -> Tensor:
        return 0.5 * x

    def detached(x: Tensor) -> Tensor:
        return reconstruction_energy(x.detach(), reconstruction(x), "mean-square").sum()

    def ours(x: Tensor) -> Tensor:
        return reconstruction_energy(x, reconstruction(x), "mean-square").sum()

    (right,) = torch.autograd.grad(ours(image), image)
    (wrong,) = torch.autograd.grad(detached(image), image)
    torch.testing.assert_close(right, image.detach() / 8)  # of mean (x / 2)^2 over 4 elements
    torch.testing.assert_close(wrong, -image.detach() / 8)  # the opposite direction
    assert torch.autograd.gradcheck(ours, image)


@pytest.mark.parametrize("form", ["euclidean", "mean-square"])
def test_energy_of_a_perfect_reconstruction_is_zero_with_gradient_zero(form) -> None:
    image = torch.rand(2, 3, 4, 4, requires_grad=True)
    energy = reconstruction_energy(image, image.detach(), form)
    (gradient,) = torch.autograd.grad(energy.sum(), image)
    assert energy.tolist() == [0, 0]
    assert (gradient == 0).all()


@given(embeddings())
def test_energy_is_symmetric_not_negative_and_each_samples_own(image: Tensor) -> None:
    other = image.roll(1, dims=1) + 0.1
    for form in ("euclidean", "mean-square"):
        energy = reconstruction_energy(image, other, form)
        assert torch.equal(energy, reconstruction_energy(other, image, form))
        assert (energy >= 0).all()
        torch.testing.assert_close(reconstruction_energy(image[:1], other[:1], form), energy[:1])


# --- the margin -------------------------------------------------------------------------------------------------------


def test_margin_losses_by_hand() -> None:
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([4.0, 12.0, 9.0])
    loss = EnergyMargin(10.0)
    assert loss.critic_loss(real, fake).item() == pytest.approx(2 + (6 + 0 + 1) / 3)
    assert loss.generator_loss(fake).item() == pytest.approx(25 / 3)
    assert loss.generator_loss(fake, real).item() == pytest.approx(25 / 3)


def test_margin_holds_for_each_sample_where_a_hinge_on_the_mean_lets_one_hide_behind_another() -> None:
    real, fake = torch.zeros(2), torch.tensor([0.0, 30.0], requires_grad=True)
    hinge_of_the_mean = F.relu(10 - fake.mean())
    assert hinge_of_the_mean == 0  # content, though the first fake image passes for real
    value = EnergyMargin(10.0).critic_loss(real, fake)
    assert value.item() == pytest.approx(5)
    (gradient,) = torch.autograd.grad(value, fake)
    assert gradient.tolist() == [-0.5, 0.0]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=10), st.lists(st.floats(0, 100), min_size=1, max_size=10))
def test_critic_loss_is_not_negative_and_zero_at_its_goal(real: list[float], fake: list[float]) -> None:
    loss, real_energy, fake_energy = EnergyMargin(20.0), torch.tensor(real), torch.tensor(fake)
    assert loss.critic_loss(real_energy, fake_energy) >= 0
    assert loss.critic_loss(0 * real_energy, fake_energy + 20) == 0


# --- pulling away -----------------------------------------------------------------------------------------------------


def test_pulling_away_is_the_double_sum_of_the_paper() -> None:
    rows = torch.randn(5, 7, dtype=torch.float64)
    pairs = [F.cosine_similarity(rows[i], rows[j], dim=0) ** 2 for i in range(5) for j in range(5) if i != j]
    torch.testing.assert_close(pulling_away(rows), torch.stack(pairs).sum() / (5 * 4))


def test_a_batch_collapsed_onto_a_line_scores_one_where_mistaken_forms_do_not() -> None:
    same = torch.tensor([0.3, -0.4, 1.2]).double().expand(64, 3)
    antipodal = torch.where(torch.arange(64)[:, None] % 2 == 0, same, -same)

    def without_the_square(rows: Tensor) -> float:
        unit = F.normalize(rows, dim=1)
        return (((unit @ unit.T).sum() - 64) / (64 * 63)).item()

    def normalised_over_the_batch(rows: Tensor) -> float:
        unit = F.normalize(rows[:4], dim=0)
        squares = (unit @ unit.T).square()
        return ((squares.sum() - squares.diagonal().sum()) / (4 * 3)).item()

    assert without_the_square(antipodal) == pytest.approx(-0.016, abs=1e-3)
    assert normalised_over_the_batch(torch.ones(4, 2).double()) == pytest.approx(0.25)
    assert pulling_away(torch.ones(4, 2).double()).item() == pytest.approx(1)
    assert pulling_away(same).item() == pytest.approx(1)
    assert pulling_away(antipodal).item() == pytest.approx(1)


@pytest.mark.parametrize("dimensions", [4, 16, 64])
def test_random_rows_score_one_over_their_dimensions(dimensions: int) -> None:
    assert pulling_away(torch.randn(2000, dimensions)).item() == pytest.approx(1 / dimensions, rel=0.05)


@given(embeddings(), st.floats(-1000, 1000).filter(lambda s: abs(s) > 1e-3), st.randoms())
def test_pulling_away_knows_directions_only_and_no_order(rows: Tensor, scale: float, random) -> None:
    value = pulling_away(rows)
    assert -1e-12 <= value <= 1 + 1e-12
    torch.testing.assert_close(pulling_away(scale * rows), value)
    torch.testing.assert_close(pulling_away(rows * torch.linspace(0.1, -3.05, len(rows)).double()[:, None]), value)
    order = list(range(len(rows)))
    random.shuffle(order)
    torch.testing.assert_close(pulling_away(rows[order]), value)


@given(st.integers(-30, 30))
def test_no_row_is_too_short_or_too_long_for_a_direction(exponent: int) -> None:
    rows = torch.tensor([[1.0, 2.0], [1.0, 2.0], [-2.0, -4.0]]) * 10.0**exponent
    assert pulling_away(rows).item() == pytest.approx(1)


def test_rows_of_zeros_are_orthogonal_to_all_with_gradient_zero() -> None:
    rows = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]], requires_grad=True)
    value = pulling_away(rows)
    (gradient,) = torch.autograd.grad(value, rows)
    assert value == 0
    assert (gradient == 0).all()


def test_gradients_of_pulling_away() -> None:
    assert torch.autograd.gradcheck(pulling_away, torch.randn(4, 3, dtype=torch.float64, requires_grad=True))


def test_a_step_against_the_gradient_spreads_the_batch() -> None:
    rows = (torch.ones(8, 4) + 0.01 * torch.randn(8, 4)).requires_grad_()
    value = pulling_away(rows)
    (gradient,) = torch.autograd.grad(value, rows)
    assert pulling_away(rows - 10 * gradient) < value


def test_wrong_input_is_a_value_error_that_says_what_came() -> None:
    with pytest.raises(ValueError, match=r"one shape, got \(2, 3\) and \(2, 4\)"):
        reconstruction_energy(torch.zeros(2, 4), torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"images \(N, \.\.\.\), got \(4,\)"):
        reconstruction_energy(torch.zeros(4), torch.zeros(4))
    with pytest.raises(ValueError, match=r"torch\.uint8"):
        reconstruction_energy(torch.zeros(2, 4).byte(), torch.zeros(2, 4))
    with pytest.raises(ValueError, match="'l1'"):
        reconstruction_energy(torch.zeros(2, 4), torch.zeros(2, 4), "l1")  # pyright: ignore[reportArgumentType]
    for margin in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match=f"margin: expected a positive number, got {margin}"):
            EnergyMargin(margin)
    with pytest.raises(ValueError, match=r"\(N, D\), got \(2, 3, 1\)"):
        pulling_away(torch.zeros(2, 3, 1))
    with pytest.raises(ValueError, match=r"two rows to compare, got \(1, 3\)"):
        pulling_away(torch.zeros(1, 3))
    with pytest.raises(ValueError, match=r"torch\.int64"):
        pulling_away(torch.zeros(2, 3).long())


def test_a_penalty_of_the_slope_is_finite_at_a_perfect_reconstruction() -> None:
    image = torch.zeros(2, 3, 4, 4, requires_grad=True)
    network = torch.nn.Conv2d(3, 3, 1, bias=False)
    r1_penalty(reconstruction_energy(image, network(image)), image).backward()
    assert network.weight.grad is not None
    assert network.weight.grad.isfinite().all()
