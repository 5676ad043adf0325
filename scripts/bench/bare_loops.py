"""Four systems trained by loops as one writes them by hand: PyTorch's own parts around our networks, a step a turn.

A loop does what its recipe says: the same losses, Adam, clipping of the gradient, moving average of the weights. What
it lacks is the rest of a run: checks, names of terms, samples by number, a log, something to resume from.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import clip_grad_norm_
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from srgan_kit.models.build import build_critic, build_model
from srgan_kit.recipes.schema import Recipe
from srgan_kit.recipes.sections import OptimizerConfig

Loop = Iterator[None]


class Learner:
    """A network with its optimiser and its moving average."""

    def __init__(self, network: nn.Module, config: OptimizerConfig, ema: float) -> None:
        self.network = network.to(memory_format=torch.channels_last)
        self.clip = config.clip_gradient
        self.parameters = list(network.parameters())
        self.optimizer = torch.optim.Adam(self.parameters, config.learning_rate, config.betas, fused=True)
        averaged = {"multi_avg_fn": get_ema_multi_avg_fn(ema), "use_buffers": False}
        self.average = AveragedModel(network, **averaged) if ema else None

    def minimise(self, loss: Tensor) -> None:
        """One step."""
        self.optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(self.parameters, self.clip)
        self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.network)


def vae(recipe: Recipe, images: Tensor, labels: Tensor) -> Loop:
    """Binary images drawn anew, encoder, reparameterisation, decoder, cross entropy and divergence."""
    model = build_model(recipe, None)
    assert model.encoder is not None
    learner = Learner(model, recipe.optimizer, recipe.ema)
    for which in _batches(len(images), recipe.data.batch):
        x = torch.bernoulli(images[which])
        posterior = model.encoder(x)
        z = posterior.mean + torch.randn_like(posterior.mean) * (posterior.log_variance / 2).exp()
        likelihood = F.binary_cross_entropy_with_logits(model.decoder(z), x, reduction="sum")
        kl = (posterior.log_variance.exp() + posterior.mean**2 - 1 - posterior.log_variance).sum() / 2
        learner.minimise((likelihood + kl) / len(x))
        yield


def gan(recipe: Recipe, images: Tensor, labels: Tensor) -> Loop:
    """Critic, then generator, by the cross entropy of the score."""
    generator, critic = _players(recipe)
    for which in _batches(len(images), recipe.data.batch):
        x = images[which]
        fake = generator.network(torch.randn(len(x), recipe.latent.noise)).sigmoid()
        real_score, fake_score = (critic.network(image).score for image in (x, fake.detach()))
        critic.minimise(F.softplus(-real_score).mean() + F.softplus(fake_score).mean())
        critic.network.requires_grad_(False)
        generator.minimise(F.softplus(-critic.network(fake).score).mean())
        critic.network.requires_grad_(True)
        yield


def infogan(recipe: Recipe, images: Tensor, labels: Tensor) -> Loop:
    """The same with codes, which both players' losses read back."""
    generator, critic = _players(recipe)
    classes = recipe.latent.categorical[0]
    for which in _batches(len(images), recipe.data.batch):
        x = images[which]
        kind, values = torch.randint(classes, (len(x),)), torch.rand(len(x), recipe.latent.continuous) * 2 - 1
        noise = torch.randn(len(x), recipe.latent.noise)
        fake = generator.network(torch.cat([noise, F.one_hot(kind, classes).float(), values], dim=1)).sigmoid()

        def codes_of(critique, kind=kind, values=values) -> Tensor:
            unread = F.cross_entropy(critique.codes.categorical[0], kind)
            return unread + 0.1 * ((critique.codes.mean - values) ** 2 / (2 * 0.5**2)).sum(dim=1).mean()

        real, seen = critic.network(x), critic.network(fake.detach())
        critic.minimise(F.softplus(-real.score).mean() + F.softplus(seen.score).mean() + codes_of(seen))
        critic.network.requires_grad_(False)
        seen = critic.network(fake)
        generator.minimise(F.softplus(-seen.score).mean() + codes_of(seen))
        critic.network.requires_grad_(True)
        yield


def improved_gan(recipe: Recipe, images: Tensor, labels: Tensor) -> Loop:
    """Labelled, unlabelled and generated images to the critic in one batch; feature matching on a batch of its own."""
    generator, critic = _players(recipe)
    batches, taught = _batches(len(images), recipe.data.batch), _batches(recipe.labels.batch, recipe.labels.batch)
    for which, labelled in zip(batches, taught, strict=False):
        x, count = images[which], len(which)
        with torch.no_grad():
            fake = generator.network(torch.rand(count, recipe.latent.noise) * 2 - 1).sigmoid()
        logits = critic.network(torch.cat([x, fake, images[labelled]])).class_logits
        real, made, known = logits.split([count, count, len(labelled)])
        supervised = F.cross_entropy(known, labels[labelled])
        real, made = real.logsumexp(dim=1), made.logsumexp(dim=1)
        critic.minimise(supervised + F.softplus(-real).mean() + F.softplus(made).mean())
        critic.network.requires_grad_(False)
        with torch.no_grad():
            wanted = critic.network(images[next(batches)]).features[-1].mean(dim=0)
        fake = generator.network(torch.rand(count, recipe.latent.noise) * 2 - 1).sigmoid()
        generator.minimise((critic.network(fake).features[-1].mean(dim=0) - wanted).square().mean())
        critic.network.requires_grad_(True)
        yield


LOOPS: dict[str, Callable[[Recipe, Tensor, Tensor], Loop]] = {
    "vae": vae,
    "infogan": infogan,
    "improved-gan": improved_gan,
    "dcgan": gan,
}
"""By the recipe that trains the same."""


def _players(recipe: Recipe) -> tuple[Learner, Learner]:
    critic = build_critic(recipe, None)
    assert critic is not None
    generator = Learner(build_model(recipe, None).decoder, recipe.optimizer, recipe.ema)
    return generator, Learner(critic, recipe.critic_optimizer, recipe.critic_ema)


def _batches(count: int, size: int) -> Iterator[Tensor]:
    """Numbers of images, in epochs, without end."""
    while True:
        order = torch.randperm(count)
        yield from order[: count // size * size].split(size)
