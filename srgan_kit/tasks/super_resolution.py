"""Super-resolution: low-resolution crops in, high-resolution crops out, measured by PSNR on luma."""

import hashlib
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from srgan_kit.config import PerceptualConfig, Recipe
from srgan_kit.contracts import Batch, Sample
from srgan_kit.data.crops import PairedCrops
from srgan_kit.data.folder import ImageFolder, Skipped, find_images
from srgan_kit.data.resize import resize_8bit
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

    Raises:
        UserError: no training folder, folders without usable images, unknown names among the recipe's weights.
    """

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        self.recipe, self.device = recipe, device
        self.scale = recipe.generator.scale
        names = {*CONTENT_TERMS, "perceptual"}
        unknown = sorted(set(recipe.weights) - names - {"adversarial"})
        if unknown:
            raise UserError(
                f"recipe {recipe.name}: weights.{unknown[0]} is not a term; expected one of {sorted(names)}"
            )
        self._terms = sorted(names & set(recipe.weights))
        self._perceptual = perceptual_loss(recipe.perceptual).to(device) if "perceptual" in self._terms else None
        train, held_out = self._split()
        minimum = recipe.data.patch * self.scale
        self.images = ImageFolder(train, recipe.data.cache_megabytes, minimum)
        low = self._partners() if recipe.data.lr_folder else None
        self.crops = PairedCrops(self.images, low, self.scale, recipe.data.patch, recipe.data.augment, recipe.seed)
        self.validation = ImageFolder(held_out, cache_megabytes=500, minimum=8 * self.scale) if held_out else None

    @property
    def skipped(self) -> list[Skipped]:
        """Training files that were left out, with the reasons."""
        return self.images.skipped

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
        """The terms the recipe gives a weight, by name."""
        fake, real = sample.image.float(), batch.image
        terms = {name: CONTENT_TERMS[name](fake, real) for name in self._terms if name != "perceptual"}
        if self._perceptual is not None:
            terms["perceptual"] = self._perceptual(sample.image, real)
        return terms

    @torch.inference_mode()
    def validate(self, generator: nn.Module) -> dict[str, float]:
        """Mean PSNR on luma over the validation images, in dB; nothing where there are none."""
        if self.validation is None:
            return {}
        values = [
            float(psnr_y(generator(self._prepare(low))[0].float().cpu().clamp(0, 1)[None], high[None], self.scale))
            for low, high in (self._pair(index) for index in range(len(self.validation)))
        ]
        return {"psnr_y": sum(values) / len(values)}

    @torch.inference_mode()
    def sheet(self, generator: nn.Module, path: Path, rows: int = 4, side: int = 32) -> None:
        """Draw the centre crops of a few validation images: enlarged input, bicubic, generated, real; one row each."""
        if self.validation is None:
            return
        strips: list[Tensor] = []
        for index in range(min(rows, len(self.validation))):
            low, high = self._pair(index)
            crop = min(side, *low.shape[1:])
            top, left = ((size - crop) // 2 for size in low.shape[1:])
            low = low[:, top : top + crop, left : left + crop]
            s = self.scale
            high = high[:, top * s : (top + crop) * s, left * s : (left + crop) * s]
            prepared = self._prepare(low).cpu()
            views = [
                F.interpolate(prepared, scale_factor=s, mode="nearest")[0],
                F.interpolate(prepared, scale_factor=s, mode="bicubic", align_corners=False)[0],
                generator(self._prepare(low))[0].float().cpu(),
                high.float() / 255,
            ]
            strips.append(torch.cat([view.clamp(0, 1) for view in views], dim=2))
        width = max(strip.shape[2] for strip in strips)
        sheet = torch.cat([F.pad(strip, (0, width - strip.shape[2])) for strip in strips], dim=1)
        pixels = sheet.mul(255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
        with appearing(path) as temporary:
            Image.fromarray(pixels).save(temporary)

    def _pair(self, index: int) -> tuple[Tensor, Tensor]:
        """(3, h, w) and (3, h * scale, w * scale), uint8."""
        assert self.validation is not None
        image = self.validation[index]
        height, width = (side // self.scale * self.scale for side in image.shape[1:])
        image = image[:, :height, :width]
        return resize_8bit(image, 1 / self.scale), image

    def _prepare(self, low: Tensor) -> Tensor:
        return (low[None].float() / 255).to(self.device, memory_format=torch.channels_last)

    def _split(self) -> tuple[list[Path], list[Path]]:
        """Training files and validation files. Which files are held out depends on their names alone."""
        if self.recipe.data.folder is None:
            raise UserError("no training images: give --data DIR (or data.folder in the recipe)")
        paths = find_images(self.recipe.data.folder)
        if self.recipe.validation.folder is not None:
            return paths, find_images(self.recipe.validation.folder)
        holdout = min(self.recipe.validation.holdout, len(paths) - 1)
        by_hash = sorted(paths, key=lambda path: hashlib.sha256(path.name.encode()).digest())
        held_out = set(by_hash[:holdout])
        return [path for path in paths if path not in held_out], sorted(held_out)

    def _partners(self) -> ImageFolder:
        """The low-resolution partner of each training image: the same path below `lr_folder`, any ending."""
        data = self.recipe.data
        assert data.folder is not None
        assert data.lr_folder is not None
        partners = {path.relative_to(data.lr_folder).with_suffix(""): path for path in find_images(data.lr_folder)}
        paths: list[Path] = []
        for path in self.images.paths:
            name = path.relative_to(data.folder).with_suffix("")
            variants = [name, name.with_name(f"{name.name}x{self.scale}"), name.with_name(f"{name.name}_x{self.scale}")]
            partner = next((partners[variant] for variant in variants if variant in partners), None)
            if partner is None:
                raise UserError(f"{data.lr_folder}: no low-resolution partner for {path.name}")
            paths.append(partner)
        folder = ImageFolder(paths, data.cache_megabytes, data.patch)
        if folder.skipped:
            raise UserError(f"{folder.skipped[0].path}: {folder.skipped[0].reason}")
        return folder


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
