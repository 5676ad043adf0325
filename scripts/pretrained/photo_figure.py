"""Draw ten degraded photographs, each as input, as every upscaler upscales it, and as it was.

    SRGAN_KIT_DATA=... python -m scripts.pretrained.photo_figure [--degradation light] [--photos DIR] [--limit 3]
        [-o FILE]

One row each: input (pixels as squares), bicubic, Real-ESRGAN's compact checkpoint (at a scale of 4), the pretrained
models in the order of `photo_comparison.KINDS`, the original. Without `--photos` the photographs are parts of
scikit-image's; of each image in DIR it is the middle. The random numbers are those of `photo_comparison.py`, by row.
"""

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from scripts.lib import paths
from scripts.lib.photo_comparison import DEGRADATIONS, degraded, upscalers
from srgan_kit.data.image_folder import find_images, read_rgb, rgb_planes
from srgan_kit.errors import UserError
from srgan_kit.images.grid import save_image

SIDE = 144
"""Side of the parts that are shown, in pixels of the original; scales of 2, 3 and 4 divide it."""
ROWS = 10
OUTPUT = paths.IMAGES / "photo.png"


def sample_photographs() -> list[Tensor]:
    """(3, SIDE, SIDE) uint8: ten parts of photographs that scikit-image brings along."""
    from skimage import data

    astronaut, cat, coffee, rocket = data.astronaut(), data.chelsea(), data.coffee(), data.rocket()
    places = [(astronaut, 20, 150), (astronaut, 170, 20), (astronaut, 350, 200), (astronaut, 300, 360)]
    places += [(cat, 60, 100), (cat, 110, 230), (cat, 20, 290)]
    places += [(coffee, 90, 200), (coffee, 220, 60), (rocket, 200, 250)]
    return [rgb_planes(photo[top : top + SIDE, left : left + SIDE]) for photo, top, left in places]


def photographs(folder: Path) -> list[Tensor]:
    """The middle of each image of a folder, (3, SIDE, SIDE) uint8, of the first ten.

    Raises:
        UserError: no images, one that cannot be read or is too small.
    """
    middles: list[Tensor] = []
    for path in find_images(folder)[:ROWS]:
        image = read_rgb(path)
        top, left = ((side - SIDE) // 2 for side in image.shape[1:])
        if min(top, left) < 0:
            size = f"{image.shape[2]}x{image.shape[1]}"
            raise UserError(f"{path}: expected at least {SIDE}x{SIDE} pixels, got {size}")
        middles.append(image[:, top : top + SIDE, left : left + SIDE])
    return middles


def sheet(originals: list[Tensor], scale: int, degradation: str, data: Path) -> tuple[Tensor, list[str]]:
    """The image, (3, H, W) in [0, 1], and the names of its columns."""
    compared = upscalers(scale, data)
    rows: list[Tensor] = []
    for number, high in enumerate(originals):
        low = degraded(high, scale, degradation, number)
        pixels = low.permute(1, 2, 0).contiguous().numpy()
        views = [F.interpolate(low[None].float(), scale_factor=scale, mode="nearest")[0]]
        views += [rgb_planes(upscale(pixels)).float() for upscale in compared.values()] + [high.float()]
        rows.append(torch.cat([F.pad(view, (2, 2, 2, 2), value=255) for view in views], dim=2))
    return torch.cat(rows, dim=1) / 255, ["input", *compared, "original"]


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=int, choices=(2, 4), default=4)
    parser.add_argument("--degradation", choices=DEGRADATIONS, default="light")
    parser.add_argument("--photos", type=Path, metavar="DIR", help="photographs of your own")
    parser.add_argument("--limit", type=int, default=ROWS, metavar="N", help="at most so many rows")
    parser.add_argument("-o", "--output", type=Path, help=f"by default the project's own, {OUTPUT}")
    options = parser.parse_args()
    if options.limit < 1:
        parser.error("--limit: expected at least 1")
    if options.output is None and options != parser.parse_args([]):
        parser.error(f"-o FILE: needed for another sheet than the project's own, {OUTPUT}")
    output: Path = options.output or OUTPUT
    data = paths.data_folder("weights")
    try:
        originals = (photographs(options.photos) if options.photos else sample_photographs())[: options.limit]
        figure, columns = sheet(originals, options.scale, options.degradation, data)
        save_image(figure, output)
    except UserError as error:
        sys.exit(f"error: {error}")
    print(f"{output}: {len(originals)} photographs, from left to right {', '.join(columns)}")


if __name__ == "__main__":
    main()
