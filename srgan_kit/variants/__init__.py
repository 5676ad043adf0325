"""Adversarial systems, one file each. `VARIANTS` is the one place where a system is chosen by name."""

from srgan_kit.contracts import Variant
from srgan_kit.variants.gan import GAN

VARIANTS: dict[str, type[Variant]] = {"gan": GAN}

__all__ = ["GAN", "VARIANTS"]
