"""SRGAN's loss, term by term: the rows of the paper's table, from one super-resolver that was trained on pixels alone.

    SRGAN_KIT_DATA=... python -m scripts.experiments.srgan_loss [--minutes M] [--smoke]

Each row fine-tunes `x4-fidelity` for as many steps on the same crops; they differ in their terms alone. A last row is
the recipe `srgan-x4` with its own loss. Needs sr_train, sr_test and weights.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Literal

from scripts.lib import paths
from scripts.lib.experiment import Experiment, Figure, Values, open_experiment
from scripts.lib.sr_measures import Measured, Measures, draw_crops, mean_shares
from srgan_kit.errors import UserError
from srgan_kit.training.loop import MODEL

TITLE, SOURCE = "SRGAN's loss", "Ledig et al. 2017, arXiv:1609.04802, tables 1 and 2 (Set5)"
START = "x4-fidelity"
VGG16 = "vgg16_oxford_conv5_3_fp16.pth"
"""The original VGG16 to conv5_3; the paper's is a VGG19, whose last convolution before the fifth pooling is conv5_4."""
STEPS, PATCH, BATCH = 1500, 16, 8
SHARE = 0.4
"""Of the adversarial term in the generator's gradient, in every row that has one."""
COMMON = (
    f"steps={STEPS}",
    f"data.patch={PATCH}",
    f"data.batch={BATCH}",
    "optimizer.learning_rate=1e-4",
    "optimizer.final_learning_rate=1e-5",
    "optimizer.warmup=20",
    "ema=0.995",
    "critic_steps=1",
    "techniques.translation=0",
    "validation.every=500",
    "validation.images=8",
    "log_every=25",
    "checkpoint_every=250",
)
"""On top of the recipe `perceptual-x4`, which starts from `START`. The rows give the rest."""
PHASE = "phase_evenness='share:0.1', phase_bias='share:0.1'"
"""Against the checkerboard artifact, in every row but the first."""
CRITIC = (
    "variant=srgan",
    "critic={name='srgan', channels=32}",
    "critic_optimizer.final_learning_rate=1e-4",
    "critic_weights.r1=1",
    "techniques.r1_every=4",
)
"""The paper's critic at half the width. Without R1 it soon tells all images apart."""
ADVERSARIAL = f"adversarial='share:{SHARE}'"
TOTAL_VARIATION = "total_variation='share:0.01'"
"""In the rows with VGG22, as in the paper."""
ROWS: dict[str, tuple[str, ...]] = {
    "SRResNet-MSE": ("weights={mse=1}",),
    "SRResNet-VGG22": (f"weights={{perceptual=1, {TOTAL_VARIATION}, {PHASE}}}", "perceptual.layers={relu2_2=1.0}"),
    "SRGAN-MSE": (f"weights={{mse=1, {ADVERSARIAL}, {PHASE}}}", *CRITIC),
    "SRGAN-VGG22": (
        f"weights={{perceptual=1, {ADVERSARIAL}, {TOTAL_VARIATION}, {PHASE}}}",
        "perceptual.layers={relu2_2=1.0}",
        *CRITIC,
    ),
    "SRGAN-VGG54": (f"weights={{perceptual=1, {ADVERSARIAL}, {PHASE}}}", "perceptual.layers={relu5_3=1.0}", *CRITIC),
}
"""The paper's rows in its order."""
LOOKS = [*ROWS][1:]
"""Rows that give up PSNR for looks."""
OWN = "srgan-x4, its own loss"
PAPER = {"bicubic": 28.43} | dict(zip(ROWS, (32.05, 30.51, 30.64, 29.84, 29.40), strict=True))
"""PSNR on Set5, in dB."""
OPINION = dict(zip(ROWS, (3.37, 3.46, 3.77, 3.78, 3.58), strict=True))
"""What viewers said of the paper's results on Set5: a mean opinion score of 1 to 5."""
CROPS = [(8, 10, 50, 32), (37, 20, 30, 32)]
"""Of B100: which image by name, top, left and side of the part shown, in low-resolution pixels."""
MEASURES: dict[str, tuple[str, Literal["lower", "higher"]]] = {
    "b100_psnr_y": ("PSNR on B100, dB", "higher"),
    "lpips": ("LPIPS-like distance on B100", "lower"),
    "frechet": ("Fréchet distance of patches of B100", "lower"),
    "lr_psnr": ("LR consistency on B100, dB", "higher"),
    "detail": ("high-frequency energy on B100", "higher"),
    "pattern": ("checkerboard pattern on B100, levels", "lower"),
}
"""What is measured besides PSNR on Set5; the paper has no figures for these."""


ORDERED: dict[str, tuple[str, Mapping[str, float], int]] = {
    "set5_psnr_y": ("PSNR on Set5, as the paper's", PAPER, 1),
    "lpips": ("LPIPS-like distance on B100, as the paper's viewers on Set5", OPINION, -1),
    "frechet": ("Fréchet distance of patches of B100, as the paper's viewers on Set5", OPINION, -1),
}
"""Which order of the paper's rows a measure is to have, and whether it rises with it or falls."""


def recipe_of(row: str, experiment: Experiment) -> tuple[str, list[str]]:
    """A row's recipe and settings."""
    weights = experiment.data / "weights"
    tiny = (
        ["steps=4", "data.patch=8", "data.batch=2", "log_every=1", "validation.images=1", "validation.largest_side=32"]
        if experiment.smoke
        else []
    )
    if row == OWN:
        schedule = [setting for setting in COMMON if not setting.startswith(("critic_steps", "techniques"))]
        comparator = json.dumps(str(weights / paths.NETWORKS["perceptual"]))
        # the U-Net at half the recipe's width, as the other rows' critic
        return "srgan-x4", [*schedule, "critic.channels=16", f"perceptual.weights={comparator}", *tiny]
    comparator = ["perceptual.network=vgg16", "perceptual.distance=l2", "perceptual.translation=0"]
    comparator.append(f"perceptual.weights={json.dumps(str(weights / VGG16))}")
    return "perceptual-x4", [*COMMON, *comparator, *ROWS[row], *tiny]


def folder_of(row: str) -> str:
    """Where a row's run lies."""
    return "".join(letter if letter.isalnum() else "-" for letter in row.lower())


def in_order(values: Sequence[float], wanted: Sequence[float]) -> int:
    """How many pairs of the values are in the order of the same pairs of those wanted, of n (n - 1) / 2 pairs."""
    pairs = zip(combinations(values, 2), combinations(wanted, 2), strict=True)
    return sum((a - b) * (c - d) > 0 for (a, b), (c, d) in pairs)


def main(argv: Sequence[str] | None = None) -> None:
    """Train what is missing, measure, write."""
    experiment = open_experiment("srgan_loss", TITLE, SOURCE, __doc__, argv)
    measures = Measures(experiment.data, 1 if experiment.smoke else None)
    images = experiment.data / ("sr_test/Set5/HR" if experiment.smoke else "sr_train")

    def measure(folder: Path) -> Values:
        shares = mean_shares(folder / "log.jsonl", 2 if experiment.smoke else STEPS // 2)
        return {"measures": measures.of(folder / MODEL, folder), "shares": shares}

    found: dict[str, Measured] = {name: measures.of(name, experiment.work) for name in ("bicubic", START)}
    rows = (*ROWS, OWN)
    for row in rows:
        recipe, settings = recipe_of(row, experiment)
        values = experiment.measured(folder_of(row), recipe, images, settings, measure)
        if values is not None:
            found[row] = values["measures"]
    found["HR"] = measures.of("HR", experiment.work)
    report(experiment, found)
    if folders := experiment.folders(folder_of(row) for row in rows):
        models = {row: folder / MODEL for row, folder in zip(rows, folders, strict=True)}
        shown: dict[str, Path | str] = {"input": "bicubic", "bicubic": "bicubic", START: START, **models, "HR": "HR"}
        draw_crops(shown, experiment.images / "srgan_loss.png", experiment.data / "sr_test" / "B100", CROPS, columns=5)


def report(experiment: Experiment, found: dict[str, Measured]) -> None:
    """Write the result file."""
    for name, measured in found.items():
        if name == "HR":
            continue
        psnr, is_aim = measured["set5_psnr_y"], name not in LOOKS
        paper = PAPER.get(name)
        experiment.figures.append(Figure("PSNR on Set5, dB", name, psnr, paper=paper, better="higher", is_aim=is_aim))
    rows = [row for row in ROWS if row in found]
    if len(rows) == len(ROWS):
        for key, (name, order, sign) in ORDERED.items():
            pairs = in_order([sign * found[row][key] for row in rows], [order[row] for row in rows])
            experiment.figures.append(
                Figure("pairs of rows in the paper's order, of 10", name, pairs, None, None, 10, "higher")
            )
    for key, (measure, better) in MEASURES.items():
        for name, measured in found.items():
            if key in measured and name != "HR":
                experiment.figures.append(Figure(measure, name, measured[key], better=better))
    experiment.settings = {
        "steps": STEPS,
        "batch": f"{BATCH} crops of {4 * PATCH}x{4 * PATCH}",
        "start": START,
        "adversarial share": SHARE,
        "seed": 0,
    }
    experiment.notes = [
        "PSNR is no aim of the rows below the first: the paper's figures stand beside ours for their order.",
        f"High-frequency energy of the originals is {found['HR']['detail']:.1f} squared levels: that is the aim, not "
        f"more; their checkerboard pattern is {found['HR']['pattern']:.2f} levels.",
        "The paper trains SRResNet for a million steps on 350,000 images, and each SRGAN for 200,000 more.",
    ]
    experiment.write()


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
