"""The nearest known name to one that is not known."""

import difflib
from collections.abc import Iterable, Sequence

ELSEWHERE = {
    "lr": "learning_rate",
    "bs": "batch",
    "batchsize": "batch",
    "epoch": "steps",
    "epochs": "steps",
    "iter": "steps",
    "iters": "steps",
    "niter": "steps",
    "iterations": "steps",
    "total_iter": "steps",
    "max_iter": "steps",
    "crop_size": "patch",
    "save_every": "checkpoint_every",
    "val": "validation",
    "pretrained": "initialise_from",
    "fp16": "precision",
    "amp": "precision",
    "gpu": "device",
    "cuda": "device",
    "l1": "pixel",
    "l2": "mse",
    "vgg": "perceptual",
    "tv": "total_variation",
    "ldl": "local_discriminative",
    "ffl": "focal_frequency",
    "swt": "stationary_wavelet",
    "wavelet": "stationary_wavelet",
    "msssim": "ms_ssim",
    "mmd": "maximum_mean_discrepancy",
    "color": "color_consistency",
    "edge": "sobel",
    "gram": "style",
    "gan": "adversarial",
    "discriminator": "critic",
    "d": "critic",
    "scheduler": "optimizer",
}
"""What other trainers call some settings."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean ...?)` for a dotted name that is nearly one of the known, or has the last part of one; else ``.

    >>> did_you_mean("data.bach", ["data.batch", "steps"])
    ' (did you mean data.batch?)'
    >>> did_you_mean("learning_rate", ["optimizer.learning_rate", "critic_optimizer.learning_rate"])
    ' (did you mean optimizer.learning_rate?)'
    >>> did_you_mean("optimizer.lr", ["optimizer.learning_rate", "critic_optimizer.learning_rate"])
    ' (did you mean optimizer.learning_rate?)'
    >>> did_you_mean("patch_size", ["data.patch", "data.batch"])
    ' (did you mean data.patch?)'
    >>> did_you_mean("colour", ["steps", "seed"])
    ''
    """
    known = [each for each in known if each != name]  # known elsewhere, not here
    table, _, last = name.lower().rpartition(".")
    meant = ELSEWHERE.get(last, last)
    beside = [each for each in known if each.rpartition(".")[0] == table]
    words = [word for word in meant.split("_") if len(word) > 2]
    found = (
        _of_last_part(meant, beside, 0.75)
        or _of_last_part(meant, known, 0.8)
        or (difflib.get_close_matches(f"{table}.{meant}".lstrip("."), known, n=1, cutoff=0.8) or [None])[0]
        or _of_last_part(meant, beside, 0.6)
        or next((each for word in words for each in known if each.rpartition(".")[2] == word), None)
    )
    return "" if found is None else f" (did you mean {found}?)"


def _of_last_part(last: str, known: Sequence[str], cutoff: float) -> str | None:
    """The known name whose last part is nearest; of several the first."""
    parts = {each.rpartition(".")[2]: each for each in reversed(known)}
    return next((parts[each] for each in difflib.get_close_matches(last, parts, n=1, cutoff=cutoff)), None)
