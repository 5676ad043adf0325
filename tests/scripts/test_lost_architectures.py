"""The blocks of the super-resolvers that are no plain convolutions, on numbers worked out by hand."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from scripts.experiments.architectures.networks import (
    AttentionBlock,
    DepthwiseBlock,
    DepthwiseConfig,
    LargeKernelBlock,
    LargeKernelConfig,
)


def silenced(block: nn.Module) -> nn.Module:
    """All parameters zero."""
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    return block


def test_every_block_is_the_identity_without_weights() -> None:
    x = torch.randn(2, 6, 5, 7)
    for block in (AttentionBlock(6), DepthwiseBlock(6, 5, 2), LargeKernelBlock(6, 7, 2)):
        assert not torch.allclose(block(x), x)
        assert torch.equal(silenced(block)(x), x)


def test_the_large_kernel_works_on_the_first_channels_alone() -> None:
    block = LargeKernelBlock(channels=4, kernel=5, partial=2)
    silenced(block)
    nn.init.constant_(block.narrow.bias, 1.0)  # pyright: ignore[reportArgumentType]
    nn.init.constant_(block.large.weight, 0.5)
    block.refine.weight.data[:, :, 0, 0] = torch.eye(4)
    x = torch.randn(1, 4, 9, 9)
    added = (block(x) - x)[0]
    assert torch.allclose(added[2:], torch.ones(2, 9, 9), atol=1e-6)
    assert torch.allclose(added[:2, 2:7, 2:7], torch.full((2, 5, 5), 25.0))  # 5 * 5 positions * 2 channels * 0.5
    assert torch.allclose(added[:2, 0, 0], torch.full((2,), 9.0))  # in the corner 3 * 3 of them
    widened = LargeKernelBlock(channels=4, kernel=5, partial=2)
    assert widened.widen.out_channels == 8


def test_the_depthwise_kernel_keeps_channels_apart() -> None:
    block = DepthwiseBlock(channels=2, kernel=3, expansion=2)
    silenced(block)
    block.depthwise.weight.data[0], block.depthwise.weight.data[1] = 1.0, 2.0
    block.widen.weight.data[:, :, 0, 0] = torch.cat([torch.eye(2), -torch.eye(2)])
    block.narrow.weight.data[:, :, 0, 0] = torch.cat([torch.eye(2), -torch.eye(2)], dim=1)  # relu(z) - relu(-z) = z
    x = torch.tensor([0.5, -3.0]).view(1, 2, 1, 1).expand(1, 2, 5, 5)
    y = block(x)[0, :, 2, 2]
    assert torch.allclose(y, torch.tensor([0.5 + 9 * 0.5, -3.0 + 18 * -3.0]))


def test_attention_gates_what_it_adds_and_the_input_by_what_it_found() -> None:
    block = AttentionBlock(3)
    silenced(block)
    found = torch.tensor([0.0, 1.0, -2.0])
    block.third.bias.data[:] = found  # pyright: ignore[reportOptionalMemberAccess]
    x = torch.randn(1, 3, 4, 4)
    h = found.view(1, 3, 1, 1)
    assert torch.allclose(block(x), x + (x + h) * (1 / (1 + torch.exp(-h)) - 0.5))
    assert torch.equal(block(x)[:, 0], x[:, 0])


def test_kernels_that_cannot_be_are_refused() -> None:
    for wrong in ({"kernel": 6}, {"channels": 8, "partial": 9}):
        with pytest.raises(ValidationError):
            LargeKernelConfig.model_validate(wrong)
    with pytest.raises(ValidationError):
        DepthwiseConfig.model_validate({"kernel": 4})
