"""Draw a photograph that the perceptual model upscaled, beside the map of what its input does not support.

    python -m scripts.examples.explain [-o FILE]

A part of scikit-image's photograph of a cat, reduced by 4 and upscaled again, as `srgan-kit upscale --detail 1
--explain` does.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.lib import paths
from srgan_kit.cli.upscale_explain import draw_map
from srgan_kit.data.image_folder import rgb_planes
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.resize import resize_8bit
from srgan_kit.upscaling.choice import Dials
from srgan_kit.upscaling.upscaler import Upscaler

OUTPUT = paths.IMAGES / "explain.png"
GAP = 8
PAPER = (24, 24, 27)


def photograph() -> np.ndarray:
    """(75, 90, 3) uint8."""
    from skimage import data

    return resize_8bit(rgb_planes(data.chelsea()[:300, 60:420]), 0.25).permute(1, 2, 0).contiguous().numpy()


def main() -> None:
    """Draw it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT)
    upscaler = Upscaler(device="cpu", precision="fp32", dials=Dials(detail=1))
    small = LoadedImage(photograph())
    result = upscaler.upscale(small)
    with tempfile.TemporaryDirectory() as folder:
        print(draw_map(Path(folder, "map.png"), upscaler, small, result))
        with Image.open(Path(folder, "map.png")) as drawn:
            canvas = Image.new("RGB", (result.size[0] + GAP + drawn.width, drawn.height), PAPER)
            canvas.paste(Image.fromarray(result.pixels), (0, 0))
            canvas.paste(drawn, (result.size[0] + GAP, 0))
    canvas.save(parser.parse_args().output)


if __name__ == "__main__":
    main()
