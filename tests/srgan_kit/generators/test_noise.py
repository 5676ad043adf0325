"""The distribution of a latent vector's noise: Gaussian or uniform, truncated or not, and what refuses it."""

from pathlib import Path

import pytest
import torch

from srgan_kit.errors import UserError
from srgan_kit.generators.latent.mlp import MLPGenerator
from srgan_kit.generators.model import LatentConfig, Model
from srgan_kit.generators.sampling import draw
from srgan_kit.layers.weight_norm import WeightNormLinear


def model(latent: LatentConfig) -> Model:
    return Model(MLPGenerator(latent.size, 4, 1, hidden=8), None, latent, "prior", (1, 4, 4))


def test_uniform_noise_is_uniform_on_minus_one_to_one_beside_any_codes() -> None:
    uniform = model(LatentConfig(noise=50, distribution="uniform", continuous=1))
    noise, codes = uniform.draw(2000, torch.device("cpu"), torch.Generator().manual_seed(0))
    assert -1 <= noise.min() < -0.999
    assert 0.999 < noise.max() <= 1
    assert float(noise.square().mean()) == pytest.approx(1 / 3, abs=0.005)
    assert float(noise.mean()) == pytest.approx(0, abs=0.01)
    assert codes.continuous.shape == (2000, 1)
    again, _ = uniform.draw(2000, torch.device("cpu"), torch.Generator().manual_seed(0))
    assert torch.equal(noise, again)
    normal, _ = model(LatentConfig(noise=50)).draw(2000, torch.device("cpu"), torch.Generator().manual_seed(0))
    assert float(normal.square().mean()) == pytest.approx(1, abs=0.02)


def test_truncated_uniform_noise_is_uniform_on_less() -> None:
    latents = draw(model(LatentConfig(noise=50, distribution="uniform")), 200, seed=1, truncation=0.5)
    assert 0.49 < latents.noise.abs().max() <= 0.5
    assert float(latents.noise.square().mean()) == pytest.approx(0.25 / 3, abs=0.004)
    whole = draw(model(LatentConfig(noise=50, distribution="uniform")), 3, seed=1, truncation=7.0)
    assert whole.noise.abs().max() <= 1


def test_an_encoders_code_is_drawn_to_a_gaussian(tiny, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"latent\.distribution: expected 'normal', .* got 'uniform'"):
        tiny.run(tiny.recipe("unconditional", "vae", "latent.distribution=uniform"), tmp_path)


def test_the_output_layer_may_have_weight_norm_with_a_scale_that_is_trained() -> None:
    plain, normed = (MLPGenerator(6, 4, 1, hidden=8, output_weight_norm=each) for each in (False, True))
    assert not any(isinstance(module, WeightNormLinear) for module in plain.modules())
    (layer,) = (module for module in normed.modules() if isinstance(module, WeightNormLinear))
    assert (layer.in_features, layer.out_features) == (8, 16)
    assert isinstance(layer.scale, torch.nn.Parameter)
    assert normed(torch.rand(5, 6)).shape == (5, 1, 4, 4)
