"""Draw three JPEG photographs as Real-ESRGAN's network of the extra `realesrgan` upscales them, and others do.

    python -m scripts.examples.realesrgan [-o FILE]

Parts of scikit-image's photographs, reduced by 2 and saved as JPEG of quality 75, then upscaled by 4. One row each:
input (pixels as squares), bicubic, x4-photo, realesrgan-x4plus.
"""

import argparse
import io
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from scripts.lib import paths
from srgan_kit.data.image_folder import rgb_planes
from srgan_kit.errors import UserError
from srgan_kit.images.grid import save_image
from srgan_kit.images.resize import resize_8bit
from srgan_kit.metrics.folder import bicubic_upscaler
from srgan_kit.models.super_resolution import load_model
from srgan_kit.upscaling.upscaler import Upscaler

SIDE, SCALE, QUALITY = 60, 4, 75
MODELS = ("x4-photo", "realesrgan-x4plus")
OUTPUT = paths.IMAGES / "realesrgan.png"


def photographs() -> list[np.ndarray]:
    """(SIDE, SIDE, 3) uint8: parts of photographs that scikit-image brings along, as JPEG leaves them."""
    from skimage import data

    places = [(data.astronaut(), 20, 80), (data.chelsea(), 30, 60), (data.coffee(), 40, 100)]  # after the reduction
    parts: list[np.ndarray] = []
    for photo, top, left in places:
        reduced = resize_8bit(rgb_planes(photo), 0.5).permute(1, 2, 0).contiguous().numpy()
        file = io.BytesIO()
        Image.fromarray(reduced).save(file, "JPEG", quality=QUALITY)
        parts.append(np.array(Image.open(file))[top : top + SIDE, left : left + SIDE])
    return parts


def sheet() -> tuple[Tensor, dict[str, float]]:
    """The image, (3, H, W) in [0, 1], and the seconds that each model took for its column."""
    upscalers = [Upscaler(load_model(name), "cpu", "fp32") for name in MODELS]
    seconds: dict[str, float] = dict.fromkeys(MODELS, 0.0)
    rows: list[Tensor] = []
    for part in photographs():
        views = [part.repeat(SCALE, axis=0).repeat(SCALE, axis=1), bicubic_upscaler(SCALE)(part)]
        for name, upscaler in zip(MODELS, upscalers, strict=True):
            start = time.perf_counter()
            views.append(upscaler.upscale(part))
            seconds[name] += time.perf_counter() - start
        rows.append(torch.cat([rgb_planes(view).float() for view in views], dim=2))
    return torch.cat(rows, dim=1) / 255, seconds


def main() -> None:
    """Draw it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT)
    output: Path = parser.parse_args().output
    try:
        figure, seconds = sheet()
        save_image(figure, output)
    except UserError as error:
        sys.exit(f"error: {error}")
    columns = ", ".join(f"{name} ({taken:.1f} s)" for name, taken in seconds.items())
    print(f"{output}: from left to right input, bicubic, {columns}")


if __name__ == "__main__":
    main()
