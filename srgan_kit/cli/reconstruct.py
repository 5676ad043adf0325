"""`srgan-kit reconstruct`: images, and below each what a trained model makes of its code or its features."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srgan_kit.cli.console import drawing, print_table, say, without_pillow_warnings
from srgan_kit.cli.output_files import SMALLEST_SIDE, check_image
from srgan_kit.errors import UserError
from srgan_kit.upscaling.folders import InputFile, find

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from srgan_kit.models.generative import SavedModel

    Condition = Callable[[Tensor], Tensor | None]

AT_ONCE = 64


def reconstruct(
    model: Annotated[str, typer.Argument(metavar="RUN_OR_MODEL", help="Run folder, model file or pretrained model.")],
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT", help="Image files, globs, folders or .npz files.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="Output image: originals, reconstructions below.")
    ] = Path("reconstructions.png"),
    number: Annotated[
        int, typer.Option("-n", "--number", min=1, max=4096, help="Largest number of images, evenly spaced.")
    ] = 64,
    columns: Annotated[int, typer.Option(min=1, max=4096, help="Images per row.")] = 8,
    weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Weights of the network whose features are inverted."),
    ] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Include subfolders.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
    device: Annotated[str, typer.Option(help="Device: auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Reconstruct images with a trained model: originals above, reconstructions below, PSNR of each.

    Exit status: 0 success; 1 some inputs failed (each with an error message); 2 wrong command line.
    """
    check_image(output, overwrite)
    found = find(inputs, recursive)
    if any(item.path.resolve() == output.resolve() for item in found if not item.problem):
        raise UserError(f"{output}: an input, and the image would replace it")

    from srgan_kit.devices import autocast, pick_device
    from srgan_kit.models.generative import load_saved

    where = pick_device(device)
    saved = load_saved(model)
    saved.model.to(where)
    condition = _condition(saved, weights, where)
    with without_pillow_warnings():
        names, images, failed = _read_all(found, saved, number)
    if not images:
        raise typer.Exit(1)

    import torch

    from srgan_kit.images.grid import below_each_other, save_image
    from srgan_kit.metrics.psnr_ssim import psnr

    original = torch.stack(images).float().div(255)
    made: list[Tensor] = []
    with torch.no_grad(), drawing(saved.model, len(images)), autocast(where, torch.float32):
        for part in original.split(AT_ONCE):
            image = part.to(where)
            made.append(saved.model.reconstruct(image, condition(image)).float().clamp(0, 1).cpu())
    result = torch.cat(made)
    save_image(below_each_other(original, result, columns, SMALLEST_SIDE), output)
    measured = psnr(result, original).tolist()
    rows = [(name, f"{value:.2f} dB") for name, value in zip(names, measured, strict=True)]
    print_table(("image", "PSNR"), rows, ("mean", f"{sum(measured) / len(measured):.2f} dB"))
    say(f"{output}: {len(images)} images")
    if failed:
        raise typer.Exit(1)


def _condition(saved: "SavedModel", weights: Path | None, device: "torch.device") -> "Condition":
    """What the model is given of an image besides its code.

    Raises:
        UserError: the model reconstructs nothing, or the weights of the network whose features it inverts are missing.
    """
    recipe = saved.recipe
    inverts = recipe.task == "reconstruction" and recipe.reconstruction.source == "features"
    if weights is not None and not inverts:
        raise UserError(f"--weights {weights}: {saved.name} inverts no features")
    if inverts:
        from srgan_kit.tasks.reconstruction import features_to_invert

        perceptual = recipe.perceptual.model_copy(update={"weights": weights})
        try:
            return features_to_invert(recipe.model_copy(update={"perceptual": perceptual}), device)
        except UserError as error:
            if weights is not None:
                raise
            raise UserError(f"{error}; --weights FILE takes those that the run was trained with") from None
    if saved.model.encoder is None:
        raise UserError(
            f"{saved.name} has no encoder and inverts no features: it cannot reconstruct; "
            "train with task = 'reconstruction', or a variant with an encoder, such as vae"
        )
    if recipe.task == "super-resolution":
        return _reduced(recipe.scale)
    return lambda image: None


def _reduced(scale: int) -> "Condition":
    """The low-resolution partners of images, as in training."""
    import torch

    from srgan_kit.images.pixels import to_8bit
    from srgan_kit.images.resize import resize_8bit

    def condition(image: "Tensor") -> "Tensor":
        low = torch.stack([resize_8bit(each, 1 / scale) for each in to_8bit(image).cpu()])
        return low.to(image.device).float().div(255)

    return condition


# --- images ---------------------------------------------------------------------------------------------------------


def _read_all(found: list[InputFile], saved: "SavedModel", number: int) -> "tuple[list[str], list[Tensor], bool]":
    """Names and (C, size, size) uint8 images, at most so many, and whether an input failed; errors go to stderr."""
    from srgan_kit.data.image_dataset import middle_square

    channels, size = saved.recipe.image_shape
    entries: list[tuple[str, Callable[[], np.ndarray]]] = []
    failed = False
    for item in found:
        try:
            entries += _entries(item)
        except UserError as error:
            failed = _failed(item.path, error)
    if len(entries) > number:
        say(f"note: {number} of {len(entries)} images, taken evenly; -n takes more", error=True)
        entries = [entries[position * len(entries) // number] for position in range(number)]
    names, images = [], []
    for name, read in entries:
        try:
            images.append(middle_square(read(), size, channels))
            names.append(name)
        except UserError as error:
            failed = _failed(name, error)
    return names, images, failed


def _entries(item: InputFile) -> "Iterator[tuple[str, Callable[[], np.ndarray]]]":
    """The name of each image of an input, and how it is read as (H, W, 1 or 3) uint8."""
    from srgan_kit.data.image_folder import read_rgb
    from srgan_kit.data.npz import read_arrays

    if item.aside:
        say(f"note: {item.path}: passed over, {item.aside}", error=True)
        return
    if item.problem:
        raise UserError(f"{item.path}: {item.problem}")
    if item.path.suffix.lower() == ".npz":
        file = read_arrays(item.path)
        part = file.test or file.train
        for number, image in enumerate(part.images):
            yield f"{item.path.name}[{number}]", lambda image=image: image
    else:
        yield str(item.path), lambda: read_rgb(item.path).permute(1, 2, 0).numpy()


def _failed(name: object, error: UserError) -> bool:
    say(f"error: {name}: {str(error).removeprefix(f'{name}: ')}", error=True)
    return True
