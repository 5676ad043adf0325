"""Super-resolution: low-resolution crops in, high-resolution crops out, measured by PSNR on luma."""

import hashlib
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from srgan_kit.config import PerceptualConfig, Recipe
from srgan_kit.contracts import Batch, Sample
from srgan_kit.data.crops import PairedCrops, check_partner
from srgan_kit.data.folder import ImageFolder, Skipped, find_images, find_partners
from srgan_kit.data.resize import crop_to_multiple, resize, resize_8bit
from srgan_kit.errors import UserError
from srgan_kit.files import appearing
from srgan_kit.losses import VGGFeatureLoss, charbonnier, l1, mse, total_variation
from srgan_kit.metrics.super_resolution import psnr_y

CONTENT_TERMS = {
    "pixel": l1,
    "mse": mse,
    "charbonnier": charbonnier,
    "total_variation": lambda fake, real: total_variation(fake),
}
"""Content terms that need no network: (fake, real), each (N, 3, H, W) in [0, 1], -> scalar."""


class SuperResolution:
    """The task as the loop sees it.

    Args:
        recipe: what to train.
        device: where batches go.
        run: the run's folder; images in it are not training images, wherever it lies.

    Raises:
        UserError: no training folder, folders without usable images, unknown names among the recipe's weights.
    """

    def __init__(self, recipe: Recipe, device: torch.device, run: Path) -> None:
        self.recipe, self.device = recipe, device
        self.scale = recipe.generator.scale
        names = {*CONTENT_TERMS, "perceptual"}
        unknown = sorted(set(recipe.weights) - names - {"adversarial"})
        if unknown:
            raise UserError(f"recipe: weights.{unknown[0]} is not a term; expected one of {', '.join(sorted(names))}")
        self._terms = sorted(names & set(recipe.weights))
        self._perceptual = perceptual_loss(recipe.perceptual).to(device) if "perceptual" in self._terms else None
        data = recipe.data
        if data.folder is None:
            raise UserError("no training images: give --data DIR (or data.folder in the recipe)")
        usable = ImageFolder(find_images(data.folder, leave_out=run), data.cache_megabytes, data.patch * self.scale)
        self.skipped: list[Skipped] = list(usable.skipped)
        holdout = recipe.validation.holdout if recipe.validation.folder is None else 0
        held_out = _by_hash(usable.paths)[: min(holdout, len(usable) - 1)]
        self.images = usable.only([path for path in usable.paths if path not in set(held_out)])
        low = self._partners(self.images, data.folder, data.lr_folder) if data.lr_folder else None
        self.crops = PairedCrops(self.images, low, self.scale, data.patch, data.augment, recipe.seed)
        self.validation = self._validation_pairs(usable.only(held_out))

    def fingerprint(self) -> str:
        """A digest of which training images there are, in order: crops are functions of their numbers."""
        assert self.recipe.data.folder is not None
        lines = [f"{path.relative_to(self.recipe.data.folder)} {self.images.sizes[path]}" for path in self.images.paths]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def batch(self, items: tuple[Tensor, Tensor]) -> Batch:
        """uint8 crops from the loader -> float images on the device."""
        high, low = (
            item.to(self.device, non_blocking=True).to(torch.float32, memory_format=torch.channels_last).div_(255)
            for item in items
        )
        return Batch(image=high, condition=low)

    def sample(self, generator: nn.Module, batch: Batch) -> Sample:
        """What the generator makes of a batch."""
        return Sample(image=generator(batch.condition))

    def content_terms(self, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """The terms the recipe gives a weight, by name.

        Raises:
            ValueError: the crops are too small for a layer of the perceptual loss.
        """
        fake, real = sample.image.float(), batch.image
        terms = {name: CONTENT_TERMS[name](fake, real) for name in self._terms if name != "perceptual"}
        if self._perceptual is not None:
            terms["perceptual"] = self._perceptual(sample.image, real)
        return terms

    @torch.inference_mode()
    def validate(self, generator: nn.Module) -> dict[str, float]:
        """Mean PSNR on luma over the validation images, in dB; nothing where there are none."""
        values = [
            float(psnr_y(generator(self._prepare(low)).float().cpu().clamp(0, 1), high[None], self.scale))
            for low, high in self.validation
        ]
        return {"psnr_y": sum(values) / len(values)} if values else {}

    @torch.inference_mode()
    def sheet(self, generator: nn.Module, path: Path, rows: int = 4, side: int = 32) -> None:
        """Draw the middle of a few validation images: enlarged input, bicubic, generated, real; one row each."""
        if not self.validation:
            return
        strips: list[Tensor] = []
        for pair in self.validation[:rows]:
            low, high = _middle(pair, self.scale, side)
            views = [
                F.interpolate(low[None].float() / 255, scale_factor=self.scale, mode="nearest")[0],
                resize(low.float() / 255, float(self.scale)),
                generator(self._prepare(low))[0].float().cpu(),
                high.float() / 255,
            ]
            strips.append(torch.cat([view.clamp(0, 1) for view in views], dim=2))
        width = max(strip.shape[2] for strip in strips)
        sheet = torch.cat([F.pad(strip, (0, width - strip.shape[2])) for strip in strips], dim=1)
        pixels = sheet.mul(255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
        with appearing(path) as temporary:
            Image.fromarray(pixels).save(temporary)

    def _prepare(self, low: Tensor) -> Tensor:
        return (low[None].float() / 255).to(self.device, memory_format=torch.channels_last)

    def _validation_pairs(self, held_out: ImageFolder) -> list[tuple[Tensor, Tensor]]:
        """(3, h, w) and (3, h * scale, w * scale), uint8, of each image to validate on: its middle, if it is large."""
        settings, root, low_root = self.recipe.validation, self.recipe.data.folder, self.recipe.data.lr_folder
        high = held_out
        if settings.folder is not None:
            root, low_root = settings.folder, settings.lr_folder
            paths = _by_hash(find_images(root))[: settings.images]
            high = ImageFolder(paths, cache_megabytes=0, minimum=8 * self.scale)
            self.skipped += high.skipped
        else:
            high = held_out.only(held_out.paths[: settings.images])
        assert root is not None
        low = self._partners(high, root, low_root) if low_root is not None and len(high) else None
        pairs: list[tuple[Tensor, Tensor]] = []
        for index in range(len(high)):
            image = crop_to_multiple(high[index], self.scale)
            small = low[index] if low is not None else resize_8bit(image, 1 / self.scale)
            pairs.append(_middle((small, image), self.scale, settings.largest_side // self.scale))
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


def perceptual_loss(config: PerceptualConfig) -> VGGFeatureLoss:
    """The recipe's VGG feature loss.

    Raises:
        UserError: the weights cannot be had or do not reach the layers asked for.
    """
    try:
        return VGGFeatureLoss(
            layers=config.layers, network=config.network, distance=config.distance, weights=config.weights
        )
    except (ValueError, OSError, RuntimeError) as error:
        raise UserError(f"recipe: perceptual: {error}") from None


def _by_hash(paths: list[Path]) -> list[Path]:
    """In an order that depends on the names alone and has nothing to do with what the images show."""
    return sorted(paths, key=lambda path: hashlib.sha256(path.name.encode()).digest())


def _middle(pair: tuple[Tensor, Tensor], scale: int, side: int) -> tuple[Tensor, Tensor]:
    """The middle of both, at most `side` low-resolution pixels a side."""
    low, high = pair
    height, width = (min(side, length) for length in low.shape[1:])
    top, left = (low.shape[1] - height) // 2, (low.shape[2] - width) // 2
    high = high[:, top * scale : (top + height) * scale, left * scale : (left + width) * scale]
    return low[:, top : top + height, left : left + width].clone(), high.clone()
