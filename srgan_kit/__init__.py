"""srgan-kit: super-resolution with perceptual GAN losses. See README.md and `srgan-kit --help`.

What is imported from here is loaded when it is first used, so that `import srgan_kit` itself imports no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from srgan_kit.errors import UserError
    from srgan_kit.images.encode import write_image
    from srgan_kit.images.read import read_image
    from srgan_kit.models.super_resolution import load_model
    from srgan_kit.recipes.load import load_recipe
    from srgan_kit.training.loop import train
    from srgan_kit.upscaling.choice import Dials
    from srgan_kit.upscaling.upscaler import Upscaler

__version__ = "0.1.0"
__all__ = ["Dials", "Upscaler", "UserError", "load_model", "load_recipe", "read_image", "train", "write_image"]
MODULES = {
    "Dials": "srgan_kit.upscaling.choice",
    "Upscaler": "srgan_kit.upscaling.upscaler",
    "UserError": "srgan_kit.errors",
    "load_model": "srgan_kit.models.super_resolution",
    "load_recipe": "srgan_kit.recipes.load",
    "read_image": "srgan_kit.images.read",
    "train": "srgan_kit.training.loop",
    "write_image": "srgan_kit.images.encode",
}
"""Where each name is defined."""


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
