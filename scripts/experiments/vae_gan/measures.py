"""What is measured of reconstructions, and of arithmetic with codes."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from scripts.lib.mnist_classifier import MnistClassifier
from srgan_kit import losses
from srgan_kit.generators.model import Model
from srgan_kit.metrics.frechet import frechet_distance_of
from srgan_kit.metrics.samples import ratio_to_real, sharpness

Numbers = dict[str, float]
PART = 100
"""Images that go through a network at once."""
BY_ONE_STEP = 1e-6


@torch.no_grad()
def codes(model: Model, images: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, latent): the means of the posteriors."""
    return torch.cat([model.encode(part).mean for part in images.split(PART)])


@torch.no_grad()
def decoded(model: Model, latents: Tensor) -> Tensor:
    """(N, latent) -> images in [0, 1], as 8-bit files would show them."""
    made = torch.cat([model.generate(part) for part in latents.split(PART)])
    return (made.clamp(0, 1) * 255).round() / 255


def kl(model: Model, images: Tensor) -> float:
    """Nats in a code: the posterior's divergence from the prior."""
    with torch.no_grad():
        posteriors = [model.encode(part) for part in images.split(PART)]
    values = [float(losses.gaussian_kl(each.mean, each.log_variance)) * len(each.mean) for each in posteriors]
    return sum(values) / len(images)


def reconstructions(made: Tensor, images: Tensor) -> Numbers:
    """PSNR, sharpness as a part of the originals', and how far that is from 1 as a factor, in doublings."""
    errors = (made - images).square().mean(dim=(1, 2, 3)).clamp(min=1e-10)
    ratio = ratio_to_real(sharpness, made, images)
    away = abs(float(torch.tensor(ratio + BY_ONE_STEP).log2()))
    return {"psnr": float(-10 * errors.log10().mean()), "sharpness": ratio, "sharpness_away": away}


@torch.no_grad()
def digits(classifier: MnistClassifier, made: Tensor, images: Tensor, label: Tensor) -> Numbers:
    """How far the classifier sees the reconstruction from the original, and its errors, in percent."""
    seen, wanted = classifier.features(made), classifier.features(images)
    distance = (seen - wanted).norm(dim=1) / wanted.norm(dim=1)
    errors = (classifier(made).argmax(dim=1) != label).float().mean()
    return {"feature_distance": float(distance.mean()), "errors_percent": 100 * float(errors)}


@torch.no_grad()
def samples(model: Model, classifier: MnistClassifier, images: Tensor) -> Numbers:
    """Fréchet distance between the features of samples of the prior and of real images."""
    noise, _ = model.draw(len(images), images.device, torch.Generator().manual_seed(1))
    return {"frechet": frechet_distance_of(classifier.features(decoded(model, noise)), classifier.features(images))}


@dataclass(frozen=True)
class Arithmetic:
    """Every digit made into every other class by adding the difference of the classes' mean codes."""

    images: Tensor
    """(N, 10, 1, H, W): column t is of class t; that of the digit's own class is its reconstruction."""
    label: Tensor
    """(N,)."""


def attribute_arithmetic(model: Model, images: Tensor, label: Tensor) -> Arithmetic:
    """The first half of the images gives the mean codes, the second half is changed; Larsen et al. 2015, sec. 4.2."""
    latents, half = codes(model, images), len(images) // 2
    means = torch.stack([latents[:half][label[:half] == digit].mean(dim=0) for digit in range(10)])
    rest, own = latents[half:], label[half:]
    moved = rest[:, None] + means[None] - means[own][:, None]
    made = decoded(model, moved.flatten(0, 1))
    return Arithmetic(made.unflatten(0, (len(rest), 10)), own)


@torch.no_grad()
def attribute_measures(found: Arithmetic, originals: Tensor, classifier: MnistClassifier) -> Numbers:
    """Percent of changes that the classifier sees, and how much of slant, ink and width is kept: correlations.

    A correlation is over the digits changed into one class, the mean over classes; 0 is what strangers have.
    """
    count = len(found.label)
    wanted = torch.arange(10).expand(count, 10)
    changed = wanted != found.label.cpu()[:, None]
    guess = torch.cat([classifier(part).argmax(dim=1) for part in found.images.flatten(0, 1).split(PART)])
    guess = guess.view(count, 10).cpu()
    result = {"changed_percent": 100 * float((guess == wanted)[changed].float().mean())}
    for name, measure in STYLE.items():
        before, after = measure(originals).cpu(), measure(found.images.flatten(0, 1)).view(count, 10).cpu()
        kept = [torch.corrcoef(torch.stack([before[rows], after[rows, t]]))[0, 1] for t, rows in enumerate(changed.T)]
        result[f"{name}_kept"] = float(torch.stack(kept).nan_to_num().mean())
    return result


def slant(images: Tensor) -> Tensor:
    """(N, 1, H, W) -> (N,): how far a digit leans, columns per row, from its second moments."""
    _, _, across, down = _moments(images)
    return across / down.clamp(min=1e-6)


def ink(images: Tensor) -> Tensor:
    """(N, 1, H, W) -> (N,): mean brightness, which is mostly the thickness of the stroke."""
    return images.mean(dim=(1, 2, 3))


def width(images: Tensor) -> Tensor:
    """(N, 1, H, W) -> (N,): standard deviation of the ink's column once the digit stands upright."""
    _, own, across, down = _moments(images)
    return (own - across.square() / down.clamp(min=1e-6)).clamp(min=0).sqrt()


STYLE: dict[str, Callable[[Tensor], Tensor]] = {"slant": slant, "ink": ink, "width": width}
"""What of a digit is not its class."""


def _moments(images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Total ink, and the second moments of its place: of columns, of both, of rows."""
    mass = images[:, 0].clamp(min=0)
    total = mass.sum(dim=(1, 2)).clamp(min=1e-6)
    rows = torch.arange(mass.shape[1], device=mass.device, dtype=mass.dtype)[:, None]
    columns = torch.arange(mass.shape[2], device=mass.device, dtype=mass.dtype)[None]

    def mean(values: Tensor) -> Tensor:
        return (mass * values).sum(dim=(1, 2)) / total

    row, column = mean(rows)[:, None, None], mean(columns)[:, None, None]
    down, sideways = rows - row, columns - column
    return total, mean(sideways.square()), mean(sideways * down), mean(down.square())
