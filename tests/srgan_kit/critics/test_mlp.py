"""The dense critic's layers: what is normalised, the signal at the deepest one, the former key of its settings."""

from typing import Literal

import pytest
import torch
from torch import nn

from srgan_kit.critics.mlp import MLPCritic, MLPCriticConfig, Normalisation
from srgan_kit.layers.weight_norm import WeightNormLinear, initialising_from_data
from srgan_kit.recipes.load import load_recipe

HIDDEN = (40, 30, 20, 20, 20)


def critic(normalisation: Normalisation, activation: Literal["leaky-relu", "relu"] = "leaky-relu") -> MLPCritic:
    return MLPCritic(8, 1, HIDDEN, (0.0, 0.0), normalisation, activation, classes=4)


def deepest(network: MLPCritic) -> float:
    """Standard deviation over images of the deepest features, mean over units."""
    features = network(torch.rand(200, 1, 8, 8)).features
    assert features is not None
    return float(features[-1].detach().flatten(1).std(dim=0).mean())


@pytest.mark.parametrize("normalisation", ["batch", "weight"])
def test_a_normalised_critic_shows_the_image_at_its_deepest_layer(normalisation: Normalisation) -> None:
    """Without normalisation the noise of 0.5 that training adds there would drown it."""
    assert deepest(critic("none")) < 0.02
    network = critic(normalisation)
    with initialising_from_data(network):
        network(torch.rand(200, 1, 8, 8))
    assert 0.3 < deepest(network) < 1.2


def test_batch_norm_stands_before_the_activation() -> None:
    network = critic("batch")
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm1d)]
    assert [norm.num_features for norm in norms] == list(HIDDEN)
    seen: list[torch.Tensor] = []
    norms[-1].register_forward_hook(lambda *given: seen.append(given[-1]))
    features = network(torch.rand(50, 1, 8, 8)).features
    assert features is not None
    torch.testing.assert_close(seen[0].mean(dim=0), torch.zeros(20), atol=1e-5, rtol=0)
    torch.testing.assert_close(features[-1].flatten(1), nn.functional.leaky_relu(seen[0], 0.2))
    relu = critic("batch", activation="relu")(torch.rand(50, 1, 8, 8)).features
    assert relu is not None
    assert relu[-1].min() == 0


def test_weight_norm_trains_the_scale_of_scores_and_classes_alone() -> None:
    network = critic("weight")
    layers = {name: module for name, module in network.named_modules() if isinstance(module, WeightNormLinear)}
    trained = {name for name, layer in layers.items() if isinstance(layer.scale, nn.Parameter)}
    assert trained == {"heads.score_head", "heads.class_head"}
    assert len(layers) == len(HIDDEN) + 2


@pytest.mark.parametrize(("before", "now"), [("true", "unit-weights"), ("false", "none")])
def test_the_former_key_is_read(before: str, now: str) -> None:
    recipe = load_recipe("catgan", ["critic={name='mlp', classes=20}", f"critic.weight_norm={before}"])
    assert isinstance(recipe.critic, MLPCriticConfig)
    assert recipe.critic.normalisation == now
    assert recipe.critic == MLPCriticConfig.model_validate_json(recipe.critic.model_dump_json())
    names = [name for name, _ in critic("unit-weights").named_parameters()]
    assert "layers.0.parametrizations.weight.original" in names  # as checkpoints from then have it


def test_the_former_key_is_yes_or_no() -> None:
    with pytest.raises(ValueError, match=r"weight_norm: expected true or false, got 'x'; critic\.normalisation"):
        MLPCriticConfig.model_validate({"weight_norm": "x"})
