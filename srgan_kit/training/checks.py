"""What must hold before the first step: the parts of a recipe fit each other, every term has a weight."""

from collections.abc import Mapping

from torch import nn

from srgan_kit.contracts import REQUIREMENTS, Critique
from srgan_kit.errors import UserError
from srgan_kit.generators.model import Model
from srgan_kit.recipes.schema import Recipe
from srgan_kit.recipes.variant import variant_name
from srgan_kit.suggestions import did_you_mean
from srgan_kit.tasks import Task
from srgan_kit.tasks.content import TERMS as CONTENT_TERMS
from srgan_kit.training.critic_view import has_batch_norm
from srgan_kit.training.techniques import CRITIC_TERMS, GENERATOR_TERMS


def check_requirements(recipe: Recipe, task: Task, model: Model, critic: nn.Module | None) -> None:
    """Raise a UserError that says what to add where the variant or a term lacks what it needs."""
    variant = recipe.variant
    provided = {
        "critic": critic is not None,
        "real_in_generator_step": True,
        "reconstruction_critique": True,
        "labels": task.labelled,
        "codes": bool(recipe.latent.categorical or recipe.latent.continuous),
        "categorical_code": bool(recipe.latent.categorical),
        "posterior": model.encoder is not None,
        "paired": recipe.task != "unconditional" or model.source == "posterior",
        "logits": model.squashed,
        "levels": model.autoregressive,
        "comparator": "perceptual" in recipe.generator_weights,
    }
    of_critic: frozenset[str] = getattr(critic, "provides", frozenset())
    for need in sorted(variant.requirements()):
        if not provided.get(need, need in of_critic):
            raise UserError(f"recipe: variant {variant_name(variant)!r} needs {REQUIREMENTS[need]}")
    for name, term in sorted(CONTENT_TERMS.items()):
        if term.paired and recipe.generator_weights.get(name) and not provided["paired"]:
            raise UserError(f"recipe: weights.{name} needs {REQUIREMENTS['paired']}")
    if not task.labelled and (recipe.labels.batch or recipe.labels.share):
        setting = "batch" if recipe.labels.batch else "share"
        raise UserError(f"recipe: labels.{setting} needs {REQUIREMENTS['labels']}")
    if model.autoregressive and "levels" not in variant.requirements():
        raise UserError(f"recipe: generator {recipe.generator.name!r} needs variant.name = 'pixelrnn'")


def check_batch(recipe: Recipe, model: Model, critic: nn.Module | None) -> None:
    """Raise a UserError where a batch has too few images, or its parts, one after the other, would not add up to it.

    Terms that take statistics of a batch say so themselves, in the dry run.
    """
    networks = (("generator", model.decoder), ("encoder", model.encoder), ("critic", critic))
    if recipe.data.batch * recipe.data.parts < 2:
        for player, network in networks:
            if network is not None and any(isinstance(module, nn.BatchNorm1d) for module in network.modules()):
                raise UserError(f"recipe: data.batch: expected at least 2, for the {player}'s batch norm, got 1")
    if recipe.data.accumulate == 1:
        return
    parts = f"recipe: data.accumulate = {recipe.data.accumulate}"
    for player, network in networks:
        if network is not None and has_batch_norm(network):
            instead = "set data.accumulate to 1"
            instead += ", or techniques.critic_norm to 'layer' or 'none'" if player == "critic" else ""
            raise UserError(f"{parts}: the {player}'s batch norm takes statistics of the whole batch; {instead}")
    if recipe.shares:
        name = next(iter(recipe.shares))
        raise UserError(f"{parts}: weights.{name} is a share, for which the whole batch's gradient is needed at once")


def check_classes(recipe: Recipe, task: Task, critique: Critique) -> None:
    """Raise a UserError if the critic tells fewer classes apart than the images have."""
    logits, classes = recipe.variant.classifier(critique), len(task.classes)
    if logits is not None and logits.shape[1] < classes:
        by_code = "categorical_code" in recipe.variant.requirements()
        setting = "latent.categorical's first number" if by_code else "critic.classes"
        got = f"its variant tells {logits.shape[1]} apart"
        raise UserError(f"recipe: the images have {classes} classes, but {got}; set {setting} to {classes} or more")


def check_weights(player: str, terms: set[str], named: Mapping[str, float], weights: Mapping[str, float]) -> None:
    """Raise a UserError for a term without a weight, a weight for no term, or a loss without a term.

    Args:
        player: "generator" or "critic".
        terms: those that the dry run gave.
        named: the recipe's own weights.
        weights: those and the default ones.
    """
    of_gradients = CRITIC_TERMS if player == "critic" else frozenset()  # which the dry run does without
    table = "weights" if player == "generator" else "critic_weights"
    for name in sorted(terms - weights.keys()):
        known = ", ".join(sorted(terms))
        raise UserError(f"recipe: no weight for the term {name!r} of the {player}'s loss; its terms are {known}")
    all_terms = terms | (CONTENT_TERMS.keys() | GENERATOR_TERMS if player == "generator" else CRITIC_TERMS)
    off = {name for name, weight in named.items() if not weight and name in CONTENT_TERMS}
    for name in sorted(named.keys() - terms - of_gradients - off):
        if player == "generator" and name in GENERATOR_TERMS:
            raise UserError(f"recipe: weights.{name} needs {REQUIREMENTS['critic']}")
        there = f"they are {', '.join(sorted(all_terms))}"
        hint = did_you_mean(f"{table}.{name}", [f"{table}.{term}" for term in all_terms])
        raise UserError(f"recipe: a weight for {name!r}, which is no term of the {player}'s loss{hint}; {there}")
    if not any(weights[name] for name in terms | (named.keys() & of_gradients)):
        raise UserError(f"recipe: the {player}'s loss has no term: give one a weight other than 0 in [{table}]")


def check_shares(recipe: Recipe, terms: set[str]) -> None:
    """Raise a UserError for a share of the gradient where no term of a fixed weight trains the same part.

    Args:
        recipe: the run's.
        terms: those that the dry run gave.
    """
    weights, routes = recipe.generator_weights, recipe.variant.routes()
    fixed = {name for name in terms if weights[name] and name not in recipe.shares}
    for name in sorted(recipe.shares):
        part = routes.get(name)
        if not any(part is None or routes.get(other, part) == part for other in fixed):
            where = f"the {part}'s terms" if part else "the terms"
            raise UserError(f"recipe: weights.{name}: a share needs a fixed weight: give one of {where} a number")
