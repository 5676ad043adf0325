"""Weight normalisation: torch's own as the reference, gradients of first and second order, scales from data."""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from srgan_kit.layers import weight_norm as layers
from srgan_kit.layers.weight_norm import WeightNormLinear, initialising_from_data, row_lengths, weight_normed


def pair() -> tuple[WeightNormLinear, nn.Module]:
    """A layer and torch's with the same values, in double precision."""
    ours = WeightNormLinear(5, 3, "trained").double()
    with torch.no_grad():
        ours.scale.copy_(torch.tensor([0.5, 1.0, 3.0]))
        ours.bias.copy_(torch.tensor([1.0, -2.0, 0.0]))
    theirs = weight_norm(nn.Linear(5, 3).double())
    with torch.no_grad():
        theirs.parametrizations.weight.original0.copy_(ours.scale[:, None])  # pyright: ignore
        theirs.parametrizations.weight.original1.copy_(ours.direction)  # pyright: ignore
        theirs.bias.copy_(ours.bias)  # pyright: ignore
    return ours, theirs


def test_outputs_and_gradients_are_those_of_torchs_weight_norm() -> None:
    ours, theirs = pair()
    x = torch.randn(7, 5, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x))
    gradients: list[list[torch.Tensor]] = []
    for layer in (ours, theirs):
        loss = layer(x).sin().square().sum()
        gradients.append(list(torch.autograd.grad(loss, list(layer.parameters()), retain_graph=True)))
    by_shape = [{tuple(g.flatten().shape): g.flatten() for g in some if g.numel() != 3} for some in gradients]
    torch.testing.assert_close(by_shape[0], by_shape[1])
    known = [value.flatten() for value in gradients[1]]
    for gradient in gradients[0]:
        assert any(g.shape == gradient.flatten().shape and torch.allclose(g, gradient.flatten()) for g in known)


def test_a_penalty_of_the_slope_is_differentiated_as_torchs_weight_norm() -> None:
    slopes: list[torch.Tensor] = []
    for layer, direction in zip(pair(), ("direction", "parametrizations.weight.original1"), strict=True):
        torch.manual_seed(1)
        x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
        slope = torch.autograd.grad(layer(x).tanh().sum(), x, create_graph=True)[0]
        (gradient,) = torch.autograd.grad(slope.square().sum(), layer.get_parameter(direction))
        slopes.append(gradient)
    torch.testing.assert_close(slopes[0], slopes[1])
    assert slopes[0].abs().sum() > 0


def test_row_lengths_have_their_gradients() -> None:
    matrix = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(row_lengths(matrix), matrix.square().sum(dim=1).sqrt())
    assert torch.autograd.gradcheck(row_lengths, matrix)
    assert torch.autograd.gradgradcheck(row_lengths, matrix)


def test_after_a_forward_on_data_each_unit_has_mean_0_and_variance_1_there() -> None:
    network = nn.Sequential(WeightNormLinear(6, 8, "fixed"), nn.ReLU(), WeightNormLinear(8, 2, "trained"))
    data = 3 + 2 * torch.rand(500, 6)
    with initialising_from_data(network):
        during = network(data)
    torch.testing.assert_close(network(data), during)  # what the initialising forward returns is what comes after it
    for outputs in (network[0](data), during):
        torch.testing.assert_close(outputs.mean(dim=0), torch.zeros(outputs.shape[1]), atol=1e-4, rtol=0)
        torch.testing.assert_close(outputs.std(dim=0, correction=0), torch.ones(outputs.shape[1]), atol=1e-4, rtol=0)
    again = network(data + 1)
    assert again.mean(dim=0).abs().max() > 0.1  # it is over: other data do not change it


def test_units_that_see_a_constant_keep_their_scale() -> None:
    layer = WeightNormLinear(4, 3, "fixed")
    with initialising_from_data(layer):
        outputs = layer(torch.ones(10, 4))
    assert torch.equal(layer.scale, torch.ones(3))
    torch.testing.assert_close(outputs, torch.zeros(10, 3), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("scale", "trained"), [("fixed", False), ("trained", True)])
def test_a_fixed_scale_is_saved_but_not_trained(scale, trained: bool) -> None:
    layer = WeightNormLinear(4, 3, scale)
    assert ("scale" in dict(layer.named_parameters())) is trained
    assert "scale" in layer.state_dict()
    assert weight_normed(nn.Sequential(layer))
    assert not weight_normed(nn.Linear(4, 3))
    assert float(layer.direction.detach().std()) == pytest.approx(0.1, rel=0.6)


def test_lengths_are_computed_once_with_the_same_outputs_and_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = WeightNormLinear(5, 3, "trained")
    first, second = torch.randn(4, 5), torch.randn(2, 5)
    counted: list[bool] = []
    compute = layers.row_lengths

    def counting(matrix: torch.Tensor) -> torch.Tensor:
        counted.append(torch.is_grad_enabled())
        return compute(matrix)

    monkeypatch.setattr(layers, "row_lengths", counting)

    def gradients() -> list[torch.Tensor]:
        layer.zero_grad()
        (layer(first).square().sum() + layer(second).exp().sum()).backward()
        return [parameter.grad.clone() for parameter in layer.parameters() if parameter.grad is not None]

    apart = gradients()
    assert len(counted) == 2
    with layers.lengths_kept([layer]):
        with torch.no_grad():
            without = layer(first)
        together = gradients()
        _ = layer(first)
    assert counted[2:] == [False, True]
    assert all(torch.allclose(a, b, rtol=1e-6, atol=1e-7) for a, b in zip(apart, together, strict=True))
    assert torch.equal(without, layer(first))
    layer.direction.data.mul_(2)
    assert torch.allclose(layer(first), without, rtol=1e-6)  # nothing is kept beyond the block
    assert counted[4:] == [True, True]
