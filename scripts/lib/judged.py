"""Upscaled images judged beside their originals by measures that no model was trained on, and photographs likewise."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from scripts.lib import paths
from scripts.lib.holdout import split
from srgan_kit.data.image_folder import find_images, rgb_planes
from srgan_kit.losses import LPIPSLoss
from srgan_kit.metrics.lpips import PerceptualDistance, lpips_like
from srgan_kit.metrics.psnr_ssim import psnr_y

HELD_OUT = 0.06
"""Fraction of each source's photographs that the students' training left out."""
WEIGHTS = Path("weights") / "vgg16_oxford_conv5_3_fp16.pth"
Score = dict[str, float]
Judges = Mapping[str, LPIPSLoss | PerceptualDistance]
"""By the names of their distances."""


def held_out(data: Path, source: str) -> list[tuple[str, np.ndarray]]:
    """Names and (H, W, 3) pixels of the photographs of a source that no student was trained on."""
    found: list[tuple[str, np.ndarray]] = []
    for path in split(find_images(data / "sr_train" / source), HELD_OUT)[1]:
        with Image.open(path) as image:
            found.append((f"{source}/{path.name}", np.asarray(image.convert("RGB"))))
    return found


def vgg_judge(data: Path) -> LPIPSLoss:
    """LPIPS-like distance with VGG16, on which nothing was trained."""
    state = torch.load(data / WEIGHTS, weights_only=True)
    return LPIPSLoss("vgg", weights={name: value.float() for name, value in state.items()})


def squeezenet_judge(data: Path) -> PerceptualDistance:
    """LPIPS-like distance with SqueezeNet, as the pages of models have it: twenty times as fast."""
    return lpips_like(data / "weights" / paths.NETWORKS["lpips"])


@torch.inference_mode()
def score(made: np.ndarray, original: np.ndarray, border: int, judges: Judges) -> Score:
    """Distances by the names of the judges, and PSNR on luma without a border of so many pixels.

    Both images are (H, W, 3) uint8 of one size.
    """
    first, second = (rgb_planes(each)[None] for each in (made, original))
    distances = {name: float(judge(first.float() / 255, second.float() / 255)) for name, judge in judges.items()}
    psnr = round(float(psnr_y(first, second, border)), 3)
    return {**{name: round(value, 5) for name, value in distances.items()}, "psnr_y": psnr}


def mean_score(scores: Sequence[Score]) -> Score:
    """The mean of each figure."""
    return {name: round(statistics.fmean(one[name] for one in scores), 4) for name in scores[0]}


def written(score: Score) -> str:
    """The figures in a cell of a table."""
    distances = " / ".join(f"{score[name]:.3f}" for name in ("lpips_like", "lpips_vgg") if name in score)
    return f"{distances} / {score['psnr_y']:.2f}"
