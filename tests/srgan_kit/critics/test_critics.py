"""The critics: shapes, the papers' layouts, spectral norm, gradients, errors."""

import pytest
import torch
from torch import nn

from srgan_kit.contracts import Critique
from srgan_kit.critics import CRITICS
from srgan_kit.critics.autoencoder import AutoencoderCritic
from srgan_kit.critics.dcgan import DCGANCritic, DCGANCriticConfig
from srgan_kit.critics.patchgan import PatchGANCritic
from srgan_kit.critics.settings import CriticSpec
from srgan_kit.critics.srgan import SRGANCritic
from srgan_kit.critics.unet import UNetCritic
from srgan_kit.errors import UserError
from srgan_kit.models.build import build_critic
from srgan_kit.recipes.load import load_recipe


def convolutions(network: nn.Module) -> list[nn.Conv2d]:
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


def test_built_by_name() -> None:
    for name, kind in CRITICS.items():
        recipe = load_recipe("srgan-x4", [f"critic={{name='{name}'}}", "data.patch=8"])
        critic = build_critic(recipe, None)
        assert isinstance(recipe.critic, kind)
        assert critic is not None
        assert critic(torch.zeros(2, 3, 32, 32)).score.shape[0] == 2


def test_srgan_layout_is_the_papers() -> None:
    critic = SRGANCritic()
    layout = [(c.out_channels, c.stride[0]) for c in convolutions(critic)]
    assert layout == [(64, 1), (64, 2), (128, 1), (128, 2), (256, 1), (256, 2), (512, 1), (512, 2)]
    assert sum(isinstance(module, nn.BatchNorm2d) for module in critic.modules()) == 7
    dense = [(m.in_features, m.out_features) for m in critic.modules() if isinstance(m, nn.Linear)]
    assert dense == [(512 * 6 * 6, 1024), (1024, 1)]


@pytest.mark.parametrize("patch", [96, 40, 17])
def test_srgan_judges_images(patch: int) -> None:
    critique = SRGANCritic(4, patch)(torch.rand(3, 3, patch, patch))
    assert isinstance(critique, Critique)
    assert critique.score.shape == (3, 1)
    assert critique.features is not None
    assert [f.shape[1] for f in critique.features] == [4, 4, 8, 8, 16, 16, 32, 32]
    assert critique.features[0].shape[-1] == patch


def test_srgan_rejects_other_sizes() -> None:
    with pytest.raises(UserError, match="images of 32x32 pixels, got 40x24"):
        SRGANCritic(4, 32)(torch.rand(1, 3, 24, 40))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (8, 24), (40, 16)])
def test_unet_scores_every_pixel(height: int, width: int) -> None:
    critique = UNetCritic(4)(torch.rand(2, 3, height, width))
    assert critique.score.shape == (2, 1, height, width)
    assert critique.features is not None
    assert [f.shape[1] for f in critique.features] == [4, 8, 16, 32, 16, 8, 4, 4, 4]
    assert critique.features[3].shape[-2:] == (height // 8, width // 8)


def test_unet_rejects_other_sizes() -> None:
    with pytest.raises(UserError, match="divisible by 8, got 20x16"):
        UNetCritic(4)(torch.rand(1, 3, 16, 20))


def test_unet_has_spectral_norm_on_all_but_the_first_and_last() -> None:
    critic = UNetCritic(4)
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.mul_(7)  # unconstrained weights would keep this
    for _ in range(50):  # power iteration, one step per forward in training
        critic(torch.rand(1, 3, 8, 8))
    norms = [torch.linalg.matrix_norm(c.weight.flatten(1), 2).item() for c in convolutions(critic)]
    normed = [nn.utils.parametrize.is_parametrized(c, "weight") for c in convolutions(critic)]
    assert len(normed) == 10
    assert sum(normed) == 8
    assert not nn.utils.parametrize.is_parametrized(critic.first)
    assert not nn.utils.parametrize.is_parametrized(critic.last)
    assert all(
        norm == pytest.approx(1, abs=0.02) for norm, constrained in zip(norms, normed, strict=True) if constrained
    )


def test_patchgan_layout_is_the_papers() -> None:
    critic = PatchGANCritic()
    layout = [(c.out_channels, c.kernel_size[0], c.stride[0], c.padding[0]) for c in convolutions(critic)]
    assert layout == 3 * [(64, 4, 2, 2), (128, 4, 2, 2), (256, 4, 2, 2), (512, 4, 1, 2), (1, 4, 1, 2)]
    assert sum(isinstance(module, nn.InstanceNorm2d) for module in critic.modules()) == 9


@pytest.mark.parametrize(("layers", "side"), [(1, 16), (2, 34), (3, 70)])
def test_a_patch_has_the_papers_size_and_twice_as_much_at_each_coarser_scale(layers: int, side: int) -> None:
    critic = PatchGANCritic(2, scales=2, layers=layers, normalisation="none")
    for parameter in critic.parameters():
        nn.init.constant_(parameter, 0.1)  # nothing cancels out
    image = torch.full((1, 3, 240, 240), 0.6, requires_grad=True)
    score = critic(image).score
    middle = score.shape[-1] // 2
    for scale, expected in enumerate((side, 2 * side + 1)):  # 3x3 averages with stride 2 add one
        (slope,) = torch.autograd.grad(score[0, scale, middle, middle], image, retain_graph=True)
        seen = slope[0, 0].nonzero()
        assert (seen.amax(dim=0) - seen.amin(dim=0) + 1).tolist() == [expected, expected]


@pytest.mark.parametrize(("height", "width"), [(32, 32), (8, 24), (41, 17)])
def test_patchgan_scores_patches_and_each_scale_counts_the_same(height: int, width: int) -> None:
    critic = PatchGANCritic(4, scales=2, layers=2)
    critique = critic(torch.rand(2, 3, height, width))
    assert critique.score.shape[:2] == (2, 2)
    assert critique.features is not None
    assert [f.shape[1] for f in critique.features] == 2 * [4, 8, 16]
    coarse = critique.score[:, 1]
    assert len(coarse[0].unique()) < len(critique.score[0, 0].unique())  # fewer scores, repeated
    alone = PatchGANCritic(4, scales=1, layers=2)
    alone.networks[0].load_state_dict(critic.networks[0].state_dict())
    image = torch.rand(2, 3, height, width)
    torch.testing.assert_close(alone(image).score, critic(image).score[:, :1])


def test_patchgan_refuses_images_without_a_coarsest_scale() -> None:
    with pytest.raises(UserError, match="at least 16x16 pixels for its 3 scales, got 20x12"):
        PatchGANCritic(4)(torch.rand(1, 3, 12, 20))


CRITICS_OF_IMAGES = {
    "srgan": lambda: SRGANCritic(4, 32),
    "unet": lambda: UNetCritic(4),
    "patchgan": lambda: PatchGANCritic(4, scales=2, layers=2),
}


@pytest.fixture(params=CRITICS_OF_IMAGES)
def critic(request) -> nn.Module:
    return CRITICS_OF_IMAGES[request.param]()


def last_layers(critic: nn.Module) -> list[nn.Module]:
    if isinstance(critic, UNetCritic):
        return [critic.last]
    if isinstance(critic, PatchGANCritic):
        return [list(network.children())[-1] for network in critic.networks]
    assert isinstance(critic, SRGANCritic)
    return [critic.dense[-1]]


@torch.no_grad()
def test_scores_are_raw_logits(critic: nn.Module) -> None:
    """Without anything after the last layer, scaling that layer scales the scores."""
    image = torch.rand(2, 3, 32, 32)
    before = critic.eval()(image).score
    for last in last_layers(critic):
        for parameter in last.parameters():
            parameter.mul_(100)
    torch.testing.assert_close(critic(image).score, 100 * before, rtol=1e-4, atol=1e-4)


def test_gradients_reach_everything(critic: nn.Module) -> None:
    image = torch.rand(2, 3, 32, 32, requires_grad=True)
    critic(image).score.pow(2).mean().backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    for name, parameter in critic.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_score_that_is_a_sum_knows_no_fit_and_a_hidden_layer_on_both_does() -> None:
    image, other = torch.rand(2, 1, 3, 16, 16)
    condition, another = torch.rand(2, 1, 5, 4, 4)
    for hidden in (0, 32):
        critic = DCGANCritic(16, channels=4, condition=(5, 4), condition_hidden=hidden).eval()
        for parameter in critic.parameters():
            torch.nn.init.normal_(parameter, 0, 0.5)
        mixed = critic(image, condition).score - critic(image, another).score
        mixed = mixed - critic(other, condition).score + critic(other, another).score
        assert (abs(mixed.item()) > 1e-2) is bool(hidden)


def test_a_hidden_layer_for_a_condition_needs_one() -> None:
    config = DCGANCriticConfig(channels=4, condition_hidden=8)
    with pytest.raises(ValueError, match=r"critic\.condition_hidden: .*critic\.conditional = true"):
        config.build(CriticSpec(size=16, condition=(3, 4)))


def test_dense_autoencoders_have_the_layers_that_are_asked_for() -> None:
    settings = ["critic.channels=6", "critic.embedding=3", "critic.encoder_layers=3", "critic.decoder_layers=0"]
    for more, expected in (
        (settings, [(784, 6), (6, 6), (6, 6), (3, 784), (6, 3)]),  # encoder, decoder, code
        (["critic.channels=6", "critic.embedding=3"], [(784, 6), (3, 6), (6, 784), (6, 3)]),
        ([*settings, "critic.encoder_layers=0"], [(3, 784), (784, 3)]),
    ):
        critic = build_critic(load_recipe("ebgan", more), None)
        assert critic is not None
        assert [(m.in_features, m.out_features) for m in critic.modules() if isinstance(m, nn.Linear)] == expected
        critique = critic(torch.rand(2, 1, 28, 28))
        deep = sum(pair in ((784, 6), (6, 6)) for pair in expected)
        assert [tuple(each.shape) for each in critique.features] == [(2, 6, 1, 1)] * deep


def test_a_local_autoencoder_has_a_code_at_every_fourth_pixel_that_sees_its_surroundings_alone() -> None:
    critic = AutoencoderCritic(24, channels=4, embedding=5, layout="local")
    image = torch.rand(2, 3, 24, 24, requires_grad=True)
    critique = critic(image)
    assert critique.embedding is not None
    assert critique.reconstruction is not None
    assert (critique.embedding.shape, critique.reconstruction.shape) == ((2, 5 * 6 * 6), image.shape)
    (gradient,) = torch.autograd.grad(critique.reconstruction[0, :, 0, 0].sum(), image)
    assert gradient[0, :, 0, 0].abs().sum() > 0
    assert gradient[0, :, 16:, 16:].abs().sum() == 0
    assert gradient[1].abs().sum() == 0
    torch.testing.assert_close(critique.score, (critique.reconstruction - image).flatten(1).norm(dim=1))
    with pytest.raises(UserError, match="a size that 4 divides, 8 or more, got 26"):
        AutoencoderCritic(26, layout="local")


@pytest.mark.parametrize("recipe", ["ebgan", "gan"])
def test_dropout_leaves_out_its_part_of_the_hidden_values_in_training_alone(recipe: str) -> None:
    critic = build_critic(load_recipe(recipe, ["critic.dropout=0.5"]), None)
    assert critic is not None
    images = torch.rand(2, 1, 28, 28)
    assert not torch.equal(critic(images).score, critic(images).score)
    critic.eval()
    assert torch.equal(critic(images).score, critic(images).score)
    if recipe == "ebgan":
        dropped = critic.train()(torch.rand(50, 1, 28, 28)).features[0]
        assert (dropped == 0).float().mean().item() == pytest.approx(0.5, abs=0.05)
