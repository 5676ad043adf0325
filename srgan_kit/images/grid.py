"""Images of many images: grids, and files that appear whole."""

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from srgan_kit.atomic import atomic_write
from srgan_kit.errors import UserError
from srgan_kit.images.pixels import to_8bit

TITLE_HEIGHT = 22
"""Pixels above a sheet for the titles of its columns."""
LARGEST_LETTERS, SMALLEST_LETTERS = 14, 8


def grid(images: Tensor, columns: int | None = None, gap: int = 2, smallest_side: int = 32) -> Tensor:
    """Images side by side on white: (N, C, H, W) in [0, 1] -> (C, h, w) in [0, 1], by default about square.

    Images whose side is below `smallest_side` are upscaled by a whole factor, each pixel a square.
    """
    factor = -(-smallest_side // images.shape[-1]) if images.shape[-1] < smallest_side else 1
    images = F.interpolate(images.detach().float().cpu().clamp(0, 1), scale_factor=factor, mode="nearest")
    count, channels, height, width = images.shape
    columns = columns or max(1, round(count**0.5))
    rows = -(-count // columns)
    sheet = torch.ones(channels, rows * (height + gap) + gap, columns * (width + gap) + gap)
    for number, image in enumerate(images):
        top, left = (
            place * (side + gap) + gap for place, side in ((number // columns, height), (number % columns, width))
        )
        sheet[:, top : top + height, left : left + width] = image
    return sheet


def below_each_other(above: Tensor, below: Tensor, columns: int = 8, smallest_side: int = 32) -> Tensor:
    """Pairs of images (N, C, H, W), such as originals and reconstructions: one on top of the other, in a `grid`."""
    return grid(torch.cat([above.cpu(), below.cpu()], dim=2), min(columns, len(above)), 6, smallest_side)


def same_size(images: Sequence[Tensor]) -> Tensor:
    """Images (C, h, w) of any sizes -> (N, C, H, W) of the largest height and width, with white below and beside."""
    height, width = (max(image.shape[side] for image in images) for side in (1, 2))
    return torch.stack(
        [F.pad(image, (0, width - image.shape[2], 0, height - image.shape[1]), value=1.0) for image in images]
    )


def write_title(
    draw: ImageDraw.ImageDraw, title: str, middle: tuple[int, int], room: int, largest: int, ink: str
) -> None:
    """Text around a point, in the largest letters in which it fits into so many pixels; cut where none are so small."""
    size = largest
    while size > SMALLEST_LETTERS and ImageFont.load_default(size).getlength(title) > room:
        size -= 1
    font, shown = ImageFont.load_default(size), title
    while shown and font.getlength(shown) > room:
        title = title[:-1]
        shown = f"{title}..." if title else ""
    draw.text(middle, shown, fill=ink, font=font, anchor="mm")


def save_sheet(sheet: Tensor, titles: Sequence[str], path: Path) -> None:
    """Write a sheet of equally wide columns, each with its title above it; a single title is of the whole.

    Args:
        sheet: (1 or 3, H, W) in [0, 1].
        titles: from left to right.
        path: whose ending names the kind of file.

    Raises:
        UserError: as `save_image`.
    """
    image = to_pillow(sheet)
    titled = Image.new(image.mode, (image.width, image.height + TITLE_HEIGHT), "white")
    titled.paste(image, (0, TITLE_HEIGHT))
    draw, width = ImageDraw.Draw(titled), image.width / len(titles)
    for number, title in enumerate(titles):
        middle = round(width * (number + 0.5)), TITLE_HEIGHT // 2
        write_title(draw, title, middle, round(width) - 4, LARGEST_LETTERS, "black")
    _save(path, lambda file: titled.save(file))


def to_pillow(image: Tensor) -> Image.Image:
    """(1 or 3, H, W) in [0, 1] -> an image of 8 bits."""
    pixels = to_8bit(image.detach().cpu())
    if len(pixels) == 1:
        return Image.fromarray(pixels[0].numpy())
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())


def save_image(image: Tensor, path: Path) -> None:
    """Write (1 or 3, H, W) in [0, 1] as the kind of file that the path's ending names.

    Raises:
        UserError: an unknown ending, or the file cannot be written.
    """
    _save(path, lambda file: to_pillow(image).save(file))


def save_animation(frames: Sequence[Image.Image], path: Path, seconds_per_frame: float = 0.25) -> None:
    """Write frames of one size as an endless GIF, the last one shown longer.

    Raises:
        UserError: the file cannot be written.
    """
    durations = [round(1000 * seconds_per_frame)] * (len(frames) - 1) + [2000]
    _save(
        path,
        lambda file: frames[0].save(file, save_all=True, append_images=frames[1:], duration=durations, loop=0),
    )


def _save(path: Path, save) -> None:
    try:
        with atomic_write(path) as temporary:
            save(temporary)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from None
