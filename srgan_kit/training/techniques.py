"""Techniques for any adversarial system: terms of a player's loss, and noise and views of what the critic sees.

Each term is on if the recipe gives it a weight: generator `feature_matching`, `historical_averaging`; critic `r1`,
`r2`, `gradient_penalty`, `mismatch`, `historical_averaging`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from srgan_kit.contracts import Batch, Critique, Sample
from srgan_kit.images.random_view import RandomView
from srgan_kit.losses import (
    HistoricalAverage,
    LazyRegularization,
    NonSaturating,
    drawn_for_batch,
    feature_matching,
    gradient_penalty,
    r1_penalty,
    r2_penalty,
)
from srgan_kit.recipes.schema import Recipe

GENERATOR_TERMS = frozenset({"feature_matching", "historical_averaging"})
CRITIC_TERMS = frozenset({"r1", "r2", "gradient_penalty", "mismatch", "historical_averaging"})
LAZY = frozenset({"r1", "r2"})
"""Penalties of the critic's slope at images themselves, which `techniques.r1_every` leaves out of some steps."""


class Techniques:
    """The recipe's techniques, and the averages that historical averaging keeps.

    Args:
        recipe: says which are on.
        generator: the generator's network.
        critic: the critic's network.
    """

    def __init__(self, recipe: Recipe, generator: nn.Module, critic: nn.Module) -> None:
        self.recipe = recipe
        self.networks = {"generator": generator, "critic": critic}
        weights = {"generator": recipe.generator_weights, "critic": recipe.all_critic_weights}
        self.averages = {
            player: HistoricalAverage(network.parameters())
            for player, network in self.networks.items()
            if "historical_averaging" in weights[player]
        }
        self._interval = LazyRegularization(recipe.techniques.r1_every)
        self.step, self.steps = 0, recipe.steps
        """Where the run is, and its end: noise falls, and shifts are drawn, by the step."""
        self._latest: dict[str, float] = {}

    @property
    def needs_real_in_generator_step(self) -> bool:
        """Whether a term of the generator compares with real images."""
        return "feature_matching" in self.recipe.weights

    def penalties(self, step: int) -> frozenset[str]:
        """Which of `LAZY` the critic's step has: r1 takes the gradient of its score at real images, r2 at samples."""
        return LAZY & self.recipe.critic_weights.keys() if self._interval.is_due(step) else frozenset()

    def augment_for_critic(self, image: Tensor) -> Tensor:
        """What the critic sees: the image by this step's view, with noise that falls linearly, to 0 after the last."""
        image = self._viewed(image, self.step)
        std = self.recipe.techniques.instance_noise * (1 - self.step / self.steps)
        return image + std * drawn_for_batch(image, torch.randn_like) if std > 0 else image

    def critic_terms(
        self,
        judge: Callable[[Tensor, Batch], Critique],
        real: Critique,
        fake: Critique,
        batch: Batch,
        sample: Sample,
        step: int,
    ) -> dict[str, Tensor]:
        """The critic's terms; those of `penalties` take `real` and `fake` made of images with gradients.

        `mismatch`: real images beside another's condition are fake, -E ln(1 - sigmoid(score)). Reed et al. 2016,
        "Generative adversarial text to image synthesis", GAN-CLS, arXiv:1605.05396, sec. 4.2.
        """
        weights, score = self.recipe.critic_weights, self.recipe.variant.score  # which may be read from the classes
        terms: dict[str, Tensor] = {}
        penalties = self.penalties(step)
        if "r1" in penalties:
            terms["r1"] = self._interval.weight(step) * r1_penalty(score(real), batch.image)
        if "r2" in penalties:
            terms["r2"] = self._interval.weight(step) * r2_penalty(score(fake), sample.image)
        if "gradient_penalty" in weights:
            images = batch.image.detach(), sample.image.detach()
            terms["gradient_penalty"] = gradient_penalty(lambda image: score(judge(image, batch)), *images)
        if "mismatch" in weights and batch.condition is not None:
            others = replace(batch, condition=batch.condition.roll(1, dims=0))
            terms["mismatch"] = NonSaturating().generator_loss(-score(judge(batch.image.detach(), others)))
        return terms | self._history("critic")

    def generator_terms(self, real: Critique | None, fake: Critique) -> dict[str, Tensor]:
        """The generator's terms.

        Raises:
            ValueError: the critic shows no features to match.
        """
        terms: dict[str, Tensor] = {}
        if "feature_matching" in self.recipe.weights and "feature_matching" not in self.recipe.variant.weights:
            if real is None or not real.features or not fake.features:
                raise ValueError("weights.feature_matching: this critic shows no features to match")
            layer, setting = self.recipe.techniques.feature_layer, "techniques.feature_layer"
            matched = (critique.feature(layer, setting) for critique in (real, fake))
            terms["feature_matching"] = feature_matching(*matched, reduction="mean")
        return terms | self._history("generator")

    def lazy_penalty(self, values: Mapping[str, float], step: int) -> dict[str, float]:
        """R1 and R2 for the log: as they were when last computed, without the factor that makes up for other steps."""
        latest = {name: values[name] / self._interval.weight(step) for name in sorted(LAZY & values.keys())}
        self._latest = latest or self._latest
        return self._latest

    def update(self, player: str) -> None:
        """Take a player's weights of this step into its average."""
        if player in self.averages:
            self.averages[player].update(self.networks[player].parameters())

    def state(self) -> dict[str, dict[str, Tensor]]:
        """The tensors and numbers that a checkpoint must hold."""
        return {player: average.state_dict() for player, average in self.averages.items()}

    def restore(self, state: dict[str, dict[str, Tensor]]) -> None:
        """Go back to a checkpoint's averages."""
        for player, average in self.averages.items():
            average.load_state_dict(state[player])

    def _viewed(self, image: Tensor, step: int) -> Tensor:
        """Each image as the recipe's view shows it, by the same draws in all calls of a step."""
        view = RandomView(self.recipe.techniques.translation, self.recipe.techniques.crop)
        if view.is_whole:
            return image
        return view.draw(image, torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + step))(image)

    def _history(self, player: str) -> dict[str, Tensor]:
        if player not in self.averages:
            return {}
        return {"historical_averaging": self.averages[player].penalty(list(self.networks[player].parameters()))}
