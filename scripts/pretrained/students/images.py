"""The students' training images on the device, and the teachers' answers to them."""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from scripts.pretrained.students.crop_pools import Pool
from scripts.pretrained.students.degraded_pairs import CLEAN, Pairs, make_pairs
from scripts.pretrained.teachers.smfanet import load_smfanet
from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.rrdb import RRDBNet
from srgan_kit.images.resize import resize_8bit

FIDELITY_TEACHER = "SMFANet_plus_DF2K_x{scale}.pth"
PHOTO_TEACHER = "x4plus_fp16.safetensors"
"""Names of the teachers below the folder of weights; the second has the keys of `RRDBNet`."""
SIZES = ((384, 384), (320, 480))
"""Heights and widths of the training images that are used, after turning and cutting."""
PAIR_SIDES = {4: 80, 2: 96}
"""Scales of the photo models, and sides of their low-resolution images."""
VERSIONS = {4: 8, 2: 4}
"""How many times each image is degraded, by scale."""
PAGES = 1200
"""How many parts of pages of text are drawn."""
RIM = 4
"""Low-resolution pixels at the borders of a teacher's answer that are not learnt from."""


class StudentImages:
    """Training images by size, and the pools that are made of them.

    Args:
        paths: the images.
        weights: folder of the teachers.
        device: where everything lies.
        dry_run: whether each teacher looks once only.
    """

    def __init__(self, paths: list[Path], weights: Path, device: torch.device, dry_run: bool) -> None:
        self.weights, self.device, self.dry_run, self.paths = weights, device, dry_run, paths
        self._fidelity: dict[int, list[Pool]] = {}
        self._photo: dict[int, list[Pool]] = {}

    @cached_property
    def images(self) -> list[Tensor]:
        """(N, 3, H, W) uint8 of each size; read when they are first asked for, which photo models do not."""
        with ThreadPoolExecutor() as pool:
            planes = list(pool.map(landscape, self.paths))
        by_size = [[image for image in planes if image.shape[1:] == size] for size in SIZES]
        return [torch.stack(found).to(self.device) if found else torch.empty(0) for found in by_size]

    def of_sizes(self, crops: tuple[int, ...]) -> list[tuple[Tensor, int]]:
        """The images of each size that there is, with its part of the crops; a size without images leaves its part.

        Raises:
            UserError: no image has one of the sizes.
        """
        found = [[images, count] for images, count in zip(self.images, crops, strict=True) if len(images)]
        if not found:
            sizes = " or ".join(f"{width}x{height}" for height, width in SIZES)
            raise UserError(f"training images: expected some of {sizes}, got none of {len(self.paths)}")
        found[0][1] += sum(crops) - sum(count for _, count in found)
        return [(images, count) for images, count in found]

    def clean(self, scale: int) -> list[Pool]:
        """Clean images with the originals alone as targets; 31 crops."""
        pools: list[Pool] = []
        for factor, crops in ((1.0, (14, 9)), (0.8, (5, 3))):
            for images, count in self.of_sizes(crops):
                low, high = _reduced(images, factor, scale)
                pools.append(Pool(_last(low), (_last(high),), count))
        return pools

    def fidelity(self, scale: int) -> list[Pool]:
        """Clean images with two targets, the originals and the teacher's answers; 31 crops.

        At a scale of 4 also those made smaller, and ones half as large as the originals, with the answers alone.
        """
        if scale not in self._fidelity:
            teacher = load_smfanet(self.weights / FIDELITY_TEACHER.format(scale=scale)).to(self.device)
            plans = [(1.0, 1, (20, 11))]
            if scale == 4:
                plans = [(1.0, 4, (9, 6)), (0.8, 2, (3, 2)), (0.6, 2, (2, 1))]
            pools: list[Pool] = []
            for factor, views, crops in plans:
                for images, count in self.of_sizes(crops):
                    low, high = _reduced(images, factor, scale)
                    pools.append(Pool(_last(low), (_last(high), self._answers(teacher, low, scale, views)), count))
            for images, count in self.of_sizes((6, 2)) if scale == 4 else ():
                low = _each(images, lambda part: resize_8bit(part, 0.5))
                answer = self._answers(teacher, low, scale, 1)
                pools.append(Pool(_last(low), (answer, answer), count))
            self._fidelity[scale] = pools
        return self._fidelity[scale]

    def photo(self, scale: int, pairs: Path) -> list[Pool]:
        """Degraded images with two targets, the teacher's answers and the originals; 31 crops.

        Clean ones and text have the originals twice.

        Args:
            scale: 4 or 2, for which the answers are reduced.
            pairs: the file of `make_all_pairs`; it is waited for.
        """
        if scale not in self._photo:
            self._photo[scale] = self._degraded(scale, pairs)
        return self._photo[scale]

    def _degraded(self, scale: int, pairs: Path) -> list[Pool]:
        found, pages = _load_pairs(pairs)
        dtype = torch.float16 if self.device.type == "cuda" else torch.float32
        network = RRDBNet(4)
        network.load_state_dict(load_file(self.weights / PHOTO_TEACHER))
        teacher = Reduced(network.to(self.device, dtype, memory_format=torch.channels_last).eval(), 4 // scale)  # pyright: ignore[reportCallIssue]
        low, high = torch.from_numpy(found.low), torch.from_numpy(found.high).to(self.device)
        target = high.clone()
        text = torch.arange(len(low)) >= len(low) - pages
        asked = (~text & (torch.from_numpy(found.kind) != CLEAN)).nonzero()[:, 0]
        for part in asked.split(512):
            answers = self._answers(teacher, low[part].permute(0, 3, 1, 2), scale, 1, at_once=64)
            target[part.to(self.device)] = answers
        low, text = low.to(self.device), text.to(self.device)
        return [
            Pool(low[~text], (target[~text], high[~text]), 27, RIM),
            Pool(low[text], (high[text], high[text]), 4),
        ]

    @torch.inference_mode()
    def _answers(self, teacher: nn.Module, low: Tensor, scale: int, views: int, at_once: int = 16) -> Tensor:
        """What the teacher makes of whole images, seen from `views` sides: (N, 3, h, w) -> (N, H, W, 3), uint8."""
        height, width = (side * scale for side in low.shape[2:])
        found = torch.empty((len(low), height, width, 3), dtype=torch.uint8, device=self.device)
        views = 1 if self.dry_run else views
        for first in range(0, len(low), at_once):
            image = low[first : first + at_once].to(self.device).float() / 255
            total = torch.zeros((), device=self.device)
            for view in range(views):
                seen = torch.rot90(image.flip(3) if view >= 4 else image, view % 4, (2, 3))
                seen = seen.contiguous(memory_format=torch.channels_last)
                with torch.autocast(self.device.type, torch.float16, enabled=self.device.type == "cuda"):
                    made = torch.rot90(teacher(seen).float(), -(view % 4), (2, 3))
                total = total + (made.flip(3) if view >= 4 else made)
            found[first : first + at_once] = (255 * total / views).round().clamp(0, 255).byte().permute(0, 2, 3, 1)
        return found


class Reduced(nn.Module):
    """What a network makes, reduced by a factor with antialiasing."""

    def __init__(self, network: RRDBNet, factor: int) -> None:
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, h, w) -> (N, 3, h * scale / factor, w * scale / factor), in fp32."""
        made = self.network(image.to(self.network.conv_first.weight.dtype)).float()
        if self.factor == 1:
            return made
        size = [side // self.factor for side in made.shape[2:]]
        return F.interpolate(made, size, mode="bicubic", antialias=True)


def start_pairs(paths: list[Path], targets: dict[int, Path], dry_run: bool, workers: int) -> multiprocessing.Process:
    """Begin to make the degraded images of some scales in other processes; files that are there are kept."""
    jobs = [(scale, target) for scale, target in targets.items() if not target.is_file()]
    process = multiprocessing.Process(target=make_all_pairs, args=(paths, jobs, dry_run, workers))
    process.start()
    return process


def make_all_pairs(paths: list[Path], jobs: list[tuple[int, Path]], dry_run: bool, workers: int) -> None:
    """Write the degraded images of each scale to its file, which appears whole."""
    for scale, target in jobs:
        versions, pages = (1, 4) if dry_run else (VERSIONS[scale], PAGES)
        pairs = make_pairs(paths, PAIR_SIDES[scale], scale, versions, pages, workers)
        part = target.with_suffix(".part.npz")
        np.savez(part, low=pairs.low, high=pairs.high, kind=pairs.kind, pages=pages)
        part.rename(target)


def landscape(path: Path) -> Tensor:
    """(3, H, W) uint8, turned to be no taller than wide; what is not square is cut to 480x320."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    if pixels.shape[0] > pixels.shape[1]:
        pixels = pixels.transpose(1, 0, 2)
    if pixels.shape[1] > pixels.shape[0]:
        pixels = pixels[: SIZES[1][0], : SIZES[1][1]]
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


def _load_pairs(path: Path) -> tuple[Pairs, int]:
    """The pairs, and how many of them, at the end, show text."""
    for _ in range(3000):
        if path.is_file():
            with np.load(path) as file:
                return Pairs(file["low"], file["high"], file["kind"]), int(file["pages"])
        time.sleep(0.1)
    raise SystemExit(f"{path}: was not made in five minutes")


def _reduced(images: Tensor, factor: float, scale: int) -> tuple[Tensor, Tensor]:
    """(N, 3, h, w) and (N, 3, h * scale, w * scale), of images made smaller by a factor."""
    high = images if factor == 1 else _each(images, lambda part: resize_8bit(part, factor))
    height, width = (side // scale * scale for side in high.shape[2:])
    high = high[:, :, :height, :width]
    return _each(high, lambda part: resize_8bit(part, 1 / scale)), high


def _each(images: Tensor, work: Callable[[Tensor], Tensor]) -> Tensor:
    return torch.cat([work(part) for part in images.split(64)])


def _last(images: Tensor) -> Tensor:
    return images.permute(0, 2, 3, 1).contiguous()
