"""`srgan-kit demo`: a photograph at hand is reduced and upscaled again, so that the result can be seen and measured."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srgan_kit.atomic import atomic_write
from srgan_kit.cli.console import say
from srgan_kit.errors import UserError
from srgan_kit.models.pretrained import DEFAULT_MODEL

if TYPE_CHECKING:
    import numpy as np

    from srgan_kit.models.super_resolution import UpscalingModel

MODELS = (DEFAULT_MODEL, "x4-perceptual")
CLOSE_UPS = ((52, 172), (164, 352))
"""Top left corners of the upscaled parts, in pixels of the original (scikit-image's astronaut, 512x512)."""
PAGE = "compare.html"
CLOSE_UP_SIDE = 112
ZOOM = 3
GAP = 12
LABEL_HEIGHT = 44
BACKGROUND = (24, 24, 27)
INK = "#f4f4f5"
LARGEST_LETTERS = 24


@dataclass(frozen=True)
class Panel:
    """One column of the side-by-side image."""

    label: str
    """What it is."""
    image: "np.ndarray"
    """(H, W, 3) uint8, at the size of the original."""


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Output folder.")] = Path("demo"),
    models: Annotated[
        list[str] | None,
        typer.Option(
            "-m",
            "--model",
            metavar="MODEL",
            help="Pretrained model or model file; repeatable, all of one scale.",
            show_default=", ".join(MODELS),
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")] = False,
) -> None:
    """Downscale a sample photograph, upscale it with two models, and save before and after side by side."""
    from srgan_kit.metrics.folder import bicubic_upscaler
    from srgan_kit.models.super_resolution import load_model
    from srgan_kit.upscaling.torch_engine import torch_upscaler

    models = models or [*MODELS]
    loaded = [load_model(model) for model in models]
    scale = loaded[0].scale
    for model, each in zip(models, loaded, strict=True):
        if each.channels != 3:
            raise UserError(f"model {model}: expected a model for RGB images, got {each.channels} colour channel(s)")
        if each.scale != scale:
            raise UserError(f"model {model}: expected a scale of {scale} as of {models[0]}, got {each.scale}")
    files = [
        "before.png",
        "bicubic.png",
        *(f"{each.name}.png" for each in loaded),
        "original.png",
        "side-by-side.png",
        PAGE,
    ]
    if len({*files}) < len(files):
        raise UserError(f"models {', '.join(models)}: expected different names, and none of the demo's own files")
    taken = [name for name in files if (output / name).exists()]
    if taken and not overwrite:
        raise UserError(f"{output / taken[0]}: exists already; --overwrite replaces it")

    original, before = _photograph(scale)
    made = {"bicubic": bicubic_upscaler(scale)(before)}
    made |= {each.name: torch_upscaler(each).upscale(before) for each in loaded}
    scores = {name: _psnr(image, original, scale) for name, image in made.items()}
    side_by_side = draw_side_by_side(
        [
            Panel("input, upscaled", before.repeat(scale, axis=0).repeat(scale, axis=1)),
            *(Panel(f"{name}  {scores[name]:.2f} dB", image) for name, image in made.items()),
            Panel("original", original),
        ]
    )
    _write(output, dict(zip(files[:-1], (before, *made.values(), original, side_by_side), strict=True)))
    _write_page(output, loaded, before)
    height, width = before.shape[:2]
    print(f"{width}x{height} -> {width * scale}x{height * scale}, PSNR on luma against the original:")
    widest = max(map(len, scores))
    for name, score in scores.items():
        print(f"  {name:<{widest}}  {score:.2f} dB")
    for name in files:
        say(str(output / name))


def draw_side_by_side(panels: list[Panel]) -> "np.ndarray":
    """The close-ups of every panel, one row each under the labels, every pixel drawn `ZOOM` times as large."""
    import numpy as np
    from PIL import Image, ImageDraw

    from srgan_kit.images.grid import write_title

    side = CLOSE_UP_SIDE * ZOOM
    size = (GAP + len(panels) * (side + GAP), LABEL_HEIGHT + len(CLOSE_UPS) * (side + GAP))
    canvas = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    for column, panel in enumerate(panels):
        left = GAP + column * (side + GAP)
        write_title(draw, panel.label, (left + side // 2, LABEL_HEIGHT // 2), side, LARGEST_LETTERS, INK)
        for row, (y, x) in enumerate(CLOSE_UPS):
            part = Image.fromarray(panel.image[y : y + CLOSE_UP_SIDE, x : x + CLOSE_UP_SIDE])
            magnified = part.resize((side, side), Image.Resampling.NEAREST)
            canvas.paste(magnified, (left, LABEL_HEIGHT + row * (side + GAP)))
    return np.asarray(canvas)


def _photograph(scale: int) -> "tuple[np.ndarray, np.ndarray]":
    """The original, cut to a multiple of the scale, and its reduced version; both (H, W, 3) uint8."""
    import numpy as np
    import torch
    from skimage import data

    from srgan_kit.images.resize import crop_to_multiple, resize_8bit

    image = crop_to_multiple(torch.from_numpy(data.astronaut()).permute(2, 0, 1), scale)
    reduced = resize_8bit(image, 1 / scale)
    original, before = (np.ascontiguousarray(each.permute(1, 2, 0).numpy()) for each in (image, reduced))
    return original, before


def _psnr(image: "np.ndarray", original: "np.ndarray", scale: int) -> float:
    import torch

    from srgan_kit.metrics.psnr_ssim import psnr_y

    first, second = (torch.from_numpy(each).permute(2, 0, 1).unsqueeze(0) for each in (image, original))
    return psnr_y(first, second, border=scale).item()


def _write_page(folder: Path, models: "list[UpscalingModel]", before: "np.ndarray") -> None:
    """Before and after of each model under a slider."""
    from srgan_kit.upscaling.comparison.page import Pair, write_comparison

    height, width = before.shape[:2]
    pairs = [
        Pair(folder / "before.png", folder / f"{each.name}.png", (width * each.scale, height * each.scale), each.name)
        for each in models
    ]
    write_comparison(folder / PAGE, pairs)


def _write(folder: Path, images: "dict[str, np.ndarray]") -> None:
    from PIL import Image

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, image in images.items():
            with atomic_write(folder / name) as temporary:
                Image.fromarray(image).save(temporary)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written to ({error.strerror or error})") from None
