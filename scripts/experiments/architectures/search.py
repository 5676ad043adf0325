"""Find the pretrained super-resolver's architecture and data by short runs of equal cost, judged on held-out images.

    SRGAN_KIT_DATA=... python -m scripts.experiments.architectures.search --costs    once: times all networks
    SRGAN_KIT_DATA=... python -m scripts.experiments.architectures.search [--part 1/2] [--minutes M] [NAME ...]
    python -m scripts.experiments.architectures.search --render    docs/studies/architectures.md's tables

Every run takes as many steps as `--budget` minutes pay for at the cost of its step, which is measured for all networks
in turns, and goes through its whole learning-rate schedule. Results are appended to docs/results/architectures.jsonl;
what is there is not done again, and a run that `--minutes` cut short goes on where it stopped. The test sets are not
used: a tenth of each source's photographs is kept out of training, with all the crops that are cut from them.
"""

import argparse
import math
import re
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.utils.data import default_collate

from scripts.experiments.architectures.candidates import ARCHITECTURES, DATA, PLAIN, SETTINGS, Study
from scripts.experiments.architectures.page import render
from scripts.lib import paths
from scripts.lib.holdout import SOURCES, link_images
from scripts.lib.photo_comparison import COMPACT_FILE
from scripts.lib.results import Results, Row
from scripts.lib.runs import training_hours
from scripts.lib.timing import Work, bare, median_seconds, photograph
from srgan_kit.devices import DTYPES, cpu_has_bf16, pick_precision
from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.settings import SRSettings
from srgan_kit.metrics.folder import Upscale, bicubic_upscaler, evaluate_pairs, pair_images
from srgan_kit.models.super_resolution import UpscalingModel, load_model
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks import Task, build_task
from srgan_kit.training.checkpoint import has_checkpoint
from srgan_kit.training.loop import MODEL, is_finished, start_accelerator, train
from srgan_kit.training.run import Run
from srgan_kit.upscaling.upscaler import Upscaler

RESULTS = paths.RESULTS / "architectures.jsonl"
SIDE, REPEATS = 256, 5


def measure(upscale: Upscale, images: Path) -> dict[str, float]:
    """Mean PSNR on luma, in dB, over each source's held-out images."""
    found: dict[str, float] = {}
    for source in SOURCES:
        pairs = pair_images(images / "validation" / source, None, 4)
        found[source] = round(statistics.fmean(score.psnr_y for score in evaluate_pairs(pairs, upscale, 4)), 4)
    return found


def _add(results: Results, row: Row) -> None:
    results.add(row)
    print(row, flush=True)


# --- costs ----------------------------------------------------------------------------------------------------------


def recipe_of(generator: SRSettings, study: Study, images: Path, steps: int = 1) -> Recipe:
    """A run of that network, which need not be a recipe's choice, on that data."""
    folder = images / "training" / ("" if study.sources == "both" else study.sources)
    own = [f"steps={steps}", f"optimizer.warmup={3 * steps // 100}"]
    recipe = load_recipe("fidelity-x4", [*SETTINGS, *own, *study.settings], folder)
    return recipe.model_copy(update={"generator": generator})


def measure_steps(names: Sequence[str], images: Path, results: Results) -> None:
    """The time of a training step, batch included, of each network; they take turns."""
    recipes = {name: recipe_of(ARCHITECTURES[name], Study(), images) for name in names}
    accelerator = start_accelerator(recipes[names[0]])
    folder = images / "run"  # of which nothing is written
    task = build_task(recipes[names[0]], accelerator.device, folder)
    runs = {name: Run(recipe, folder, accelerator, task) for name, recipe in recipes.items()}
    work: dict[str, Work] = {name: _stepping(run, task) for name, run in runs.items()}
    for name, seconds in median_seconds(work, REPEATS).items():
        _add(results, {"kind": "step", "name": name, "seconds": round(seconds, 5), **conditions()})


def conditions() -> Row:
    """How training runs on this machine."""
    picked = pick_precision("auto", torch.device("cpu"))
    precision = next(name for name, dtype in DTYPES.items() if dtype == picked)
    return {"precision": precision, "threads": torch.get_num_threads()}


def _stepping(run: Run, task: Task) -> Work:
    batch = run.recipe.data.batch

    def step() -> object:
        items = [task.examples[run.step * batch + number] for number in range(batch)]
        return run.train_step(task.batch(default_collate(items)))

    return step


def measure_inference(names: Sequence[str], precision: str, compact: UpscalingModel, results: Results) -> None:
    """Milliseconds per megapixel of input of each network as it is exported and of the compact checkpoint, in turns."""
    pixels = photograph(SIDE)
    models = {name: _untrained(name) for name in names} | {"compact": compact}
    work: dict[str, Work] = {
        name: bare(model, pixels, DTYPES[precision], torch.channels_last) for name, model in models.items()
    }
    seconds = median_seconds(work, REPEATS)
    per_megapixel = {name: round(1000 * value / (SIDE**2 / 1e6), 1) for name, value in seconds.items()}
    common = {"precision": precision, "threads": torch.get_num_threads(), "compact": per_megapixel["compact"]}
    for name in names:
        row = {"kind": "inference", "name": name, "milliseconds": per_megapixel[name], **common}
        _add(results, row | {"parameters": models[name].parameters})


def _untrained(name: str) -> UpscalingModel:
    return _model(ARCHITECTURES[name].exported(), {})


def _model(config: SRSettings, weights: dict[str, Tensor]) -> UpscalingModel:
    network = config.build()
    network.load_state_dict(weights or network.state_dict())
    return UpscalingModel(config.name, network.eval().requires_grad_(False), config.scale, 3, config.name, "none")


def measure_costs(names: Sequence[str], images: Path, data: Path, results: Results) -> None:
    """What is not known yet of the costs; bf16 is timed where the CPU multiplies it."""
    unknown = [name for name in names if not results.rows(kind="step", name=name, **conditions())]
    if unknown:
        measure_steps(unknown, images, results)
    for precision in ("fp32", "bf16") if cpu_has_bf16() else ("fp32",):
        unknown = [name for name in names if not results.rows(kind="inference", name=name, precision=precision)]
        if unknown:
            compact = load_model(data / COMPACT_FILE)
            measure_inference(unknown, precision, compact, results)
    if not results.rows(kind="bicubic"):
        _add(results, {"kind": "bicubic", "psnr": measure(bicubic_upscaler(4), images)})


# --- runs -----------------------------------------------------------------------------------------------------------


def steps_for(name: str, budget: float, results: Results) -> int:
    """How many steps of the network take so many minutes.

    Raises:
        UserError: the cost of its step is not known.
    """
    costs = results.rows(kind="step", name=name, **conditions())
    if not costs:
        how = "in {precision} on {threads} CPU thread(s)".format(**conditions())
        raise UserError(f"{name}: the cost of its step {how} is not in {results.path}; run with --costs first")
    return max(1, round(60 * budget / costs[0]["seconds"]))


def train_one(name: str, budget: float, images: Path, runs: Path, results: Results, minutes: float) -> bool:
    """Train and measure, or go on with it; False where the time was up before the end."""
    study = DATA.get(name, Study())
    network = PLAIN if name in DATA else name
    recipe = recipe_of(ARCHITECTURES[network], study, images, steps_for(network, budget, results))
    folder = runs / f"{re.sub(r'[^a-z0-9]+', '-', name.lower())}-{budget:g}"
    if not is_finished(folder):
        outcome = train(recipe, folder, has_checkpoint(folder), None if math.isinf(minutes) else minutes)
        if not outcome.finished:
            return False
    model = _model(ARCHITECTURES[network].exported(), load_file(folder / MODEL))
    psnr = measure(Upscaler(model, "cpu", "fp32").upscale, images)
    _add(
        results,
        {
            "kind": "run",
            "name": name,
            "budget": budget,
            "steps": recipe.steps,
            "crops": recipe.steps * recipe.data.batch,
            "seconds": round(3600 * training_hours(folder), 1),
            "psnr": psnr,
            **conditions(),
        },
    )
    return True


def missing(names: Sequence[str], budget: float, part: tuple[int, int], results: Results) -> Iterator[str]:
    """The runs of a share that have no result of this budget, precision and number of threads yet."""
    number, parts = part
    for place, name in enumerate(names):
        if place % parts == number - 1 and not results.rows(kind="run", name=name, budget=budget, **conditions()):
            yield name


def share(text: str) -> tuple[int, int]:
    """ "2/3" -> (2, 3)."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"expected i/n with 1 <= i <= n, such as 1/2; got {text!r}")
    return int(match[1]), int(match[2])


def main() -> None:
    """Measure costs, train what lacks a result, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks and studies of data; by default all")
    parser.add_argument("--costs", action="store_true", help="time steps and inference; while nothing else runs")
    parser.add_argument("--budget", type=float, default=3.0, help="minutes of steps of each run")
    parser.add_argument("--part", type=share, default=(1, 1), metavar="I/N", help="the i-th of n shares of the runs")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so many, saved")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--runs", type=Path, default=Path("runs/architectures"))
    parser.add_argument("--render", action="store_true", help="write the tables of docs/studies/architectures.md")
    options = parser.parse_args()
    results = Results(options.results)
    if options.render:
        render(results.rows())
        return
    unknown = [name for name in options.names if name not in {**ARCHITECTURES, **DATA}]
    if unknown:
        parser.error(f"{unknown[0]!r}: expected one of {', '.join((*ARCHITECTURES, *DATA))}")
    data = paths.data_folder("training images and weights")
    torch.set_num_threads(options.threads)
    names = options.names or [*ARCHITECTURES, *DATA]
    images, deadline = options.runs / "images", time.monotonic() + 60 * options.minutes
    try:
        link_images(data / "sr_train", images)
        if options.costs:
            networks = dict.fromkeys(PLAIN if name in DATA else name for name in names)
            measure_costs(list(networks), images, data, results)
            return
        for name in missing(names, options.budget, options.part, results):
            left = (deadline - time.monotonic()) / 60
            if left <= 0 or not train_one(name, options.budget, images, options.runs, results, left):
                sys.exit(130)  # as `srgan-kit train` where it was stopped
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
