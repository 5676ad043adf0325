"""`srgan-kit evaluate RUN_OR_MODEL --data FILE.npz`: a generator's likelihood of test images, or what it has."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from srgan_kit.cli.console import own_stderr, print_table, progress_bar, say
from srgan_kit.cli.output_files import STDOUT, write_json
from srgan_kit.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from srgan_kit.data.binarise import Binarisation
    from srgan_kit.models.generative import SavedModel


@dataclass(frozen=True)
class GeneratorOptions:
    """What the command line says."""

    data: Path
    number: int | None
    """Test images; None for all."""
    samples: int | None
    """Draws of a VAE's code for each image; None for the usual."""
    binarise: str | None
    """None for that of training."""
    device: str
    json_file: Path | None


def evaluate_generator(name: str, options: GeneratorOptions) -> None:
    """Measure, print a table, write the report.

    Raises:
        UserError: no such model or test set, or a model of which nothing can be measured.
    """
    import torch
    from rich.console import Console

    from srgan_kit.devices import autocast, pick_device
    from srgan_kit.metrics.likelihood import SAMPLES
    from srgan_kit.models.evaluation import evaluate_generative
    from srgan_kit.models.generative import load_saved

    device = pick_device(options.device)
    saved = load_saved(name)
    how = _binarisation(options.binarise, saved)
    images = _test_images(saved, how, options)
    saved.model.to(device)
    if how == "none" and (saved.model.autoregressive or saved.recipe.variant.bounds_likelihood):
        say("note: grey values as they are; --binarise random draws them black or white", error=True)
    samples = options.samples or SAMPLES
    with progress_bar(Console(file=own_stderr())) as bar, autocast(device, torch.float32):
        task = bar.add_task("Measuring", total=len(images))
        found = evaluate_generative(saved, images, samples, lambda done: bar.advance(task, done))
    if options.json_file not in STDOUT:
        print(f"{saved.name}: {len(images)} test images of {options.data.name}, binarise {how}")
        rows = [(each.title, f"{each.value:.4g}", _error(each.error)) for each in found.values()]
        print_table(("measure", "mean", "standard error"), rows)
    if options.json_file:
        report = {"model": saved.name, "images": len(images), "binarise": how, "samples": samples}
        measures = {name: asdict(each) for name, each in found.items()}
        write_json(options.json_file, report | {"measures": measures})


def _error(error: float | None) -> str:
    return "-" if error is None else f"{error:.2g}"


def _binarisation(given: str | None, saved: "SavedModel") -> "Binarisation":
    from srgan_kit.data.binarise import Binarisation

    how = saved.recipe.data.binarise if given is None else given
    for known in get_args(Binarisation):
        if how == known:
            return known
    raise UserError(f"--binarise: expected one of {', '.join(get_args(Binarisation))}; got {given!r}")


def _test_images(saved: "SavedModel", how: "Binarisation", options: GeneratorOptions) -> "Tensor":
    """(N, C, H, W) uint8: all, or so many of them, in an order that is no order of classes."""
    import torch

    from srgan_kit.data.image_dataset import load_test_images

    data = saved.recipe.data
    if data.channels == 2:
        raise UserError(f"{saved.name} makes points of the plane, not images")
    images = load_test_images(options.data, data.size, data.channels, how)
    return images[torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[: options.number]]
