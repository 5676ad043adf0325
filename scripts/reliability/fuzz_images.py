"""Upscale mutated images of every format, as the command does, and count what should not happen.

    python -m scripts.reliability.fuzz_images [--count 5000] [--seed 1] [--show] [--only jxl]

Images are made by code, with EXIF, XMP, profiles and text where the format has room. A mutant may be upscaled, or
refused in one line. A traceback, more than 20 seconds, or a file that is left behind is counted.
"""

import io
import tempfile
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

from scripts.reliability.fuzzing import ending_in, fuzz, print_summary
from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.images.encode import write_image
from srgan_kit.images.formats import FORMATS, HEIF, JPEG_XL, missing_extra, register_plugins
from srgan_kit.images.read import pixels_limited, read_image
from srgan_kit.models.super_resolution import UpscalingModel
from srgan_kit.upscaling.evidence import evidence, of_file
from srgan_kit.upscaling.upscaler import Upscaler

WRITTEN = (".png", ".jpg", ".webp", ".tif", ".bmp", ".avif", ".heic", ".jxl")
"""Suffixes of the results; the last two where their extras are installed."""
LARGEST = 2_000_000
"""Pixels: larger mutants are refused, as by --max-pixels."""


def intact() -> dict[str, bytes]:
    """Small images of every format and mode, by name; HEIC and JPEG XL where their extras are installed."""
    pixels = np.random.default_rng(0).integers(0, 256, (23, 31, 4), dtype=np.uint8)
    color, clear = Image.fromarray(pixels[:, :, :3]), Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x011A] = 6, "an image", 300.0
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta>'
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", "an image of nothing")
    text.add_itxt("Title", "nothing")
    made = {
        "a.png": _saved(color, "PNG", pnginfo=text, exif=exif, icc_profile=profile, dpi=(300, 300)),
        "clear.png": _saved(clear, "PNG"),
        "palette.png": _saved(color.quantize(16), "PNG"),
        "deep.png": _saved(Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257), "PNG"),
        "a.jpg": _saved(color, "JPEG", exif=exif, icc_profile=profile, xmp=xmp, dpi=(300, 300), comment=b"nothing"),
        "progressive.jpg": _saved(color, "JPEG", progressive=True),
        "inks.jpg": _saved(color.convert("CMYK"), "JPEG"),
        "a.webp": _saved(clear, "WEBP", exif=exif, icc_profile=profile, xmp=xmp),
        "lossless.webp": _saved(color, "WEBP", lossless=True),
        "a.avif": _saved(color, "AVIF", exif=exif, icc_profile=profile),
        "a.tif": _saved(color, "TIFF", exif=exif, icc_profile=profile, dpi=(300, 300)),
        "packed.tif": _saved(color, "TIFF", compression="tiff_lzw"),
        "deep.tif": _saved(Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257), "TIFF"),
        "a.bmp": _saved(color, "BMP", dpi=(300, 300)),
        "a.gif": _saved(color.quantize(16), "GIF"),
        "a.tga": _saved(clear, "TGA"),
        "a.jp2": _saved(color, "JPEG2000"),
        "a.ppm": _saved(color, "PPM"),
        "a.ico": _saved(clear.resize((16, 16)), "ICO"),
        "a.qoi": _saved(clear, "QOI"),
    }
    register_plugins()
    if missing_extra(HEIF) is None:
        made["a.heic"] = _saved(clear, "HEIF", exif=exif.tobytes(), icc_profile=profile, xmp=xmp)
        made["colors.heic"] = _saved(color, "HEIF", color_primaries=9, transfer_characteristics=16)
    if missing_extra(JPEG_XL) is None:
        made["a.jxl"] = _saved(clear, "JXL", exif=exif.tobytes(), xmp=xmp)
        made["lossless.jxl"] = _saved(color, "JXL", lossless=True)
    made["deep.ppm"] = b"P6\n31 23\n65535\n" + (pixels[:, :, :3].astype(">u2") * 257).tobytes()
    return made


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def run(count: int, seed: int, show: bool = False, only: str = "") -> str:
    """The summary of so many mutants, of images whose names end in `only`."""
    config = ResidualSRConfig(scale=2, channels=4, groups=1, convolutions=1)
    upscaler = Upscaler(UpscalingModel("tiny", config.build().eval(), 2, 3, "residual", "none"), "cpu", "fp32")
    suffixes = [suffix for suffix in WRITTEN if missing_extra(FORMATS[suffix]) is None]
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings(action="ignore"), pixels_limited(LARGEST):
        folder, number = Path(name), 0

        def attempt(path: Path) -> bool:
            nonlocal number
            number += 1
            target = path.with_name(f"result{suffixes[number % len(suffixes)]}")
            try:
                image = read_image(path)
                evidence(image.pixels, *of_file(path))
                write_image(upscaler.upscale(image), target, None, "srgan-kit 0 (tiny, x2)")
            except UserError as error:
                if "\n" in str(error):
                    raise ValueError(f"more than one line: {error}") from error
                return False
            target.unlink()
            return True

        what = f"images ({only})" if only else "images"
        return fuzz(ending_in(intact(), only), count, seed, folder, attempt, show).line(what, seed)


if __name__ == "__main__":
    print_summary(run, 5000, __doc__)
