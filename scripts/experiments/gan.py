"""The plain GAN's five objectives on MNIST with the same small networks, by a classifier's I' and Fréchet distance.

    SRGAN_KIT_DATA=... python -m scripts.experiments.gan [--minutes M]      about an hour of one core

Goodfellow et al. 2014, arXiv:1406.2661, and the papers of the other objectives, which have no such figures.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scripts.lib.experiment import Figure, Values, open_experiment
from scripts.lib.mnist_classifier import FULL, MNIST, QUICK, mnist_measures, real_measures
from scripts.lib.samples_of_runs import rows_of, samples_of
from srgan_kit.images.grid import save_image

OBJECTIVES: dict[str, tuple[str, ...]] = {
    "minimax": (),
    "non-saturating": (),
    "least-squares": (),
    "hinge": (),
    "wasserstein": ("critic_weights.gradient_penalty=10",),
}
"""By objective: what it needs besides the recipe."""
SMALL = ("generator.hidden=16", "critic.hidden=[16]", "data.batch=8", "log_every=2")
MEASURES = {
    "i_prime": ("I'", "higher"),
    "inception": ("inception score of at most 10", "higher"),
    "frechet": ("Fréchet distance of a classifier's features", "lower"),
    "sure": ("share of samples that are one digit, p ≥ 0.9", "higher"),
}


def main(argv: Sequence[str] | None = None) -> None:
    experiment = open_experiment(
        "gan", "GAN: five objectives", "Goodfellow et al. 2014, arXiv:1406.2661, which has no such table", __doc__, argv
    )
    steps, seeds, count = (4, range(1), 64) if experiment.smoke else (8000, range(3), 10_000)
    always = ["validation.every=100000", "validation.holdout=64", *(SMALL if experiment.smoke else ("log_every=500",))]
    experiment.settings = {
        "recipe": "gan",
        "steps": steps,
        "seeds": len(seeds),
        "samples": count,
    } | {name: " ".join(own) for name, own in OBJECTIVES.items() if own}
    effort = QUICK if experiment.smoke else FULL
    real = real_measures(effort)
    found: dict[str, list[Values]] = {"training images": [real]}

    def measure(folder: Path) -> Values:
        return mnist_measures(samples_of(folder, count), effort)

    for name, own in OBJECTIVES.items():
        runs: list[Values] = []
        for seed in seeds:
            settings = [*always, *own, f"steps={steps}", f"variant.objective={name}", f"seed={seed}"]
            values = experiment.measured(f"{name}-{seed}", "gan", experiment.data / MNIST, settings, measure)
            runs += [] if values is None else [values]
        if runs:
            found[name] = runs
    for name, runs in found.items():
        for key, (label, better) in MEASURES.items():
            values = [run[key] for run in runs]
            spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
            experiment.figures.append(Figure(label, name, float(np.mean(values)), spread, better=better))  # pyright: ignore[reportArgumentType]
    experiment.notes += [
        f"The classifier is right on {100 * real['accuracy']:.1f} % of the test images. {len(seeds)} seeds each; the "
        "training images in the place of samples show what the measures can be.",
        "I' = E KL(p(y) || p(y|x)) has no largest value and compares runs under this classifier alone.",
    ]
    if shown := experiment.folders(f"{name}-{seeds[0]}" for name in OBJECTIVES):
        experiment.images.mkdir(parents=True, exist_ok=True)
        save_image(rows_of(shown, 16), experiment.images / "gan.png")
    experiment.write(training_images=real)


if __name__ == "__main__":
    main()
