"""How a run's critic sees images: augmented; real and generated ones in one forward where batch norm needs it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn

from srgan_kit.contracts import Batch, Critique, Sample
from srgan_kit.critics.heads import Heads
from srgan_kit.errors import UserError
from srgan_kit.layers.rows import rows
from srgan_kit.losses import MinibatchDiscrimination, batch_layout
from srgan_kit.recipes.schema import Recipe
from srgan_kit.training.techniques import Techniques

BATCH_NORM = (nn.BatchNorm1d, nn.BatchNorm2d)


class CriticView:
    """The critic with what the recipe's techniques do to the images before it sees them.

    Where a system compares the critic's features of real and of generated images (VAE/GAN, feature matching) and the
    critic has batch norm, both go through it in one forward, as in the VAE/GAN authors' code: batch norm gives each
    batch by itself the same mean and variance, and the difference between them would be gone. Minibatch discrimination
    still compares each kind of images with itself alone.

    Args:
        recipe: says what is compared.
        network: the critic's.
        techniques: noise and shifts of the images in training; in evaluation the critic sees the images themselves.
    """

    def __init__(self, recipe: Recipe, network: nn.Module, techniques: Techniques) -> None:
        self.network, self.techniques = network, techniques
        self.conditional = recipe.critic is not None and recipe.critic.conditional
        needs = recipe.variant.requirements()
        self.reconstructions = "reconstruction_critique" in needs
        compares = self.reconstructions or needs >= {"features", "real_in_generator_step"}
        compares = compares or "feature_matching" in recipe.weights
        self.together = compares and has_batch_norm(network)
        of_batches = (*BATCH_NORM, MinibatchDiscrimination)
        self.judges_alone = not any(isinstance(module, of_batches) for module in network.modules())

    def image(self, image: Tensor, batch: Batch, sample: Sample | None = None) -> Critique:
        """The critique of images by themselves, and of the sample's reconstruction where the variant requires it."""
        critique = self._critiques([image], batch)[0]
        if sample is not None and self.reconstructions:
            assert sample.reconstruction is not None
            critique.of_reconstruction = self._critiques([sample.reconstruction], batch)[0]
        return critique

    def real_and_fake(self, batch: Batch, sample: Sample) -> tuple[Critique, Critique]:
        """The critiques of the real images, with that of the labelled batch, and of the sample.

        The two are one forward where they are compared.
        """
        if batch.labelled is not None:
            return self._with_labelled(batch, batch.labelled, sample)
        if not self.together:
            return self.image(batch.image, batch), self.image(sample.image, batch, sample)
        images = [batch.image, sample.image]
        if self.reconstructions:
            assert sample.reconstruction is not None
            images.append(sample.reconstruction)
        real, fake, *more = self._critiques(images, batch)
        if more:
            fake.of_reconstruction = more[0]
        return real, fake

    def _with_labelled(self, batch: Batch, labelled: Batch, sample: Sample) -> tuple[Critique, Critique]:
        """The same, by one forward of all images where each is judged by itself: its products are larger, and fewer."""
        if self.judges_alone and batch.condition is None and not self.reconstructions:
            real, fake, real.of_labelled = self._critiques([batch.image, sample.image, labelled.image], batch)
        else:
            real, fake = self.real_and_fake(replace(batch, labelled=None), sample)
            real.of_labelled = self.image(labelled.image, labelled)
        return real, fake

    def judge_augmented(self, batch: Batch) -> None:
        """Show the critic real images as it sees them in training.

        Raises:
            UserError: it judges whole images, and what it is shown of them is too small.
        """
        try:
            self._judged([self.techniques.augment_for_critic(batch.image)], batch)
        except UserError as error:
            raise UserError(f"recipe: techniques.crop: {error}") from None

    def _critiques(self, images: list[Tensor], batch: Batch) -> list[Critique]:
        """One critique for each of the batches of images, which go through the network together."""
        if self.network.training:
            images = [self.techniques.augment_for_critic(image) for image in images]
        return self._judged(images, batch)

    def _judged(self, images: list[Tensor], batch: Batch) -> list[Critique]:
        conditions = [batch.condition] if self.conditional and batch.condition is not None else []
        if len(images) == 1:
            return [self.network(*images, *conditions)]
        inputs = [torch.cat([image.to(images[0].dtype) for image in images])]
        inputs += [condition.repeat(len(images), 1, 1, 1) for condition in conditions]
        with _kinds_apart(self.network, len(images)), batch_layout([len(image) for image in images]):
            critique = self.network(*inputs)
        ends = list(accumulate(map(len, images), initial=0))
        return [rows(critique, slice(*part)) for part in pairwise(ends)]


def has_batch_norm(network: nn.Module) -> bool:
    """Whether an image's critique depends on the batch's statistics."""
    return any(isinstance(module, BATCH_NORM) for module in network.modules())


@contextmanager
def evaluating_with_batch_statistics(network: nn.Module) -> Iterator[None]:
    """Evaluation mode, but batch norm takes the batch's statistics as in training; its running ones are restored.

    Running statistics mix real and generated images: with them the critic never had to tell the two apart.
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
def _kinds_apart(network: nn.Module, kinds: int) -> Iterator[None]:
    """Within it, minibatch discrimination splits the batch into so many kinds and compares within each kind alone."""
    heads = [module for module in network.modules() if isinstance(module, Heads)]
    for each in heads:
        each.kinds = kinds
    try:
        yield
    finally:
        for each in heads:
            each.kinds = 1
