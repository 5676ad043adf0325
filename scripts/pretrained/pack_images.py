"""Pack folders of images into one .zip that `--data` takes, small enough to carry to an accelerator.

    python -m scripts.pretrained.pack_images sr_train/bsds sr_train/cc0 -o training.zip [--quality 84] [--megabytes 40]

Images are encoded as AVIF without chroma subsampling: a loss, whose PSNR in RGB is printed for each folder. Each folder
stays a folder of its name in the file, so that it can be told which image came from where.
"""

import argparse
import io
import math
import os
import statistics
import sys
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from srgan_kit.atomic import atomic_write
from srgan_kit.data.image_folder import find_images, read_rgb
from srgan_kit.data.unpack import PACKED_ENDING
from srgan_kit.errors import UserError

FORMAT = {"format": "AVIF", "subsampling": "4:4:4", "speed": 8}


@dataclass(frozen=True)
class Packed:
    """One folder in the file."""

    source: str
    """Its name."""
    images: int
    """How many there are."""
    bytes: int
    """What they take."""
    psnr: float
    """Mean over the images of the PSNR in RGB against the originals, dB."""
    worst: float
    """The smallest of them."""


def pack(folders: Sequence[Path], output: Path, quality: int, megabytes: float) -> list[Packed]:
    """Write the file; what it holds of each folder.

    Raises:
        UserError: an image cannot be read, two folders have one name, or the file would be larger than allowed.
    """
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        raise UserError(f"folders: expected different names, got {', '.join(names)}")
    found: list[Packed] = []
    with atomic_write(output) as temporary:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as file, ThreadPoolExecutor(os.cpu_count()) as pool:
            for name, folder in zip(names, folders, strict=True):
                paths = find_images(folder)
                encoded = list(pool.map(lambda path: _encode(path, quality), paths))
                for path, (content, _) in zip(paths, encoded, strict=True):
                    file.writestr(str(name / path.relative_to(folder)) + PACKED_ENDING, content)
                psnr = [each for _, each in encoded]
                size = sum(len(content) for content, _ in encoded)
                found.append(Packed(name, len(paths), size, statistics.fmean(psnr), min(psnr)))
        size = temporary.stat().st_size / 1e6
        if size > megabytes:
            raise UserError(f"{output}: would take {size:.1f} MB at quality {quality}, more than {megabytes:g}")
    return found


def _encode(path: Path, quality: int) -> tuple[bytes, float]:
    """The file's content, and its PSNR in RGB."""
    pixels = read_rgb(path).permute(1, 2, 0).numpy()
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, quality=quality, **FORMAT)
    with Image.open(content) as image:
        error = np.square(np.asarray(image, dtype=np.float64) - pixels).mean()
    return content.getvalue(), 10 * math.log10(255**2 / error) if error else math.inf


def main() -> None:
    """Pack and say what it cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    parser.add_argument("--quality", type=int, default=84, help="of AVIF, 0 to 100")
    parser.add_argument("--megabytes", type=float, default=40, help="largest file allowed")
    options = parser.parse_args()
    try:
        found = pack(options.folders, options.output, options.quality, options.megabytes)
    except UserError as error:
        sys.exit(f"error: {error}")
    for part in found:
        print(
            f"{part.source}: {part.images} images, {part.bytes / 1e6:.1f} MB, AVIF quality {options.quality}: "
            f"PSNR {part.psnr:.2f} dB in the mean, {part.worst:.2f} dB at worst"
        )
    print(f"{options.output}: {options.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
