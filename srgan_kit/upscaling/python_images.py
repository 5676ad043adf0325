"""Images as Python programs have them: files that were read, Pillow's images, arrays and tensors; the same type out."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from srgan_kit.errors import UserError
from srgan_kit.images.image import LoadedImage

EXPECTED = "a Pillow image, an array, a tensor, or what read_image gives"
PEAK = 65535
"""Floats are computed with 16 bits."""


@dataclass(frozen=True)
class Given:
    """What a caller gave, as images, and the way back."""

    images: list[LoadedImage]
    give_back: Callable[[list[LoadedImage]], Any]
    """The results -> one object of the type that was given."""


def opened(image: object) -> Given:
    """The images in what a caller gives.

    Raises:
        UserError: an object that is no image, or one of a kind that is not upscaled.
    """
    if isinstance(image, LoadedImage):
        return Given([image], lambda results: results[0])
    if isinstance(image, np.ndarray):
        return Given([of_array(image)], lambda results: array_like(image, results[0]))
    if _is_a("torch", "Tensor", image):
        from srgan_kit.upscaling.tensors import arrays_of, tensor_of

        arrays: list[np.ndarray] = arrays_of(image)  # pyright: ignore[reportArgumentType]

        def as_tensor(results: list[LoadedImage]) -> Any:
            every = [array_like(array, result) for array, result in zip(arrays, results, strict=True)]
            return tensor_of(every, image)  # pyright: ignore[reportArgumentType]

        return Given([of_array(array) for array in arrays], as_tensor)
    if _is_a("PIL.Image", "Image", image):
        return Given([_of_pillow(image)], lambda results: _pillow_like(image, results[0]))
    raise UserError(f"image: expected {EXPECTED}, got {type(image).__name__}")


def _is_a(module: str, name: str, image: object) -> bool:
    """Whether it is of a library's class; a library that was not imported has no objects."""
    library = sys.modules.get(module)
    return library is not None and isinstance(image, getattr(library, name))


# --- arrays ---------------------------------------------------------------------------------------------------------


def of_array(array: np.ndarray) -> LoadedImage:
    """(H, W) or (H, W, C) of uint8, uint16 or float in [0, 1] -> an image of 8 or 16 bits.

    C is 1 for grey, 2 for grey and opacity, 3 for RGB, 4 for RGB and opacity.

    Raises:
        UserError: an array of another kind, numbers beyond [0, 1], NaN.
    """
    pixels = array[:, :, None] if array.ndim == 2 else array
    is_float = np.issubdtype(array.dtype, np.floating)
    if pixels.ndim != 3 or not 1 <= pixels.shape[2] <= 4 or 0 in pixels.shape:
        raise UserError(f"image: expected (height, width) or (height, width, 1 to 4), got {array.shape}")
    if not is_float and array.dtype not in (np.uint8, np.uint16):
        raise UserError(f"image: expected uint8, uint16 or float in [0, 1], got {array.dtype}")
    if is_float:
        low, high = float(pixels.min()), float(pixels.max())
        if not 0 <= low <= high <= 1:
            raise UserError(f"image: expected floats in [0, 1], got {low:g} to {high:g}")
        pixels = np.rint(pixels.astype(np.float64) * PEAK).astype(np.uint16)
    colours = 3 if pixels.shape[2] > 2 else 1
    alpha = pixels[:, :, colours:] if pixels.shape[2] > colours else None
    return LoadedImage(pixels[:, :, :colours], None if alpha is None else np.ascontiguousarray(alpha))


def array_like(array: np.ndarray, result: LoadedImage) -> np.ndarray:
    """A result as an array of the type and the dimensions of `array`."""
    pixels = _with_alpha(result)
    if np.issubdtype(array.dtype, np.floating):
        pixels = (pixels / PEAK).astype(array.dtype)
    return pixels[:, :, 0] if array.ndim == 2 else pixels


def _with_alpha(image: LoadedImage) -> np.ndarray:
    return image.pixels if image.alpha is None else np.concatenate([image.pixels, image.alpha], axis=2)


# --- Pillow's images -------------------------------------------------------------------------------------------------


def _of_pillow(image: Any) -> LoadedImage:
    """As `read_image` reads a file of it: palettes become RGB, CMYK sRGB, 1 bit 8."""
    from srgan_kit.images.decode import decode_with_pillow

    if 0 in image.size:
        raise UserError(f"image: expected at least one pixel, got {image.size[0]}x{image.size[1]}")
    decoded = decode_with_pillow(Path("image"), image, image.info.get("icc_profile"))
    loaded = of_array(decoded.pixels)
    loaded.icc, loaded.notes = None if decoded.is_converted else decoded.icc, decoded.notes
    loaded.path = Path(image.filename) if getattr(image, "filename", "") else None  # which says how it was compressed
    return loaded


def _pillow_like(image: Any, result: LoadedImage) -> Any:
    """A result as a Pillow image, with the profile of its colours and with the EXIF of the one that was given."""
    from PIL import Image

    pixels = _with_alpha(result)
    made = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    kept = {"icc_profile": result.icc, "exif": image.info.get("exif")}
    made.info |= {name: value for name, value in kept.items() if value is not None}
    return made
