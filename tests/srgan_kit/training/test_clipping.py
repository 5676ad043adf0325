"""Gradients above the largest norm are scaled as torch scales them; those below are not touched."""

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from srgan_kit.recipes.sections import OptimizerConfig
from srgan_kit.training.player import Player


@pytest.mark.parametrize("part", [0.5, 0.999999, 1.0, 1.5])
def test_clipping_is_torchs(part: float) -> None:
    """`part` is the largest norm allowed, over the gradient's own."""
    gradient = torch.randn(3, 4)
    theirs = nn.Linear(4, 3, bias=False)
    theirs.weight.grad = gradient.clone()
    largest = part * float(gradient.norm())
    norm = nn.utils.clip_grad_norm_(theirs.parameters(), largest)
    network = nn.Linear(4, 3, bias=False)
    config = OptimizerConfig(learning_rate=1e-30, warmup=0, clip_gradient=largest)
    player = Player("critic", network, {"all": list(network.parameters())}, config, Accelerator(cpu=True))
    values = player.minimise({"slope": (network.weight * gradient).sum()}, {"slope": 1.0}, {}, frozenset(), 0, 1)
    assert values["critic_gradient"] == pytest.approx(float(norm), rel=1e-6)
    assert network.weight.grad is not None
    assert torch.equal(network.weight.grad, theirs.weight.grad)
    assert torch.equal(network.weight.grad, gradient) == (part > 1)
