"""What is measured of generative runs: samples, and codes that classify."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from scripts.lib import paths
from scripts.lib.runs import exported, held_out, training_batch
from srgan_kit import losses
from srgan_kit.contracts import Codes
from srgan_kit.images.grid import grid
from srgan_kit.losses import SqueezeNetFeatures
from srgan_kit.metrics.classification import cluster_error, cluster_names
from srgan_kit.metrics.frechet import frechet_distance_of
from srgan_kit.metrics.samples import nearest_training_distance
from srgan_kit.training.run import Run

COUNT = 1000
"""Images that a measure of generated images takes."""
COMPARED = 3000
"""Images whose features are compared with real ones'."""
DEEPEST = "fire9"


def generated(run: Run, count: int = COUNT) -> tuple[Tensor, Codes]:
    """Images of the averaged generator, and their codes."""
    model = exported(run)
    noise, codes = model.draw(count, torch.device("cpu"), torch.Generator().manual_seed(1))
    latent = model.vector(noise, codes)
    assert latent is not None
    return torch.cat([model.generate(part) for part in latent.split(250)]), codes


def samples(run: Run) -> dict[str, float]:
    """Diversity and sharpness of samples as parts of the held-out images'."""
    return run.task.validate(exported(run))


def clusters(run: Run, logits_of: Callable[[Tensor], Tensor]) -> float:
    """Error in percent of nameless classes: half of the held-out images name them, the other half are classified."""
    test = held_out(run)
    assert test.label is not None
    return 100 * cluster_error(torch.cat([logits_of(part) for part in test.image.split(250)]), test.label)


def photographs(run: Run, count: int = COMPARED) -> dict[str, float]:
    """Diversity, sharpness, the distance of the features' distributions, and of samples to training images.

    `feature distance` is the Fréchet distance of `count` samples from the training images, on the means of
    SqueezeNet's deepest maps, `of real images` that between two halves of the training images, and `nearest` how far
    samples are from their nearest training image at 16x16, over the same of held-out images.
    """
    network = SqueezeNetFeatures([DEEPEST], paths.data_folder("weights") / "weights" / paths.NETWORKS["lpips"])

    def features(images: Tensor) -> Tensor:
        return torch.cat([network(part)[DEEPEST].mean(dim=(2, 3)) for part in images.split(250)])

    real, made = training_batch(run).image, generated(run, count)[0].clamp(0, 1)
    order = torch.randperm(len(real), generator=torch.Generator().manual_seed(0))
    halves = features(real[order[: 2 * (min(len(real), 2 * count) // 2)]]).chunk(2)
    small_made, small_real, small_held = (
        F.interpolate(images, 16, mode="area") for images in (made[:256], real, held_out(run, 128).image)
    )
    nearest, of_held_out = (
        nearest_training_distance(images, small_real)[0].median() for images in (small_made, small_held)
    )
    return samples(run) | {
        "feature distance": frechet_distance_of(features(made), torch.cat(halves)),
        "of real images": frechet_distance_of(*halves),
        "nearest": float(nearest / of_held_out),
    }


def code_logits(run: Run, images: Tensor) -> Tensor:
    """Q's logits of the code of classes (N, K)."""
    assert run.critic is not None
    return torch.cat([run.critic.network(part).codes.categorical[0] for part in images.split(250)])


def code_names(run: Run) -> Tensor:
    """(K,) int64: the digit that is most frequent among the held-out images that Q gives each code; -1 for none."""
    test = held_out(run)
    assert test.label is not None
    return cluster_names(code_logits(run, test.image), test.label)


def infogan(run: Run) -> dict[str, float]:
    """What Q reads of codes, of held-out images, and the error of the code of classes as a classifier of these.

    `information` and `real_information` are nats of at most ln 10: of the code of classes in generated images, and
    how sure Q is of held-out ones while it uses all codes (H of the mean guess less the mean H), which needs no label.
    """
    assert run.critic is not None
    critic = run.critic.network
    fake, codes = generated(run)
    posterior = critic(fake).codes
    logits = code_logits(run, held_out(run).image)
    real = losses.marginal_entropy(logits) - losses.entropy_from_logits(logits)
    error = clusters(run, lambda images: code_logits(run, images))
    deviation = float((posterior.mean - codes.continuous).square().mean().sqrt())
    known = losses.categorical_information(posterior.categorical[0], codes.categorical[:, 0])
    found = {"information": float(known), "real_information": float(real), "error_percent": error}
    return samples(run) | found | {"continuous_rmse": deviation}


def traversal(run: Run) -> Tensor:
    """InfoGAN's codes: five rows of one noise each, columns the ten classes; then both numbers from -1.5 to 1.5.

    Classes stand in the order of the digits that name them.
    """
    model = exported(run)
    noise, _ = model.draw(5, torch.device("cpu"), torch.Generator().manual_seed(0))
    classes = code_names(run).argsort(stable=True)
    rows = [(noise[row].expand(10, -1), classes, torch.zeros(10, 2)) for row in range(5)]
    for number in range(2):
        sweep = torch.zeros(10, 2)
        sweep[:, number] = torch.linspace(-1.5, 1.5, 10)
        rows += [(noise[row].expand(10, -1), classes[3 * row].expand(10), sweep) for row in range(3)]
    latents = [model.vector(z, Codes(classes[:, None], numbers)) for z, classes, numbers in rows]
    return grid(torch.cat([model.generate(latent) for latent in latents]), columns=10)
