"""What training costs beside the networks: the step over that of a bare loop, and the part spent waiting for data.

    python -m scripts.bench.train [--steps 200] [--only vae dcgan] [--device cpu]

On grey images of 28x28 the recipes vae, infogan, improved-gan and dcgan take turns with the loops of
scripts/bench/bare_loops.py, ten steps each, in fp32 on one thread; the ratio is that of the median times of the
processor. For the recipes of super-resolution, on photographs, the fraction of the time in which the loop waits for a
batch. perceptual-gan-x4 takes turns with itself where its critic and its comparators see whole images. Writes
docs/results/bench_train.json.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from scripts.bench.bare_loops import LOOPS
from scripts.lib import paths
from scripts.lib.timing import Check, photograph, report
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.training.batches import step_batches
from srgan_kit.training.limit import TimeLimit
from srgan_kit.training.start import open_run
from srgan_kit.training.telemetry import Telemetry

LARGEST_RATIO, LARGEST_WAIT = 1.1, 0.03
TURN = 10
"""Steps in a row."""
WARM_UP = 2
"""Turns that do not count."""
MNIST_LIKE = ("data.size=28", "data.channels=1", "data.augment=none")
SMALL = {"dcgan": ("generator.channels=32", "critic.channels=32")}
"""As in the experiments on digits."""
SUPER_RESOLUTION = ("fidelity-x4", "photo-x4")
CROPPED, LARGEST_CROPPED = "perceptual-gan-x4", 0.6
"""A recipe whose networks see parts of the images, and what its step may cost beside the one that sees all of them."""
MOST_CROPPED = 10
"""Most steps of that; one takes seconds."""


def kit(recipe: Recipe, folder: Path, waits: list[tuple[float, float]]) -> Generator[None, None, None]:
    """The kit's loop, a step a turn; in `waits` the seconds of each step that went to its data, and all of them."""
    with ExitStack() as stack:
        run, _ = stack.enter_context(open_run(recipe, folder, False, None))
        telemetry = stack.enter_context(Telemetry(folder, 0, run.steps, TimeLimit(None, False)))
        batches = step_batches(run)
        while True:
            start = time.perf_counter()
            some = next(batches)
            there = time.perf_counter()
            logged = (run.step + 1) % recipe.log_every == 0
            values = run.train_step(some[-1], detailed=logged, earlier=some[:-1])
            telemetry.step(run.step)
            if logged:
                telemetry.record(run.step, values)
            waits.append((there - start, time.perf_counter() - start))
            yield


def against_bare(name: str, steps: int, folder: Path) -> dict[str, float]:
    """Median processor time of a step of both loops, which take turns."""
    images, labels = digits_like(5000)
    np.savez(folder / "digits.npz", x_train=images, y_train=labels)
    own = [*MNIST_LIKE, *SMALL.get(name, ()), "precision=fp32", "device=cpu", "steps=1000000"]
    recipe = load_recipe(name, own, folder / "digits.npz")
    pixels = torch.from_numpy(images)[:, None].float() / 255
    waits: list[tuple[float, float]] = []
    loops = {
        "kit": kit(recipe, folder / name, waits),
        "bare": LOOPS[name](recipe, pixels, torch.from_numpy(labels)),
    }
    seconds: dict[str, list[float]] = {each: [] for each in loops}
    for turn in range(WARM_UP + steps // TURN):
        for each, loop in loops.items():
            for _ in range(TURN):
                start = time.process_time()  # other programs disturb it less, and one thread does it all
                next(loop)
                if turn >= WARM_UP:
                    seconds[each].append(time.process_time() - start)
    kit_step, bare_step = (statistics.median(seconds[each]) for each in loops)
    return {
        f"{name}: ms a step": 1000 * kit_step,
        f"{name}: ms a step of the bare loop": 1000 * bare_step,
        f"{name}: ratio": kit_step / bare_step,
        f"{name}: data wait": wait(waits[WARM_UP * TURN :]),
    }


def super_resolution(name: str, steps: int, folder: Path, device: str, settings: list[str]) -> dict[str, float]:
    """The part of the time in which a super-resolution run waits for its data."""
    photographs(folder)
    own = [f"device={device}", "steps=1000000", "validation.holdout=0", *settings]
    recipe = load_recipe(name, own, folder)
    waits: list[tuple[float, float]] = []
    loop = kit(recipe, folder / name, waits)
    for _ in range(WARM_UP + steps):
        next(loop)
    loop.close()
    there = waits[WARM_UP:]
    return {
        f"{name}: ms a step": 1000 * statistics.median(all_of_it for _, all_of_it in there),
        f"{name}: data wait": wait(there),
    }


def cropped(data: Path, steps: int, folder: Path) -> dict[str, float]:
    """Median processor time of a step of the recipe, and of one whose networks see whole images."""
    photographs(folder)
    own = ["device=cpu", "precision=fp32", "steps=1000000", "validation.holdout=0", "log_every=1000000"]
    own += [f"{term}.weights={json.dumps(str(data / 'weights' / file))}" for term, file in paths.NETWORKS.items()]
    whole = [f"{table}.crop=0" for table in ("techniques", "perceptual", "lpips")]
    recipes = {"crops": load_recipe(CROPPED, own, folder), "whole": load_recipe(CROPPED, [*own, *whole], folder)}
    loops = {name: kit(recipe, folder / name, []) for name, recipe in recipes.items()}
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for turn in range(1 + steps):
        for name, loop in loops.items():
            start = time.process_time()
            next(loop)
            if turn:
                seconds[name].append(time.process_time() - start)
    step, of_whole = (1000 * statistics.median(seconds[name]) for name in loops)
    return {
        f"{CROPPED}: ms a step": step,
        f"{CROPPED}: ms a step that sees whole images": of_whole,
        f"{CROPPED}: part of its time": step / of_whole,
    }


def photographs(folder: Path) -> None:
    """Three photographs to train on."""
    for number, side in enumerate((512, 480, 400)):
        Image.fromarray(np.rot90(photograph(side), number)).save(folder / f"{number}.png")


def wait(waits: list[tuple[float, float]]) -> float:
    """The fraction of the time that went to data, medians of both."""
    return statistics.median(data for data, _ in waits) / statistics.median(whole for _, whole in waits)


def digits_like(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Grey images (N, 28, 28) of one bright stroke each, ten kinds of them, with their labels."""
    random = np.random.default_rng(0)
    labels = np.arange(count) % 10
    along = np.arange(28) - 13.5
    angle = labels * np.pi / 10 + random.normal(0, 0.05, count)
    shift = random.normal(0, 2, (count, 2))
    rows, columns = along[None, :, None] - shift[:, :1, None], along[None, None, :] - shift[:, 1:, None]
    across = rows * np.cos(angle)[:, None, None] - columns * np.sin(angle)[:, None, None]
    length = rows * np.sin(angle)[:, None, None] + columns * np.cos(angle)[:, None, None]
    stroke = np.exp(-((across / 2) ** 2) - (length / 9) ** 4)
    return (255 * stroke).round().astype(np.uint8), labels


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200, help="steps of each loop (default: 200)")
    parser.add_argument(
        "--only", nargs="+", default=[*LOOPS, *SUPER_RESOLUTION, CROPPED], metavar="RECIPE", help="which recipes"
    )
    parser.add_argument("--device", default="cpu", help="for super-resolution (default: cpu)")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings for super-resolution")
    parser.add_argument("--output", type=Path, default=paths.RESULTS / "bench_train.json")
    options = parser.parse_args()
    if options.device == "cpu":
        torch.set_num_threads(1)
    found: dict[str, object] = {}
    for name in options.only:
        with tempfile.TemporaryDirectory() as folder:
            if name in LOOPS:
                found |= against_bare(name, options.steps, Path(folder))
            elif name == CROPPED:
                data = paths.data_folder("the networks that compare")
                found |= cropped(data, min(options.steps, MOST_CROPPED), Path(folder))
            else:
                found |= super_resolution(name, options.steps, Path(folder), options.device, options.set)
    before = json.loads(options.output.read_text()) if options.output.is_file() else {}
    found = {name: value for name, value in before.items() if name != "thresholds"} | found
    ratios = {name: float(value) for name, value in found.items() if name.endswith("ratio")}  # pyright: ignore
    waits = {name: float(value) for name, value in found.items() if name.endswith("wait")}  # pyright: ignore
    checks = [Check(name, value, f"<= {LARGEST_RATIO}", value <= LARGEST_RATIO) for name, value in ratios.items()]
    checks += [Check(name, value, f"<= {LARGEST_WAIT}", value <= LARGEST_WAIT) for name, value in waits.items()]
    parts = {name: float(value) for name, value in found.items() if name.endswith("part of its time")}  # pyright: ignore
    checks += [Check(name, value, f"<= {LARGEST_CROPPED}", value <= LARGEST_CROPPED) for name, value in parts.items()]
    report(found, checks, options.output)


if __name__ == "__main__":
    main()
