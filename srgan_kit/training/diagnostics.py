"""Measures of a generative system at a validation, on held-out images and samples of the averaged generator.

Nothing of the run changes: networks are in evaluation and without gradients, but for the critic's batch norm, whose
statistics are put back; random numbers come from a fork.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor
from torch.utils.data import default_collate

from srgan_kit import losses
from srgan_kit.contracts import Batch, Codes, Critique, Sample, Variant
from srgan_kit.generators.model import Model
from srgan_kit.metrics.classification import cluster_error, error_rate
from srgan_kit.metrics.samples import class_usage
from srgan_kit.training.critic_view import CriticView, evaluating_with_batch_statistics
from srgan_kit.training.run import Run

COUNT = 512
"""Held-out images, and as many training images and samples, that the critic scores; fewer where fewer are held out."""
ACTIVE = 0.01
"""A latent unit is active if the mean of its posterior varies over images by more than this variance (Burda et al.
2015, "Importance Weighted Autoencoders", sec. 5.2, arXiv:1509.00519)."""
SHARPEST = 1e-3
"""Smallest standard deviation of Q for a continuous code: an exact reader would know infinitely many nats."""


def diagnose(run: Run, network: Model) -> dict[str, float]:
    """The measures by name, with a slash between group and measure: docs/guide/training.md, "What the log says".

    Args:
        run: its critic, variant and task.
        network: the averaged generator.

    Returns:
        Nothing where fewer than two images are held out, or the recipe has neither a system nor a latent vector.
    """
    if run.critic is None and not run.variant.requirements() and not network.latent.size:
        return {}
    held_out = run.task.held_out(COUNT)
    if held_out is None or len(held_out.image) < 2:
        return {}
    with _measuring(run):
        batches = _split(held_out, run.recipe.data.batch)
        samples = [network(batch, needs_prior_sample=True) for batch in batches]
        values = _latent(run, network, batches, samples)
        if run.critic is None or run.techniques is None:
            return values | _likelihood(run.variant, batches, samples)
        view = CriticView(run.recipe, run.measured_critic, run.techniques)
        critiques = [view.real_and_fake(batch, sample) for batch, sample in zip(batches, samples, strict=True)]
        of_training = zip(_training(run, batches), samples, strict=True)
        real = _joined([_critic_outputs(run.variant, critique) for critique, _ in critiques])
        fake = _joined([_critic_outputs(run.variant, critique) for _, critique in critiques])
        seen = _joined([_critic_outputs(run.variant, view.real_and_fake(*pair)[0]) for pair in of_training])
        label = torch.cat([_labels(batch) for batch in batches])
        return (
            _scores(real, fake, seen)
            | _divergences(run.variant, real, fake)
            | _information(fake, [sample.codes for sample in samples])
            | _classes(real, fake)
            | _errors(real, label)
            | values
        )


@contextmanager
def _measuring(run: Run) -> Iterator[None]:
    critic = nullcontext() if run.critic is None else evaluating_with_batch_statistics(run.measured_critic)
    device = run.accelerator.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.no_grad(), critic:
        torch.manual_seed(run.recipe.seed)  # the same noise each time, so that curves show the networks alone
        yield


def _split(batch: Batch, size: int) -> list[Batch]:
    """Batches as large as in training, for critics that look at the batch; a smaller one only if it is all there is."""
    parts = range(0, max(len(batch.image) - size, 0) + 1, size)
    condition, label = batch.condition, _labels(batch)
    return [
        Batch(
            image=batch.image[part : part + size],
            condition=None if condition is None else condition[part : part + size],
            label=label[part : part + size],
        )
        for part in parts
    ]


def _training(run: Run, like: list[Batch]) -> Iterator[Batch]:
    """Training images that the critic has seen: the run's first that are not of a labelled batch."""
    data, start = run.recipe.data, 0
    images, labelled = data.batch * data.parts, run.recipe.labels.batch * data.parts
    for batch in like:
        numbers = range(start, start + len(batch.image))
        indices = [number + number // images * labelled for number in numbers]
        yield run.task.batch(default_collate([run.task.examples[index] for index in indices]))
        start += len(batch.image)


def _labels(batch: Batch) -> Tensor:
    return torch.full((len(batch.image),), -1, device=batch.image.device) if batch.label is None else batch.label


# --- the outputs of the critic ----------------------------------------------------------------------------------------


def _critic_outputs(variant: Variant, critique: Critique) -> dict[str, Tensor]:
    """The outputs of a critique by name: score, log_ratio, classifier, classes, categorical.0, ..., continuous."""
    outputs = {"score": variant.score(critique), "log_ratio": variant.log_ratio(critique)}
    outputs |= {"classifier": variant.classifier(critique), "classes": critique.class_logits}
    if critique.codes is not None:
        outputs |= {f"categorical.{number}": logits for number, logits in enumerate(critique.codes.categorical)}
        outputs["continuous"] = critique.codes.mean
    return {name: value.double() for name, value in outputs.items() if value is not None}


def _joined(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _scores(real: Mapping[str, Tensor], fake: Mapping[str, Tensor], seen: Mapping[str, Tensor]) -> dict[str, float]:
    """How real images, generated ones and training images are scored; and how well the scores tell them apart."""
    means = {"real": real["score"], "fake": fake["score"], "train": seen["score"]}
    values = {f"held_out/score_{name}": float(score.mean()) for name, score in means.items()}
    values["held_out/score_gap"] = values["held_out/score_train"] - values["held_out/score_real"]
    values["held_out/separation"] = _above(real["score"], fake["score"])
    values["held_out/memorised"] = _above(seen["score"], real["score"])
    if "log_ratio" in real:
        values["held_out/probability_real"] = float(real["log_ratio"].sigmoid().mean())
        values["held_out/probability_fake"] = float(fake["log_ratio"].sigmoid().mean())
    return values


def _above(first: Tensor, second: Tensor) -> float:
    """The probability that an image of the first set scores above one of the second, by its mean over positions."""
    one, two = (score.flatten(1).mean(dim=1) if score.dim() > 1 else score for score in (first, second))
    return float((one[:, None] - two).sign().mean() / 2 + 0.5)


def _divergences(variant: Variant, real: Mapping[str, Tensor], fake: Mapping[str, Tensor]) -> dict[str, float]:
    """Lower bounds in nats with their standard errors, for critics whose score is a log ratio."""
    values: dict[str, float] = {}
    if "log_ratio" not in real:
        return values
    for name, alpha in variant.divergences().items():
        measured = losses.estimate_divergence(name, real["log_ratio"], fake["log_ratio"], alpha)
        unit = 2 if name == "jensen-shannon" else 1  # the library's is twice the usual one, which is at most ln 2
        estimate, error = (float(number) / unit for number in measured)
        values |= {f"divergence/{name}": estimate, f"divergence/{name}_error": error}
    return values


def _information(fake: Mapping[str, Tensor], codes: list[Codes | None]) -> dict[str, float]:
    """Nats that an image tells of each code, from below, beside the entropy of the code."""
    known = [each for each in codes if each is not None]
    values: dict[str, float] = {}
    if len(known) < len(codes):
        return values
    categorical = torch.cat([each.categorical for each in known])
    continuous = torch.cat([each.continuous for each in known]).double()
    for number, code in enumerate(categorical.T):
        if (logits := fake.get(f"categorical.{number}")) is not None:
            values[f"information/categorical.{number}"] = float(losses.categorical_information(logits, code))
            values[f"entropy/categorical.{number}"] = losses.categorical_entropy(logits.shape[1])
    for number, code in enumerate(continuous.T):
        if "continuous" in fake:
            mean = fake["continuous"][:, number]
            # the bound is tightest for the deviation that Q really has
            std = max(float((mean - code).square().mean().sqrt()), SHARPEST)
            known_nats = losses.uniform_information(mean[:, None], code[:, None], std)
            values[f"information/continuous.{number}"] = float(known_nats)
            values[f"entropy/continuous.{number}"] = losses.uniform_entropy(1)
    return values


def _classes(real: Mapping[str, Tensor], fake: Mapping[str, Tensor]) -> dict[str, float]:
    """How generated images are spread over the critic's classes, and how real ones are."""
    if "classes" not in fake:
        return {}
    generated, given = class_usage(fake["classes"]), class_usage(real["classes"])
    return {
        "classes/entropy_fake": generated.entropy,
        "classes/entropy_real": given.entropy,
        "classes/largest_share_fake": float(generated.share.max()),
        "classes/largest_share_real": float(given.share.max()),
    }


def _errors(real: Mapping[str, Tensor], label: Tensor) -> dict[str, float]:
    """The critic as a classifier of held-out images: of the classes it was taught, and of those it found."""
    values: dict[str, float] = {}
    labelled = int((label >= 0).sum())
    taught = real.get("classifier")
    if taught is not None and labelled:
        values["classes/error"] = error_rate(taught, label)
    for name, logits in real.items():
        found = name == "classes" or name.startswith("categorical")
        if found and not (taught is not None and torch.equal(logits, taught)) and labelled >= 2 * logits.shape[1]:
            values[f"classes/cluster_error.{name}"] = cluster_error(logits, label)
    return values


# --- what needs no critic -------------------------------------------------------------------------------------------


def _latent(run: Run, network: Model, batches: list[Batch], samples: list[Sample]) -> dict[str, float]:
    """What the posterior knows of an image, and what the latent vector changes in it."""
    values: dict[str, float] = {}
    posteriors = [sample.posterior for sample in samples if sample.posterior is not None]
    if posteriors:
        mean = torch.cat([each.mean for each in posteriors]).double()
        log_variance = torch.cat([each.log_variance for each in posteriors]).double()
        values["posterior/kl"] = float(losses.gaussian_kl(mean, log_variance))
        values["posterior/active_units"] = float((mean.var(dim=0) > ACTIVE).sum())
    given = batches[0].condition is not None and network.latent.size > 0
    drawn = bool(posteriors) or network.latent.size > network.latent.noise
    if network.autoregressive or run.recipe.task == "unconditional" or not (given or drawn):
        return values
    apart = wrong = 0.0
    for batch, sample in zip(batches, samples, strict=True):
        again = network(batch, needs_prior_sample=True)
        one, two = (each.image if given else each.paired for each in (sample, again))
        apart += float((one - two).double().square().mean())
        wrong += float((one - batch.image).double().square().mean())
    return values | {"latent/spread": math.sqrt(apart / max(wrong, 1e-12))}


def _likelihood(variant: Variant, batches: list[Batch], samples: list[Sample]) -> dict[str, float]:
    """The terms of a system without a critic on held-out images: nats per image."""
    nothing = Critique(score=batches[0].image.new_zeros(0))
    sums: dict[str, float] = {}
    for batch, sample in zip(batches, samples, strict=True):
        for name, term in variant.generator_terms(real=None, fake=nothing, batch=batch, sample=sample).items():
            sums[name] = sums.get(name, 0.0) + float(term) * len(batch.image)
    images = sum(len(batch.image) for batch in batches)
    return {f"held_out/{name}": total / images for name, total in sums.items()}
