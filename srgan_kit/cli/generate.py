"""`srgan-kit generate`: an image of what a trained generator makes."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srgan_kit.cli.console import drawing, say, without_pillow_warnings
from srgan_kit.cli.output_files import SMALLEST_SIDE, check_image
from srgan_kit.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from srgan_kit.generators.sampling import Latents
    from srgan_kit.models.generative import SavedModel

IMAGES = 64
SLOW_IMAGES = 16
"""Number of images of slow models: autoregressive ones, and super-resolvers, whose images are large."""
ROWS = 8
STEPS = 9
"""Images in a row that changes; an odd number has the middle of a code in it."""


@dataclass(frozen=True)
class SampleOptions:
    """What the image is to show."""

    number: int | None
    """Images, or rows that change along them; None for the usual."""
    columns: int | None
    """Images in a row; None for the usual."""
    seed: int
    interpolate: bool
    traverse: str | None
    """The code that changes along a row."""
    truncation: float | None
    label: str | None
    """A class's name or number."""


def generate(
    model: Annotated[str, typer.Argument(metavar="RUN_OR_MODEL", help="Run folder, model file or pretrained model.")],
    number: Annotated[
        int | None,
        typer.Option(
            "-n", "--number", min=1, max=4096, help="Number of images, or rows for --interpolate and --traverse."
        ),
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Output image.")] = Path("samples.png"),
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Random seed.")] = 0,
    interpolate: Annotated[
        bool, typer.Option("--interpolate", help="Rows of spherical interpolations between noise vectors.")
    ] = False,
    traverse: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="Vary one code along each row: categorical.0, continuous.0, noise.0, ..."),
    ] = None,
    truncation: Annotated[
        float | None, typer.Option(metavar="T", help="Truncate noise to [-T, T]: less diverse, more typical images.")
    ] = None,
    label: Annotated[
        str | None,
        typer.Option("--class", metavar="NAME|NUMBER", help="Class of the images: the first categorical code."),
    ] = None,
    columns: Annotated[
        int | None, typer.Option(min=1, max=4096, help="Images per row; steps with --interpolate.")
    ] = None,
    condition: Annotated[
        Path | None,
        typer.Option(metavar="IMAGE", help="Low-resolution input for models that upscale."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
    device: Annotated[str, typer.Option(help="Device: auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Sample a trained generator: samples, interpolations, code traversals."""
    check_image(output, overwrite)
    if interpolate and traverse is not None:
        raise UserError("--interpolate and --traverse: expected one of them, got both")
    if truncation is not None and not truncation > 0:
        raise UserError(f"--truncation {truncation:g}: expected more than 0")
    if condition is not None and condition.resolve() == output.resolve():
        raise UserError(f"--condition {condition}: the image would replace it")

    from srgan_kit.devices import autocast, pick_device
    from srgan_kit.models.generative import load_saved

    where = pick_device(device)
    saved = load_saved(model)
    _check_makes_images(saved, condition)
    options = SampleOptions(number, columns, seed, interpolate, traverse, truncation, label)
    latents, explanation = _latents(saved, options)
    with without_pillow_warnings():
        given = None if condition is None else _read_condition(saved, condition, where)

    import torch

    from srgan_kit.generators.sampling import make_images
    from srgan_kit.images.grid import grid, save_image

    saved.model.to(where)
    with drawing(saved.model, len(latents)), autocast(where, torch.float32):
        images = make_images(saved.model, latents, given, seed)
    in_a_row = columns if latents.columns == 1 else latents.columns
    save_image(grid(images, in_a_row, smallest_side=SMALLEST_SIDE), output)
    say(f"{output}: {len(images)} images, seed {seed}")
    if explanation:
        print(explanation)


def _check_makes_images(saved: "SavedModel", condition: Path | None) -> None:
    """Raise a UserError for models of which nothing can be drawn, with or without a condition."""
    recipe = saved.recipe
    upscales = recipe.task == "super-resolution"
    if recipe.data.channels == 2 and not upscales:
        raise UserError(f"{saved.name} makes points of the plane, not images")
    if recipe.task == "reconstruction" and recipe.reconstruction.source == "features":
        raise UserError(f"{saved.name} makes images of features: see `srgan-kit reconstruct`")
    if upscales and condition is None:
        raise UserError(f"{saved.name} upscales images: give one with --condition IMAGE")
    if not upscales and condition is not None:
        raise UserError(f"--condition {condition}: {saved.name} makes images of nothing but noise and codes")
    if saved.model.source == "code":
        say(f"note: {saved.name} learned codes without a prior: noise may make nothing like them", error=True)


# --- latent vectors -------------------------------------------------------------------------------------------------


def _latents(saved: "SavedModel", options: SampleOptions) -> "tuple[Latents, str]":
    """The latent vectors, and what the columns show."""
    from srgan_kit.generators import sampling as latents

    model, latent = saved.model, saved.recipe.latent
    code = None if options.traverse is None else latents.find_code(options.traverse, latent)
    if not latent.noise and (options.interpolate or options.truncation is not None):
        option = "--interpolate" if options.interpolate else "--truncation"
        raise UserError(f"{option}: {saved.name} makes images without noise")
    if not latent.size and not model.autoregressive:
        raise UserError(f"{saved.name} makes one image of its condition, as it has no latent vector")
    label = None if options.label is None else _class_number(saved, options.label)
    if label is not None and code == ("categorical", 0):
        raise UserError("--class and --traverse categorical.0: expected one of them, got both")
    table = latents.draw(model, _rows(saved, options, code), options.seed, options.truncation)
    if label is not None:
        table.codes.categorical[:, 0] = label
    if options.interpolate:
        return latents.interpolation(table, options.columns or STEPS), ""
    if code is None:
        return table, ""
    values = latents.code_values(code, latent, options.columns or STEPS)
    if options.columns not in (None, len(values)):
        raise UserError(
            f"--columns {options.columns}: {options.traverse} has {len(values)} classes, one in each column"
        )
    names = saved.classes if code == ("categorical", 0) and _learned_from_labels(saved) else ()
    shown = (names[number] if number < len(names) else f"{value:g}" for number, value in enumerate(values))
    return latents.traversal(table, code, values), f"columns, {options.traverse}: {' '.join(shown)}"


def _rows(saved: "SavedModel", options: SampleOptions, code: tuple[str, int] | None) -> int:
    """How many draws the image needs."""
    if options.interpolate:
        return 2 * (options.number or ROWS)
    if code is not None:
        size = saved.recipe.latent.categorical[code[1]] if code[0] == "categorical" else 1
        others = saved.recipe.latent.size > size or saved.model.autoregressive
        return options.number or (ROWS if others else 1)  # with nothing else to draw, all rows would be the same
    slow = saved.model.autoregressive or saved.recipe.task == "super-resolution"
    return options.number or (SLOW_IMAGES if slow else IMAGES)


def _class_number(saved: "SavedModel", label: str) -> int:
    """The value of the first categorical code for a class's name, or else its number."""
    categorical = saved.recipe.latent.categorical
    if not categorical:
        raise UserError(f"--class {label}: {saved.name} has no categorical code (latent.categorical) to set")
    learned = _learned_from_labels(saved)
    if learned and label in saved.classes[: categorical[0]]:
        return saved.classes.index(label)
    if label.isascii() and label.isdigit() and int(label) < categorical[0]:
        if not learned:
            say(f"note: {saved.name} chose its {categorical[0]} classes itself, without labels", error=True)
        return int(label)
    names = f"{', '.join(saved.classes)}, or " if learned and saved.classes else ""
    why = "" if learned else "; names need a run with labels, such as variant.labels = 'first-code'"
    raise UserError(f"--class {label}: expected {names}a number from 0 to {categorical[0] - 1}{why}")


def _learned_from_labels(saved: "SavedModel") -> bool:
    """Whether the first categorical code is the class of the training images."""
    return getattr(saved.recipe.variant, "labels", None) == "first-code"


def _read_condition(saved: "SavedModel", path: Path, device: "torch.device") -> "Tensor":
    """The image to upscale, (1, 1 or 3, h, w); for autoregressive models its middle, as large as in training."""
    from srgan_kit.images.pixels import center_crop, planes, unit_floats
    from srgan_kit.images.read import read_image

    image = unit_floats(planes(read_image(path).pixels, saved.recipe.data.channels))[None]
    if saved.model.autoregressive:
        side = saved.recipe.data.patch
        height, width = image.shape[2:]
        if min(height, width) < side:
            raise UserError(f"--condition {path}: {width}x{height} pixels; expected at least {side}x{side}")
        if (height, width) != (side, side):
            say(f"note: only the middle {side}x{side} pixels of {path} are upscaled", error=True)
        image = center_crop(image, side, side)
    return image.to(device)
