"""Random views of images: moved by a few pixels, so that a strided network cannot lock onto the phase of a pixel
shuffle, and a part of them alone, which costs less."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from srgan_kit.losses import drawn_for_batch


@dataclass(frozen=True)
class RandomView:
    """What a network is shown of images in training.

    Args:
        translation: largest shift in pixels; 0 for none.
        crop: side of a square of the shifted image; 0 for all of it.
    """

    translation: int = 0
    crop: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether images are shown as they are."""
        return not (self.translation or self.crop)

    def draw(self, image: Tensor, generator: torch.Generator | None = None) -> Callable[[Tensor], Tensor]:
        """A view for each of a batch of images (N, C, H, W), to look at them and at their partners with.

        Args:
            image: images of the size.
            generator: where from; None takes the global one.
        """
        looks: list[Callable[[Tensor], Tensor]] = []
        if self.translation:
            shifts = draw_shifts(len(image), self.translation, generator)
            looks.append(lambda seen: shifted(seen, shifts, self.translation))
        if self.crop:
            corners = draw_corners(image, self.crop, generator)
            looks.append(lambda seen: cropped(seen, corners, self.crop))

        def look(seen: Tensor) -> Tensor:
            for each in looks:
                seen = each(seen)
            return seen

        return look


def draw_shifts(count: int, largest: int, generator: torch.Generator | None = None) -> Tensor:
    """Rows and columns (count, 2) int64 to shift images by, uniform in -largest ... largest."""
    like = torch.empty(count, 2, dtype=torch.int64)
    return drawn_for_batch(like, lambda batch: torch.randint(-largest, largest + 1, batch.shape, generator=generator))


def draw_corners(image: Tensor, side: int, generator: torch.Generator | None = None) -> Tensor:
    """Rows and columns (N, 2) int64 of the first pixel of a square in each (N, C, H, W) image, all equally likely."""
    places = torch.tensor([length - side + 1 for length in image.shape[-2:]])
    like = torch.empty(len(image), 2, dtype=torch.float64)
    draws = drawn_for_batch(like, lambda batch: torch.rand(batch.shape, dtype=batch.dtype, generator=generator))
    return (draws * places).long()


def shifted(image: Tensor, shifts: Tensor, largest: int) -> Tensor:
    """Each (N, C, H, W) image moved by its own shift, what comes in at an edge mirrored; gradients pass.

    Moved by (dy, dx), pixel (y, x) of the result is pixel (y + dy, x + dx) of the image. H and W > largest.
    """
    height, width = image.shape[-2:]
    padded = F.pad(image, (largest,) * 4, mode="reflect")
    corners = (shifts + largest).tolist()
    parts = [each[:, y : y + height, x : x + width] for each, (y, x) in zip(padded, corners, strict=True)]
    return torch.stack(parts)


def cropped(image: Tensor, corners: Tensor, side: int) -> Tensor:
    """The square of each (N, C, H, W) image that begins at its own corner: (N, C, side, side); gradients pass."""
    places = zip(image, corners.tolist(), strict=True)
    return torch.stack([each[:, y : y + side, x : x + side] for each, (y, x) in places])
