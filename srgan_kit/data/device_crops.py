"""The samples of `PairedCrops`, bit for bit, but whole batches at once on the training device."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from srgan_kit.data.crops import CropPlan, CropSettings
from srgan_kit.data.image_set import ImageSet
from srgan_kit.errors import UserError
from srgan_kit.images.resize import TIE_TOLERANCE, bicubic_weights, resize_8bit

FLOAT32_TOLERANCE = 1e-4
"""As `TIE_TOLERANCE`, where there is no float64. Sums of bytes with the weights for 2, 3 and 4 are multiples of 1/4096
or of 1/648, so none is this close below a half without being a half."""


class DeviceCrops(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """All training images in the device's memory as uint8; a batch is a gather and two matrix products there.

    Sample i is that of `PairedCrops` with the same settings and without partners from files, bit for bit: which crop
    it is comes from the same `CropPlan`, on the CPU.

    Args:
        images: the high-resolution images.
        settings: how crops are cut; reduced images are made at the start and take their own memory.
        device: where the images and the batches are.
        labels: (N,) int64 class of each image, -1 = unlabelled; None where there are no classes.

    Raises:
        UserError: an image has more than 8 bits.
    """

    def __init__(
        self, images: ImageSet, settings: CropSettings, device: torch.device, labels: np.ndarray | None = None
    ) -> None:
        if images.deep:
            raise UserError("recipe: data.pipeline = 'device' takes images of 8 bits; some have 16: use 'loader'")
        self.settings, self.device = settings, device
        labels = np.full(len(images), -1, dtype=np.int64) if labels is None else labels
        self.labels = torch.from_numpy(labels).to(device)
        self.plan = CropPlan(images, settings, np.flatnonzero(labels >= 0))
        planes, places = [], []
        start = 0
        maker = torch.device("cpu") if device.type == "mps" else device  # which has no float64 to reduce images in
        for factor in settings.reductions:
            for number in range(len(images)):
                image = images[number].to(maker)
                image = image if factor == 1 else resize_8bit(image, factor)
                planes.append(image.flatten(1))
                places.append((start, *image.shape[1:]))
                start += planes[-1].shape[1]
        self._pixels = torch.cat(planes, dim=1).to(device)
        self._places = np.array(places, dtype=np.int64)
        self._dtype = torch.float32 if device.type == "mps" else torch.float64
        self._margin, weights = _phase(settings.scale, settings.patch)
        self._weights = weights.to(device, self._dtype)
        self._offsets = torch.arange(-self._margin, settings.patch * settings.scale + self._margin, device=device)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        high, low, label = self.batch([index])
        return high[0], low[0], label[0]

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Samples by their numbers: (N, C, patch * scale, patch * scale), (N, C, patch, patch), uint8; (N,) int64."""
        crops = [self.plan(index) for index in indices]
        places = self._places[[crop.image + crop.reduction * len(self.plan.sizes) for crop in crops]]
        rows = [
            (*place, crop.top, crop.left, crop.flip, crop.quarter_turns, *crop.channels, crop.image)
            for place, crop in zip(places.tolist(), crops, strict=True)
        ]
        table = torch.tensor(rows, dtype=torch.int64).to(self.device, non_blocking=True)
        region = self._region(*table[:, :5].unbind(1))
        low = self._reduce(region)
        side = self.settings.patch * self.settings.scale
        high = region[..., self._margin : self._margin + side, self._margin : self._margin + side]
        flips, quarter_turns, channels = table[:, 5], table[:, 6], table[:, 7:10]
        high, low = (_augmented(image, flips, quarter_turns, channels) for image in (high, low))
        return high, low, self.labels[table[:, 10]]

    def _region(self, start: Tensor, height: Tensor, width: Tensor, top: Tensor, left: Tensor) -> Tensor:
        """The crops with what their reduction needs around them, mirrored at the images' borders; (N, C, R, R)."""
        scale = self.settings.scale
        y, x = (
            _mirrored(first[:, None] * scale + self._offsets, (side // scale * scale)[:, None])
            for first, side in ((top, height), (left, width))
        )
        places = (start[:, None] + y * width[:, None])[:, :, None] + x[:, None, :]
        return self._pixels[:, places].transpose(0, 1)

    def _reduce(self, region: Tensor) -> Tensor:
        """MATLAB's bicubic in 8 bits: rows, rounded, then columns, rounded."""
        tall = self._rounded(self._weights @ region.to(self._dtype))
        return self._rounded(tall @ self._weights.T).to(torch.uint8)

    def _rounded(self, image: Tensor) -> Tensor:
        tolerance = TIE_TOLERANCE if self._dtype == torch.float64 else FLOAT32_TOLERANCE
        return image.add_(0.5 + tolerance).floor_().clamp_(0, 255)


def _phase(scale: int, patch: int) -> tuple[int, Tensor]:
    """How far the weights of `patch` outputs reach beyond them on either side, and the weights as a matrix.

    A whole factor has the same weights for every output, so the matrix fits every crop.
    """
    far = 4 * scale  # away from the image's ends, where indices are folded
    size = patch * scale + 2 * far
    indices, weights = bicubic_weights(size, size // scale, 1 / scale)
    inner = slice(far // scale, far // scale + patch)
    dense = torch.zeros(patch, size, dtype=torch.float64).scatter_add_(1, indices[inner], weights[inner])
    used = dense.any(dim=0).nonzero()
    margin = far - int(used[0])
    assert margin == int(used[-1]) + 1 - far - patch * scale
    return margin, dense[:, far - margin : size - far + margin]


def _mirrored(position: Tensor, size: Tensor) -> Tensor:
    folded = position.remainder(2 * size)
    return torch.minimum(folded, 2 * size - 1 - folded)


def _augmented(image: Tensor, flip: Tensor, quarter_turns: Tensor, channels: Tensor) -> Tensor:
    """(N, C, S, S), each with its channels in their places, mirrored left to right, then rotated counter-clockwise."""
    batch = torch.arange(len(image), device=image.device)
    if image.shape[1] == channels.shape[1]:  # a grey image's one channel stays where it is
        image = image[batch[:, None], channels]

    def where(condition: Tensor, changed: Tensor) -> Tensor:
        return torch.where(condition[:, None, None, None], changed, image)

    image = where(flip == 1, image.flip(3))
    image = where(quarter_turns % 2 == 1, image.mT)
    image = where((quarter_turns == 1) | (quarter_turns == 2), image.flip(2))
    return where(quarter_turns >= 2, image.flip(3))
