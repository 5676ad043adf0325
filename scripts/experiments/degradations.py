"""Draw one photograph under the degradations of training, and measure the time that they take.

python -m scripts.experiments.degradations            docs/images/degradations.png
python -m scripts.experiments.degradations --time     milliseconds per training crop of 32x32, on one thread
"""

import argparse
import statistics
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from scripts.lib import paths
from scripts.lib.photo_comparison import DEGRADATIONS, degraded
from srgan_kit.data.degradation import MARGIN, degradation_random, degrade
from srgan_kit.data.image_folder import rgb_planes
from srgan_kit.images.grid import save_image
from srgan_kit.images.resize import resize_8bit

SCALE, SIDE, DRAWS = 4, 192, 5
CROP, TIMES = 32, 200
OUTPUT = paths.IMAGES / "degradations.png"


def photograph() -> Tensor:
    """(3, 512, 512) uint8: scikit-image's astronaut."""
    from skimage import data

    return rgb_planes(data.astronaut())


def figure() -> Tensor:
    """(3, H, W) in [0, 1]: one row per degradation, of which the first column has the bicubic and the original."""
    high = photograph()[:, 10 : 10 + SIDE, 130 : 130 + SIDE].contiguous()
    firsts = _enlarged(resize_8bit(high, 1 / SCALE)), high.float()
    rows = [
        [first, *(_enlarged(degraded(high, SCALE, name, number)) for number in range(DRAWS))]
        for first, name in zip(firsts, DEGRADATIONS, strict=True)
    ]
    strips = [torch.cat([F.pad(view, (2, 2, 2, 2), value=255) for view in row], dim=2) for row in rows]
    return torch.cat(strips, dim=1) / 255


def _enlarged(low: Tensor) -> Tensor:
    return F.interpolate(low[None].float(), scale_factor=SCALE, mode="nearest")[0]


def milliseconds(name: str) -> float:
    """Mean time of a training crop's degradation, of a scale of 4."""
    side = (CROP + 2 * MARGIN) * SCALE
    high = photograph()[:, :side, 100 : 100 + side].contiguous()
    seconds: list[float] = []
    for number in range(TIMES + 1):
        start = time.perf_counter()
        degrade(high, SCALE, DEGRADATIONS[name], degradation_random(0, number))
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.fmean(seconds[1:])


def main() -> None:
    """Draw, or measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--time", action="store_true", help="measure the time instead of drawing")
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    if options.time:
        for name in DEGRADATIONS:
            print(f"{name}: {milliseconds(name):.1f} ms per crop of {CROP}x{CROP}, mean of {TIMES}")
        return
    save_image(figure(), options.output)
    print(options.output)


if __name__ == "__main__":
    main()
