"""The state of a run and its step: the players, what each minimises, saving and restoring."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor
from torch._functorch import config as functorch_config

from srgan_kit.contracts import Batch, Critique, Sample, Updates
from srgan_kit.critics.heads import critic_parts
from srgan_kit.generators.model import Model
from srgan_kit.layers.global_batch_norm import with_global_statistics
from srgan_kit.layers.weight_norm import lengths_kept, weight_normed
from srgan_kit.models.initialise import origin
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks import Task
from srgan_kit.tasks.content import terms_of
from srgan_kit.training.accumulation import Samples, mean
from srgan_kit.training.checkpoint import restore_newest, save_checkpoint
from srgan_kit.training.critic_view import CriticView
from srgan_kit.training.data_initialisation import initialise_from_data
from srgan_kit.training.ema import MovingAverage
from srgan_kit.training.networks import build_networks
from srgan_kit.training.pauses import Pauses
from srgan_kit.training.player import Diverged, Player
from srgan_kit.training.processes import mean_over_processes
from srgan_kit.training.randomness import seed_step
from srgan_kit.training.run_state import state_of, take
from srgan_kit.training.shares import HeldShares
from srgan_kit.training.techniques import Techniques

__all__ = ["Diverged", "Run"]

Parts = Batch | Sequence[Batch]
"""A batch, or the parts that a process takes of it one after the other: see `data.accumulate`."""


class Run:
    """Everything that changes during a run, one training step of it, and how it is saved and restored.

    Args:
        recipe: what to train.
        folder: where checkpoints go.
        accelerator: device and precision.
        task: where images come from.
        resumed: whether `restore` will follow, so that the weights to start from are not looked for.

    Raises:
        UserError: parts of the recipe that do not fit each other or the data; the message says what to add.
    """

    def __init__(
        self, recipe: Recipe, folder: Path, accelerator: Accelerator, task: Task, resumed: bool = False
    ) -> None:
        self.recipe, self.folder, self.accelerator, self.task = recipe, folder, accelerator, task
        self.variant = recipe.variant
        self.fingerprint = task.fingerprint()
        model, critic = build_networks(recipe, task, accelerator, resumed)
        self.origin = {} if resumed else origin(recipe)
        """What model files say of the model that the run goes on from."""
        self.generator = Player("generator", model, model.parts(), recipe.optimizer, accelerator)
        self.average = MovingAverage(model, recipe.ema)
        if recipe.compile:
            logging.getLogger("torch").setLevel(logging.ERROR)  # its warnings are for programmers
            functorch_config.donated_buffer = False  # else a step whose gradient is looked at term by term fails
            model.decoder.compile()  # in place, after the average was copied: that one sees images of any size
        self.critic_average: MovingAverage | None = None
        self.critic: Player | None = None
        self.techniques: Techniques | None = None
        self._critic_view: CriticView | None = None
        self._weight_normed = [] if critic is None else weight_normed(critic)
        if critic is not None:
            self.critic = Player("critic", critic, critic_parts(critic), recipe.critic_optimizer, accelerator)
            initialise_from_data(critic, recipe, task)
            self.critic_average = MovingAverage(critic, recipe.critic_ema) if recipe.critic_ema else None
            self.techniques = Techniques(recipe, model, critic)
        if accelerator.num_processes > 1:
            for network in (model, *([critic] if critic is not None else [])):
                with_global_statistics(network)
        self._compares_average = any(term.needs == "average" for term in terms_of(recipe).values())
        self.held = HeldShares(recipe.shares, recipe.generator_weights, recipe.share_every)
        self.step = self.start = 0
        self.whole = True
        """Whether no step is in progress, so that the players' state is one to go on from."""
        self.planned: int | None = None
        """The number of steps that fit into the run's time, once that was measured."""
        self._saved: tuple[int, int] | None = None
        self.updates = Updates()
        self._pauses = Pauses()

    @property
    def model(self) -> Model:
        """The generator's network."""
        assert isinstance(self.generator.network, Model)
        return self.generator.network

    def judge(self, image: Tensor, batch: Batch, sample: Sample | None = None) -> Critique:
        """What the critic says of an image, and of the sample's reconstruction where the variant requires it."""
        return self.critic_view.image(image, batch, sample)

    @property
    def critic_view(self) -> CriticView:
        """How the critic sees images in this step."""
        assert self.critic is not None
        assert self.techniques is not None
        if self._critic_view is None or self._critic_view.network is not self.critic.network:
            self._critic_view = CriticView(self.recipe, self.critic.network, self.techniques)
        self.techniques.step, self.techniques.steps = self.step, self.steps
        return self._critic_view

    @property
    def measured_critic(self) -> torch.nn.Module:
        """The critic that measures are of: the averaged one, if there is one."""
        assert self.critic is not None
        return self.critic.network if self.critic_average is None else self.critic_average.network

    @property
    def needs_prior_sample(self) -> bool:
        """Whether a posterior's run needs an image of a prior's code too: for the critic, or for the content terms of
        what upscaling will show."""
        return self.critic is not None or self.recipe.task == "super-resolution"

    @property
    def batches(self) -> int:
        """Number of batches in a step: one for each of the critic's steps, and the generator's if it has its own."""
        own = self.recipe.generator_batch == "own"
        return 1 if self.critic is None else self.recipe.critic_steps + own

    @property
    def steps(self) -> int:
        """Steps of the whole run: as many as the recipe says, or as were found to fit into its time."""
        return self.recipe.steps if self.planned is None else self.planned

    # --- a step -----------------------------------------------------------------------------------------------------

    def train_step(self, batch: Parts, detailed: bool = False, earlier: Sequence[Parts] = ()) -> dict[str, float]:
        """Critic, then generator, on one batch or its parts; the numbers to log, those of all processes if `detailed`.

        Args:
            batch: what the generator learns from, and, unless it has a batch of its own, the critic in its last step.
            detailed: whether each term's share of the generator's gradient is measured; of several parts in the first.
            earlier: a batch for each of the critic's other steps.
        """
        if len(earlier) != self.batches - 1:
            raise ValueError(f"expected {self.batches - 1} earlier batches for the critic's steps, got {len(earlier)}")
        self._begin_step()
        samples = self._samples(batch, self.sample, self.task.content_terms)
        self.generator.finite(samples.first_content, self.step)  # before the critic sees the images, lest it be blamed
        critic_values: dict[str, float] = {}
        for other in earlier:
            critic_values = self.critic_step(self._samples(other, partial(self.model, needs_prior_sample=True), None))
        if self.critic is not None and self.recipe.generator_batch == "shared":
            critic_values = self.critic_step(samples)
        shares, generator_values = self.generator_step(samples, detailed)
        self._end_step(critic_values, generator_values)
        values = critic_values | shares | generator_values
        if not detailed:
            return values
        values = mean_over_processes(values, self.accelerator)
        return values | self._pauses.shares(("critic", *self.generator.parts))

    def sample(self, batch: Batch) -> Sample:
        """What the generator makes of a batch, and what its average makes of it where a content term asks for it.

        Where a generator draws something, the two would be images of different draws, and there is no average.
        """
        sample = self.model(batch, needs_prior_sample=self.needs_prior_sample)
        if self._compares_average and sample.posterior is None and not self.recipe.latent.size:
            with torch.no_grad():
                sample.average = self.average.network(batch, needs_prior_sample=False).image
        return sample

    def critic_step(self, samples: Samples) -> dict[str, float]:
        """One step of the critic; its terms, its gradient norm and its mean scores, to log."""
        assert self.critic is not None
        assert self.techniques is not None
        self.critic.requires_grad_(True)
        weights, routes = self.recipe.all_critic_weights, self.variant.critic_routes()
        paused = frozenset() if self.updates.critic else frozenset(self.critic.parts)
        self.critic.begin(self.step, self.steps)
        of_parts: list[dict[str, float]] = []
        for batch, sample in samples.judged():
            with self._autocast(), lengths_kept(self._weight_normed):
                terms, scores = self.critic_terms(batch, sample)
            of_parts.append(self.critic.add(terms, weights, routes, self.step, len(samples.parts)) | scores)
        values = mean(of_parts) | self.critic.update(paused, self.step)
        self.critic.requires_grad_(False)
        self.techniques.update("critic")
        values |= self.techniques.lazy_penalty(values, self.step)
        own = ("critic", "score_")
        return {name if name.startswith(own) else f"critic_{name}": value for name, value in values.items()}

    def generator_step(self, samples: Samples, detailed: bool) -> tuple[dict[str, float], dict[str, float]]:
        """One step of the generator; the terms' gradient shares if they are measured, its terms and gradient norm."""
        weights, routes = self.recipe.generator_weights, self.variant.routes()
        shares: dict[str, float] = {}
        of_parts: list[dict[str, float]] = []
        self.generator.begin(self.step, self.steps)
        for batch, sample, content in samples.learned():
            with self._autocast(), lengths_kept(self._weight_normed):
                terms = content | self.generator_terms(batch, sample)
            if not of_parts and len(terms) > 1 and (detailed or self.held.due(self.step)):
                norms = self.generator.gradient_norms(terms, weights | self.held.weights, routes)
                shares = self.held.measured(norms, self.step)
            parts = len(samples.parts)
            of_parts.append(self.generator.add(terms, weights | self.held.weights, routes, self.step, parts))
        paused = frozenset(part for part in ("encoder", "decoder") if not getattr(self.updates, part))
        values = mean(of_parts) | self.generator.update(paused, self.step)
        if self.critic is not None:
            self.critic.requires_grad_(True)
        return shares, values

    def _samples(
        self,
        batch: Parts,
        sample: Callable[[Batch], Sample],
        content: Callable[[Batch, Sample], dict[str, Tensor]] | None,
    ) -> Samples:
        parts = [batch] if isinstance(batch, Batch) else batch
        return Samples(parts, self.accelerator, self._autocast, sample, content)

    def critic_terms(self, batch: Batch, sample: Sample) -> tuple[dict[str, Tensor], dict[str, float]]:
        """The critic's terms, and its mean scores of real and of fake images."""
        assert self.techniques is not None
        penalties = self.techniques.penalties(self.step) if torch.is_grad_enabled() else frozenset()
        detached = sample.detached()
        batch.image.requires_grad_("r1" in penalties)
        detached.image.requires_grad_("r2" in penalties)
        real, fake = self.critic_view.real_and_fake(batch, detached)
        terms = self.variant.critic_terms(real=real, fake=fake, batch=batch, sample=detached)
        if torch.is_grad_enabled():  # else it is the dry run, and there are no gradients to penalise
            terms |= self.techniques.critic_terms(self.judge, real, fake, batch, detached, self.step)
        batch.image.requires_grad_(False)
        scores = {"score_real": self.variant.score(real), "score_fake": self.variant.score(fake)}
        return terms, {name: float(score.detach().mean()) for name, score in scores.items()}

    def generator_terms(self, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """The generator's terms besides those of content: the variant's and the techniques'."""
        batch = replace(batch, labelled=None)
        if self.critic is None or self.techniques is None:
            empty = Critique(score=sample.image.new_zeros(0))
            return self.variant.generator_terms(real=None, fake=empty, batch=batch, sample=sample)
        compares = "real_in_generator_step" in self.variant.requirements()
        compares = compares or self.techniques.needs_real_in_generator_step
        if compares and self.critic_view.together:
            real, fake = self.critic_view.real_and_fake(batch, sample)
        else:
            with torch.no_grad():
                real = self.judge(batch.image, batch) if compares else None
            fake = self.judge(sample.image, batch, sample)
        terms = self.variant.generator_terms(real=real, fake=fake, batch=batch, sample=sample)
        return terms | self.techniques.generator_terms(real, fake)

    def _autocast(self) -> AbstractContextManager[None]:
        """The run's precision; accelerate's own context costs a small network's step a few percent."""
        return nullcontext() if self.accelerator.mixed_precision == "no" else self.accelerator.autocast()

    def _begin_step(self) -> None:
        self.whole = False
        seed_step(self.recipe.seed, self.step, self.accelerator)
        self._pauses.count(self.updates)

    def _end_step(self, critic_values: dict[str, float], generator_values: dict[str, float]) -> None:
        # The processes must agree on who learns next.
        critic_values = mean_over_processes(critic_values, self.accelerator)
        generator_values = mean_over_processes(generator_values, self.accelerator)
        self.updates = self.variant.next_updates(critic_values, generator_values, self.updates)
        self.step += 1
        self.average.update(self.step)
        if self.critic and self.critic_average:
            self.critic_average.update(self.step)
        if self.techniques is not None:
            self.techniques.update("generator")
        self.whole = True

    # --- saving -----------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the checkpoint (main process only), unless it is written already."""
        if not self.accelerator.is_main_process or self._saved == (self.step, self.steps):
            return
        save_checkpoint(self.folder, state_of(self))
        self._saved = self.step, self.steps

    def restore(self) -> list[str]:
        """Go back to the newest sound checkpoint of the folder; warnings about those that are not."""
        warnings = restore_newest(self.folder, partial(take, self))
        self._saved = None if warnings else (self.step, self.steps)
        return warnings
