"""What changes while a run goes on: the players with their optimisers, one step, saving and restoring.

Only this file calls `backward`.
"""

import math
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import default_collate

from srgan_kit.config import OptimizerConfig, Recipe
from srgan_kit.contracts import Batch, Sample, Variant
from srgan_kit.critics import build_critic
from srgan_kit.errors import UserError
from srgan_kit.generators import build_generator
from srgan_kit.tasks.super_resolution import SuperResolution
from srgan_kit.training.checkpoint import load_checkpoint, save_checkpoint
from srgan_kit.training.ema import MovingAverage
from srgan_kit.training.schedule import learning_rate
from srgan_kit.upscaling.models import load_model
from srgan_kit.variants import VARIANTS


class Diverged(UserError):
    """A term became NaN or infinite; the last good checkpoint is kept."""

    exit_status = 1


class Player:
    """A network with its optimiser: the generator or the critic."""

    def __init__(self, name: str, network: nn.Module, config: OptimizerConfig, accelerator: Accelerator) -> None:
        self.name, self.config, self.accelerator = name, config, accelerator
        self.raw = network.to(accelerator.device, memory_format=torch.channels_last)  # pyright: ignore
        optimizer = torch.optim.Adam(self.raw.parameters(), lr=config.learning_rate, betas=config.betas)
        self.network, self.optimizer = accelerator.prepare(self.raw, optimizer)

    def minimise(self, terms: dict[str, Tensor], weights: dict[str, float], step: int, steps: int) -> dict[str, float]:
        """One optimisation step on the weighted sum; the terms and the gradient norm, as numbers to log.

        Raises:
            Diverged: a term or the gradient is not finite; the weights are untouched.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, step, steps)
        values = self.finite(terms, step)
        loss = torch.stack([weights[name] * term.float() for name, term in terms.items()]).sum()
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        norm = self.accelerator.clip_grad_norm_(self.network.parameters(), self.config.clip_gradient)
        gradient = float(norm) if norm is not None else math.nan
        if not math.isfinite(gradient) and self.accelerator.scaler is None:  # fp16's scaler skips such steps itself
            raise Diverged(f"step {step + 1}: the {self.name}'s gradient is {gradient}; the run has stopped")
        self.optimizer.step()
        return values | {f"{self.name}_gradient": gradient}

    def finite(self, terms: dict[str, Tensor], step: int) -> dict[str, float]:
        """The terms as numbers.

        Raises:
            Diverged: one is NaN or infinite.
        """
        values = {name: float(term.detach()) for name, term in terms.items()}
        for name, value in values.items():
            if not math.isfinite(value):
                raise Diverged(f"step {step + 1}: the {self.name}'s term {name!r} is {value}; the run has stopped")
        return values

    def check_weights(self, terms: dict[str, Tensor], weights: dict[str, float]) -> None:
        """Raise a UserError for a term without a weight or a weight without a term."""
        if terms.keys() != weights.keys():
            lone = sorted(terms.keys() ^ weights.keys())[0]
            wrong = f"no weight for the term {lone!r}" if lone in terms else f"a weight for {lone!r}, which is no term"
            raise UserError(f"recipe: {wrong} of the {self.name}'s loss; its terms are {', '.join(sorted(terms))}")

    def state(self) -> dict[str, Any]:
        return {"network": self.raw.state_dict(), "optimizer": self.optimizer.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        self.raw.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])


class Run:
    """Everything that changes while a run goes on, and how it is saved and restored."""

    def __init__(self, recipe: Recipe, folder: Path, accelerator: Accelerator, fingerprint: str) -> None:
        self.recipe, self.folder, self.accelerator = recipe, folder, accelerator
        self.fingerprint = fingerprint
        torch.manual_seed(recipe.seed)
        generator = build_generator(recipe.generator)
        if recipe.initialise_from is not None:
            _initialise(generator, recipe.initialise_from)
        self.generator = Player("generator", generator, recipe.optimizer, accelerator)
        self.average = MovingAverage(self.generator.raw, recipe.ema)
        self.critic: Player | None = None
        self.variant: Variant | None = None
        if recipe.critic is not None:
            self.critic = Player("critic", build_critic(recipe.critic), recipe.critic_optimizer, accelerator)
            self.variant = VARIANTS[recipe.variant]()
        self.step = 0

    def train_step(self, task: SuperResolution, batch: Batch) -> dict[str, float]:
        """Critic, then generator, on one batch; the numbers to log."""
        recipe = self.recipe
        # All randomness inside a step is a function of (seed, step, rank): a resumed run needs no generator state.
        torch.manual_seed((recipe.seed * 1_000_003 + self.step) * 1_009 + self.accelerator.process_index)
        sample = task.sample(self.generator.network, batch)
        values: dict[str, float] = {}
        terms = task.content_terms(batch, sample)
        if self.critic is not None and self.variant is not None:
            self.generator.finite(terms, self.step)  # before the critic sees the images, so that it is not blamed
            values |= self.critic.minimise(
                self._critic_terms(self.variant, batch, sample), recipe.critic_weights, self.step, recipe.steps
            )
            self.critic.raw.requires_grad_(False)
            with self.accelerator.autocast():  # not the distributed wrapper: this pass gives its weights no gradient
                fake = self.critic.raw(sample.image)
            terms |= self.variant.generator_terms(real=None, fake=fake, batch=batch, sample=sample)
        values |= self.generator.minimise(terms, recipe.weights, self.step, recipe.steps)
        if self.critic is not None:
            self.critic.raw.requires_grad_(True)
        self.step += 1
        self.average.update(self.generator.raw, self.step)
        return values

    def _critic_terms(self, variant: Variant, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        assert self.critic is not None
        real = self.critic.network(batch.image)
        fake = self.critic.network(sample.image.detach())
        return variant.critic_terms(real=real, fake=fake, batch=batch, sample=sample)

    @torch.no_grad()
    def rehearse(self, task: SuperResolution) -> None:
        """Compute every term of the first batch once, changing nothing, so that a recipe's mistakes show up at once.

        Raises:
            UserError: terms and weights do not match, or the crops do not fit the critic or the perceptual loss.
        """
        networks = [player.raw for player in (self.generator, self.critic) if player is not None]
        for network in networks:
            network.eval()  # batch norm and spectral norm update their statistics only in training
        try:
            with self.accelerator.autocast():
                self._check_terms(task, task.batch(default_collate([task.crops[0], task.crops[1]])))
        except UserError:
            raise
        except ValueError as error:
            raise UserError(f"recipe: {error}") from None
        finally:
            for network in networks:
                network.train()

    def _check_terms(self, task: SuperResolution, batch: Batch) -> None:
        sample = task.sample(self.generator.raw, batch)
        terms = task.content_terms(batch, sample)
        if self.critic is not None and self.variant is not None:
            real, fake = self.critic.raw(batch.image), self.critic.raw(sample.image)
            critic_terms = self.variant.critic_terms(real=real, fake=fake, batch=batch, sample=sample)
            self.critic.check_weights(critic_terms, self.recipe.critic_weights)
            terms |= self.variant.generator_terms(real=None, fake=fake, batch=batch, sample=sample)
        self.generator.check_weights(terms, self.recipe.weights)

    def save(self) -> None:
        """Write the checkpoint (main process only)."""
        if not self.accelerator.is_main_process:
            return
        scaler = self.accelerator.scaler
        state = {
            "recipe": self.recipe.model_dump_json(),
            "fingerprint": self.fingerprint,
            "step": self.step,
            "generator": self.generator.state(),
            "average": self.average.network.state_dict(),
            "critic": self.critic.state() if self.critic else None,
            "scaler": scaler.state_dict() if scaler else None,
        }
        save_checkpoint(self.folder, state)

    def restore(self) -> None:
        """Go back to the folder's checkpoint."""
        state = load_checkpoint(self.folder, self.recipe, self.fingerprint)
        self.step = state["step"]
        self.generator.restore(state["generator"])
        self.average.network.load_state_dict(state["average"])
        if self.critic is not None:
            self.critic.restore(state["critic"])
        if self.accelerator.scaler is not None and state["scaler"] is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])


def _initialise(generator: nn.Module, source: str) -> None:
    try:
        generator.load_state_dict(load_model(source).network.state_dict())
    except RuntimeError:
        raise UserError(f"initialise_from {source!r}: its weights do not fit this recipe's generator") from None
