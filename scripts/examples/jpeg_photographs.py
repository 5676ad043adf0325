"""Draw JPEG photographs, upscaled by x4-photo and by networks of Real-ESRGAN: figures of the documentation.

    SRGAN_KIT_DATA=... python -m scripts.examples.jpeg_photographs [--only realesrgan.png]

Parts of images that scikit-image brings along, reduced by 2 and saved as JPEG of quality 75, then upscaled by 4. A row
has input (pixels as squares), bicubic and the models. realesrgan.png has three, beside the large network of the extra
`realesrgan`; photo-jpeg.png has ten, beside the general network (realesr-general-x4v3) of the data folder.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from scripts.lib import paths
from scripts.lib.compression import through_jpeg
from scripts.lib.photo_comparison import PEERS
from srgan_kit.data.image_folder import rgb_planes
from srgan_kit.errors import UserError
from srgan_kit.images.grid import save_image
from srgan_kit.images.resize import resize_8bit
from srgan_kit.metrics.folder import bicubic_upscaler
from srgan_kit.models.super_resolution import load_model
from srgan_kit.upscaling.upscaler import Upscaler

SIDE, SCALE, QUALITY = 60, 4, 75
GENERAL = "Real-ESRGAN general"
Place = tuple[str, int, int]
"""Name of an image of scikit-image's, and from which row and column on of the reduced image."""
FACE, EYE, CUP = ("astronaut", 20, 80), ("chelsea", 30, 60), ("coffee", 40, 100)
OTHERS = (("astronaut", 85, 10), ("chelsea", 10, 130), ("coffee", 112, 112), ("rocket", 100, 130))
MATERIALS = (("page", 20, 20), ("grass", 100, 100), ("stereo_motorcycle", 110, 130))


@dataclass(frozen=True)
class Figure:
    """What is drawn."""

    places: tuple[Place, ...]
    models: tuple[str, ...]
    """Pretrained ones, and `PEERS`."""


FIGURES = {
    "realesrgan.png": Figure((FACE, EYE, CUP), ("x4-photo", "realesrgan-x4plus")),
    "photo-jpeg.png": Figure((FACE, EYE, CUP, *OTHERS, *MATERIALS), (GENERAL, "x4-photo")),
}


def photograph(place: Place) -> np.ndarray:
    """(SIDE, SIDE, 3) uint8: part of an image as JPEG leaves it."""
    from skimage import data

    name, top, left = place
    found = getattr(data, name)()
    pixels = np.asarray(found[0] if isinstance(found, tuple) else found)  # of a stereo pair the left one
    whole = Image.fromarray(pixels).convert("RGB")
    reduced = resize_8bit(rgb_planes(np.array(whole)), 0.5).permute(1, 2, 0).contiguous().numpy()
    compressed = np.array(through_jpeg(Image.fromarray(reduced), QUALITY))
    return np.ascontiguousarray(compressed[top : top + SIDE, left : left + SIDE])


def model(name: str) -> Upscaler:
    """What upscales a column."""
    file = paths.data_folder("weights") / PEERS[name] if name in PEERS else name
    return Upscaler(load_model(file), "cpu", "fp32")


def sheet(figure: Figure) -> tuple[Tensor, dict[str, float]]:
    """The image, (3, H, W) in [0, 1], and the seconds that each model took for its column."""
    upscalers = {name: model(name) for name in figure.models}
    seconds: dict[str, float] = dict.fromkeys(figure.models, 0.0)
    rows: list[Tensor] = []
    for part in map(photograph, figure.places):
        views = [part.repeat(SCALE, axis=0).repeat(SCALE, axis=1), bicubic_upscaler(SCALE)(part)]
        for name, upscaler in upscalers.items():
            start = time.perf_counter()
            views.append(upscaler.upscale(part))
            seconds[name] += time.perf_counter() - start
        rows.append(torch.cat([rgb_planes(view).float() for view in views], dim=2))
    return torch.cat(rows, dim=1) / 255, seconds


def main() -> None:
    """Draw them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=FIGURES, help="draw this one")
    parser.add_argument("--folder", type=Path, default=paths.IMAGES, help="where to draw")
    options = parser.parse_args()
    try:
        for name in [options.only] if options.only else FIGURES:
            image, seconds = sheet(FIGURES[name])
            save_image(image, options.folder / name)
            columns = ", ".join(f"{model} ({taken:.1f} s)" for model, taken in seconds.items())
            print(f"{options.folder / name}: from left to right input, bicubic, {columns}")
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
