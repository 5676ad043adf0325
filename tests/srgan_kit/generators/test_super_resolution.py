"""Generators: the layouts of the papers, every scale, and a start close to the interpolated image."""

import pytest
import spandrel
import torch
from torch import nn
from torch.nn import functional as F

from scripts.experiments.architectures.networks import AttentionConfig, DepthwiseConfig, LargeKernelConfig
from srgan_kit.critics import CRITICS
from srgan_kit.errors import UserError
from srgan_kit.generators import GENERATORS, SUPER_RESOLVERS
from srgan_kit.generators.super_resolution.pixel_shuffle import PixelShuffleSettings
from srgan_kit.generators.super_resolution.reparameterised import ReparameterisedConfig
from srgan_kit.generators.super_resolution.residual import ResidualSR, ResidualSRConfig
from srgan_kit.generators.super_resolution.srresnet import SRResNet, SRResNetConfig
from srgan_kit.models.super_resolution import generator_config


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("name", [*SUPER_RESOLVERS])
def test_every_scale_and_size(name: str, scale: int) -> None:
    if name == "rrdb" and scale in (3, 8):
        return
    for channels in (1, 3):
        text = f'{{"name": "{name}", "scale": {scale}, "channels": 16, "image_channels": {channels}}}'
        network = generator_config(text).build().eval()
        for height, width in [(1, 1), (5, 8)]:
            image = torch.rand(2, channels, height, width)
            given = image.clone()
            assert network(image).shape == (2, channels, height * scale, width * scale)
            assert torch.equal(image, given)


def test_at_scale_1_the_residual_network_is_the_image_plus_its_residual() -> None:
    network = ResidualSRConfig(scale=1, channels=4, groups=1).build()
    image = torch.rand(1, 3, 6, 7)
    nn.init.zeros_(network.tail.weight)
    assert torch.equal(network(image), image)
    network.tail.bias.data[:] = torch.tensor([1.0, 2.0, 3.0])  # pyright: ignore[reportOptionalMemberAccess]
    torch.testing.assert_close(network(image) - image, torch.tensor([1.0, 2.0, 3.0])[:, None, None].expand(1, 3, 6, 7))


@pytest.mark.parametrize("scale", [1, 2])
def test_rrdb_folds_pixels_as_spandrel_does(scale: int) -> None:
    network = SUPER_RESOLVERS["rrdb"](scale=scale, channels=8, blocks=1).build().eval()  # pyright: ignore
    descriptor = spandrel.ModelLoader().load_from_state_dict(dict(network.state_dict()))
    assert descriptor.scale == scale
    image = torch.rand(1, 3, 8, 12)
    with torch.no_grad():
        torch.testing.assert_close(network(image), descriptor.model(image), atol=1e-6, rtol=1e-5)


def test_settings_that_no_generator_has_are_errors() -> None:
    for text in (
        '{"name": "residual", "blocks": 3}',
        '{"name": "unknown"}',
        "no json",
        '{"name": "srresnet", "scale": 5}',
        '{"name": "attention", "kernel": 3}',
    ):
        with pytest.raises(UserError):
            generator_config(text)


def test_the_residual_network_counts_the_parameters_of_its_description() -> None:
    def convolution(inputs: int, outputs: int) -> int:
        return inputs * outputs * 9 + outputs

    network = ResidualSRConfig(scale=4, channels=64, groups=5, convolutions=3).build()
    expected = convolution(3, 64) + 15 * convolution(64, 64) + convolution(64, 48)
    assert sum(weight.numel() for weight in network.parameters()) == expected == 583_408


@pytest.mark.parametrize(
    "kind", [ResidualSRConfig, ReparameterisedConfig, LargeKernelConfig, DepthwiseConfig, AttentionConfig]
)
def test_a_generator_around_any_blocks_starts_close_to_the_image_and_adds_in_fp32(
    kind: type[PixelShuffleSettings],
) -> None:
    network = kind(channels=16).build()  # pyright: ignore[reportCallIssue]
    image = torch.rand(1, 3, 12, 12)
    enlarged = F.interpolate(image, scale_factor=4, mode="bilinear", align_corners=False)
    assert 0 < (network(image) - enlarged).detach().std().item() < 0.05
    with torch.autocast("cpu", torch.bfloat16):
        half = network(image)
    assert half.dtype == torch.float32
    assert 0 < (half - network(image)).detach().abs().max() < 1e-2  # bf16 carries the residual alone
    nn.init.zeros_(network.get_parameter("tail.weight"))
    assert torch.equal(network(image), enlarged)
    half.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for n, p in network.named_parameters() if n != "tail.bias")


@pytest.mark.parametrize("skip", ["bilinear", "nearest"])
def test_the_residual_network_is_the_interpolated_image_plus_its_residual(skip: str) -> None:
    network = ResidualSR(scale=2, channels=4, groups=1, image_skip=skip)  # pyright: ignore[reportArgumentType]
    assert not any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in network.modules())
    image = torch.rand(1, 3, 6, 7)
    nn.init.zeros_(network.tail.weight)
    wanted = F.interpolate(image, scale_factor=2, mode=skip, **({"align_corners": False} if skip == "bilinear" else {}))
    assert torch.equal(network(image), wanted)
    network.tail.bias.data[:] = torch.arange(  # pyright: ignore[reportOptionalMemberAccess]
        12.0
    )  # the pixel shuffle puts channel 4c + 2i + j at row i, column j of colour c
    residual = network(image) - wanted
    torch.testing.assert_close(residual[0, 2, ::2, 1::2], torch.full((6, 7), 9.0))


def test_a_new_residual_network_is_close_to_the_interpolated_image() -> None:
    image = torch.rand(1, 3, 16, 16)
    residual = ResidualSR()(image) - F.interpolate(image, scale_factor=4, mode="bilinear", align_corners=False)
    assert 0 < residual.detach().std().item() < 0.05


def test_the_image_skip_stays_in_fp32_under_autocast() -> None:
    network = ResidualSR(channels=4, groups=1)
    nn.init.zeros_(network.tail.weight)
    image = torch.rand(1, 3, 8, 8)  # bf16 keeps 8 bits: a rounded skip would be off by up to 2e-3
    with torch.autocast("cpu", torch.bfloat16):
        enlarged = network(image)
    assert enlarged.dtype == torch.float32
    torch.testing.assert_close(enlarged, F.interpolate(image, scale_factor=4, mode="bilinear", align_corners=False))


def test_srresnet_has_the_layers_of_the_paper() -> None:
    network = SRResNetConfig(name="srresnet").build()
    assert isinstance(network, SRResNet)
    kinds = [layer for layer in network.modules() if not list(layer.children())]
    convolutions = [layer for layer in kinds if isinstance(layer, nn.Conv2d)]
    assert [c.kernel_size[0] for c in (convolutions[0], convolutions[-1])] == [9, 9]
    assert len(convolutions) == 1 + 2 * 16 + 1 + 2 + 1
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in kinds) == 2 * 16 + 1
    assert sum(isinstance(layer, nn.PReLU) for layer in kinds) == 1 + 16 + 2
    assert sum(isinstance(layer, nn.PixelShuffle) for layer in kinds) == 2


def test_srresnet_refuses_other_scales() -> None:
    with pytest.raises(UserError, match="scale must be 1, 2, 3, 4 or 8, got 5"):
        SRResNet(scale=5)


def test_every_key_is_the_name_of_its_settings() -> None:
    for table in (GENERATORS, CRITICS):
        assert [kind.model_fields["name"].default for kind in table.values()] == [*table]
