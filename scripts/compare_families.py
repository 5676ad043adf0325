"""VAE, PixelCNN, PixelRNN and GAN on the same binary MNIST at about equal parameters: docs/families.md.

    OMP_NUM_THREADS=1 python scripts/compare_families.py --data mnist.npz     # in as many shells as there are cores
    python scripts/compare_families.py --render

Without --data and --photos it takes gan/mnist.npz and sr_train/bsds of the folder SRGAN_KIT_DATA. Every run is one of
the training loop, with a shipped recipe and the settings in FAMILIES, and a few of other tasks in OTHERS; what is
measured goes to the run's folder, and a run that has been measured is neither repeated nor started by two processes.
--render collects them into docs/families.json, the images and the tables in docs/families.md, docs/vae.md and
docs/pixelrnn.md. Without run folders the tables are those of docs/families.json.
"""

import argparse
import fcntl
import json
import math
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.distributions import Bernoulli, Normal
from torch.nn import functional as F
from torch.utils.data import default_collate

from srgan_kit import losses
from srgan_kit.atomic import atomic_write
from srgan_kit.errors import UserError
from srgan_kit.generators.model import Model
from srgan_kit.images.grid import grid, save_image, to_pillow
from srgan_kit.metrics.samples import (
    class_usage,
    frechet_distance,
    nearest_training_distance,
    pairwise_diversity,
    ratio_to_real,
    sharpness,
)
from srgan_kit.models.build import build_critic
from srgan_kit.models.generative import SavedModel, load_saved
from srgan_kit.recipes.load import load_recipe
from srgan_kit.tasks import build_task
from srgan_kit.training.checkpoint import has_checkpoint
from srgan_kit.training.loop import start_accelerator, train
from srgan_kit.training.run import Run

DOCS = Path(__file__).resolve().parents[1] / "docs"
SAMPLES = 512
"""Images drawn of every model."""
TIMED = 64
"""Of which so many in the batch whose time is taken."""
TESTED = 1000
"""Test images whose likelihood is measured."""
IMPORTANCE = 50
"""Samples of the posterior for each of them in the importance-weighted bound."""
NEIGHBOURS = 256
"""Samples whose nearest training image is looked for."""
SHOWN = 40
"""Samples of each family in the image."""


@dataclass(frozen=True)
class Family:
    """One row of the table."""

    title: str
    recipe: str
    steps: int
    seeds: int
    settings: tuple[str, ...] = ()
    likelihood: str = "none"
    """What its number in nats is: "bound", "exact" or "none"."""


DECODER = ("latent.noise=20", "generator={name='dcgan', channels=30}")
"""The same network makes an image of a latent vector for the VAE and for the GAN."""
FAMILIES = {
    "vae": Family("VAE", "vae", 1000, 5, (*DECODER, "encoder={channels=32}"), "bound"),
    "gan": Family(
        "GAN (DCGAN)",
        "dcgan",
        1000,
        5,
        (*DECODER, "critic.channels=32", "data={size=28, channels=1, batch=64, augment='none'}"),
    ),
    "pixelcnn": Family("PixelCNN", "pixelcnn", 300, 5, ("generator.channels=32", "generator.layers=5"), "exact"),
    "row-lstm": Family("Row LSTM", "row-lstm", 300, 1, ("generator.channels=32", "generator.layers=2"), "exact"),
}


@dataclass(frozen=True)
class Other:
    """A short run under another task, for the system's page: what its last validation measures."""

    page: str
    title: str
    recipe: str
    data: str
    """"digits" or "photos"."""
    settings: tuple[str, ...]


SMALL = ("generator.channels=16", "generator.layers=3", "data.batch=64", "steps=200")
PHOTOS = ("task=super-resolution", "data.augment=flips", "validation.holdout=32", "steps=200")
RESIDUAL = (
    "latent.noise=16",
    "generator={name='residual', channels=32, groups=3}",
    "encoder={layout='convolutional', channels=32}",
)
OTHERS = {
    "vae-reconstruction": Other("vae", "reconstruction", "vae", "digits", ("task=reconstruction", "steps=1500")),
    "vae-x4": Other(
        "vae",
        "super-resolution x4",
        "vae",
        "photos",
        (*PHOTOS, *RESIDUAL, "variant.likelihood=gaussian", "variant.std=0.03", "data.patch=16", "data.batch=16"),
    ),
    "pixelcnn-small": Other("pixelrnn", "unconditional", "pixelcnn", "digits", SMALL),
    "pixelcnn-reconstruction": Other(
        "pixelrnn",
        "reconstruction",
        "pixelcnn",
        "digits",
        (*SMALL, "task=reconstruction", "latent.noise=16", "encoder.channels=16"),
    ),
    "pixelcnn-x4": Other(
        "pixelrnn",
        "super-resolution x4, 4x4 to 16x16",
        "pixelcnn",
        "photos",
        (*PHOTOS, "generator.levels=32", "generator.layers=3", "data.patch=4", "data.batch=32"),
    ),
}
QUIET = ("log_every=100", "checkpoint_every=100000", "validation.every=100000", "device=cpu")
Number = float | str
Measured = dict[str, Number]


# --- data and the classifier ------------------------------------------------------------------------------------------


def binary_data(source: Path, folder: Path) -> Path:
    """The images at a threshold of one half, once, in an .npz that all runs read."""
    path = folder / "binary.npz"
    if not path.exists():
        with np.load(source) as file:
            arrays = {name: file[name] for name in ("x_train", "y_train", "x_test", "y_test")}
        for name in ("x_train", "x_test"):
            arrays[name] = np.where(arrays[name] >= 128, 255, 0).astype(np.uint8)
        with atomic_write(path) as temporary:
            np.savez(temporary, **arrays)
    return path


class Digits:
    """The data as the measures need them: (N, 1, 28, 28) of 0 and 1, in an order that is no order of classes."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as file:
            arrays = {name: torch.from_numpy(file[name]) for name in ("x_train", "y_train", "x_test", "y_test")}
        mixed = torch.Generator().manual_seed(0)
        order = torch.randperm(len(arrays["y_train"]), generator=mixed)
        self.train, self.train_label = arrays["x_train"][order, None] / 255, arrays["y_train"][order].long()
        order = torch.randperm(len(arrays["y_test"]), generator=mixed)
        self.test, self.test_label = arrays["x_test"][order, None] / 255, arrays["y_test"][order].long()


class Classifier(nn.Module):
    """A small convolutional classifier of digits; its last hidden layer is where distributions are compared."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * 7 * 7, 64),
            nn.ReLU(),
        )
        self.classes = nn.Linear(64, 10)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 1, 28, 28) -> logits (N, 10)."""
        return self.classes(self.features(image))


def classifier(digits: Digits, folder: Path) -> Classifier:
    """Trained once: two epochs of Adam."""
    torch.manual_seed(0)
    network, path = Classifier(), folder / "classifier.pt"
    if path.exists():
        network.load_state_dict(torch.load(path, weights_only=True))
        return network.eval().requires_grad_(False)
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(2):
        for rows in torch.randperm(len(digits.train)).split(128):
            adam.zero_grad()
            F.cross_entropy(network(digits.train[rows]), digits.train_label[rows]).backward()
            adam.step()
    with atomic_write(path) as temporary:
        torch.save(network.state_dict(), temporary)
    return network.eval().requires_grad_(False)


# --- measures ---------------------------------------------------------------------------------------------------------


def bounds(model: Model, image: Tensor) -> Measured:
    """Upper bounds on -log p of test images in nats: -ELBO, and the importance-weighted one."""
    rows: list[Tensor] = []
    torch.manual_seed(0)
    for part in image.split(50):
        posterior = model.encode(part)
        law = Normal(posterior.mean, (posterior.log_variance / 2).exp())
        code = law.sample((IMPORTANCE,))
        logits = model.decode(None, code.flatten(0, 1))[1]
        assert logits is not None
        given = Bernoulli(logits=logits.unflatten(0, code.shape[:2])).log_prob(part).flatten(2).sum(2)
        rows.append(given + (Normal(0.0, 1.0).log_prob(code) - law.log_prob(code)).sum(2))
    weights = torch.cat(rows, 1)
    return {"nats": -weights.mean().item(), "iwae": -losses.iwae_bound(weights).item()}


def exact(model: Model, image: Tensor) -> Measured:
    """-log p of test images in nats."""
    nats = [losses.categorical_pixel_nll(model.decoder(part), part) * len(part) for part in image.split(100)]
    return {"nats": (torch.stack(nats).sum() / len(image)).item()}


LIKELIHOOD: dict[str, Callable[[Model, Tensor], Measured]] = {
    "bound": bounds,
    "exact": exact,
    "none": lambda model, image: {},
}


def draw(model: Model, count: int, random: torch.Generator) -> Tensor:
    """Images (N, 1, 28, 28): a GAN's, a VAE's mean of each pixel, an autoregressive model's draws."""
    noise, codes = model.draw(count, torch.device("cpu"), random)
    return model.generate(model.vector(noise, codes), count=count, generator=random)


def sample(model: Model) -> tuple[Tensor, float]:
    """SAMPLES images, and the core seconds for each in a batch of TIMED."""
    random = torch.Generator().manual_seed(0)
    if not model.autoregressive:
        draw(model, TIMED, random)  # warms up
    start = time.process_time()
    images = [draw(model, TIMED, random)]
    seconds = (time.process_time() - start) / TIMED
    images.append(draw(model, SAMPLES - TIMED, random))
    return torch.cat(images), seconds


def compare(images: Tensor, digits: Digits, network: Classifier) -> Measured:
    """What samples are like, beside held-out images: sharpness of the images as they are, the rest of binary ones."""
    real = digits.test[:SAMPLES]
    binary = (images >= 0.5).float()
    logits = network(binary)
    share = logits.argmax(1).bincount(minlength=10) / len(binary)
    near, held = (
        nearest_training_distance(each[:NEIGHBOURS], digits.train)[0].mean().item() for each in (binary, real)
    )
    return {
        "sharpness": ratio_to_real(sharpness, images, real),
        "diversity": ratio_to_real(pairwise_diversity, binary, real),
        "frechet": frechet_distance(network.features(binary), network.features(digits.test[SAMPLES:])),
        "classes": float((share >= 0.01).sum()),
        "entropy": class_usage(logits).entropy,
        "sure": (logits.softmax(1).amax(1) >= 0.9).float().mean().item(),
        "nearest": near / held,
    }


def failure(measured: Measured) -> str:
    """Why a seed counts as failed; empty if it does not."""
    if float(measured["diversity"]) < 0.5:
        return "diversity below half of the real images'"
    return "fewer than eight classes" if float(measured["classes"]) < 8 else ""


@torch.no_grad()
def measure(saved: SavedModel, family: Family, digits: Digits, network: Classifier, folder: Path) -> Measured:
    """Everything about one trained model."""
    model = saved.model
    measured: Measured = {
        "parameters": float(sum(each.numel() for each in model.decoder.parameters())),
        "encoder": float(sum(each.numel() for each in model.encoder.parameters()) if model.encoder else 0),
        **LIKELIHOOD[family.likelihood](model, digits.test[:TESTED]),
    }
    images, measured["sampling"] = sample(model)
    measured |= compare(images, digits, network)
    if family.likelihood == "bound":  # a true sample draws every pixel too
        drawn = torch.bernoulli(images, generator=torch.Generator().manual_seed(0))
        measured |= {f"drawn_{name}": value for name, value in compare(drawn, digits, network).items()}
    save_image(grid(images[:SHOWN], columns=20, gap=0, smallest_side=1), folder / "samples.png")
    return measured


# --- runs -------------------------------------------------------------------------------------------------------------


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


def run(name: str, seed: int, data: Path, digits: Digits, network: Classifier, folder: Path) -> None:
    """Train and measure one model, unless it has been."""
    family, run_folder = FAMILIES[name], folder / f"{name}-{seed}"
    path = run_folder / "measured.json"
    if path.exists():
        return
    recipe = load_recipe(
        family.recipe, [*QUIET, "data.batch=64", *family.settings, f"steps={family.steps}", f"seed={seed}"], data
    )
    measured: Measured = {"family": name, "seed": float(seed), "steps": float(family.steps), "batch": 64.0}
    start = time.process_time()
    try:
        train(recipe, run_folder, resume=has_checkpoint(run_folder))
        measured["training"] = time.process_time() - start
        critic = build_critic(recipe, None)
        if critic is not None:
            measured["critic"] = float(sum(each.numel() for each in critic.parameters()))
        measured |= {
            name: value for name, value in last_validation(run_folder).items() if name.startswith("divergence")
        }
        measured |= measure(load_saved(run_folder), family, digits, network, run_folder)
        measured["failure"] = failure(measured)
    except UserError as error:  # such as a term that became infinite
        measured["failure"] = str(error)
    path.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(measured), flush=True)


def last_validation(run_folder: Path) -> dict[str, float]:
    """What the log says of the end of a run, by group and measure."""
    lines = [json.loads(line) for line in (run_folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    line = next(line for line in reversed(lines) if "warning" not in line)
    return {name.removeprefix("validation/"): value for name, value in line.items() if name != "step"}


def time_steps(data: Path, folder: Path) -> None:
    """Core seconds of a training step of every network, the Diagonal BiLSTM's too, as a median of three."""
    path = folder / "steps.json"
    if path.exists():
        return
    found: list[dict[str, Any]] = []
    for title, name, settings in [
        *((family.title, family.recipe, family.settings) for family in FAMILIES.values()),
        ("Diagonal BiLSTM", "diagonal-bilstm", ("generator.channels=32", "generator.layers=2")),
    ]:
        recipe = load_recipe(name, [*QUIET, "data.batch=64", *settings], data)
        accelerator = start_accelerator(recipe)
        one = Run(recipe, folder, accelerator, build_task(recipe, accelerator.device, folder))
        batch = one.task.batch(default_collate([one.task.examples[index] for index in range(64)]))
        seconds: list[float] = []
        for _ in range(4):
            start = time.process_time()
            one.train_step(batch)
            seconds.append(time.process_time() - start)
        parameters = sum(each.numel() for each in one.model.decoder.parameters())
        found.append({"title": title, "parameters": parameters, "seconds": statistics.median(seconds[1:])})
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found), flush=True)


def run_other(name: str, data: Path, folder: Path) -> None:
    """Train one of OTHERS, unless it has been."""
    other, run_folder = OTHERS[name], folder / name
    path = run_folder / "measured.json"
    if path.exists():
        return
    recipe = load_recipe(other.recipe, [*QUIET, *other.settings], data)
    start = time.process_time()
    train(recipe, run_folder, resume=has_checkpoint(run_folder))
    found = {"name": name, "seconds": time.process_time() - start, "measured": last_validation(run_folder)}
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found), flush=True)


def jobs() -> list[tuple[str, int]]:
    """All runs: the first seed of every family first, then the quick families."""
    every = [(name, seed) for name, family in FAMILIES.items() for seed in range(family.seeds)]
    return sorted(every, key=lambda job: job[1] > 0)


@torch.no_grad()
def yardstick(digits: Digits, network: Classifier) -> Measured:
    """The same measures of training images in the place of samples, and of the classifier."""
    right = (network(digits.test).argmax(1) == digits.test_label).float().mean().item()
    measured = compare(digits.train[:SAMPLES], digits, network)
    del measured["nearest"]  # they are training images themselves
    return {**measured, "accuracy": right}


# --- table and image ------------------------------------------------------------------------------------------------

COLUMNS: dict[str, tuple[str, int, float]] = {
    "nats": ("-log p, nats", 1, 1),
    "iwae": (f"IWAE-{IMPORTANCE}, nats", 1, 1),
    "divergence/jensen-shannon": ("Jensen-Shannon, nats", 3, 1),
    "frechet": ("Fréchet distance", 2, 1),
    "sharpness": ("sharpness", 2, 1),
    "diversity": ("diversity", 3, 1),
    "sure": ("recognised", 2, 1),
    "classes": ("classes", 1, 1),
    "entropy": ("entropy, nats", 3, 1),
    "nearest": ("nearest", 2, 1),
    "sampling": ("ms per image", 2, 1000),
    "training": ("training, s", 0, 1),
}
"""Title, digits and factor of each column."""


def cell(rows: list[Measured], key: str) -> str:
    """Mean ± standard deviation over the seeds."""
    _, digits, factor = COLUMNS[key]
    values = [factor * float(row[key]) for row in rows if key in row and math.isfinite(float(row[key]))]
    if not values:
        return "none"
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.{digits}f}{spread}"


def table(found: dict[str, list[Measured]], real: Measured, steps: list[dict[str, Any]]) -> str:
    """The generated part of docs/families.md."""
    quality = ["frechet", "sharpness", "diversity", "sure", "classes", "entropy", "nearest"]
    lines = ["| family | parameters that draw | others | steps of 64 | seeds | failed |", "|---|--:|--:|--:|--:|---|"]
    for name, rows in found.items():
        first = rows[0]
        failed = "; ".join(f"seed {int(float(row['seed']))}: {row['failure']}" for row in rows if row["failure"])
        others = float(first.get("encoder", 0)) + float(first.get("critic", 0))
        counts = (f"{int(number):,}" for number in (float(first.get("parameters", 0)), others))
        cells = [FAMILIES[name].title, *counts, f"{int(float(first['steps']))}", f"{len(rows)}", failed or "none"]
        lines.append(f"| {' | '.join(cells)} |")
    costs = ["nats", "iwae", "divergence/jensen-shannon", "sampling", "training"]
    lines += ["", f"| family | {' | '.join(COLUMNS[key][0] for key in costs)} |", "|---|" + "--:|" * len(costs)]
    for name, rows in found.items():
        cells = [cell(rows, key) for key in costs]
        if FAMILIES[name].likelihood == "bound":
            cells[0] = f"≤ {cells[0]}"
            cells[1] = f"≤ {cells[1]}"
        lines.append(f"| {FAMILIES[name].title} | {' | '.join(cells)} |")
    lines += ["", f"| samples | {' | '.join(COLUMNS[key][0] for key in quality)} |", "|---|" + "--:|" * len(quality)]
    for name, rows in found.items():
        lines.append(f"| {FAMILIES[name].title} | {' | '.join(cell(rows, key) for key in quality)} |")
        drawn = [{key.removeprefix("drawn_"): row[key] for key in row if key.startswith("drawn_")} for row in rows]
        if any(drawn):
            title = f"{FAMILIES[name].title}, pixels drawn"
            lines.append(f"| {title} | {' | '.join(cell(drawn, key) for key in quality)} |")
    lines.append(f"| training images | {' | '.join(cell([real], key) for key in quality)} |")
    lines += ["", "| network | parameters that draw | core s for a training step of 64 |", "|---|--:|--:|"]
    lines += [f"| {each['title']} | {each['parameters']:,} | {each['seconds']:.3f} |" for each in steps]
    return "\n".join(lines)


def picture(folder: Path, names: list[str]) -> Image.Image:
    """A strip of samples of each family's first seed, and of real images, under its name."""
    titles = {name: f"{FAMILIES[name].title}, seed 0" for name in names} | {"real": "real images, binary"}
    strips = {
        title: Image.open(folder / name if name == "real.png" else folder / name / "samples.png")
        for name, title in [(f"{name}-0", titles[name]) for name in names] + [("real.png", titles["real"])]
    }
    width, height = next(iter(strips.values())).size
    sheet = Image.new("L", (width, (height + 18) * len(strips)), 255)
    draw = ImageDraw.Draw(sheet)
    for number, (title, strip) in enumerate(strips.items()):
        draw.text((4, number * (height + 18) + 3), title, fill=0)
        sheet.paste(strip.convert("L"), (0, number * (height + 18) + 18))
    return sheet


def others(found: list[dict[str, Any]], page: str) -> str:
    """The generated part of a system's page."""
    lines = ["| task | command | core s | measured |", "|---|---|--:|---|"]
    for each in found:
        other = OTHERS[each["name"]]
        if other.page == page:
            settings = " ".join(
                f'--set "{setting}"' if " " in setting else f"--set {setting}" for setting in other.settings
            )
            data = "binary.npz" if other.data == "digits" else "DIR"
            values = "; ".join(f"{name.replace('/', ' ')} {value:.4g}" for name, value in each["measured"].items())
            command = f"srgan-kit train {other.recipe} --data {data} {settings}"
            lines.append(f"| {other.title} | `{command}` | {each['seconds']:.0f} | {values} |")
    return "\n".join(lines)


def collect(folder: Path) -> dict[str, Any]:
    """What the run folders hold."""

    def read(names: Iterable[str]) -> list[Any]:
        files = (folder / name / "measured.json" for name in names)
        return [json.loads(file.read_text(encoding="utf-8")) for file in files if file.exists()]

    real = json.loads((folder / "real.json").read_text(encoding="utf-8"))
    steps = json.loads(file.read_text(encoding="utf-8")) if (file := folder / "steps.json").exists() else []
    return {
        "steps": steps,
        "runs": read(f"{name}-{seed}" for name, seed in jobs()),
        "real": real,
        "others": read(OTHERS),
    }


def render(folder: Path) -> None:
    """docs/families.json, the tables between the marks in the pages, the images."""
    stored = DOCS / "families.json"
    if (folder / "real.json").exists():
        stored.write_text(json.dumps(collect(folder), indent=1) + "\n", encoding="utf-8")
        present = [name for name in FAMILIES if (folder / f"{name}-0" / "samples.png").exists()]
        picture(folder, present).save(DOCS / "images" / "families.png", optimize=True)
        for name in OTHERS:
            for sheet in sorted((folder / name / "sheets").glob("*.png"))[-1:]:
                Image.open(sheet).save(DOCS / "images" / f"{name}.png", optimize=True)
    document = json.loads(stored.read_text(encoding="utf-8"))
    for page, text in tables(document).items():
        path = DOCS / f"{page}.md"
        path.write_text(filled(path.read_text(encoding="utf-8"), text), encoding="utf-8")


def tables(document: dict[str, Any]) -> dict[str, str]:
    """The generated part of each page."""
    found = {name: [row for row in document["runs"] if row["family"] == name] for name in FAMILIES}
    present = {name: rows for name, rows in found.items() if rows}
    families = table(present, document["real"], document["steps"])
    return {"families": families, **{page: others(document["others"], page) for page in ("vae", "pixelrnn")}}


def filled(page: str, text: str) -> str:
    """The page with the text between its marks."""
    before, begin, rest = page.partition("<!-- table -->\n")
    _, end, after = rest.partition("<!-- end of table -->\n")
    if not (begin and end):
        raise SystemExit("a page lacks the marks <!-- table --> and <!-- end of table -->")
    return f"{before}{begin}{text}\n{end}{after}"


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
    root = os.environ.get("SRGAN_KIT_DATA")
    source = options.data or (Path(root) / "gan" / "mnist.npz" if root else None)
    if source is None:
        parser.error("give --data mnist.npz, or set SRGAN_KIT_DATA")
    options.output.mkdir(parents=True, exist_ok=True)
    with alone(options.output / "lock", wait=True):
        data = binary_data(source, options.output)
        digits = Digits(data)
        network = classifier(digits, options.output)
        real = options.output / "real.json"
        if not real.exists():
            real.write_text(json.dumps(yardstick(digits, network), indent=1) + "\n", encoding="utf-8")
            shown = grid(digits.train[:SHOWN], columns=20, gap=0, smallest_side=1)
            to_pillow(shown).save(options.output / "real.png")
    photos = options.photos or (Path(root) / "sr_train" / "bsds" if root else None)
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
