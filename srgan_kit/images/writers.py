"""How each format is written, whole, into a file; an encoder is imported when it is first needed.

A writer is given an image that fits its format (`fitting.fitted`). PNG and TIFF have encoders of our own, which read an
array where it lies; BMP, HEIF and JPEG XL are Pillow's and the extras', the others libvips'.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

    from srgan_kit.images.frames import Frames
    from srgan_kit.images.image import LoadedImage

Writer = Callable[["LoadedImage", Path, int], None]
"""(image, file, quality from 1 to 100; 0 for formats that have none)."""
FramesWriter = Callable[["Frames", Path, int], None]
"""(the frames of an animation or pages, file, quality)."""
LARGEST_AVIF_DEPTH = 12


def write_png(image: "LoadedImage", path: Path, quality: int) -> None:
    """Lossless, compressed by ISA-L."""
    from srgan_kit.images.png import write_png as write

    write(image, path)


def write_tiff(image: "LoadedImage", path: Path, quality: int) -> None:
    """Lossless, compressed by ISA-L; a BigTIFF where it has to be."""
    from srgan_kit.images.tiff import write_tiff as write

    write(image, path)


def write_bmp(image: "LoadedImage", path: Path, quality: int) -> None:
    """Lossless and not compressed, by Pillow."""
    from srgan_kit.images.density import INCH, NONE

    density = image.density if image.density is not None and image.density.unit != NONE else None
    per_inch = (0.0, 0.0) if density is None else tuple(float(value) for value in density.per(INCH))
    _to_pillow(image).save(path, "BMP", dpi=per_inch)  # 0: not known; without it, Pillow says 96


def write_jpeg(image: "LoadedImage", path: Path, quality: int) -> None:
    """Lossy, by libvips."""
    from srgan_kit.images.segments import jpeg_parts

    _write_parts(jpeg_parts(_to_vips(image).jpegsave_buffer(Q=quality, keep="none"), image), path)


def write_webp(image: "LoadedImage", path: Path, quality: int) -> None:
    """Lossy, by libvips."""
    from srgan_kit.images.segments import webp_parts

    _write_parts(webp_parts(_to_vips(image).webpsave_buffer(Q=quality, keep="none"), image), path)


def write_avif(image: "LoadedImage", path: Path, quality: int) -> None:
    """Lossy, by libvips, with 8 bits a channel, or 10 or 12."""
    import numpy as np
    import pyvips

    from srgan_kit.images import avif

    encoded, said = _to_vips(image), image.metadata
    room = [None if block is None else avif.PLACEHOLDER for block in (said.exif, said.xmp)]
    blocks = {"exif-data": room[0], "xmp-data": room[1], "icc-profile-data": image.icc}
    for name, block in blocks.items():
        if block is not None:
            encoded.set_type(pyvips.GValue.blob_type, name, block)
    is_wide = image.pixels.dtype == np.uint16
    bits = (10 if image.bits == 10 else LARGEST_AVIF_DEPTH) if is_wide else 8
    kept = ":".join(name.split("-")[0] for name, block in blocks.items() if block is not None) or "none"
    data: bytes = encoded.heifsave_buffer(Q=quality, compression="av1", effort=3, bitdepth=bits, keep=kept)
    _write_parts([avif.finished(data, said.exif, said.xmp, image.tags.get("cICP"))], path)


def write_gif(image: "LoadedImage", path: Path, quality: int) -> None:
    """Up to 256 colours, by libvips."""
    from srgan_kit.images.animation import gif_parts

    _write_parts(gif_parts(_to_vips(image).gifsave_buffer(effort=7, dither=1.0, keep="none"), image), path)


def write_heif(image: "LoadedImage", path: Path, quality: int) -> None:
    """Lossy, by the extra `heif`."""
    from srgan_kit.images.avif import MATRIX_BT601

    options: dict[str, Any] = {}
    if "cICP" in image.tags:
        primaries, transfer = image.tags["cICP"][:2]
        options |= {"color_primaries": primaries, "transfer_characteristics": transfer}
        options |= {"matrix_coefficients": MATRIX_BT601, "full_range_flag": 1}
    _to_pillow(image).save(path, "HEIF", quality=quality, icc_profile=image.icc, **_blocks(image), **options)


def write_jpeg_xl(image: "LoadedImage", path: Path, quality: int) -> None:
    """Lossy, by the extra `jxl`; lossless at quality 100, which the encoder refuses by its number alone."""
    _to_pillow(image).save(path, "JXL", lossless=quality == 100, quality=quality, **_blocks(image))


def write_png_frames(frames: "Frames", path: Path, quality: int) -> None:
    """An animated PNG, frame by frame."""
    from srgan_kit.images.png import write_animated_png

    write_animated_png(frames.images, path, frames.count, frames.plays)


def write_tiff_pages(frames: "Frames", path: Path, quality: int) -> None:
    """Page by page."""
    from srgan_kit.images.tiff import write_pages

    with path.open("wb") as file:
        write_pages(frames.images, file, frames.count)


def write_gif_frames(frames: "Frames", path: Path, quality: int) -> None:
    """By libvips, from a copy on the disk."""
    from srgan_kit.images.animation import write_animated_gif

    write_animated_gif(frames, path, quality)


def write_webp_frames(frames: "Frames", path: Path, quality: int) -> None:
    """By libvips, from a copy on the disk."""
    from srgan_kit.images.animation import write_animated_webp

    write_animated_webp(frames, path, quality)


def write_avif_frames(frames: "Frames", path: Path, quality: int) -> None:
    """By Pillow, from a copy on the disk, with 8 bits a channel."""
    from srgan_kit.images.animation import write_animated_avif

    write_animated_avif(frames, path, quality)


def _blocks(image: "LoadedImage") -> dict[str, bytes]:
    """EXIF and XMP as the extras take them."""
    blocks = {"exif": image.metadata.exif, "xmp": image.metadata.xmp}
    return {name: block for name, block in blocks.items() if block is not None}


def _to_vips(image: "LoadedImage") -> Any:
    from srgan_kit.images.fitting import to_vips

    colour = to_vips(image.pixels)
    return colour if image.alpha is None else colour.bandjoin(to_vips(image.alpha))


def _to_pillow(image: "LoadedImage") -> "Image.Image":
    import numpy as np
    from PIL import Image

    pixels = image.pixels if image.alpha is None else np.concatenate([image.pixels, image.alpha], axis=2)
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _write_parts(parts: "Iterable[bytes | memoryview]", path: Path) -> None:
    """By Python, which can say that a disk is full: of libvips' encoders none does."""
    with path.open("wb") as file:
        file.writelines(parts)
