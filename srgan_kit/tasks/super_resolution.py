"""Super-resolution: low-resolution crops in, high-resolution crops out, measured by PSNR on luma."""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from srgan_kit.contracts import Batch, Sample
from srgan_kit.data.crops import CropSettings, PairedCrops, check_partner
from srgan_kit.data.degradation import degradation_random, degrade
from srgan_kit.data.device_crops import DeviceCrops
from srgan_kit.data.holdout import ALONE, holdout_count
from srgan_kit.data.image_files import FolderFiles
from srgan_kit.data.image_folder import find_images
from srgan_kit.data.image_set import ImageSet, find_partners_of
from srgan_kit.data.labels import labelled_subset, numbered_classes
from srgan_kit.data.sources import open_files
from srgan_kit.data.unpack import PACKED_ENDING
from srgan_kit.errors import UserError
from srgan_kit.generators.model import Model
from srgan_kit.generators.super_resolution.community import CommunityNetwork
from srgan_kit.images.grid import grid, same_size, save_sheet
from srgan_kit.images.pixels import unit_floats
from srgan_kit.images.resize import crop_to_multiple, resize, resize_pixels
from srgan_kit.metrics.psnr_ssim import PSNR_LIMIT, psnr_y
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks.comparators import rgb
from srgan_kit.tasks.content import Content
from srgan_kit.tasks.image_data import as_floats
from srgan_kit.tasks.measures import PerceptualFigure, mean_of_each
from srgan_kit.user_folders import cache_folder

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
        data = recipe.data
        self.condition = (data.channels, data.patch)
        self.content = Content(recipe, device)
        if not data.all_sources:
            raise UserError("no training images: give --data DIR (or data.folder in the recipe)")
        smallest = math.ceil(data.patch * self.scale / max(data.reductions))
        sources = [open_files(source.folder, leave_out=run) for source in data.all_sources]
        usable = ImageSet(sources, data.cache_megabytes, smallest, data.channels, cache_folder() / "images")
        low = self._partners(usable, [source.lr_folder for source in data.all_sources if source.lr_folder])
        self.skipped, self.notes = usable.skipped, usable.notes
        held_out, trained_on = self._split(usable)
        self.images = usable.only(trained_on)
        labels, self.classes = numbered_classes([self.images.class_of(number) for number in range(len(self.images))])
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
            mixture=data.mixture,
        )
        if data.pipeline == "device":
            self.examples = DeviceCrops(self.images, crops, device, labels)
        else:
            partners = None if low is None else low.only(trained_on)
            self.examples = PairedCrops(self.images, partners, crops, labels, data.random_degradation)
        if recipe.validation.folder is None:
            held_out = held_out[: recipe.validation.images]
            self.validation = self._validation_pairs(usable.only(held_out), None if low is None else low.only(held_out))
        else:
            self.validation = self._validation_pairs(*self._validation_folder(recipe.validation.folder))
        self._perceptual = PerceptualFigure(recipe, device)
        self.notes = [*self.notes, *self._perceptual.notes]
        self._bicubic: dict[str, float] | None = None

    def fingerprint(self) -> str:
        """A digest of which training images there are, in order: crops are functions of their numbers."""
        text = "\n".join(self.images.lines())
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()

    def describe(self) -> str:
        """How many images there are."""
        counts = f"{len(self.images)} training images, {len(self.validation)} held out, {len(self.skipped)} skipped"
        return f"{counts} ({self.images.cached} in memory)"

    def batch(self, items: tuple[Tensor, Tensor, Tensor]) -> Batch:
        """Crops from the loader -> float images on the device."""
        high, low, label = items
        high, low = (as_floats(item, self.device) for item in (high, low))
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
            each = [self._measured(resize_pixels(low, float(self.scale))[None], high) for low, high in pairs]
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
                F.interpolate(unit_floats(low)[None], scale_factor=self.scale, mode="nearest")[0],
                resize(unit_floats(low), float(self.scale)),
                self._upscaled(model, low)[0].cpu(),
                unit_floats(high),
            ]
        save_sheet(grid(same_size(views), columns=4), ("input", "bicubic", "output", "original"), path)

    def _measured(self, upscaled: Tensor, high: Tensor) -> dict[str, float]:
        """(1, C, H, W) float or uint8, (C, H, W) -> the figures of an image; grey ones count as RGB of one grey."""
        if upscaled.is_floating_point():
            upscaled = upscaled.clamp(0, 1)
        upscaled, high = rgb(upscaled), rgb(high[None])
        psnr = psnr_y(upscaled, high, self.scale).clamp(max=PSNR_LIMIT)  # of a flat image that is exact
        return {"psnr_y": float(psnr), **self._perceptual(upscaled, high)}

    def _upscaled(self, model: Model, low: Tensor) -> Tensor:
        """(C, h, w) -> (1, C, H, W); latent vectors are 0, the middle of their prior."""
        condition = unit_floats(low)[None].to(self.device, memory_format=torch.channels_last)
        latent = condition.new_zeros(1, model.latent.size) if model.latent.size else None
        height, width = low.shape[1:]
        if isinstance(model.decoder, CommunityNetwork):  # some take sides of certain multiples alone
            multiple, smallest = model.decoder.multiple_of, model.decoder.minimum
            more = [max(side, smallest) - side for side in (height, width)]
            more = [each + -(side + each) % multiple for each, side in zip(more, (height, width), strict=True)]
            condition = F.pad(condition, (0, more[1], 0, more[0]), mode="replicate")
        made = model.generate(latent, condition, generator=torch.Generator().manual_seed(0)).float()
        return made[..., : height * self.scale, : width * self.scale]

    def _split(self, usable: ImageSet) -> tuple[list[int], list[int]]:
        """The images to validate on, and those to train on; one that is alone is both.

        Raises:
            UserError: no image of a source is left to train on.
        """
        settings, every = self.recipe.validation, range(len(usable))
        wanted = settings.holdout if settings.folder is None else 0
        count = holdout_count(len(usable), wanted, settings.holdout_part)
        if wanted and not count:
            self.notes.append(ALONE)
            return [*every], [*every]
        held_out = _by_hash([usable.name(number) for number in every])[:count] if count else []
        rest = set(held_out)
        trained_on = [number for number in every if number not in rest]
        left = set(usable.source_of[trained_on].tolist())
        for number, source in enumerate(usable.sources):
            if number not in left:
                raise UserError(f"{source.root}: all its images are held out; give validation.folder, or more images")
        return held_out, trained_on

    def _validation_folder(self, folder: Path) -> tuple[ImageSet, ImageSet | None]:
        """The images of `validation.folder` to validate on, and their partners."""
        settings, names = self.recipe.validation, [path.relative_to(folder).as_posix() for path in find_images(folder)]
        chosen = FolderFiles(folder, [names[number] for number in _by_hash(names)[: settings.images]])
        high = ImageSet([chosen], 0, 8 * self.scale, self.recipe.data.channels)
        self.skipped += high.skipped
        return high, self._partners(high, [settings.lr_folder] if settings.lr_folder else [])

    def _validation_pairs(self, high: ImageSet, low: ImageSet | None) -> list[tuple[Tensor, Tensor]]:
        """(C, h, w) and (C, h * scale, w * scale) of each image to validate on: its middle, if it is large.

        They are uint8, or floats where images have more than 8 bits.
        """
        degradation = self.recipe.data.random_degradation
        deep = high.deep or (low is not None and low.deep)
        pairs: list[tuple[Tensor, Tensor]] = []
        for index in range(len(high)):
            image = crop_to_multiple(unit_floats(high[index]) if deep else high[index], self.scale)
            small = low[index] if low is not None else resize_pixels(image, 1 / self.scale)
            small, image = _middle((small, image), self.scale, self.recipe.validation.largest_side // self.scale)
            if low is None and degradation is not None:
                small = degrade(image, self.scale, degradation, degradation_random(VALIDATION_SEED, index))
            pairs.append((unit_floats(small) if deep else small, image))
        return pairs

    def _partners(self, high: ImageSet, folders: Sequence[Path]) -> ImageSet | None:
        """The low-resolution partners of some images, in their order; None where no folders have any.

        Raises:
            UserError: an image has none, or one of another size.
        """
        if not folders:
            return None
        data = self.recipe.data
        sources = [open_files(folder) for folder in folders]
        lows = ImageSet(sources, data.cache_megabytes, channels=data.channels, index_folder=cache_folder() / "images")
        partners = find_partners_of(high, lows, self.scale)
        for index, partner in enumerate(partners):
            size, small = (tuple(each.tolist()) for each in (high.sizes[index], lows.sizes[partner]))
            check_partner(size, lows.path(partner), small, self.scale)
        return lows.only(partners)


def _by_hash(names: Sequence[str]) -> list[int]:
    """Their numbers, in an order that depends on the names alone and has nothing to do with what the images show.

    Packed images, such as a.jpg.avif, come where their originals do, so that the same ones are held out.
    """
    files = [name.rpartition("/")[2].removesuffix(PACKED_ENDING) for name in names]
    keys = [hashlib.sha256(file.encode(errors="surrogateescape")).digest() for file in files]
    return sorted(range(len(names)), key=keys.__getitem__)


def _middle(pair: tuple[Tensor, Tensor], scale: int, side: int) -> tuple[Tensor, Tensor]:
    """The middle of both, at most `side` low-resolution pixels a side."""
    low, high = pair
    height, width = (min(side, length) for length in low.shape[1:])
    top, left = (low.shape[1] - height) // 2, (low.shape[2] - width) // 2
    high = high[:, top * scale : (top + height) * scale, left * scale : (left + width) * scale]
    return low[:, top : top + height, left : left + width].clone(), high.clone()
