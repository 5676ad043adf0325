"""Generative systems, one file each. `VARIANTS` is the one place where a system is chosen by name."""

from srgan_kit.contracts import Variant
from srgan_kit.variants.catgan import CatGAN
from srgan_kit.variants.content_only import ContentOnly
from srgan_kit.variants.deepsim import DeePSiM
from srgan_kit.variants.ebgan import EBGAN
from srgan_kit.variants.f_gan import FGAN
from srgan_kit.variants.gan import GAN
from srgan_kit.variants.improved_gan import ImprovedGAN
from srgan_kit.variants.infogan import InfoGAN
from srgan_kit.variants.pixelrnn import PixelRNN
from srgan_kit.variants.srgan import SRGAN
from srgan_kit.variants.vae import VAE
from srgan_kit.variants.vae_gan import VAEGAN

VARIANTS: dict[str, type[Variant]] = {
    "none": ContentOnly,
    "gan": GAN,
    "f-gan": FGAN,
    "ebgan": EBGAN,
    "infogan": InfoGAN,
    "catgan": CatGAN,
    "improved-gan": ImprovedGAN,
    "vae": VAE,
    "vae-gan": VAEGAN,
    "deepsim": DeePSiM,
    "srgan": SRGAN,
    "pixelrnn": PixelRNN,
}

__all__ = ["VARIANTS"]
