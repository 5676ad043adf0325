"""The technique of virtual batch norm: the players' batch norm takes the statistics of one reference batch."""

import torch
from torch import nn
from torch.utils.data import default_collate

from srgan_kit.errors import UserError
from srgan_kit.generators.model import Model
from srgan_kit.layers.virtual_batch_norm import VirtualBatchNetwork
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks import Task
from srgan_kit.training.critic_view import has_batch_norm


def with_virtual_batch_norm(model: Model, critic: nn.Module | None, recipe: Recipe, task: Task) -> nn.Module | None:
    """Give the model's decoder and the critic virtual batch norm, where they have batch norm; the critic to train.

    The reference batch is the run's first one, that of all processes and parts together; it is drawn once and kept.

    Raises:
        UserError: neither of them has batch norm.
    """
    items = [task.examples[index] for index in range(recipe.data.batch * recipe.data.parts)]
    batch = task.batch(default_collate(items))
    noise, codes = model.draw(len(batch.image), batch.image.device, torch.Generator().manual_seed(recipe.seed))
    inputs = [each for each in (batch.condition, model.vector(noise, codes)) if each is not None]
    # A super-resolver upscales images of any size, which a reference of one size cannot go along with.
    candidates = (critic,) if recipe.task == "super-resolution" else (model.decoder, critic)
    players = [each for each in candidates if each is not None and has_batch_norm(each)]
    if not players:
        raise UserError(
            "recipe: techniques.virtual_batch_norm: neither the critic nor, but for super-resolution, the "
            "generator has batch norm"
        )
    if model.decoder in players:
        model.decoder = VirtualBatchNetwork(model.decoder, *inputs)
    if critic not in players or recipe.critic is None:
        return critic
    condition = [batch.condition] if recipe.critic.conditional else []
    return VirtualBatchNetwork(critic, batch.image, *condition)
