"""What experiments on super-resolution measure of a model, and the picture that shows it beside others."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from scripts.lib import paths
from scripts.lib.kept import kept
from srgan_kit.data.image_folder import find_images, find_partners, rgb_planes
from srgan_kit.devices import pick_device
from srgan_kit.images.read import read_image
from srgan_kit.losses import SqueezeNetFeatures
from srgan_kit.metrics.checkerboard import checkerboard_pattern, phase_imbalance
from srgan_kit.metrics.folder import bicubic_upscaler
from srgan_kit.metrics.frechet import frechet_distance_of
from srgan_kit.metrics.lpips import lpips_like, lr_consistency
from srgan_kit.metrics.psnr_ssim import psnr_y
from srgan_kit.metrics.spectrum import high_frequency_energy
from srgan_kit.models.pretrained import pretrained_upscalers
from srgan_kit.upscaling.upscaler import Upscaler

SCALE = 4
PATCH, PATCHES = 64, 20
"""Side and number of the patches of an image of B100 whose features are compared: 2000 patches of all."""
LAYER = "fire5"
"""The map of SqueezeNet, 256 channels at an eighth of the size, whose mean over a patch is its features."""
REFERENCES = ("bicubic", "HR")
"""What is no model: MATLAB's bicubic, and the original images."""

CONTEXT = 20
"""Low-resolution pixels around what the picture shows."""

Upscale = Callable[[np.ndarray], np.ndarray]
Measured = dict[str, float]


class Measures:
    """Measures of models on Set5 and B100, which nothing was trained on.

    Args:
        data: the folder with sr_test and weights.
        images: of each set, the first by name; None for all.
    """

    def __init__(self, data: Path, images: int | None = None) -> None:
        self.device = pick_device("auto")
        self.sets, self.images = data / "sr_test", images
        weights = data / "weights" / paths.NETWORKS["lpips"]
        self.distance = lpips_like(weights).to(self.device)
        self.network = SqueezeNetFeatures([LAYER], weights).to(self.device)
        self._real: Tensor | None = None

    def of(self, model: Path | str, folder: Path) -> Measured:
        """All measures of a model file, of a pretrained model by its name, or of one of `REFERENCES`.

        Args:
            model: what is measured.
            folder: where the result is kept, so that it is measured once: beside a model file, which lies in it.
        """
        name = "measured.json" if isinstance(model, Path) else f"measured-{model}.json"
        subject = pretrained_upscalers().get(model, model) if isinstance(model, str) else model
        return kept(folder / name, subject, lambda: self._measured(model), f"{self.images}")

    def _measured(self, model: Path | str) -> Measured:
        upscale = upscaler(model, self.device)
        values: dict[str, list[float]] = {"set5_psnr_y": [], "b100_psnr_y": []}
        features: list[Tensor] = []
        for name in ("Set5", "B100"):
            for high, low in test_pairs(self.sets / name, self.images):
                image = high if upscale is None else planes(upscale(pixels(low)))
                if upscale is not None:
                    values[f"{name.lower()}_psnr_y"].append(float(psnr_y(image[None], high[None], SCALE)))
                if name == "B100":
                    for key, value in self._look(image, high, low).items():
                        values.setdefault(key, []).append(value)
                    features.append(self._features(image))
        found = {name: fmean(each) for name, each in values.items() if each}
        if upscale is not None:
            spread = float(self.real.double().var(dim=0).sum())
            found["frechet"] = frechet_distance_of(torch.cat(features), self.real) / spread
        return found

    @property
    def real(self) -> Tensor:
        """The features of the originals' patches."""
        if self._real is None:
            self._real = torch.cat([self._features(high) for high, _ in test_pairs(self.sets / "B100", self.images)])
        return self._real

    def _look(self, image: Tensor, high: Tensor, low: Tensor) -> Measured:
        """What is measured of one image of B100: all (3, H, W) uint8."""
        image, high, low = image[None], high[None], low[None]
        return {
            "lpips": float(self.distance(image, high)),
            "lr_psnr": float(lr_consistency(image, low, SCALE, "replicate").clamp(max=99)),
            "detail": float(high_frequency_energy(image, SCALE)),
            "imbalance": float(phase_imbalance(image, SCALE)),
            "pattern": float(checkerboard_pattern(image, SCALE)),
        }

    @torch.inference_mode()
    def _features(self, image: Tensor) -> Tensor:
        """(3, H, W) uint8 -> (PATCHES, D): of patches at places that are the same in every image of the size."""
        random = torch.Generator().manual_seed(0)
        height, width = image.shape[1:]
        corners = torch.rand(PATCHES, 2, generator=random) * torch.tensor([height - PATCH + 1, width - PATCH + 1])
        patches = [image[:, top : top + PATCH, left : left + PATCH] for top, left in corners.long().tolist()]
        maps = self.network(torch.stack(patches).to(self.device).float() / 255)[LAYER]
        return maps.mean(dim=(2, 3)).cpu()


def upscaler(model: Path | str, device: torch.device | str = "auto") -> Upscale | None:
    """What upscales an array of pixels; None for "HR"."""
    if model == "HR":
        return None
    return bicubic_upscaler(SCALE) if model == "bicubic" else Upscaler(model, str(device), "fp32").upscale


def test_pairs(folder: Path, count: int | None) -> Iterator[tuple[Tensor, Tensor]]:
    """(3, H, W) and (3, H / 4, W / 4), uint8, of the first images of a test set."""
    highs = find_images(folder / "HR", recursive=False)[:count]
    for high, low in zip(highs, find_partners(highs, folder / "HR", folder / "LR_bicubic" / "X4", SCALE), strict=True):
        small = planes(read_image(low).pixels)
        yield planes(read_image(high).pixels)[:, : small.shape[1] * SCALE, : small.shape[2] * SCALE], small


def planes(array: np.ndarray) -> Tensor:
    """(H, W, C) uint8 -> (3, H, W)."""
    return rgb_planes(np.ascontiguousarray(array))


def pixels(image: Tensor) -> np.ndarray:
    """(3, H, W) uint8 -> (H, W, 3)."""
    return image.permute(1, 2, 0).contiguous().numpy()


def _scaled(parts: list[slice], factor: int) -> list[slice]:
    return [slice(part.start * factor, part.stop * factor) for part in parts]


def mean_shares(log: Path, after: int) -> Measured:
    """Each term's share of the generator's gradient: the mean over the records of a run's log after that step."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    late = [line for line in lines if line["step"] > after and any(key.startswith("share/") for key in line)]
    names = sorted({key for line in late for key in line if key.startswith("share/")})
    return {key.removeprefix("share/"): fmean(line.get(key, 0.0) for line in late) for key in names}


def draw_crops(
    models: Mapping[str, Path | str],
    picture: Path,
    folder: Path,
    crops: list[tuple[int, int, int, int]],
    columns: int = 6,
) -> None:
    """One part of each of some images under every model, named above it, each pixel twice as large.

    Args:
        models: by the name shown; "input" shows the low-resolution image, and `REFERENCES` themselves.
        picture: the file to write.
        folder: the test set.
        crops: which image by name, top, left and side, in low-resolution pixels; below one another in each cell.
        columns: cells in a row.
    """
    label, gap, enlarged = 14, 4, 2
    pairs = list(test_pairs(folder, max(which for which, *_ in crops) + 1))
    cells: dict[str, list[Image.Image]] = {}
    for name, model in models.items():
        upscale = None if name == "input" else upscaler(model)
        for which, top, left, side in crops:
            # what a model sees around the part is enough for it to be as in the whole image
            around = [slice(max(start - CONTEXT, 0), start + side + CONTEXT) for start in (top, left)]
            high, low = (
                image[:, *_scaled(around, factor)] for image, factor in zip(pairs[which], (SCALE, 1), strict=True)
            )
            view = high if upscale is None else planes(upscale(pixels(low)))
            if name == "input":
                view = low.repeat_interleave(SCALE, 1).repeat_interleave(SCALE, 2)
            begin = [(start - each.start) * SCALE for start, each in zip((top, left), around, strict=True)]
            part = view[:, begin[0] : begin[0] + side * SCALE, begin[1] : begin[1] + side * SCALE]
            shown = Image.fromarray(pixels(part))
            size = (part.shape[2] * enlarged, part.shape[1] * enlarged)
            cells.setdefault(name, []).append(shown.resize(size, Image.Resampling.NEAREST))
    wide = max(cell.width for group in cells.values() for cell in group) + gap
    tall = sum(cell.height + gap for cell in next(iter(cells.values()))) + label
    sheet = Image.new("RGB", (min(columns, len(cells)) * wide, -(-len(cells) // columns) * tall), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (name, group) in enumerate(cells.items()):
        x, y = number % columns * wide, number // columns * tall
        pen.text((x + 2, y + 1), name, fill="black")
        y += label
        for cell in group:
            sheet.paste(cell, (x, y))
            y += cell.height + gap
    picture.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(picture, optimize=True)
