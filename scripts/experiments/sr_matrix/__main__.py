"""Every adversarial system as the critic of a super-resolver, with its share of the gradient held.

    SRGAN_KIT_DATA=... python -m scripts.experiments.sr_matrix [--minutes M] [--smoke]

`x4-fidelity` is trained on content terms alone for a while; from there each system fine-tunes it by the recipe
`perceptual-x4` at two shares of the gradient, and the control goes on without a critic. Needs sr_train, sr_test and
weights.
"""

import json
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from statistics import stdev
from typing import Any, Literal

from scripts.experiments.sr_matrix import page
from scripts.experiments.sr_matrix.demonstrations import ab_test
from scripts.experiments.sr_matrix.rows import (
    AGAIN,
    BATCH,
    COMMON,
    CONTROL,
    CONVERGED,
    PATCH,
    RECIPE,
    SHARES,
    STEPS,
    Row,
    comparator,
    rows,
)
from scripts.lib.experiment import Experiment, Figure, Values, open_experiment
from scripts.lib.kept import kept
from scripts.lib.runs import restored
from scripts.lib.sr_measures import Measured, Measures, draw_crops, mean_shares
from srgan_kit.errors import UserError
from srgan_kit.recipes.load import load_recipe
from srgan_kit.training.loop import MODEL

TITLE = "Every adversarial system in super-resolution"
SOURCE = "no paper compares them; scripts/experiments/sr_matrix"
SMOKE = ("steps=2", "data.patch=8", "data.batch=4", "log_every=1", "critic_steps=1", "labels.share=0.5")
SMOKE += ("validation.largest_side=32", "validation.images=1")
CROPS = [(8, 10, 50, 32), (37, 20, 30, 32)]
"""Of B100: which image by name, top, left and side of the part shown, in low-resolution pixels."""
MEASURES: dict[str, tuple[str, Literal["lower", "higher"]]] = {
    "frechet": ("Fréchet distance of patches of B100", "lower"),
    "lpips": ("LPIPS-like distance on B100", "lower"),
    "set5_psnr_y": ("PSNR on Set5, dB", "higher"),
}
"""Of the page of results; the study's own table has all."""
REFERENCES = ("bicubic", "x4-fidelity", "HR")
START, START_FOLDER = "start of all rows", "converged"


def main(argv: Sequence[str] | None = None) -> None:
    """Train what is missing, measure, write."""
    experiment = open_experiment("sr_matrix", TITLE, SOURCE, __doc__, argv)
    matrix = Matrix(experiment)
    runs: dict[str, dict[str, Any]] = {}
    start = matrix.start()
    wanted = [row for row in rows() if not experiment.smoke or (row.share != SHARES[1] and not row.seed)]
    for row in wanted:
        found = matrix.row(row)
        if found is not None:
            runs[row.folder] = {"name": row.name, "seed": row.seed} | found
    references = {name: matrix.measures.of(name, experiment.work) for name in REFERENCES}
    if start is not None:
        references[START] = start
    report(experiment, references, runs)
    shown = [row for row in wanted if not row.seed and row.name in {run["name"] for run in runs.values()}]
    if folders := experiment.folders(row.folder for row in shown):
        models: dict[str, Path | str] = {"input": "input", "x4-fidelity": "x4-fidelity"}
        models |= {row.name: folder / MODEL for row, folder in zip(shown, folders, strict=True)}
        test = experiment.data / "sr_test" / "B100"
        draw_crops(models | {"HR": "HR"}, experiment.images / "sr_matrix.png", test, CROPS)


class Matrix:
    """The runs of the matrix, trained and measured once.

    Args:
        experiment: where they lie.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.images = few_images(experiment) if experiment.smoke else experiment.data / "sr_train"
        self.measures = Measures(experiment.data, 1 if experiment.smoke else None)
        self.tiny = SMOKE if experiment.smoke else ()

    def start(self) -> Measured | None:
        """What is measured of the model that all rows start from; None where its time is up."""

        def measure(folder: Path) -> Values:
            return self.measures.of(folder / MODEL, folder)

        return self.experiment.measured(START_FOLDER, RECIPE, self.images, self.start_settings, measure)

    @property
    def start_settings(self) -> list[str]:
        """Of the run whose model all rows start from."""
        return [f"steps={CONVERGED}", *COMMON, comparator(self.experiment.data), *self.tiny]

    def row(self, row: Row) -> dict[str, Any] | None:
        """What was found of a row; None where its time is up."""
        start = json.dumps(str(self.experiment.work / START_FOLDER / MODEL))
        settings = [f"steps={STEPS}", *row.settings, f"seed={row.seed}", f"initialise_from={start}"]
        settings += [comparator(self.experiment.data), *self.tiny]
        if self.tiny and row.system is not None and row.system.page == "improved_gan":
            settings.append("labels.count=3")

        def measure(folder: Path) -> Values:
            found: Values = {"settings": row.settings[len(COMMON) :]}
            found |= self.measures.of(folder / MODEL, folder)
            found["shares"] = mean_shares(folder / "log.jsonl", 0 if self.tiny else STEPS // 2)
            if row.system is not None:
                found["shown"] = self.shown(row, folder, settings)
            return found

        if not self.experiment.knows(row.folder, settings) and not self.start_lies_here:
            self.experiment.leave_out(row.folder)
            return None
        return self.experiment.measured(row.folder, RECIPE, self.images, settings, measure)

    @cached_property
    def start_lies_here(self) -> bool:
        """Whether the model that rows start from does, trained now as far as it does not."""
        return self.experiment.trained(START_FOLDER, RECIPE, self.images, self.start_settings) is not None

    def shown(self, row: Row, folder: Path, settings: list[str]) -> Measured:
        """How well the critic tells real from made patches, and what the system means here; once."""
        data, images = self.experiment.data, 10 if self.tiny else 100

        def look() -> Measured:
            run = restored(load_recipe(RECIPE, settings, self.images), folder)
            found = ab_test(run, data, images)
            if row.system is not None and row.system.demonstration is not None:
                found |= row.system.demonstration(run, data, images)
            return found

        return kept(folder / "shown.json", folder / MODEL, look, f"{images}")


def few_images(experiment: Experiment) -> Path:
    """A folder with four training images of each class."""
    folder = experiment.work / "images"
    for path in (experiment.data / "sr_train").iterdir():
        (folder / path.name).mkdir(parents=True, exist_ok=True)
        for image in sorted(path.glob("*.jpg"))[:4]:
            link = folder / path.name / image.name
            if not link.exists():
                link.symlink_to(image.resolve())
    return folder


def spread(runs: dict[str, dict[str, Any]], key: str) -> float | None:
    """Standard deviation between two seeds of a row: the root mean square over the rows that have two."""
    differences = []
    for name in AGAIN:
        values = [run[key] for run in runs.values() if run["name"] == name]
        if len(values) > 1:
            differences.append(stdev(values))
    return (sum(each**2 for each in differences) / len(differences)) ** 0.5 if differences else None


def report(experiment: Experiment, references: dict[str, Measured], runs: dict[str, dict[str, Any]]) -> None:
    """Write the result file; a system's goal is the control's distance of patch distributions."""
    shown = {name: measured for name, measured in references.items() if name != "HR"}
    shown |= {run["name"]: run for run in runs.values() if not run["seed"]}
    control = shown.get(CONTROL)
    for key, (measure, better) in MEASURES.items():
        error = spread(runs, key)
        for name, found in shown.items():
            beats = key == "frechet" and control is not None and name not in (*REFERENCES, START, CONTROL)
            goal = control[key] if beats and control is not None else None
            experiment.figures.append(
                Figure(measure, name, found[key], error if name in AGAIN else None, None, goal, better)
            )
    real = references["HR"]
    experiment.settings = {
        "recipe": RECIPE,
        "steps before": CONVERGED,
        "steps": STEPS,
        "batch": f"{BATCH} crops of {4 * PATCH}x{4 * PATCH}",
        "shares": list(SHARES),
        "seeds": "0; 0 and 1 for three rows",
    }
    experiment.notes = [
        "The goal of a system is to be nearer than the control to the originals' patches, by a network that no term of "
        "the loss uses.",
        f"The originals: high-frequency energy {real['detail']:.1f} squared levels, phase imbalance "
        f"{real['imbalance']:.3f}, checkerboard pattern {real['pattern']:.2f} levels.",
    ]
    path = experiment.write(rows=runs, references=references)
    if not experiment.smoke:
        page.write(json.loads(path.read_text(encoding="utf-8")))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
