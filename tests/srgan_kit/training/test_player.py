"""A player's step: how far gradients of any size move it."""

import math

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from srgan_kit.recipes.sections import OptimizerConfig
from srgan_kit.training.player import Diverged, Player

SETTINGS = OptimizerConfig(learning_rate=0.1, final_learning_rate=0.1, warmup=0, clip_gradient=2.0)


def step(slope: float) -> tuple[Player, dict[str, float]]:
    """A player with the loss slope * (3 a + 4 b) / 5 takes a step."""
    network = nn.Linear(2, 1, bias=False)
    nn.init.zeros_(network.weight)
    parts = {"all": list(network.parameters())}
    player = Player("critic", network, parts, SETTINGS, Accelerator(cpu=True))
    loss = (network.weight * torch.tensor([0.6, 0.8])).sum() * slope
    return player, player.minimise({"loss": loss}, {"loss": 1.0}, {}, frozenset(), 0, 10)


@pytest.mark.parametrize("slope", [1.0, 100.0, 1e25])
def test_gradients_are_scaled_down_to_the_largest_norm_beyond_what_squares_in_fp32(slope: float) -> None:
    player, values = step(slope)
    assert values["critic_gradient"] == pytest.approx(slope, rel=1e-5)
    expected = min(slope, 2.0) * torch.tensor([[0.6, 0.8]])
    assert torch.allclose(player.network.weight.grad, expected)
    assert torch.allclose(player.network.weight.detach(), torch.tensor([[-0.1, -0.1]]), atol=1e-4)  # Adam's first


@pytest.mark.parametrize("slope", [math.inf, math.nan])
def test_a_term_that_is_not_finite_stops_the_run(slope: float) -> None:
    with pytest.raises(Diverged, match=r"step 1: the critic's term 'loss' is nan; the run has stopped"):
        step(slope)
