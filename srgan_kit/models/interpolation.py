"""Networks between two networks: interpolated weights."""

import copy
from dataclasses import replace

import torch

from srgan_kit.generators.super_resolution.settings import SRSettings
from srgan_kit.models.super_resolution import UpscalingModel, generator_config

SAME_ORIGIN = 0.8
"""Cosine between the weights of two networks from which one was trained from the other, or both from a third: of the
pretrained pairs 0.81 and more, of networks that were trained apart less than 0.1."""


def interpolated(first: UpscalingModel, second: UpscalingModel, fraction: float) -> UpscalingModel | None:
    """The model whose weights are (1 - fraction) first + fraction second; None where they are of different kinds.

    Weights can be interpolated where the files name the same generator with the same settings, and where one origin
    shows in them: the cosine between all weights of the one and of the other is at least SAME_ORIGIN.
    Wang et al. 2019, "Deep network interpolation for continuous imagery effect transition", arXiv:1811.10515
    """
    settings = _settings(first)
    if settings is None or settings != _settings(second) or first.border != second.border:
        return None
    if cosine(first, second) < SAME_ORIGIN:
        return None
    network = copy.deepcopy(first.network)
    own, others = first.network.state_dict(), second.network.state_dict()
    network.load_state_dict({name: weight.lerp(others[name], fraction) for name, weight in own.items()})
    return replace(first, name=f"{first.name}+{second.name}", network=network)


def _settings(model: UpscalingModel) -> SRSettings | None:
    text = model.metadata.get("generator")
    return None if text is None else generator_config(text)


@torch.no_grad()
def cosine(first: UpscalingModel, second: UpscalingModel) -> float:
    """The cosine between two networks' weights of the same names and shapes, each as one vector: in [-1, 1]."""
    own, others = dict(first.network.named_parameters()), dict(second.network.named_parameters())
    shared = [name for name, weight in own.items() if name in others and others[name].shape == weight.shape]
    one, other = (torch.cat([weights[name].flatten() for name in shared]) for weights in (own, others))
    return float(torch.cosine_similarity(one, other, dim=0))
