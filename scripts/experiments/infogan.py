"""InfoGAN on MNIST: how well the code of ten classes, found without labels, tells the digits (docs/systems/infogan.md).

    SRGAN_KIT_DATA=... python -m scripts.experiments.infogan [--minutes M]

Two widths: the paper's networks, which the recipe has, and narrow ones, small enough to be shipped as `infogan-mnist`,
with three seeds, and once as eq. 6 says, where Q's head alone learns to read. Labels name the codes and count the
errors, nothing else: the narrow run that is shown and shipped is the one whose Q is surest of held-out images while it
uses all codes, which needs no label.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, stdev

import torch
from torch import Tensor

from scripts.lib.digit_shape import digit_shape
from scripts.lib.experiment import Experiment, Figure, Values, open_experiment
from scripts.lib.generative_measures import infogan, traversal
from scripts.lib.runs import exported, restored
from scripts.lib.shipped import INFOGAN_MNIST
from srgan_kit.contracts import Codes
from srgan_kit.images.grid import save_image
from srgan_kit.recipes.load import load_recipe
from srgan_kit.training.run import Run

SOURCE = "Chen et al. 2016, arXiv:1606.03657, sec. 7.1 and 7.2"
SMOKE = ("steps=3", "data.batch=16", "generator.channels=4", "critic.channels=4", "generator.dense=[16]")
SMOKE += ("critic.dense=[16]", "precision=fp32")
NETWORKS = {
    "paper": "paper's networks",
    "narrow": "narrow networks",
    "narrow-q": "narrow networks, eq. 6 (Q's head alone learns to read)",
}
"""What the folders' names stand for."""
SHAPES = {"slant": "degrees", "width": "pixels", "ink": "grey pixels"}
"""What a number's effect on a digit is measured by."""
DRAWN = 500
"""Digits in which each number is moved."""


@dataclass(frozen=True)
class Plan:
    """A run: its network and its seed."""

    width: str
    settings: tuple[str, ...]
    seed: int

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.width}-{self.seed}"


PLANS = [
    Plan("narrow", INFOGAN_MNIST, 0),
    Plan("paper", (), 0),
    Plan("narrow", INFOGAN_MNIST, 1),
    Plan("narrow", INFOGAN_MNIST, 2),
    Plan("narrow-q", (*INFOGAN_MNIST, "variant.information_trains=q"), 0),
]
"""In the order in which they are trained."""


def main(argv: Sequence[str] | None = None) -> None:
    experiment = open_experiment("infogan", "InfoGAN on MNIST, without labels", SOURCE, __doc__, argv)
    images = experiment.data / "gan" / "mnist.npz"
    found: dict[str, Values] = {}
    for plan in PLANS[:2] if experiment.smoke else PLANS:
        settings, measure = settings_of(experiment, plan), partial(measured, experiment, plan)
        values = experiment.measured(plan.name, "infogan", images, settings, measure)
        if values is not None:
            found[plan.name] = values
    if not found:
        print("no run is finished yet; call it again")
        return
    shown = shown_run(found)
    state(experiment, found, shown)
    for folder in experiment.folders([shown.name]):
        with torch.no_grad():
            picture = traversal(opened(experiment, shown, folder))
        experiment.images.mkdir(parents=True, exist_ok=True)
        save_image(picture, experiment.images / "infogan.png")
    experiment.write(shown=shown.name)


def settings_of(experiment: Experiment, plan: Plan) -> list[str]:
    """What differs from the recipe."""
    return [*plan.settings, f"seed={plan.seed}", *(SMOKE if experiment.smoke else ())]


def opened(experiment: Experiment, plan: Plan, folder: Path) -> Run:
    """The finished run."""
    images = experiment.data / "gan" / "mnist.npz"
    return restored(load_recipe("infogan", settings_of(experiment, plan), images), folder)


def measured(experiment: Experiment, plan: Plan, folder: Path) -> Values:
    """What Q knows, and what the two numbers do to digits."""
    run = opened(experiment, plan, folder)
    torch.manual_seed(0)
    with torch.no_grad():
        return infogan(run) | effects(run)


def effects(run: Run) -> dict[str, float]:
    """How each shape of a digit changes on average while a number goes from -1 to 1 and all else stays."""
    model = exported(run)
    noise, codes = model.draw(DRAWN, torch.device("cpu"), torch.Generator().manual_seed(2))
    found: dict[str, float] = {}
    for number in range(codes.continuous.shape[1]):
        ends = [digit_shape(images) for images in (moved(run, noise, codes, number, value) for value in (-1.0, 1.0))]
        for shape in SHAPES:
            change = getattr(ends[1], shape) - getattr(ends[0], shape)
            found[f"{shape} of number {number + 1}"] = float(change.nanmean())
    return found


def moved(run: Run, noise: Tensor, codes: Codes, number: int, value: float) -> Tensor:
    """Images of the same noise and codes, but with one number at a value."""
    numbers = codes.continuous.clone()
    numbers[:, number] = value
    latent = exported(run).vector(noise, Codes(codes.categorical, numbers))
    assert latent is not None
    return torch.cat([exported(run).generate(part) for part in latent.split(250)])


def shown_run(found: dict[str, Values]) -> Plan:
    """The narrow run that Q is surest of, and the first of all where no narrow one is finished."""
    finished = [plan for plan in PLANS if plan.name in found]
    narrow = [plan for plan in finished if plan.width == "narrow"] or finished
    return max(narrow, key=lambda plan: found[plan.name]["real_information"])


def state(experiment: Experiment, found: dict[str, Values], shown: Plan) -> None:
    """The figures beside the paper's, and what a reader must know."""
    for plan in PLANS:
        if plan.name in found:
            setting = f"{NETWORKS[plan.width]}, seed {plan.seed}" + (", shown" if plan == shown else "")
            both(experiment, setting, found[plan.name])
    narrow = [found[plan.name] for plan in PLANS if plan.width == "narrow" and plan.name in found]
    if len(narrow) > 1:
        columns = {key: [run[key] for run in narrow] for key in narrow[0]}
        spread = {key: stdev(values) for key, values in columns.items()}
        both(experiment, f"narrow networks, {len(narrow)} seeds", {key: fmean(columns[key]) for key in columns}, spread)
    for shape, unit in list(SHAPES.items())[:2]:
        number = max((1, 2), key=lambda each: abs(found[shown.name][f"{shape} of number {each}"]))
        change = found[shown.name][f"{shape} of number {number}"]
        setting = f"shown run, number {number} from -1 to 1"
        experiment.figures.append(Figure(f"change of {shape}, {unit}", setting, abs(change), better="higher"))
    experiment.settings = {
        "steps": 3 if experiment.smoke else load_recipe("infogan").steps,
        "narrow": " ".join(INFOGAN_MNIST),
        "seeds": {width: [plan.seed for plan in PLANS if plan.width == width] for width in ("paper", "narrow")},
        "labels": "none in training",
    }
    experiment.notes = [
        "Error: half of the 10,000 test images give each code the name of its most frequent digit, the other half are"
        " classified by Q. Information: what Q reads of the code in 1,000 generated images, of at most ln 10 = 2.303.",
        f"Shown is the narrow run with the most nats that Q tells of held-out images ({shown.name}), chosen without"
        " labels.",
    ]


def both(
    experiment: Experiment, setting: str, values: dict[str, float], spread: dict[str, float] | None = None
) -> None:
    """Error and information of one run, or of several."""
    spread = spread or {}
    error, known = "error_percent", "information"
    experiment.figures += [
        Figure("error of the code of classes, %", setting, values[error], spread.get(error), paper=5.0, goal=6.0),
        Figure("information, nats", setting, values[known], spread.get(known), paper=2.303, goal=2.2, better="higher"),
    ]


if __name__ == "__main__":
    main()
