"""Every term of a run computed once before its first step, so that a recipe's mistakes show up at once."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from srgan_kit.contracts import Batch
from srgan_kit.errors import UserError
from srgan_kit.training.accumulation import part_of_process
from srgan_kit.training.checks import check_classes, check_shares, check_weights
from srgan_kit.training.memory import Activations, check_step, out_of_memory
from srgan_kit.training.run import Run


@torch.no_grad()
def dry_run(run: Run) -> None:
    """Compute the terms of both players on at most four images, changing nothing of the run.

    Raises:
        UserError: terms and weights do not match, a term is no scalar, the images do not fit the generator, the critic
            or the perceptual loss, or a step on whole batches would not fit into memory.
    """
    networks = [player.network for player in (run.generator, run.critic) if player is not None]
    for network in networks:
        network.eval()  # batch norm and spectral norm update their statistics only in training
    try:
        items = [run.task.examples[index] for index in range(min(4, run.recipe.data.batch))]
        activations, content = Activations(), getattr(run.task, "content", None)
        watched = [*networks, *([content] if isinstance(content, nn.Module) else [])]
        first = part_of_process(0, run.recipe.data.accumulate, run.accelerator)
        with run.accelerator.autocast(), activations.watching(watched), first:
            _check_terms(run, run.task.batch(default_collate(items)))
        check_step(activations, len(items), run.recipe, run.accelerator.device)
    except UserError:
        raise
    except ValueError as error:
        accumulated = run.recipe.data.accumulate > 1 and "statistics of the whole batch" in str(error)
        hint = "; set data.accumulate to 1" if accumulated else ""
        raise UserError(f"recipe: {error}{hint}") from None
    finally:
        for network in networks:
            network.train()


def _check_terms(run: Run, batch: Batch) -> None:
    recipe = run.recipe
    try:
        sample = run.sample(batch)
    except RuntimeError as error:  # such as a kernel larger than the image
        if out_of_memory(error):
            raise
        reason = str(error).partition("\n")[0]
        given = batch.image if batch.condition is None else batch.condition
        size = "x".join(map(str, given.shape[2:]))
        raise UserError(
            f"generator {recipe.generator.name!r} does not take images of {size} pixels: {reason}"
        ) from error
    terms = run.task.content_terms(batch, sample)
    if run.critic is not None:
        check_classes(recipe, run.task, run.judge(batch.image, batch))
        if recipe.techniques.crop:
            run.critic_view.judge_augmented(batch)
        critic_terms, _ = run.critic_terms(batch, sample)
        _check_scalars(critic_terms)
        check_weights("critic", {*critic_terms}, recipe.critic_weights, recipe.all_critic_weights)
    terms |= run.generator_terms(batch, sample)
    _check_scalars(terms)
    named = {name: recipe.generator_weights[name] for name in recipe.weights}
    check_weights("generator", {*terms}, named, recipe.generator_weights)
    check_shares(recipe, {*terms})


def _check_scalars(terms: Mapping[str, Tensor]) -> None:
    for name, value in terms.items():
        if value.ndim:
            raise UserError(f"term {name!r}: expected a scalar, got {tuple(value.shape)}")
