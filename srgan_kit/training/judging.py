"""What a run's critic sees, and in whose company: critics with batch norm judge an image by the batch it comes in."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from srgan_kit.contracts import Batch, Critique, Sample
from srgan_kit.critics.heads import Heads
from srgan_kit.layers.rows import rows
from srgan_kit.recipes.schema import Recipe
from srgan_kit.training.techniques import Techniques

BATCH_NORM = (nn.BatchNorm1d, nn.BatchNorm2d)


class Judge:
    """The critic's view of images, as the recipe's techniques show them to it.

    A system that compares what the critic makes of real and of generated images (VAE/GAN, feature matching) has both
    judged in one forward where the critic has batch norm, as the VAE/GAN authors' code does: each batch by itself would
    be normalised to the same mean and variance, and what tells them apart be gone. Minibatch discrimination compares
    each kind of images with itself alone all the same.

    Args:
        recipe: says what is compared.
        network: the critic's.
        techniques: noise and shifts of what it sees in training; in evaluation it sees the image itself.
    """

    def __init__(self, recipe: Recipe, network: nn.Module, techniques: Techniques) -> None:
        self.network, self.techniques = network, techniques
        self.conditional = recipe.critic is not None and recipe.critic.conditional
        needs = recipe.variant.requirements()
        self.reconstructions = "reconstruction_critique" in needs
        compares = self.reconstructions or needs >= {"features", "real_in_generator_step"}
        compares = compares or "feature_matching" in recipe.weights
        self.together = compares and has_batch_norm(network)

    def one(self, image: Tensor, batch: Batch, sample: Sample | None = None) -> Critique:
        """Of an image by itself, and of the sample's reconstruction where the variant wants it."""
        critique = self._view([image], batch)[0]
        if sample is not None and self.reconstructions:
            assert sample.reconstruction is not None
            critique.of_reconstruction = self._view([sample.reconstruction], batch)[0]
        return critique

    def pair(self, batch: Batch, sample: Sample) -> tuple[Critique, Critique]:
        """Of the real images and of the sample: in one forward where they are compared."""
        if not self.together:
            return self.one(batch.image, batch), self.one(sample.image, batch, sample)
        images = [batch.image, sample.image]
        if self.reconstructions:
            assert sample.reconstruction is not None
            images.append(sample.reconstruction)
        real, fake, *more = self._view(images, batch)
        if more:
            fake.of_reconstruction = more[0]
        return real, fake

    def _view(self, images: list[Tensor], batch: Batch) -> list[Critique]:
        training = self.network.training
        shown = [self.techniques.augment_for_critic(image) if training else image for image in images]
        beside = [batch.condition] if self.conditional and batch.condition is not None else []
        if len(shown) == 1:
            return [self.network(*shown, *beside)]
        together = [torch.cat([each.to(shown[0].dtype) for each in shown])]
        together += [condition.repeat(len(shown), 1, 1, 1) for condition in beside]
        with _apart(self.network, len(shown)):
            critique = self.network(*together)
        count = len(shown[0])
        return [rows(critique, slice(number * count, (number + 1) * count)) for number in range(len(shown))]


def has_batch_norm(network: nn.Module) -> bool:
    """Whether an image's critique depends on the batch's statistics."""
    return any(isinstance(module, BATCH_NORM) for module in network.modules())


@contextmanager
def as_it_plays(network: nn.Module) -> Iterator[None]:
    """In evaluation, but batch norm takes the batch's statistics as in training; its running ones are put back.

    With running statistics, which mix real and generated images, such a critic was never asked to tell them apart.
    """
    training = network.training
    layers = [module for module in network.modules() if isinstance(module, BATCH_NORM)]
    before = [{name: value.clone() for name, value in layer.named_buffers()} for layer in layers]
    network.eval()
    for layer in layers:
        layer.train()
    try:
        yield
    finally:
        network.train(training)
        for layer, buffers in zip(layers, before, strict=True):
            for name, value in layer.named_buffers():
                value.copy_(buffers[name])


@contextmanager
def _apart(network: nn.Module, kinds: int) -> Iterator[None]:
    """Minibatch discrimination compares the images of so many kinds each with its own, while it lasts."""
    heads = [module for module in network.modules() if isinstance(module, Heads)]
    for each in heads:
        each.kinds = kinds
    try:
        yield
    finally:
        for each in heads:
            each.kinds = 1
