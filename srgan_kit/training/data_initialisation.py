"""The start of networks whose scales come from data: one forward of the run's first batch."""

import torch
from torch import nn
from torch.utils.data import default_collate

from srgan_kit.layers.weight_norm import initialising_from_data, weight_normed
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks import Task


@torch.no_grad()
def initialise_from_data(critic: nn.Module, recipe: Recipe, task: Task) -> None:
    """Set scale and bias of the critic's layers with weight normalisation; a critic without any stays as it is.

    The critic, on its device, sees the run's first batch of real images in training, so with its noise. Salimans and
    Kingma 2016, arXiv:1602.07868, sec. 3.
    """
    if not weight_normed(critic):
        return
    count = recipe.data.batch * recipe.data.parts
    batch = task.batch(default_collate([task.examples[index] for index in range(count)]))
    conditional = recipe.critic is not None and recipe.critic.conditional
    with initialising_from_data(critic):
        critic(batch.image, *([batch.condition] if conditional else []))
