"""DeePSiM: what each of its three losses is for. Dosovitskiy and Brox 2016, arXiv:1602.02644, sec. 4 and fig. 6.

    SRGAN_KIT_DATA=... python -m scripts.experiments.deepsim [--minutes M]   goes on where it stopped
    python -m scripts.experiments.deepsim --smoke                            a few steps of everything

Images of flowers are made again from their features in SqueezeNet and in VGG16, by each combination of a distance of
features, a critic and a distance of pixels; the combination of none has nothing to learn from. Then two
super-resolvers show whether their critic sees the low-resolution image.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from scripts.experiments.deepsim.measures import Numbers, comparator_features, fit_seen, inversions, measure
from scripts.experiments.deepsim.plans import ALL, CELLS, COMPARATORS, SUPER_RESOLVERS, Comparator, super_resolver
from scripts.experiments.deepsim.statements import FARTHER, PAPER, goals, statements
from scripts.lib.experiment import Experiment, Figure, Values, open_experiment
from scripts.lib.quality import as_exported
from scripts.lib.runs import held_out, restored
from srgan_kit.images.grid import grid, save_image
from srgan_kit.recipes.schema import Recipe

MEASURES = {
    "image_error": "distance to the image, % of that between two images",
    "feature_error": "distance in the features inverted, % of that between two images",
    "judge_error": "distance in a network with no part in it, % of that between two images",
    "sharpness": "sharpness, part of the originals'",
    "unrest": "change of held-out images' PSNR between validations, late in training, dB",
    "fit_seen": "logits by which the critic prefers an image's own features to another's",
}
COLUMNS = 8
SHEET_SIDE = 64


def main(argv: Sequence[str] | None = None) -> None:
    exp = open_experiment(
        "deepsim",
        "DeePSiM: images from features by three losses",
        "Dosovitskiy and Brox 2016, arXiv:1602.02644, table 1 and fig. 6: layer fc6 of AlexNet on ImageNet",
        __doc__,
        argv,
    )
    found: dict[str, dict[str, Numbers]] = {}
    for comparator in COMPARATORS.values():
        found[comparator.name] = cells(exp, comparator)
        exp.figures += figures(comparator, found[comparator.name])
        exp.settings[comparator.name] = {
            "layer": comparator.layer,
            "side": comparator.size,
            "steps": comparator.steps,
            "batch": 16,
            "width": 16,
            "seed": 0,
            "weights": dict(zip(("perceptual", "adversarial", "image"), comparator.weights, strict=True)),
        }
        exp.notes += statements(comparator.name, found[comparator.name])
    exp.notes.append("The paper's figures, of AlexNet's fc6, were not seen in a second source; their order counts.")
    found["super-resolution"] = super_resolution(exp)
    picture(exp)
    exp.write(found=found)


def cells(exp: Experiment, comparator: Comparator) -> dict[str, Numbers]:
    """What is measured of each combination that is trained."""
    features = comparator_features(comparator.recipe(exp, ALL))
    judge = comparator_features(COMPARATORS[comparator.judge].recipe(exp, ALL))
    found: dict[str, Numbers] = {}
    for cell in comparator.cells:
        recipe = comparator.recipe(exp, cell)
        values = comparator.run(exp, cell, partial(measure, recipe, features=features, judge=judge))
        if values is not None:
            found[cell] = values
    return found


def figures(comparator: Comparator, found: dict[str, Numbers]) -> list[Figure]:
    """A row for each measure and combination."""
    rows: list[Figure] = []
    wanted = goals(found)
    for key, measure_name in MEASURES.items():
        for cell, values in found.items():
            if key == "fit_seen" and cell[1] == "0":
                continue  # no generator has learned from this critic
            rows.append(
                Figure(
                    measure_name,
                    f"{CELLS[cell]}; {comparator.name} {comparator.layer}",
                    values[key],
                    paper=PAPER.get((cell, key)) if wanted else None,
                    goal=wanted.get((cell, key)),
                    better="higher" if (cell, key) == FARTHER else "lower",
                )
            )
    return rows


def super_resolution(exp: Experiment) -> dict[str, Numbers]:
    """Whether a super-resolver's critic sees that an image fits its low-resolution one, and what it is good for."""
    count = 1 if exp.smoke else 20
    found: dict[str, Numbers] = {"start": as_exported("x4-fidelity", exp.data, count)}

    def measured(recipe: Recipe, folder: Path) -> Values:
        run = restored(recipe, folder)
        fit = {"fit_seen": fit_seen(run, held_out(run, 16))}
        return as_exported(str(folder / "model.safetensors"), exp.data, count) | fit

    for name in SUPER_RESOLVERS:
        values = super_resolver(exp, name, measured)
        if values is not None:
            found[name] = values
    for name, values in found.items():
        label = "x4-fidelity, the start" if name == "start" else f"x4, {SUPER_RESOLVERS[name][0]}"
        goal = None if name == "start" else found["start"]["lpips_like"]
        exp.figures.append(Figure("LPIPS-like, B100's first 20", label, values["lpips_like"], goal=goal))
        if name != "start":
            exp.figures.append(Figure(MEASURES["fit_seen"], label, values["fit_seen"], better="higher"))
    return found


def picture(exp: Experiment) -> None:
    """Of each network whose runs all lie here: originals, then a row for each combination in the order of its plan."""
    drawn = [made for each in COMPARATORS.values() if (made := sheet(exp, each)) is not None]
    if drawn:
        exp.images.mkdir(parents=True, exist_ok=True)
        save_image(torch.cat(drawn, dim=1), exp.images / "deepsim.png")


def sheet(exp: Experiment, comparator: Comparator) -> Tensor | None:
    """A network's part of the picture."""
    folders = exp.folders(comparator.folder(cell) for cell in comparator.cells)
    if not folders:
        return None
    pairs = zip(comparator.cells, folders, strict=True)
    made = [inversions(comparator.recipe(exp, cell), folder, COLUMNS) for cell, folder in pairs]
    images = torch.cat([made[0][0], *(each for _, each in made)])
    if images.shape[-1] == SHEET_SIDE:
        return grid(images, columns=COLUMNS, smallest_side=SHEET_SIDE)
    return grid(torch.nn.functional.interpolate(images, size=SHEET_SIDE), columns=COLUMNS)


if __name__ == "__main__":
    main()
