"""What each shipped recipe costs: the time of a step and of a validation, by its dry run.

    python -m scripts.bench.recipes [--only NAME ...]

One thread, in fp32; time is that of the processor, so other programs disturb it less. Writes
srgan_kit/recipes/costs.json, from which `srgan-kit recipes` has the time of a run.
"""

import argparse
import json
import platform
import re
import time
from pathlib import Path

import torch

from scripts.lib import paths
from srgan_kit.recipes.catalogue import COSTS
from srgan_kit.recipes.load import load_recipe, recipe_names
from srgan_kit.recipes.schema import Recipe
from srgan_kit.training.estimate import estimate

FILE = paths.ROOT / "srgan_kit" / "recipes" / COSTS
PHOTOGRAPHS, GREY, COLOUR = "sr_train/bsds", "gan/mnist.npz", "gan/flowers64.npz"
"""Of the data folder: for super-resolution, for 28x28 grey images, for 64x64 ones in colour."""


def recipe_on_data(name: str, data: Path) -> Recipe:
    """A shipped recipe with images and weights of the data folder."""
    shipped = load_recipe(name)
    images = PHOTOGRAPHS if shipped.task == "super-resolution" else GREY if shipped.data.channels == 1 else COLOUR
    weights = [f"{table}.weights={data / 'weights' / file}" for table, file in paths.NETWORKS.items()]
    return load_recipe(name, [*weights, "device=cpu", "precision=fp32"], data / images)


def processor() -> str:
    """The name of this machine's."""
    info = Path("/proc/cpuinfo")
    named = re.search(r"^model name\s*: (.*)$", info.read_text(), re.MULTILINE) if info.is_file() else None
    return named[1] if named else platform.processor() or platform.machine()


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAME", nargs="+", default=recipe_names(), help="these recipes")
    names = parser.parse_args().only
    data = paths.data_folder("training images and weights")
    torch.set_num_threads(1)
    costs = json.loads(FILE.read_text())["recipes"] if FILE.is_file() else {}
    for name in names:
        found = estimate(recipe_on_data(name, data), Path("runs") / f"cost-of-{name}", clock=time.process_time)
        costs[name] = {
            "step": float(f"{found.seconds_per_step:.3g}"),
            "validation": float(f"{found.seconds_per_validation:.3g}"),
        }
        print(f"{name:20}{costs[name]['step']:10.3g} s a step {costs[name]['validation']:10.3g} s a validation")
        written = {"machine": f"one core of {processor()}, in fp32", "recipes": dict(sorted(costs.items()))}
        FILE.write_text(json.dumps(written, indent=2) + "\n")


if __name__ == "__main__":
    main()
