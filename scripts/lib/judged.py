"""Upscaled images judged beside their originals by measures that no model was trained on, and photographs likewise."""

import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from scripts.lib.holdout import split
from srgan_kit.data.image_folder import find_images, rgb_planes
from srgan_kit.losses import LPIPSLoss
from srgan_kit.metrics.psnr_ssim import psnr_y

HELD_OUT = 0.06
"""Fraction of each source's photographs that the students' training left out."""
WEIGHTS = Path("weights") / "vgg16_oxford_conv5_3_fp16.pth"
Score = dict[str, float]


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


@torch.inference_mode()
def score(made: np.ndarray, original: np.ndarray, border: int, judge: LPIPSLoss) -> Score:
    """Distance, and PSNR on luma without a border of so many pixels; both images (H, W, 3) uint8 of one size."""
    first, second = (rgb_planes(each)[None] for each in (made, original))
    return {
        "lpips_vgg": round(float(judge(first.float() / 255, second.float() / 255)), 5),
        "psnr_y": round(float(psnr_y(first, second, border)), 3),
    }


def mean_score(scores: Sequence[Score]) -> Score:
    """The mean of each figure."""
    return {name: round(statistics.fmean(one[name] for one in scores), 4) for name in scores[0]}


def written(score: Score) -> str:
    """Both figures in a cell of a table."""
    return f"{score['lpips_vgg']:.3f} / {score['psnr_y']:.2f}"
