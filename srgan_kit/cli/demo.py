"""`srgan-kit demo`: photographs at hand are reduced and upscaled again, so that the result can be seen and measured."""

import io
from collections.abc import Sequence
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
    from srgan_kit.upscaling.comparison.page import Pair

MODELS = (DEFAULT_MODEL, "x4-perceptual")
CLOSE_UP_SIDE = 112
ZOOM = 3
GAP = 12
LABEL_HEIGHT = 44
BACKGROUND = (24, 24, 27)
INK = "#f4f4f5"
LARGEST_LETTERS = 24
PAGE = "compare.html"


@dataclass(frozen=True)
class Scene:
    """A photograph of scikit-image, and what is done to it."""

    name: str
    """Its name there."""
    close_ups: tuple[tuple[int, int], ...]
    """Top left corners of the parts that are shown large, in pixels of the original."""
    prefix: str = ""
    """What names of its files begin with."""
    jpeg_quality: int | None = None
    """Of the file that it is saved as when it is reduced; None for PNG."""

    @property
    def before(self) -> str:
        """Name of the reduced photograph's file."""
        return f"{self.prefix}before.{'png' if self.jpeg_quality is None else 'jpg'}"

    def files(self, models: Sequence[str]) -> list[str]:
        """Names of all files, in order."""
        made = ("bicubic", *models, "original", "side-by-side")
        return [self.before, *(f"{self.prefix}{name}.png" for name in made)]


CLEAN = Scene("astronaut", ((52, 172), (164, 352)))
COMPRESSED = Scene("coffee", ((20, 190), (235, 300)), "jpeg-", 75)
COMPRESSED_MODEL = "x4-photo"


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
    """Downscale sample photographs, upscale them again, and save before and after side by side."""
    from srgan_kit.models.super_resolution import load_model
    from srgan_kit.upscaling.comparison.page import write_comparison

    shown = [(CLEAN, [load_model(model) for model in models or MODELS])]
    if models is None:
        shown.append((COMPRESSED, [load_model(COMPRESSED_MODEL)]))
    names, scale = models or MODELS, shown[0][1][0].scale
    for model, each in zip(names, shown[0][1], strict=True):
        if each.channels != 3:
            raise UserError(f"model {model}: expected a model for RGB images, got {each.channels} colour channel(s)")
        if each.scale != scale:
            raise UserError(f"model {model}: expected a scale of {scale} as of {names[0]}, got {each.scale}")
    files = [*(name for scene, loaded in shown for name in scene.files([each.name for each in loaded])), PAGE]
    if len({*files}) < len(files):
        raise UserError(f"models {', '.join(names)}: expected different names, and none of the demo's own files")
    taken = [name for name in files if (output / name).exists()]
    if taken and not overwrite:
        raise UserError(f"{output / taken[0]}: exists already; --overwrite replaces it")
    write_comparison(output / PAGE, [pair for scene, loaded in shown for pair in _show(output, scene, loaded)])
    for name in files:
        say(str(output / name))


def _show(output: Path, scene: Scene, models: "list[UpscalingModel]") -> "list[Pair]":
    """Upscale the reduced photograph, write all images, print how near they are to the original; what to compare."""
    from srgan_kit.metrics.folder import bicubic_upscaler
    from srgan_kit.upscaling.comparison.page import Pair
    from srgan_kit.upscaling.torch_engine import torch_upscaler

    scale = models[0].scale
    original, before, file = _photograph(scene, scale)
    made = {"bicubic": bicubic_upscaler(scale)(before)}
    made |= {each.name: torch_upscaler(each).upscale(before) for each in models}
    scores = {name: _psnr(image, original, scale) for name, image in made.items()}
    side_by_side = draw_side_by_side(
        [
            Panel("input, upscaled", before.repeat(scale, axis=0).repeat(scale, axis=1)),
            *(Panel(f"{name}  {scores[name]:.2f} dB", image) for name, image in made.items()),
            Panel("original", original),
        ],
        scene.close_ups,
    )
    contents = [file, *(_encoded(image) for image in (*made.values(), original, side_by_side))]
    _write(output, dict(zip(scene.files([each.name for each in models]), contents, strict=True)))
    height, width = before.shape[:2]
    saved = "" if scene.jpeg_quality is None else f", JPEG of quality {scene.jpeg_quality}"
    print(
        f"{scene.name}, {width}x{height}{saved} -> {width * scale}x{height * scale}, PSNR on luma against the original:"
    )
    widest = max(map(len, scores))
    for name, score in scores.items():
        print(f"  {name:<{widest}}  {score:.2f} dB")
    size = (width * scale, height * scale)
    return [Pair(output / scene.before, output / f"{scene.prefix}{each.name}.png", size, each.name) for each in models]


def draw_side_by_side(panels: list[Panel], close_ups: Sequence[tuple[int, int]]) -> "np.ndarray":
    """The close-ups of every panel, one row each under the labels, every pixel drawn `ZOOM` times as large."""
    import numpy as np
    from PIL import Image, ImageDraw

    from srgan_kit.images.grid import write_title

    side = CLOSE_UP_SIDE * ZOOM
    size = (GAP + len(panels) * (side + GAP), LABEL_HEIGHT + len(close_ups) * (side + GAP))
    canvas = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    for column, panel in enumerate(panels):
        left = GAP + column * (side + GAP)
        write_title(draw, panel.label, (left + side // 2, LABEL_HEIGHT // 2), side, LARGEST_LETTERS, INK)
        for row, (y, x) in enumerate(close_ups):
            part = Image.fromarray(panel.image[y : y + CLOSE_UP_SIDE, x : x + CLOSE_UP_SIDE])
            magnified = part.resize((side, side), Image.Resampling.NEAREST)
            canvas.paste(magnified, (left, LABEL_HEIGHT + row * (side + GAP)))
    return np.asarray(canvas)


def _photograph(scene: Scene, scale: int) -> "tuple[np.ndarray, np.ndarray, bytes]":
    """The original, cut to a multiple of the scale, and the reduced one, both (H, W, 3) uint8; and its file."""
    import numpy as np
    import torch
    from PIL import Image
    from skimage import data

    from srgan_kit.images.resize import crop_to_multiple, resize_8bit

    image = crop_to_multiple(torch.from_numpy(getattr(data, scene.name)()).permute(2, 0, 1), scale)
    reduced = resize_8bit(image, 1 / scale)
    original, before = (np.ascontiguousarray(each.permute(1, 2, 0).numpy()) for each in (image, reduced))
    file = _encoded(before, scene.jpeg_quality)
    return original, np.array(Image.open(io.BytesIO(file))), file


def _encoded(image: "np.ndarray", jpeg_quality: int | None = None) -> bytes:
    """As JPEG, or as PNG."""
    from PIL import Image

    file = io.BytesIO()
    if jpeg_quality is None:
        Image.fromarray(image).save(file, "PNG")
    else:
        Image.fromarray(image).save(file, "JPEG", quality=jpeg_quality)
    return file.getvalue()


def _psnr(image: "np.ndarray", original: "np.ndarray", scale: int) -> float:
    import torch

    from srgan_kit.metrics.psnr_ssim import psnr_y

    first, second = (torch.from_numpy(each).permute(2, 0, 1).unsqueeze(0) for each in (image, original))
    return psnr_y(first, second, border=scale).item()


def _write(folder: Path, files: dict[str, bytes]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            with atomic_write(folder / name) as temporary:
                temporary.write_bytes(content)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written to ({error.strerror or error})") from None
