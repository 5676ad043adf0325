"""Critics without batch norm: an image's score does not depend on its batch, and the signal keeps its size."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from srgan_kit.critics.autoencoder import AutoencoderCritic
from srgan_kit.critics.dcgan import DCGANCritic
from srgan_kit.critics.srgan import SRGANCritic
from srgan_kit.critics.unet import UNetCritic
from srgan_kit.layers.critic_norm import with_layer_norm, without_batch_norm
from srgan_kit.models.build import build_critic
from srgan_kit.recipes.load import load_recipe
from srgan_kit.training.critic_view import has_batch_norm

CRITICS: dict[str, Callable[[], nn.Module]] = {
    "dcgan": lambda: DCGANCritic(32, channels=8),
    "srgan": lambda: SRGANCritic(8, 32),
    "autoencoder": lambda: AutoencoderCritic(32, channels=8, embedding=16),
}


@pytest.mark.parametrize("change", [with_layer_norm, without_batch_norm])
@pytest.mark.parametrize("name", CRITICS)
def test_a_score_is_of_the_image_alone(name: str, change: Callable[[nn.Module], nn.Module]) -> None:
    torch.manual_seed(0)
    images = torch.rand(4, 3, 32, 32)
    others = torch.cat([images[:1], torch.zeros(3, 3, 32, 32)])
    critic = CRITICS[name]()
    assert not torch.allclose(critic(images).score[0], critic(others).score[0], atol=1e-6)  # with batch norm
    critic = change(critic)
    assert not has_batch_norm(critic)
    torch.testing.assert_close(critic(images).score[0], critic(others).score[0], rtol=1e-4, atol=1e-5)


def test_layer_norm_by_hand() -> None:
    norm = with_layer_norm(nn.Sequential(nn.BatchNorm2d(2)))[0]
    assert isinstance(norm, nn.GroupNorm)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([2.0, 1.0]))
        norm.bias.copy_(torch.tensor([0.0, 5.0]))
    image = torch.tensor([[[[1.0, 3.0]], [[5.0, 7.0]]]])  # mean 4, variance 5
    expected = torch.tensor([[[[-6.0, -2.0]], [[1.0, 3.0]]]]) / 5**0.5 + torch.tensor([0.0, 5.0]).view(1, 2, 1, 1)
    torch.testing.assert_close(norm(image), expected, rtol=1e-4, atol=1e-4)


def test_without_batch_norm_the_signal_keeps_its_size() -> None:
    torch.manual_seed(0)
    critic = without_batch_norm(DCGANCritic(64, channels=32))
    features = critic(torch.randn(16, 3, 64, 64) / 2 + 0.5).features
    sizes = [float(each.detach().square().mean()) for each in features]
    assert min(sizes) > 0.5
    assert max(sizes) < 2.0


@pytest.mark.parametrize(("norm", "kind"), [("batch", nn.BatchNorm2d), ("layer", nn.GroupNorm), ("none", nn.Identity)])
def test_a_recipe_says_which(norm: str, kind: type[nn.Module]) -> None:
    recipe = load_recipe("dcgan", [f"techniques.critic_norm={norm}", "critic.channels=4"])
    critic = build_critic(recipe, None)
    assert critic is not None
    kinds = {type(module) for module in critic.modules()} & {nn.BatchNorm2d, nn.GroupNorm, nn.Identity}
    assert kinds == {kind}


def test_a_critic_without_batch_norm_keeps_its_weights() -> None:
    critic = UNetCritic(channels=4)
    before = {name: value.clone() for name, value in critic.state_dict().items()}
    assert all(torch.equal(value, before[name]) for name, value in without_batch_norm(critic).state_dict().items())
