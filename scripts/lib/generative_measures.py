"""What is measured of generative runs: samples, and codes that classify."""

from collections.abc import Callable

import torch
from torch import Tensor

from scripts.lib.runs import exported, held_out
from srgan_kit import losses
from srgan_kit.contracts import Codes
from srgan_kit.images.grid import grid
from srgan_kit.metrics.classification import cluster_error
from srgan_kit.training.run import Run

COUNT = 1000
"""Images that a measure of generated images takes."""


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


def infogan(run: Run) -> dict[str, float]:
    """Nats that Q reads of the code of classes, of at most ln 10, and the error of that code as a classifier."""
    assert run.critic is not None
    critic = run.critic.network
    fake, codes = generated(run)
    posterior = critic(fake).codes
    error = clusters(run, lambda images: critic(images).codes.categorical[0])
    deviation = float((posterior.mean - codes.continuous).square().mean().sqrt())
    known = losses.categorical_information(posterior.categorical[0], codes.categorical[:, 0])
    return samples(run) | {"information": float(known), "error_percent": error, "continuous_rmse": deviation}


def traversal(run: Run) -> Tensor:
    """InfoGAN's codes: five rows of one noise each, columns the ten classes; then both numbers from -1.5 to 1.5."""
    model = exported(run)
    noise, _ = model.draw(5, torch.device("cpu"), torch.Generator().manual_seed(0))
    rows = [(noise[row].expand(10, -1), torch.arange(10), torch.zeros(10, 2)) for row in range(5)]
    for number in range(2):
        sweep = torch.zeros(10, 2)
        sweep[:, number] = torch.linspace(-1.5, 1.5, 10)
        rows += [(noise[row].expand(10, -1), torch.full((10,), 3 * row), sweep) for row in range(3)]
    latents = [model.vector(z, Codes(classes[:, None], numbers)) for z, classes, numbers in rows]
    return grid(torch.cat([model.generate(latent) for latent in latents]), columns=10)
