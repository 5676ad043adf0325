"""What each adversarial system means in super-resolution, in numbers, on patches of B100 that no player has seen.

Each takes the finished run, the data folder, and the number of images of B100.
"""

from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor
from torch.utils.data import default_collate

from scripts.lib import paths
from scripts.lib.runs import exported
from scripts.lib.sr_measures import SCALE, Measured, test_pairs
from srgan_kit import losses
from srgan_kit.contracts import Batch, Codes, Critique
from srgan_kit.metrics.lpips import lpips_like
from srgan_kit.training.run import Run

PATCHES_PER_IMAGE = 4
"""Of each image of B100, for the demonstrations."""
AT_ONCE = 40
"""Patches that go through a network together."""


def patches(data: Path, side: int, images: int) -> list[Batch]:
    """Patches of B100 of the size in training, at fixed places, none of which any player has seen."""
    high: list[Tensor] = []
    low: list[Tensor] = []
    for large, small in test_pairs(data / "sr_test" / "B100", images):
        height, width = small.shape[1:]
        for number in range(PATCHES_PER_IMAGE):
            top = (height - side) * (number // 2)
            left = (width - side) * (number % 2)
            low.append(small[:, top : top + side, left : left + side])
            rows, columns = slice(top * SCALE, (top + side) * SCALE), slice(left * SCALE, (left + side) * SCALE)
            high.append(large[:, rows, columns])
    pairs = zip(torch.stack(high).split(AT_ONCE), torch.stack(low).split(AT_ONCE), strict=True)
    unlabelled = torch.full((AT_ONCE,), -1)
    return [Batch(large.float() / 255, small.float() / 255, unlabelled[: len(large)]) for large, small in pairs]


def judged(run: Run, data: Path, images: int) -> tuple[list[Critique], list[Critique], list[Batch]]:
    """The critic's views of real and of super-resolved patches, and the patches."""
    batches = patches(data, run.recipe.data.patch, images)
    real, fake = [], []
    torch.manual_seed(0)
    for batch in batches:
        real.append(run.judge(batch.image, batch))
        fake.append(run.judge(exported(run)(batch, needs_prior_sample=True).image, batch))
    return real, fake, batches


def joined(critiques: list[Critique], read: Callable[[Critique], Tensor | None]) -> Tensor:
    """One reading of every patch."""
    parts = [part for critique in critiques if (part := read(critique)) is not None]
    return torch.cat(parts)


def per_patch(scores: Tensor) -> Tensor:
    """(N, ...) -> (N,): the mean over a patch's positions."""
    return scores.reshape(len(scores), -1).mean(dim=1)


@torch.no_grad()
def ab_test(run: Run, data: Path, images: int) -> Measured:
    """How often the critic finds a real patch more real than a super-resolved one; .5 is chance."""
    real, fake, _ = judged(run, data, images)
    a, b = (per_patch(joined(side, run.variant.score)) for side in (real, fake))
    wins = (a[:, None] > b).float() + (a[:, None] == b).float() / 2
    return {"auc": float(wins.mean())}


@torch.no_grad()
def divergence_of_patches(run: Run, data: Path, images: int) -> Measured:
    """Divergences of real and super-resolved patches, in nats, each with its standard error.

    The log ratio of a patch is the mean over its pixels' scores: patches are the independent samples, not pixels.
    """
    real, fake, _ = judged(run, data, images)
    a, b = (per_patch(joined(side, run.variant.log_ratio)) for side in (real, fake))
    found: Measured = {}
    for name, alpha in run.variant.divergences().items():
        value, error = losses.estimate_divergence(name, a, b, alpha)
        found |= {name: float(value), f"{name}, error": float(error)}
    return found


@torch.no_grad()
def codes_steer(run: Run, data: Path, images: int) -> Measured:
    """The same input under different codes: how far the images differ, and what Q reads back of the codes."""
    model = exported(run)
    classes = run.recipe.latent.categorical[0]
    torch.manual_seed(0)
    between, contrast, logits, means, drawn = [], [], [], [], []
    for batch in patches(data, run.recipe.data.patch, images):
        count = len(batch.image)
        noise, codes = model.draw(count, batch.image.device)
        critique = run.judge(model.generate(model.vector(noise, codes), batch.condition), batch)
        assert critique.codes is not None
        logits.append(critique.codes.categorical[0])
        means.append(critique.codes.mean)
        drawn.append(codes)
        made = []
        for number in range(classes):
            one = Codes(torch.full_like(codes.categorical, number), torch.zeros_like(codes.continuous))
            made.append(model.generate(model.vector(noise, one), batch.condition))
        between += [_rms(a, b) for i, a in enumerate(made) for b in made[:i]]
        ends = [Codes(codes.categorical, torch.full_like(codes.continuous, end)) for end in (-1.0, 1.0)]
        contrast.append(_rms(*(model.generate(model.vector(noise, end), batch.condition) for end in ends)))
    categorical = torch.cat([each.categorical[:, 0] for each in drawn])
    continuous, mean = torch.cat([each.continuous for each in drawn]), torch.cat(means)
    error = float((mean - continuous).square().mean().sqrt())
    return {
        "RMS between classes, levels of 255": fmean(between),
        "RMS between ends of the continuous code": fmean(contrast),
        "information in the categorical code, nats": float(
            losses.categorical_information(torch.cat(logits), categorical)
        ),
        "its entropy": losses.categorical_entropy(classes),
        "information in the continuous code, nats": float(losses.uniform_information(mean, continuous, error)),
    }


def _rms(first: Tensor, second: Tensor) -> float:
    return 255 * float((first.clamp(0, 1) - second.clamp(0, 1)).square().mean().sqrt())


@torch.no_grad()
def missing_detail(run: Run, data: Path, images: int) -> Measured:
    """The code of what the input lacks: its size in nats, and what it adds to a reconstruction."""
    model = exported(run)
    torch.manual_seed(0)
    kl, with_code, without, apart = [], [], [], []
    distance = lpips_like(data / "weights" / paths.NETWORKS["lpips"])
    seen: dict[str, list[float]] = {}
    for batch in patches(data, run.recipe.data.patch, images):
        posterior = model.encode(batch.image, batch.condition)
        kl.append(float(losses.gaussian_kl(posterior.mean, posterior.log_variance)))
        noise, codes = model.draw(len(batch.image), batch.image.device)
        again, _ = model.draw(len(batch.image), batch.image.device)
        coded, prior, other = (
            model.generate(model.vector(latent, codes), batch.condition) for latent in (posterior.mean, noise, again)
        )
        with_code += _psnr(coded, batch.image)
        without += _psnr(prior, batch.image)
        apart.append(_rms(prior, other))
        zeros = model.generate(model.vector(torch.zeros_like(noise), codes), batch.condition)
        views = {"the posterior's code": coded, "a code of the prior": prior, "the exported code of zeros": zeros}
        for name, view in views.items():
            seen.setdefault(f"LPIPS-like with {name}", []).extend(distance(view.clamp(0, 1), batch.image).tolist())
    return {
        "KL, nats": fmean(kl),
        "PSNR with the posterior's code, dB": fmean(with_code),
        "PSNR with a code of the prior, dB": fmean(without),
        "RMS between two codes of the prior, levels of 255": fmean(apart),
    } | {name: fmean(values) for name, values in seen.items()}


def _psnr(image: Tensor, target: Tensor) -> list[float]:
    errors = (image.clamp(0, 1) - target).square().mean(dim=(1, 2, 3))
    return (-10 * errors.clamp(min=1e-10).log10()).tolist()


@torch.no_grad()
def class_usage(run: Run, data: Path, images: int) -> Measured:
    """How the critic sorts real patches, and how sure it is of real and of super-resolved ones."""
    real, fake, batches = judged(run, data, images)
    found: Measured = {}
    for name, side in (("real", real), ("super-resolved", fake)):
        log_p = joined(side, lambda critique: critique.class_logits).float().log_softmax(dim=1)
        found[f"entropy of a {name} patch, nats"] = float(-(log_p.exp() * log_p).sum(dim=1).mean())
    log_p = joined(real, lambda critique: critique.class_logits).float().log_softmax(dim=1)
    mean = log_p.exp().mean(dim=0)
    found["entropy of all real patches' mean, nats"] = float(-(mean * mean.log()).sum())
    chosen = log_p.argmax(dim=1)
    patch = torch.cat([batch.image for batch in batches])
    rough = (patch.diff(dim=2).abs().mean(dim=(1, 2, 3)) + patch.diff(dim=3).abs().mean(dim=(1, 2, 3))) * 255 / 2
    for number in range(log_p.shape[1]):
        mine = chosen == number
        found[f"class {number}, share of real patches"] = float(mine.float().mean())
        if mine.any():
            found[f"class {number}, mean change per pixel, levels"] = float(rough[mine].mean())
    return found


@torch.no_grad()
def energies(run: Run, data: Path, images: int) -> Measured:
    """How badly the critic reconstructs real and super-resolved patches."""
    real, fake, _ = judged(run, data, images)
    a, b = (joined(side, lambda critique: critique.score) for side in (real, fake))
    return {
        "energy of real patches": float(a.mean()),
        "energy of super-resolved patches": float(b.mean()),
        "real patches with less energy than their partner": float((a < b).float().mean()),
    }


@torch.no_grad()
def condition_is_used(run: Run, data: Path, images: int) -> Measured:
    """The critic's logit of real patches beside their own low-resolution image, and beside another's."""
    own, other = [], []
    for batch in patches(data, run.recipe.data.patch, images):
        assert batch.condition is not None
        own.append(run.judge(batch.image, batch).score)
        wrong = Batch(batch.image, batch.condition.roll(1, dims=0), batch.label)
        other.append(run.judge(batch.image, wrong).score)
    return {
        "logit beside its own input": float(torch.cat(own).mean()),
        "logit beside another's": float(torch.cat(other).mean()),
    }


@torch.no_grad()
def sources_told_apart(run: Run, data: Path, images: int) -> Measured:
    """How often the critic names the source folder of a training crop that it has not seen, of each source."""
    size, first = run.recipe.data.batch, run.recipe.steps * run.recipe.data.batch
    right: dict[int, list[float]] = {}
    for start in range(first, first + PATCHES_PER_IMAGE * images, size):
        batch = run.task.batch(default_collate([run.task.examples[start + index] for index in range(size)]))
        logits = run.judge(batch.image, batch).class_logits
        assert logits is not None
        assert batch.label is not None
        for guess, label in zip(logits.argmax(dim=1).tolist(), batch.label.tolist(), strict=True):
            right.setdefault(label, []).append(float(guess == label))
    return {f"{run.task.classes[label]}, named rightly": fmean(hits) for label, hits in sorted(right.items())}
