"""InfoGAN's networks for MNIST: dense layers of DCGAN's generator and critic, batch norm in the head for codes."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srgan_kit.critics.autoencoder import AutoencoderCritic
from srgan_kit.critics.dcgan import DCGANCritic, DCGANCriticConfig
from srgan_kit.critics.heads import CodeHead
from srgan_kit.critics.settings import CriticSpec
from srgan_kit.critics.unet import UNetCriticConfig
from srgan_kit.errors import UserError
from srgan_kit.generators.latent.dcgan import DCGANGenerator
from srgan_kit.layers.virtual_batch_norm import VirtualBatchNetwork
from srgan_kit.models.build import build_critic, build_model
from srgan_kit.recipes.load import load_recipe


def weights(network: nn.Module) -> list[tuple[int, ...]]:
    kinds = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    return [tuple(module.get_parameter("weight").shape) for module in network.modules() if isinstance(module, kinds)]


def test_the_recipe_has_the_papers_networks() -> None:
    """Appendix C.1, table 1; a transposed convolution of a 1x1 map is a dense layer."""
    recipe = load_recipe("infogan")
    model, critic = build_model(recipe, None), build_critic(recipe, None)
    assert isinstance(critic, DCGANCritic)
    assert weights(model.decoder) == [(1024, 74), (1024, 128, 7, 7), (128, 64, 4, 4), (64, 1, 4, 4)]
    trunk, head = [(64, 1, 4, 4), (128, 64, 4, 4), (1024, 6272)], [(128, 1024), (12, 128)]
    assert weights(critic) == [*trunk, (1, 1024), *head]
    # batch norm everywhere but at the images, and at the outputs
    assert sum(isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d) for each in model.modules()) == 3
    assert sum(isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d) for each in critic.modules()) == 3
    code_head = critic.heads.code_head
    assert isinstance(code_head, CodeHead)
    assert [type(layer).__name__ for layer in code_head.layers] == ["Linear", "BatchNorm1d", "LeakyReLU", "Linear"]


def test_without_dense_layers_the_weights_have_their_old_names() -> None:
    for network, parts in ((DCGANGenerator(5, 16), {"layers"}), (DCGANCritic(16), {"convolutions", "heads"})):
        assert {name.split(".")[0] for name in network.state_dict()} == parts
    assert {name.split(".", 1)[0] for name in CodeHead(6, [4], 1).layers.state_dict()} == {"0", "2"}
    assert "bias" in dict(CodeHead(6, [4], 1).layers[0].named_parameters())


@torch.no_grad()
def test_the_generators_dense_layers_are_those_written_out() -> None:
    generator, latent = DCGANGenerator(5, 8, 1, 4, dense=[6, 3]), torch.randn(7, 5)
    state, hidden = generator.state_dict(), latent
    for layer in "01":
        hidden = hidden @ state[f"dense.{layer}.0.weight"].T
        hidden = (hidden - hidden.mean(0)) / (hidden.var(0, correction=0) + 1e-5).sqrt()
        hidden = (hidden * state[f"dense.{layer}.1.weight"] + state[f"dense.{layer}.1.bias"]).clamp(min=0)
    maps = torch.einsum("nl,lchw->nchw", hidden, state["layers.0.weight"])
    maps = F.batch_norm(maps, None, None, state["layers.1.weight"], state["layers.1.bias"], training=True).relu()
    expected = F.conv_transpose2d(maps, state["layers.3.weight"], state["layers.3.bias"], stride=2, padding=1)
    torch.testing.assert_close(generator(latent), expected)


@torch.no_grad()
def test_the_critics_dense_layers_are_those_written_out() -> None:
    critic, image = DCGANCritic(8, 1, 4, dense=[6]), torch.rand(7, 1, 8, 8)
    critique, state = critic(image), critic.state_dict()
    hidden = critique.features[0].flatten(1) @ state["dense.0.0.weight"].T
    hidden = (hidden - hidden.mean(0)) / (hidden.var(0, correction=0) + 1e-5).sqrt()
    hidden = F.leaky_relu(hidden * state["dense.0.1.weight"] + state["dense.0.1.bias"], 0.2)
    assert [tuple(each.shape) for each in critique.features] == [(7, 4, 4, 4), (7, 6, 1, 1)]
    torch.testing.assert_close(critique.features[1].flatten(1), hidden)
    torch.testing.assert_close(critique.score, hidden @ state["heads.score_head.weight"].T)


@torch.no_grad()
def test_q_sees_the_batch_with_batch_norm_alone() -> None:
    features, head = torch.randn(6, 5), CodeHead(5, [4], 1, "batch")
    for each, sees in ((CodeHead(5, [4], 1), False), (head, True)):
        whole, half = each(features).categorical[0][:3], each(features[:3]).categorical[0]
        assert bool((whole - half).abs().max() > 1e-3) is sees
    linear, _, _, last = head.layers
    assert isinstance(linear, nn.Linear)
    assert linear.bias is None
    hidden = features @ linear.weight.T
    hidden = F.leaky_relu((hidden - hidden.mean(0)) / (hidden.var(0, correction=0) + 1e-5).sqrt(), 0.2)
    torch.testing.assert_close(head(features).categorical[0], last(hidden)[:, :4])


def test_every_critic_takes_the_setting_and_needs_it_for_codes_alone() -> None:
    coded, plain = CriticSpec(3, 32, (4,), 1), CriticSpec(3, 32)
    assert UNetCriticConfig(channels=4, code_normalisation="batch").build(plain).heads is None
    for critic in (
        UNetCriticConfig(channels=4, code_normalisation="batch").build(coded),
        DCGANCriticConfig(channels=4, code_normalisation="batch").build(coded),
        AutoencoderCritic(32, 3, 4, 8, categorical=[4], code_normalisation="batch"),
    ):
        (head,) = (module for module in critic.modules() if isinstance(module, CodeHead))
        assert isinstance(head.layers[1], nn.BatchNorm1d)


@torch.no_grad()
def test_with_virtual_batch_norm_an_image_is_judged_by_itself() -> None:
    def judged(critic: nn.Module, images: Tensor) -> Tensor:
        critique = critic(images)
        return torch.cat([critique.score, critique.codes.categorical[0]], dim=1)

    images = torch.rand(6, 1, 16, 16)
    critic = DCGANCritic(16, 1, 4, [6], categorical=[3], code_normalisation="batch")
    assert (judged(critic, images)[:2] - judged(critic, images[:2])).abs().max() > 1e-3
    virtual = VirtualBatchNetwork(critic, torch.rand(5, 1, 16, 16))
    torch.testing.assert_close(judged(virtual, images)[:2], judged(virtual, images[:2]))


@pytest.mark.parametrize("setting", ["generator.dense=[0]", "critic.dense=[-3]", "critic.code_normalisation=layer"])
def test_other_settings_are_rejected(setting: str) -> None:
    with pytest.raises(UserError, match=setting.partition("=")[0]):
        load_recipe("infogan", [setting])
