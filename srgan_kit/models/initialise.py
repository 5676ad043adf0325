"""A run's start from the weights of another model."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from srgan_kit.errors import UserError
from srgan_kit.generators.model import Model
from srgan_kit.generators.super_resolution.community import CommunityConfig
from srgan_kit.generators.super_resolution.reparameterised import folded, load_plain
from srgan_kit.generators.super_resolution.rrdb import RRDBNet, own_names
from srgan_kit.generators.super_resolution.settings import SRSettings
from srgan_kit.models.generative import load_saved
from srgan_kit.models.super_resolution import load_model
from srgan_kit.recipes.schema import Recipe


def initialise(model: Model, recipe: Recipe) -> None:
    """Take the weights that the recipe names, or some of them, into its generator.

    A super-resolver's are a pretrained model's, a file's of ours, or a community checkpoint's of an architecture that
    the kit has; a latent layer that those lack starts without effect. Another generator's are those of a pretrained
    one, a run or a file of ours, its encoder's too.

    Raises:
        UserError: the weights do not fit the generator; the message names the first that does not.
    """
    source = recipe.initialise_from
    assert source is not None
    if isinstance(recipe.generator, SRSettings):
        _super_resolver(model, source, recipe.initialise_parts)
        return
    if recipe.initialise_parts != "all":
        raise UserError(f"initialise_parts {recipe.initialise_parts!r}: of super-resolvers; others give all they have")
    weights = load_saved(source).model.state_dict()
    difference = _first_difference(model.state_dict(), weights, ())
    if difference:
        raise UserError(f"initialise_from {source!r}: its weights do not fit this recipe's generator: {difference}")
    model.load_state_dict(weights)


def origin(recipe: Recipe) -> dict[str, str]:
    """What a file of a run must say of the super-resolver that it goes on from, as metadata; nothing where it starts
    from random weights or takes a part."""
    source = recipe.generator.file if isinstance(recipe.generator, CommunityConfig) else recipe.initialise_from
    if source is None or recipe.initialise_parts != "all" or not isinstance(recipe.generator, SRSettings):
        return {}
    start = load_model(source)
    return {
        "fine_tuned_from": start.name,
        "licence": start.licence,
        "border": str(start.border),
        "training_data": f"{start.metadata.get('training_data', 'unknown')}; trained further on its user's images",
    }


def _super_resolver(model: Model, source: str, parts: str) -> None:
    plain = folded(model.decoder)
    weights = _own_keys(load_model(source).network.state_dict(), plain)
    may_lack = ("latent.",)
    if parts == "trunk":
        weights = {name: value for name, value in weights.items() if not name.startswith("tail.")}
        may_lack = ("latent.", "tail.")
    difference = _first_difference(plain.state_dict(), weights, may_lack)
    if difference:
        raise UserError(f"initialise_from {source!r}: its weights do not fit this recipe's generator: {difference}")
    plain.load_state_dict(weights, strict=False)
    load_plain(model.decoder, plain)


def _own_keys(weights: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The weights under this kit's names."""
    from_spandrel = all(name.startswith("model.") for name in weights)
    own = {name.removeprefix("model.") if from_spandrel else name: value for name, value in weights.items()}
    return own_names(own) if isinstance(network, RRDBNet) else own


def _first_difference(expected: Mapping[str, Tensor], weights: Mapping[str, Tensor], may_lack: Sequence[str]) -> str:
    """What does not fit, in words; nothing if all does."""
    for name, value in expected.items():
        if name not in weights and not name.startswith(tuple(may_lack)):
            return f"they lack {name}"
        if name in weights and weights[name].shape != value.shape:
            return f"{name}: expected {_shape(value)}, got {_shape(weights[name])}"
    foreign = next((name for name in weights if name not in expected), None)
    return "" if foreign is None else f"they have {foreign}, which it lacks"


def _shape(value: Tensor) -> str:
    return "x".join(map(str, value.shape)) or "a single number"
