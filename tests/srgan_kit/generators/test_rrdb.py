"""RRDBNet against an independent implementation of ESRGAN's generator."""

import pytest
import torch
from spandrel import ModelLoader

from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.rrdb import RRDBNet, RRDBNetConfig


def lively(scale: int, channels: int = 16, blocks: int = 3, growth: int = 32) -> RRDBNet:
    """A small network whose blocks matter: as initialised they are close to the identity."""
    network = RRDBNet(scale, channels, blocks, growth).eval()
    with torch.no_grad():
        for parameter in network.body.parameters():
            parameter.mul_(5).add_(0.02 * torch.randn_like(parameter))
    return network


@pytest.mark.parametrize("scale", [4, 2])
@torch.no_grad()
def test_spandrel_loads_it_and_agrees(scale: int) -> None:
    network = lively(scale)
    theirs = ModelLoader().load_from_state_dict(network.state_dict())
    assert theirs.architecture.id == "ESRGAN"
    assert theirs.scale == scale
    for size in [(12, 16), (9, 13)]:
        image = torch.rand(2, 3, *size)
        ours = network(image)
        assert ours.shape == (2, 3, size[0] * scale, size[1] * scale)
        assert ours.std() > 0.01
        torch.testing.assert_close(ours, theirs.model(image), rtol=0, atol=1e-5)


@torch.no_grad()
def test_every_weight_matters() -> None:
    """A key that spandrel or the forward ignored would leave the output as it was."""
    network = lively(4, 8, 1, 4)
    image = torch.rand(1, 3, 8, 8)
    before = network(image)
    for name, parameter in network.named_parameters():
        kept = parameter.clone()
        parameter.add_(0.1)
        assert not torch.equal(network(image), before), name
        parameter.copy_(kept)


def test_keys_of_the_full_network() -> None:
    """ESRGAN's own checkpoints have 702 tensors and 16,697,987 parameters."""
    with torch.device("meta"):
        state = RRDBNet().state_dict()
    assert len(state) == 702
    assert sum(tensor.numel() for tensor in state.values()) == 16_697_987
    assert {"conv_first.weight", "body.22.rdb3.conv5.bias", "conv_body.weight", "conv_last.bias"} <= set(state)


def test_settings_are_those_of_the_config() -> None:
    config = RRDBNetConfig(name="rrdb", scale=2, channels=8, blocks=1, growth=4)
    assert RRDBNet(**config.model_dump(exclude={"name"})).scale == 2
    assert RRDBNetConfig(name="rrdb").model_dump(exclude={"name"}) == {
        "scale": 4,
        "channels": 64,
        "blocks": 23,
        "growth": 32,
        "image_channels": 3,
    }


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 3)])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_tiny_images(scale: int, size: tuple[int, int]) -> None:
    network = RRDBNet(scale, 8, 1, 4)
    assert network(torch.rand(1, 3, *size)).shape == (1, 3, size[0] * scale, size[1] * scale)


def test_gradients_reach_every_weight() -> None:
    network = RRDBNet(2, 8, 2, 4)
    network(torch.rand(1, 3, 8, 8)).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_wrong_scale() -> None:
    with pytest.raises(UserError, match="scale must be 1, 2 or 4, got 3"):
        RRDBNet(3)
