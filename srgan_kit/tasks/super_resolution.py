"""Super-resolution: low-resolution crops in, high-resolution crops out, measured by PSNR on luma."""

import hashlib
import math
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from srgan_kit.contracts import Batch, Sample
from srgan_kit.data.crops import CropSettings, PairedCrops, check_partner
from srgan_kit.data.degradation import degradation_random, degrade
from srgan_kit.data.device_crops import DeviceCrops
from srgan_kit.data.holdout import ALONE, holdout_count
from srgan_kit.data.image_folder import ImageFolder, Skipped, find_images, find_partners
from srgan_kit.data.labels import class_folders, labelled_subset
from srgan_kit.data.unpack import PACKED_ENDING, Unpacked
from srgan_kit.errors import UserError
from srgan_kit.generators.model import Model
from srgan_kit.images.grid import grid, same_size, save_sheet
from srgan_kit.images.resize import crop_to_multiple, resize, resize_8bit
from srgan_kit.metrics.psnr_ssim import psnr_y
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks.content import Content
from srgan_kit.tasks.measures import PerceptualFigure, mean_of_each

VALIDATION_SEED = 2**31
"""Seed of the degradation of validation images, the same for all runs, so that their numbers compare; no run's own."""


class SuperResolution:
    """The task as the loop sees it.

    Args:
        recipe: what to train.
        device: where batches go.
        run: the run's folder; images in it are not training images, wherever it lies.

    Raises:
        UserError: no training folder, or folders without usable images.
    """

    def __init__(self, recipe: Recipe, device: torch.device, run: Path) -> None:
        self.recipe, self.device = recipe, device
        self.scale = recipe.scale
        self.condition = (3, recipe.data.patch)
        self.content = Content(recipe, device)
        data = recipe.data
        if data.folder is None:
            raise UserError("no training images: give --data DIR (or data.folder in the recipe)")
        self._unpacked = Unpacked(data.folder)
        folder = self._unpacked.folder
        smallest = math.ceil(data.patch * self.scale / max(data.reductions))
        with self._unpacked.named():
            usable = ImageFolder(find_images(folder, leave_out=run), data.cache_megabytes, smallest)
        self.skipped = [Skipped(self._unpacked.name(each.path), each.reason) for each in usable.skipped]
        wanted = recipe.validation.holdout if recipe.validation.folder is None else 0
        held_out = _by_hash(usable.paths)[: holdout_count(len(usable), wanted, recipe.validation.holdout_part)]
        self.images = usable.only([path for path in usable.paths if path not in set(held_out)])
        alone = bool(wanted) and not held_out
        held_out, self.notes = (usable.paths, [ALONE]) if alone else (held_out, [])
        low = self._partners(self.images, folder, data.lr_folder) if data.lr_folder else None
        labels, self.classes = class_folders(self.images.paths, folder)
        if recipe.labels.amount is not None:
            seed = recipe.seed if recipe.labels.seed is None else recipe.labels.seed
            labels = labelled_subset(labels, len(self.classes), recipe.labels.amount, seed)
        self.labelled = bool((labels >= 0).any())
        crops = CropSettings(
            scale=self.scale,
            patch=data.patch,
            seed=recipe.seed,
            augment=data.augment,
            labelled_draws=recipe.labels.draws(data),
            reductions=data.reductions,
            shuffle_channels=data.shuffle_channels,
            grey=data.grey,
        )
        if data.pipeline == "device":
            self.examples = DeviceCrops(self.images, crops, device, labels)
        else:
            self.examples = PairedCrops(self.images, low, crops, labels, data.random_degradation)
        self.validation = self._validation_pairs(usable.only(held_out))
        self._perceptual = PerceptualFigure(recipe, device)
        self.notes = [*self.notes, *self._perceptual.notes]
        self._bicubic: dict[str, float] | None = None

    def fingerprint(self) -> str:
        """A digest of which training images there are, in order: crops are functions of their numbers."""
        root, images = self._unpacked.folder, self.images
        lines = [f"{path.relative_to(root)} {images.sizes[path]}" for path in images.paths]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def describe(self) -> str:
        """How many images there are."""
        counts = f"{len(self.images)} training images, {len(self.validation)} held out, {len(self.skipped)} skipped"
        return f"{counts} ({self.images.cached} in memory)"

    def batch(self, items: tuple[Tensor, Tensor, Tensor]) -> Batch:
        """uint8 crops from the loader -> float images on the device."""
        high, low, label = items
        high, low = (
            item.to(self.device, non_blocking=True).to(torch.float32, memory_format=torch.channels_last).div_(255)
            for item in (high, low)
        )
        return Batch(image=high, condition=low, label=label.to(self.device))

    def held_out(self, count: int) -> Batch | None:
        """The middle of validation images, in crops as large as those in training."""
        side = self.recipe.data.patch
        pairs = [_middle(pair, self.scale, side) for pair in self.validation[:count]]
        whole = [pair for pair in pairs if pair[0].shape[1:] == (side, side)]
        if not whole:
            return None
        low, high = (torch.stack(part) for part in zip(*whole, strict=True))
        return self.batch((high, low, torch.full((len(whole),), -1)))

    def content_terms(self, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """The terms the recipe gives a weight, by name."""
        return self.content(batch, sample)

    @torch.inference_mode()
    def validate(self, model: Model) -> dict[str, float]:
        """Mean PSNR on luma over the validation images, in dB, LPIPS where the run is about looks, and bicubic's."""
        pairs = self.validation
        if model.autoregressive:  # value after value: only a crop of the size that it draws
            pairs = [_middle(pair, self.scale, self.recipe.data.patch) for pair in pairs[:1]]
        values = mean_of_each([self._measured(self._upscaled(model, low).cpu(), high) for low, high in pairs])
        if self._bicubic is None:
            each = [self._measured(resize_8bit(low, float(self.scale))[None], high) for low, high in pairs]
            self._bicubic = {f"bicubic_{name}": value for name, value in mean_of_each(each).items()}
        return values | self._bicubic

    @torch.inference_mode()
    def sheet(self, model: Model, path: Path, rows: int = 4, side: int = 256) -> None:
        """Draw the middle of a few validation images, at most `side` high-resolution pixels; one row each."""
        if not self.validation:
            return
        low_side = side // self.scale
        if model.autoregressive:
            rows, low_side = 1, self.recipe.data.patch
        views: list[Tensor] = []
        for pair in self.validation[:rows]:
            low, high = _middle(pair, self.scale, low_side)
            views += [
                F.interpolate(low[None].float() / 255, scale_factor=self.scale, mode="nearest")[0],
                resize(low.float() / 255, float(self.scale)),
                self._upscaled(model, low)[0].cpu(),
                high.float() / 255,
            ]
        save_sheet(grid(same_size(views), columns=4), ("input", "bicubic", "output", "original"), path)

    def _measured(self, upscaled: Tensor, high: Tensor) -> dict[str, float]:
        """(1, 3, H, W) float or uint8, (3, H, W) uint8 -> the figures of an image."""
        if upscaled.is_floating_point():
            upscaled = upscaled.clamp(0, 1)
        return {"psnr_y": float(psnr_y(upscaled, high[None], self.scale)), **self._perceptual(upscaled, high[None])}

    def _upscaled(self, model: Model, low: Tensor) -> Tensor:
        """(3, h, w) uint8 -> (1, 3, H, W); latent vectors are 0, the middle of their prior."""
        condition = (low[None].float() / 255).to(self.device, memory_format=torch.channels_last)
        latent = condition.new_zeros(1, model.latent.size) if model.latent.size else None
        return model.generate(latent, condition, generator=torch.Generator().manual_seed(0)).float()

    def _validation_pairs(self, held_out: ImageFolder) -> list[tuple[Tensor, Tensor]]:
        """(3, h, w) and (3, h * scale, w * scale), uint8, of each image to validate on: its middle, if it is large."""
        settings, root, low_root = self.recipe.validation, self._unpacked.folder, self.recipe.data.lr_folder
        degradation = self.recipe.data.random_degradation
        high = held_out
        if settings.folder is not None:
            root, low_root = settings.folder, settings.lr_folder
            paths = _by_hash(find_images(root))[: settings.images]
            high = ImageFolder(paths, cache_megabytes=0, minimum=8 * self.scale)
            self.skipped += high.skipped
        else:
            high = held_out.only(held_out.paths[: settings.images])
        low = self._partners(high, root, low_root) if low_root is not None and len(high) else None
        pairs: list[tuple[Tensor, Tensor]] = []
        for index in range(len(high)):
            image = crop_to_multiple(high[index], self.scale)
            small = low[index] if low is not None else resize_8bit(image, 1 / self.scale)
            small, image = _middle((small, image), self.scale, settings.largest_side // self.scale)
            if low is None and degradation is not None:
                small = degrade(image, self.scale, degradation, degradation_random(VALIDATION_SEED, index))
            pairs.append((small, image))
        return pairs

    def _partners(self, high: ImageFolder, folder: Path, low_folder: Path) -> ImageFolder:
        """The low-resolution partners of some images, in their order."""
        paths = find_partners(high.paths, folder, low_folder, self.scale)
        low = ImageFolder(paths, self.recipe.data.cache_megabytes)
        if low.skipped:
            raise UserError(f"{low.skipped[0].path}: {low.skipped[0].reason}")
        for high_path, low_path in zip(high.paths, low.paths, strict=True):
            check_partner(high.sizes[high_path], low_path, low.sizes[low_path], self.scale)
        return low


def _by_hash(paths: list[Path]) -> list[Path]:
    """In an order that depends on the names alone and has nothing to do with what the images show.

    Packed images, such as a.jpg.avif, come where their originals do, so that the same ones are held out.
    """
    return sorted(paths, key=lambda path: hashlib.sha256(path.name.removesuffix(PACKED_ENDING).encode()).digest())


def _middle(pair: tuple[Tensor, Tensor], scale: int, side: int) -> tuple[Tensor, Tensor]:
    """The middle of both, at most `side` low-resolution pixels a side."""
    low, high = pair
    height, width = (min(side, length) for length in low.shape[1:])
    top, left = (low.shape[1] - height) // 2, (low.shape[2] - width) // 2
    high = high[:, top * scale : (top + height) * scale, left * scale : (left + width) * scale]
    return low[:, top : top + height, left : left + width].clone(), high.clone()
