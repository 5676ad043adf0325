"""EBGAN on MNIST: with and without the pulling-away term, and beside GANs over a part of its paper's grid.

    SRGAN_KIT_DATA=... python -m scripts.experiments.ebgan [--minutes M]    about three hours of one core

Zhao, Mathieu and LeCun 2016, arXiv:1609.03126, sec. 4.1. Each run of the grid is measured as soon as it ends.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scripts.experiments.ebgan.picture import picture
from scripts.experiments.ebgan.search import ALWAYS, BATCH, GRID, KINDS, SAMPLES, STEPS, search, wins
from scripts.lib.experiment import Experiment, Figure, Values, open_experiment
from scripts.lib.mnist_classifier import FULL, MNIST, QUICK, mnist_measures, real_measures
from scripts.lib.samples_of_runs import rows_of, samples_of

SEEDS, OWN_STEPS = 3, 6000
SMALL = ("generator.hidden=16", "critic.channels=16", "critic.embedding=4", "data.batch=8")


def main(argv: Sequence[str] | None = None) -> None:
    source = "Zhao et al. 2016, arXiv:1609.03126, sec. 4.1: histograms of a grid search, without a table"
    experiment = open_experiment("ebgan", "EBGAN", source, __doc__, argv)
    points = 1 if experiment.smoke else 32
    real = real_measures(QUICK if experiment.smoke else FULL)
    own = pulling_away(experiment)
    rows = search(experiment, points)
    compared(experiment, rows, points)
    experiment.figures.append(Figure("I'", "training images", real["i_prime"], better="higher"))
    experiment.settings = {
        "recipe ebgan": f"{OWN_STEPS} steps, {SEEDS} seeds, PT weight 0.1 or 0",
        "search": f"{points} random points of the paper's {len(GRID)}, widths a quarter of its, {STEPS} steps of "
        f"{BATCH}, {SAMPLES} samples each; recipes ebgan and gan; {', '.join(ALWAYS)}",
    }
    experiment.notes += [
        "Pairs are all pairs of a run of the one and a run of the other kind. I' compares under this classifier alone.",
        "The paper's GANs also had SGD and three rates: here Adam for all, and two rates.",
        "The paper's semi-supervised figures are not run: the kit has no ladder network.",
    ]
    if own or rows:
        drawn(experiment, [*own, *rows], real["i_prime"])
    experiment.write()


def pulling_away(experiment: Experiment) -> list[Values]:
    """The recipe with the term and without: its runs, as `search` gives them; figures are added to the experiment."""
    rows: list[Values] = []
    steps, count = (4, 64) if experiment.smoke else (OWN_STEPS, 10_000)

    def measure(folder: Path) -> Values:
        return mnist_measures(samples_of(folder, count), QUICK if experiment.smoke else FULL)

    for name, weight in (("with PT", 0.1), ("without PT", 0.0)):
        runs: list[Values] = []
        for seed in range(1 if experiment.smoke else SEEDS):
            settings = ["validation.every=100000", "log_every=500", f"steps={steps}", f"seed={seed}"]
            settings += [f"weights.pulling_away={weight}", *(SMALL if experiment.smoke else ())]
            run = f"{name.replace(' ', '-').lower()}-{seed}"
            values = experiment.measured(run, "ebgan", experiment.data / MNIST, settings, measure)
            if values is not None:
                runs.append(values)
                rows.append({"kind": "recipe ebgan", "run": run} | values)
        for key, label in (("i_prime", "I'"), ("frechet", "Fréchet distance of a classifier's features")):
            values = [run[key] for run in runs]
            spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
            better, where = "lower" if key == "frechet" else "higher", f"recipe ebgan, {name}"
            if values:
                experiment.figures.append(Figure(label, where, float(np.mean(values)), spread, better=better))
    return rows


def drawn(experiment: Experiment, rows: list[Values], real: float) -> None:
    """The experiment's image, if the best run of each kind lies here."""
    kinds = {kind: [row for row in rows if row["kind"] == kind] for kind in dict.fromkeys(row["kind"] for row in rows)}
    scores = {kind: [row["i_prime"] for row in own] for kind, own in kinds.items()}
    best = {kind: max(kinds[kind], key=lambda row: row["i_prime"])["run"] for kind in scores}
    if experiment.folders(best.values()):
        sheets = {kind: rows_of([experiment.work / run], 12) for kind, run in best.items()}
        experiment.images.mkdir(parents=True, exist_ok=True)
        picture(scores, real, sheets).save(experiment.images / "ebgan.png", optimize=True)


def compared(experiment: Experiment, rows: list[Values], points: int) -> None:
    """Figures of the search; a goal only when all its points are there."""
    goal = 0.5 if len(rows) == points * len(KINDS) else None
    scores = {kind: [row["i_prime"] for row in rows if row["kind"] == kind] for kind in KINDS}
    for first in KINDS[:2]:
        for second in KINDS[2:]:
            if scores[first] and scores[second]:
                label, share = "share of pairs in which EBGAN's I' is larger", wins(scores[first], scores[second])
                where = f"{first} against {second}, {len(scores[first])} runs each"
                experiment.figures.append(Figure(label, where, share, goal=goal, better="higher"))
    if scores["EBGAN-PT"] and scores["EBGAN"]:
        share = wins(scores["EBGAN-PT"], scores["EBGAN"])
        label, where = "share of pairs in which the I' with PT is larger", "EBGAN-PT against EBGAN"
        experiment.figures.append(Figure(label, where, share, goal=goal, better="higher"))
    for kind, values in scores.items():
        if values:
            where = f"{kind}, median of {len(values)} runs"
            experiment.figures.append(Figure("I'", where, float(np.median(values)), better="higher"))
            experiment.figures.append(Figure("I'", f"{kind}, best run", max(values), better="higher"))


if __name__ == "__main__":
    main()
