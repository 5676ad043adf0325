"""The networks of a run before its first step, as the recipe and the images ask for them."""

import torch
from accelerate import Accelerator
from torch import nn

from srgan_kit.errors import UserError
from srgan_kit.generators.model import Model
from srgan_kit.layers.spectral_norm import with_spectral_norm
from srgan_kit.models.build import build_critic, build_model
from srgan_kit.models.initialise import initialise
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks import Task
from srgan_kit.training.checks import check_batch, check_requirements
from srgan_kit.training.memory import check_networks
from srgan_kit.training.virtual_batch_norm import with_virtual_batch_norm


def build_networks(
    recipe: Recipe, task: Task, accelerator: Accelerator, resumed: bool
) -> tuple[Model, nn.Module | None]:
    """The generator and the critic, if there is one, with random weights of the recipe's seed or those to start from.

    Args:
        recipe: what to train.
        task: where images come from.
        accelerator: the run's.
        resumed: whether a checkpoint's weights will replace them, so that those to start from are not looked for.

    Raises:
        UserError: parts of the recipe that do not fit each other or the data; the message says what to add.
    """
    try:
        check_networks(recipe, task.condition, accelerator.device)
        torch.manual_seed(recipe.seed)
        model = build_model(recipe, task.condition)
        critic = build_critic(recipe, task.condition)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"recipe: {error}") from None
    check_requirements(recipe, task, model, critic)
    if recipe.initialise_from is not None and not resumed:
        initialise(model, recipe)
    if recipe.techniques.virtual_batch_norm:
        critic = with_virtual_batch_norm(model, critic, recipe, task)
    check_batch(recipe, model, critic)
    if critic is not None and recipe.techniques.spectral_norm:
        with_spectral_norm(critic)
    return model, critic
