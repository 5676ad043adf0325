"""Content terms that look through a network: which one a recipe names, and what several terms share of it."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from srgan_kit.errors import UserError
from srgan_kit.images.random_view import RandomView
from srgan_kit.losses import DISTSLoss, FeatureLoss, LPIPSLoss, SqueezeNetFeatures, TorchvisionFeatures, VGGFeatureLoss
from srgan_kit.recipes.schema import Recipe
from srgan_kit.recipes.sections import OF_TORCHVISION, PerceptualConfig, ViewSettings
from srgan_kit.tasks.critic_features import CriticFeatures


class RandomlyViewed(nn.Module):
    """A comparing network on RGB images, which sees both by the same random view, each pair by another.

    Views are drawn from the global generator, which the run seeds before each step.
    """

    def __init__(self, network: nn.Module, view: RandomView) -> None:
        super().__init__()
        self.network, self.view = network, view

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        """The network's distance: two (N, 1 or 3, H, W) -> scalar."""
        return self.network(*viewed_alike(rgb(fake), rgb(real), self.view))


class SharedNetwork(nn.Module):
    """The network of `[perceptual]`, which several terms look through: within `remembering` at each image once.

    (N, 1 or 3, H, W) in [0, 1] -> {layer: maps}. The view that `[perceptual]` says is the same for all terms.
    """

    def __init__(self, network: nn.Module, view: RandomView) -> None:
        super().__init__()
        self.network, self.view = network, view
        self._pairs: list[tuple[Tensor, Tensor, tuple[Tensor, Tensor]]] = []
        self._maps: list[tuple[Tensor, bool, Mapping[str, Tensor]]] = []

    def prepared(self, fake: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """What the network sees of two images: RGB, by the same view."""
        for one, other, pair in self._pairs:
            if one is fake and other is real:
                return pair
        pair = viewed_alike(rgb(fake), rgb(real), self.view)
        self._pairs.append((fake, real, pair))
        return pair

    def forward(self, image: Tensor) -> Mapping[str, Tensor]:
        """The maps of one of the images that were prepared for it."""
        differentiable = torch.is_grad_enabled()  # a target's maps have no gradient, an output's have
        for seen, with_gradient, maps in self._maps:
            if seen is image and with_gradient == differentiable:
                return maps
        maps = self.network(image)
        self._maps.append((image, differentiable, maps))
        return maps

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """While it lasts, an image that was looked at is known."""
        try:
            yield
        finally:
            self._pairs.clear()
            self._maps.clear()


class Compared(nn.Module):
    """A term on maps of the shared network: `loss` is one whose extractor that is."""

    def __init__(self, network: SharedNetwork, loss: nn.Module) -> None:
        super().__init__()
        self.network, self.loss = network, loss

    def forward(self, fake: Tensor, real: Tensor, known: Mapping[str, Tensor] | None = None) -> Tensor:
        """Two (N, 1 or 3, H, W) -> scalar; `known` are the whole real images' maps."""
        if known is not None and self.network.view.is_whole:
            return self.loss(rgb(fake), known)
        return self.loss(*self.network.prepared(fake, real))


def shared_network(recipe: Recipe, terms: Iterable[str]) -> SharedNetwork:
    """The network of `[perceptual]` with the layers of these terms' tables.

    Raises:
        UserError: the weights cannot be had or do not reach the layers asked for.
    """
    tables = list(terms)
    layers = list(dict.fromkeys(layer for table in tables for layer in getattr(recipe, table).layers))
    network = _network(recipe.perceptual, layers, ", ".join(tables))
    return SharedNetwork(network, view_of(recipe.perceptual))


def comparator(config: PerceptualConfig) -> FeatureLoss:
    """The recipe's feature loss, with a network of its own.

    Raises:
        UserError: the weights cannot be had or do not reach the layers asked for.
    """
    return FeatureLoss(_network(config, list(config.layers), "perceptual"), config.layers, config.distance)


def lpips_term(recipe: Recipe) -> RandomlyViewed:
    """The recipe's LPIPS, as `[lpips]` says.

    Raises:
        UserError: the weights cannot be had.
    """
    config = recipe.lpips
    try:
        return RandomlyViewed(LPIPSLoss(config.network, config.weights), view_of(config))
    except (ValueError, OSError, RuntimeError) as error:
        raise _unusable("lpips", "weights", config.weights, error) from None


def dists_term(recipe: Recipe) -> RandomlyViewed:
    """The recipe's DISTS, as `[dists]` says.

    Raises:
        UserError: the weights cannot be had.
    """
    config = recipe.dists
    if config.weights is None:
        needed = "a file with its fitted weights, such as weights.pt of the package dists-pytorch"
        raise UserError(f"recipe: weights.dists needs dists.weights, {needed}")
    try:
        return RandomlyViewed(DISTSLoss(config.weights, config.vgg), view_of(config))
    except (ValueError, OSError, RuntimeError) as error:
        raise _unusable("dists", "vgg", config.vgg, error) from None


def rgb(image: Tensor) -> Tensor:
    """(N, 1 or 3, H, W) -> (N, 3, H, W)."""
    return image if image.shape[1] == 3 else image.expand(-1, 3, -1, -1)


def view_of(config: ViewSettings) -> RandomView:
    """What a table of the recipe says of the images that a network is shown."""
    return RandomView(config.translation, config.crop)


def viewed_alike(fake: Tensor, real: Tensor, view: RandomView) -> tuple[Tensor, Tensor]:
    """Each image and its partner by the same view, drawn from the global generator."""
    look = view.draw(fake)
    return look(fake), look(real)


def _network(config: PerceptualConfig, layers: list[str], tables: str) -> nn.Module:
    """The network that `[perceptual]` names, with these layers."""
    try:
        if config.network == "critic":
            return CriticFeatures(layers, config.weights)
        if config.network == "squeezenet":
            return SqueezeNetFeatures(layers, config.weights)
        if config.network.startswith(OF_TORCHVISION):
            return TorchvisionFeatures(config.network.removeprefix(OF_TORCHVISION), layers, config.weights)
        network = "vgg16" if config.network == "vgg16" else "vgg19"
        return VGGFeatureLoss(layers, network, weights=config.weights).features
    except (ValueError, OSError, RuntimeError) as error:
        raise _unusable(tables, "weights", config.weights, error) from None


def _unusable(table: str, key: str, weights: Path | None, error: Exception) -> UserError:
    """What is wrong with a comparing network, and the key that its weights are given by."""
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    if "weights_only" in str(error) or "Weights only" in reason:  # torch's advice is to have the file run code
        reason = f"{weights}: damaged, or more than weights (code is never run)"
    own_weights = table == "dists" and isinstance(error, ValueError)  # those of its file, not the network's
    if weights is None and reason.partition(":")[0] not in ("layers", "network") and not own_weights:
        owner = table if table in ("lpips", "dists") else "perceptual"
        reason += f" Here the key is {owner}.{key}: --set {owner}.{key}=FILE"
    return UserError(f"recipe: {table}: {reason}")
