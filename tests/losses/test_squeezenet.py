"""SqueezeNet's named maps against torchvision's network run by hand."""

import pytest
import torch
from torch.nn import functional as F
from torchvision.models import squeezenet1_1

from losses import FeatureLoss, SqueezeNetFeatures
from losses.networks.squeezenet import LAYERS


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return squeezenet1_1(weights=None).eval()


def test_every_layer_is_torchvisions(network: torch.nn.Module) -> None:
    image = torch.rand(2, 3, 40, 33)
    maps = SqueezeNetFeatures(LAYERS, network.state_dict())(image)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    for layer, index in LAYERS.items():
        expected = network.features[: index + 1]((image - mean) / std)  # pyright: ignore
        torch.testing.assert_close(maps[layer], expected)
    assert {type(network.features[index]).__name__ for index in LAYERS.values()} == {"ReLU", "Fire"}  # pyright: ignore


def test_frozen_with_gradients_to_the_image(network: torch.nn.Module) -> None:
    loss = FeatureLoss(SqueezeNetFeatures(["fire3", "fire9"], network.state_dict()), {"fire3": 1.0, "fire9": 0.5})
    image = torch.rand(1, 3, 48, 48, requires_grad=True)
    loss.train()
    loss(image, torch.rand(1, 3, 48, 48)).backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in loss.parameters())
    assert not any(module.training for module in loss.modules())


def test_a_map_that_was_given_does_not_change(network: torch.nn.Module) -> None:
    features = SqueezeNetFeatures(["relu1", "fire2"], network.state_dict())
    image = torch.rand(1, 3, 32, 32)
    both, alone = features(image), SqueezeNetFeatures(["relu1"], network.state_dict())(image)
    assert torch.equal(both["relu1"], alone["relu1"])
    assert torch.equal(F.relu(both["relu1"]), both["relu1"])


def test_mistakes_are_named(network: torch.nn.Module) -> None:
    with pytest.raises(ValueError, match=r"expected at least one of squeezenet's relu1, .*; got fire1"):
        SqueezeNetFeatures(["fire1"], network.state_dict())
    with pytest.raises(ValueError, match="got none"):
        SqueezeNetFeatures([], network.state_dict())
    with pytest.raises(ValueError, match="weights: do not fit squeezenet"):
        SqueezeNetFeatures(["fire2"], {"features.0.weight": torch.zeros(64, 3, 3, 3)})
    features = SqueezeNetFeatures(["fire2"], network.state_dict())
    bytes = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    for wrong in (torch.rand(1, 1, 32, 32), torch.rand(1, 3, 16, 32), torch.rand(3, 32, 32), bytes):
        with pytest.raises(ValueError, match="expected floating-point images"):
            features(wrong)
