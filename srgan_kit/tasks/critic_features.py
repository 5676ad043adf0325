"""A trained run's critic as a comparator: the learned similarity of Larsen et al. 2015 without a game."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor, nn

from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.community import first_line, read_pickled
from srgan_kit.layers.spectral_norm import with_spectral_norm
from srgan_kit.models.build import build_critic
from srgan_kit.recipes.schema import Recipe

MAP = re.compile(r"map([1-9]\d?)")


class CriticFeatures(nn.Module):
    """Named feature maps of a run's frozen critic: (N, 3, H, W) in [0, 1] -> {layer: (N, C, h, w)}.

    `map1` is the shallowest that the critic shows. A critic of grey images sees the first channel. Batch norm takes the
    averages of training. As in "VAE_Disl": Larsen et al. 2015, arXiv:1512.09300, sec. 4.

    Args:
        layers: which maps.
        checkpoint: the checkpoint file of a run, or the run's folder.

    Raises:
        ValueError: no such layer, or what is no checkpoint of a run with a critic that sees images alone.
    """

    def __init__(self, layers: Iterable[str], checkpoint: Path | None) -> None:
        super().__init__()
        if checkpoint is None:
            raise ValueError("weights: a critic's are those of a run; expected its folder or its checkpoint, got none.")
        path = checkpoint / "checkpoint.pt" if checkpoint.is_dir() else checkpoint
        self.network, self.channels = _critic(path)
        self.layers = {layer: _number(layer) for layer in layers}
        self.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> "CriticFeatures":
        """Does nothing: the network is frozen."""
        return super().train(False)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W) -> {layer: (N, C, h, w)}."""
        maps = self.network(image[:, : self.channels]).features or []
        for layer, number in self.layers.items():
            if number > len(maps):
                raise ValueError(f"layers: this critic shows map1 to map{len(maps)}, there is no {layer!r}")
        return {layer: maps[number - 1] for layer, number in self.layers.items()}


def _critic(path: Path) -> tuple[nn.Module, int]:
    """The critic of a checkpoint, and the channels of its images."""
    try:
        state = read_pickled(path)
        recipe = Recipe.model_validate(json.loads(state["recipe"]))
        weights = state["critic"]["network"] if recipe.critic is not None else None
    except (UserError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"weights: {path}: no checkpoint of a run ({first_line(error)})") from None
    if weights is None or recipe.critic is None or recipe.critic.conditional:
        raise ValueError(f"weights: {path}: expected a run with a critic that sees images alone")
    if recipe.techniques.virtual_batch_norm:
        raise ValueError(f"weights: {path}: its critic has virtual batch norm, which needs the run's own reference")
    critic = build_critic(recipe, None)
    assert critic is not None
    if recipe.techniques.spectral_norm:
        with_spectral_norm(critic)
    try:
        critic.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"weights: {path}: its critic is of another kind ({first_line(error)})") from None
    return critic, recipe.image_shape[0]


def _number(layer: str) -> int:
    """The number of a map: 2 of "map2"."""
    name = MAP.fullmatch(layer)
    if name is None:
        raise ValueError(f"layers: expected a critic's map1, map2, ..., got {layer!r}")
    return int(name[1])
