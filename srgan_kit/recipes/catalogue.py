"""The shipped recipes at a glance: what each trains, after which paper, on what data, at what cost."""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from srgan_kit.recipes.load import load_recipe, recipe_names
from srgan_kit.recipes.schema import Recipe

COSTS = "costs.json"
"""Measured by `scripts/bench/recipes.py`."""
COMPARATORS = {
    "vgg16": "VGG16",
    "vgg19": "VGG19",
    "squeezenet": "SqueezeNet",
    "squeeze": "SqueezeNet",
    "dists": "DISTS",
}
"""Networks of [perceptual] and [lpips] whose weights are fetched or given."""


@dataclass(frozen=True)
class Entry:
    """A recipe in the list."""

    name: str
    """What it is chosen by."""
    description: str
    """What it trains."""
    paper: str
    """The paper it follows, or nothing."""
    needs: str
    """The data, and weights that are not in the package."""
    cost: str
    """Time of the whole run on the machine of `measured_on`, or nothing where it was not measured."""


def catalogue() -> list[Entry]:
    """Every shipped recipe."""
    recipes = [load_recipe(name) for name in recipe_names()]
    return [Entry(each.name, each.description, each.paper, needs(each), cost(each)) for each in recipes]


def needs(recipe: Recipe) -> str:
    """What images a recipe is made for, and which weights of other networks it takes.

    >>> needs(load_recipe("srgan-x4"))
    'photographs; VGG19 weights'
    >>> needs(load_recipe("improved-gan"))
    '28x28 grey images, 100 labelled'
    """
    data = recipe.data
    if recipe.task == "super-resolution":
        images = "photographs"
    else:
        colours = {1: "black and white " if data.binarise != "none" else "grey "}.get(data.channels, "")
        images = f"{data.size}x{data.size} {colours}images"
    if recipe.labels.count:
        images += f", {recipe.labels.count} labelled"
    weights = recipe.generator_weights
    shared = any(weights.get(name) for name in ("perceptual", "style", "contextual"))
    networks = [recipe.perceptual.network] if shared else []
    networks += [recipe.lpips.network] if weights.get("lpips") else []
    networks += ["vgg16", "dists"] if weights.get("dists") else []
    named = [f"{COMPARATORS.get(network, network)} weights" for network in networks]
    return "; ".join([images, *dict.fromkeys(named)])


def cost(recipe: Recipe) -> str:
    """The measured time of a shipped recipe's whole run, in words; nothing where it was not measured."""
    measured = _costs()["recipes"].get(recipe.name)
    if measured is None:
        return ""
    validations = recipe.steps // recipe.validation.every + 1
    return readable_time(recipe.steps * measured["step"] + validations * measured["validation"])


def measured_on() -> str:
    """On what machine the costs were measured."""
    return _costs()["machine"]


def readable_time(seconds: float) -> str:
    """A time of two digits or so.

    >>> [readable_time(seconds) for seconds in (0.4, 50, 61 * 60, 100 * 3600)]
    ['1 s', '50 s', '1 h 1 min', '4.2 days']
    """
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min" if minutes < 600 else f"{round(minutes / 60)} h"
    return f"{minutes / 60 / 24:.1f} days"


@cache
def _costs() -> dict[str, Any]:
    file = resources.files("srgan_kit") / "recipes" / COSTS
    return json.loads(file.read_text(encoding="utf-8"))
