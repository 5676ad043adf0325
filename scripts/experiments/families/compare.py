"""VAE, PixelCNN, PixelRNN and GAN on the same binary MNIST at about equal parameters: docs/studies/families.md.

    OMP_NUM_THREADS=1 python -m scripts.experiments.families.compare --data mnist.npz   # in one shell per core
    python -m scripts.experiments.families.compare --render

Without --data and --photos it takes gan/mnist.npz and sr_train/bsds of the folder SRGAN_KIT_DATA. Every run is one of
the training loop, with a shipped recipe and the settings in FAMILIES, and a few of other tasks in OTHERS; what is
measured goes to the run's folder, and a run that has been measured is neither repeated nor started by two processes.
--render collects them into docs/results/families.json, the images, and the tables in docs/studies/families.md,
docs/systems/vae.md and docs/systems/pixelrnn.md. Without run folders the tables are those of families.json.
"""

import argparse
import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch

from scripts.experiments.families.digits import Digits, binary_data, classifier
from scripts.experiments.families.measures import SHOWN, baseline
from scripts.experiments.families.page import render
from scripts.experiments.families.plans import FAMILIES, OTHERS, jobs
from scripts.experiments.families.runs import run, run_other, time_steps
from scripts.lib import paths
from srgan_kit.images.grid import grid, to_pillow


@contextmanager
def alone(path: Path, wait: bool) -> Iterator[bool]:
    """Holds the file's lock, which ends with the process; False if another process has it and we do not wait."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="MNIST as an .npz")
    parser.add_argument("--photos", type=Path, help="a folder of photographs, for the runs of super-resolution")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/families"), help="where runs go")
    parser.add_argument("--render", action="store_true", help="only write the table and the image")
    options = parser.parse_args()
    if options.render:
        render(options.output)
        return
    torch.set_num_threads(1)
    root = paths.optional_data_folder()
    source = options.data or (root / "gan" / "mnist.npz" if root else None)
    if source is None:
        parser.error("give --data mnist.npz, or set SRGAN_KIT_DATA")
    options.output.mkdir(parents=True, exist_ok=True)
    with alone(options.output / "lock", wait=True):
        data = binary_data(source, options.output)
        digits = Digits(data)
        network = classifier(digits, options.output)
        real = options.output / "real.json"
        if not real.exists():
            real.write_text(json.dumps(baseline(digits, network), indent=1) + "\n", encoding="utf-8")
            shown = grid(digits.train[:SHOWN], columns=20, gap=0, smallest_side=1)
            to_pillow(shown).save(options.output / "real.png")
    photos = options.photos or (root / "sr_train" / "bsds" if root else None)
    sources = {"digits": data, "photos": photos}
    work: list[tuple[str, Callable[[], None]]] = [
        (f"{name}-{seed}", partial(run, name, seed, data, digits, network, options.output)) for name, seed in jobs()
    ]
    work[len(FAMILIES) : len(FAMILIES)] = [("steps", partial(time_steps, data, options.output))] + [
        (name, partial(run_other, name, given, options.output))
        for name, other in OTHERS.items()
        if (given := sources[other.data]) is not None
    ]
    for name, job in work:
        with alone(options.output / f"{name}.lock", wait=False) as ours:
            if ours:
                job()


if __name__ == "__main__":
    main()
