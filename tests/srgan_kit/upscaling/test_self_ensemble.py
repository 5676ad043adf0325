"""The self-ensemble: what it computes, and that everything around a network works with it."""

import numpy as np
import torch
from torch import nn

from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.models.super_resolution import UpscalingModel
from srgan_kit.upscaling.self_ensemble import SelfEnsemble, ensembled
from srgan_kit.upscaling.torch_engine import torch_upscaler


def lopsided() -> nn.Module:
    """A random network, which no symmetry leaves as it is."""
    return ResidualSRConfig(channels=4, groups=1).build().eval().requires_grad_(False)


def test_turning_the_input_turns_the_result_and_nothing_else() -> None:
    network = lopsided()
    nn.init.normal_(network.get_parameter(next(iter(dict(network.named_parameters())))))
    image = torch.rand(1, 3, 11, 14)
    ensemble = SelfEnsemble(network)
    result = ensemble(image)
    for symmetry in (
        lambda x: x.flip(2),
        lambda x: x.flip(3),
        lambda x: x.transpose(2, 3),
        lambda x: x.rot90(1, (2, 3)),
    ):
        assert (ensemble(symmetry(image)) - symmetry(result)).abs().max() < 1e-5
        assert (network(symmetry(image)) - symmetry(network(image))).abs().max() > 1e-3


def test_a_symmetric_network_is_unchanged() -> None:
    network = nn.Upsample(scale_factor=4, mode="bicubic")
    image = torch.rand(1, 3, 9, 12)
    assert (SelfEnsemble(network)(image) - network(image)).abs().max() < 1e-5


def test_tiles_change_nothing() -> None:
    model = ensembled(UpscalingModel("random", lopsided(), scale=4, channels=3, architecture="residual", licence="-"))
    image = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    whole = torch_upscaler(model, "cpu", "fp32").upscale(image)
    tiled = torch_upscaler(model, "cpu", "fp32", tile=16).upscale(image)
    assert np.abs(whole.astype(int) - tiled).max() <= 1  # a rounding apart at most
    assert (whole == tiled).mean() > 0.999
