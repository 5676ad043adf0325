"""What is measured of images made from features."""

import json
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from scripts.lib.runs import exported, held_out, restored
from srgan_kit.contracts import Batch
from srgan_kit.metrics.samples import ratio_to_real, sharpness
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks.reconstruction import features_to_invert
from srgan_kit.training.run import Run
from srgan_kit.training.telemetry import LOG

Numbers = dict[str, float]
Features = Callable[[Tensor], Tensor]
COUNT = 128
"""Held-out images."""
LATE = 0.5
"""How stable a run is, is read from its log after this part of it."""


def comparator_features(recipe: Recipe) -> Features:
    """The features that a recipe inverts, of images in parts."""
    features = features_to_invert(recipe, torch.device("cpu"))
    return lambda image: torch.cat([features(part) for part in image.split(32)])


def normalised_error(made: Tensor, wanted: Tensor) -> float:
    """Mean distance to what was wanted, in percent of the mean distance between two different ones of those.

    (N, ...) twice -> 0 for the same, 100 for a stranger's: the measure of Dosovitskiy and Brox 2016, sec. 4.
    """
    made, wanted = made.flatten(1), wanted.flatten(1)
    return 100 * float((made - wanted).norm(dim=1).mean() / torch.pdist(wanted).mean())


@torch.no_grad()
def inverted(run: Run, batch: Batch) -> Tensor:
    """Held-out images made again from their features, as 8-bit files would show them."""
    assert batch.condition is not None
    pairs = zip(batch.image.split(32), batch.condition.split(32), strict=True)
    made = torch.cat([exported(run).reconstruct(image, features) for image, features in pairs])
    return (made.clamp(0, 1) * 255).round() / 255


@torch.no_grad()
def fit_seen(run: Run, batch: Batch) -> float:
    """How much more real the critic finds a real image beside its own features than beside another's, in logits.

    0 for a critic that does not look whether they fit; a sum of what each says alone gives 0 too.
    """
    assert run.critic is not None
    assert batch.condition is not None
    run.critic.network.train()  # batch norm as the critic has learned it: with the batch's statistics
    state = {name: value.clone() for name, value in run.critic.network.state_dict().items()}
    own = run.judge(batch.image, batch).score
    other = run.judge(batch.image, Batch(batch.image, batch.condition.roll(1, dims=0))).score
    run.critic.network.load_state_dict(state)  # training mode has moved the running averages
    run.critic.network.eval()
    return float((own - other).mean())


def inversions(recipe: Recipe, folder: Path, count: int) -> tuple[Tensor, Tensor]:
    """Held-out images, and what a finished run makes of their features."""
    run = restored(recipe, folder)
    batch = held_out(run, count)
    return batch.image, inverted(run, batch)


def measure(recipe: Recipe, folder: Path, features: Features, judge: Features) -> Numbers:
    """The errors of a finished run's inversions, and its stability."""
    run = restored(recipe, folder)
    batch = held_out(run, COUNT)
    made = inverted(run, batch)
    found = {
        "image_error": normalised_error(made, batch.image),
        "feature_error": normalised_error(features(made), features(batch.image)),
        "judge_error": normalised_error(judge(made), judge(batch.image)),
        "sharpness": ratio_to_real(sharpness, made, batch.image),
        "fit_seen": fit_seen(run, batch),
    }
    return found | unrest(folder / LOG, recipe.steps)


def unrest(log: Path, steps: int) -> Numbers:
    """How much the PSNR of held-out images changes from one validation to the next, late in a run, in dB: the images
    are the same, which those of logged steps are not.

    Also the part of these steps in which the generator paused, for the critic had fallen behind.
    """
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    late = [line for line in lines if line["step"] >= LATE * steps]
    values = [line["validation/psnr"] for line in late if "validation/psnr" in line]
    changes = [after - before for before, after in pairwise(values)]
    spread = math.sqrt(sum(change**2 for change in changes) / max(1, len(changes)))
    pauses = [line.get("paused/decoder", 0.0) for line in late if "image" in line]
    return {"unrest": spread, "paused_percent": 100 * sum(pauses) / max(1, len(pauses))}
