"""Locally discriminative learning: L1 where a super-resolver is likely to draw artefacts."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._settings import shown, whole
from ._tensors import check_tensors, difference


def artifact_map(image: Tensor, target: Tensor, average_image: Tensor | None = None, window: int = 7) -> Tensor:
    """How much each pixel looks like an artefact, in [0, inf): (N, 3, H, W) twice or three times -> (N, 1, H, W).

    With the residual R = sum over channels of |target - image|, that of the same generator with averaged weights R_a,
    and variances over a window around each pixel (reflected at the border) and over the whole image:

    var_window(R) * var_image(R)^(1/5), and 0 where R < R_a: there the image is better than the average one

    Without the average image no pixel is excused. It is a weight: no gradient goes through it.
    Liang, Zeng and Zhang 2022, "Details or Artifacts", sec. 3, arXiv:2203.09195

    Raises:
        ValueError: different shapes, not (N, C, H, W), not floating-point, an even window, or images not larger than
            half a window.

    >>> artifact_map(torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)).max()  # the same error everywhere is no artefact
    tensor(0.)
    """
    check_tensors(image=image, target=target)
    if image.ndim != 4:
        raise ValueError(f"expected images (N, C, H, W), got {tuple(image.shape)}")
    _check_window(window)
    if min(image.shape[-2:]) <= window // 2:
        raise ValueError(f"window: expected an odd number from 3 that fits {tuple(image.shape)}, got {window}")
    with torch.no_grad():
        residual = _residual(image, target)
        local = F.pad(residual, [window // 2] * 4, mode="reflect").unfold(2, window, 1).unfold(3, window, 1)
        weight = local.var(dim=(-2, -1)) * residual.var(dim=(-2, -1), keepdim=True).pow(1 / 5)
        if average_image is not None:
            check_tensors(average_image=average_image)
            of_average = _residual(average_image, target)
            weight = torch.where(residual < of_average, 0, torch.where(of_average.isnan(), of_average, weight))
    return weight


def local_discriminative(image: Tensor, target: Tensor, average_image: Tensor | None = None, window: int = 7) -> Tensor:
    """L1 distance weighted with the artefact map, in [0, inf).

    Two or three (N, C, H, W) RGB in [0, 1] -> scalar; gradients reach the image.

    mean(artifact_map * |image - target|)

    Liang, Zeng and Zhang 2022, "Details or Artifacts", sec. 3, arXiv:2203.09195

    Raises:
        ValueError: as `artifact_map`.

    >>> image = torch.rand(1, 3, 16, 16)
    >>> local_discriminative(image, image)
    tensor(0.)
    """
    weight = artifact_map(image, target, average_image, window)
    return (weight * difference(image, target).abs()).mean()


class LocalDiscriminativeLoss(nn.Module):
    """`local_discriminative` with its window stored.

    >>> image = torch.rand(1, 3, 16, 16)
    >>> LocalDiscriminativeLoss()(image, image)
    tensor(0.)
    """

    def __init__(self, window: int = 7) -> None:
        super().__init__()
        self.window = _check_window(window)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "window")

    def forward(self, image: Tensor, target: Tensor, average_image: Tensor | None = None) -> Tensor:
        """Two or three (N, C, H, W) -> scalar."""
        return local_discriminative(image, target, average_image, self.window)


def _check_window(window: int) -> int:
    if whole("window", window, 3) % 2 == 0:
        raise ValueError(f"window: expected an odd number from 3, got {window}")
    return window


def _residual(image: Tensor, target: Tensor) -> Tensor:
    return difference(image, target).abs().sum(dim=1, keepdim=True)
