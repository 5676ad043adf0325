"""Wavelets: the distance between two images band by band, in a transform that is not thinned out."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._settings import not_negative, one_of, shown, whole
from ._tensors import Reduction, check_tensors, checked_reduction, difference, reduced

Wavelet = Literal["haar", "sym4", "sym19"]

LOW_PASS: dict[str, Sequence[float]] = {
    "haar": (0.5**0.5, 0.5**0.5),
    "sym4": (
        -0.07576571478927333,
        -0.02963552764599851,
        0.49761866763201545,
        0.8037387518059161,
        0.29785779560527736,
        -0.09921954357684722,
        -0.012603967262037833,
        0.0322231006040427,
    ),
    "sym19": (
        5.487732768215838e-07,
        -6.463651303345963e-07,
        -1.1880518269823984e-05,
        8.873312173729286e-06,
        0.0001155392333357879,
        -4.612039600210587e-05,
        -0.000635764515004334,
        0.00015915804768084938,
        0.0021214250281823303,
        -0.0011607032572062486,
        -0.005122205002583014,
        0.007968438320613306,
        0.01579743929567463,
        -0.02265199337824595,
        -0.046635983534938946,
        0.0070155738571741596,
        0.008954591173043624,
        -0.06752505804029409,
        0.10902582508127781,
        0.578144945338605,
        0.7195555257163943,
        0.2582661692372836,
        -0.17659686625203097,
        -0.11624173010739675,
        0.09363084341589714,
        0.08407267627924504,
        -0.016908234861345205,
        -0.02770989693131125,
        0.004319351874894969,
        0.008262236955528255,
        -0.0006179223277983108,
        -0.0017049602611649971,
        0.00012930767650701415,
        0.0002762187768573407,
        -1.6821387029373716e-05,
        -2.8151138661550245e-05,
        2.0623170632395688e-06,
        1.7509367995348687e-06,
    ),
}
"""Analysis filters of orthogonal wavelets: Haar's, and two least asymmetric ones of Daubechies 1992, "Ten lectures on
wavelets", sec. 8.1.1, of 8 and 38 taps; the sum of squares is 1. The high-pass filter is the same in reverse order with
alternating signs."""


def stationary_wavelet(
    a: Tensor,
    b: Tensor,
    wavelet: Wavelet = "sym4",
    levels: int = 1,
    approximation: float = 1.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """Mean absolute difference of the bands of a stationary wavelet transform, in [0, inf).

    Two (N, C, H, W) of any range -> scalar, or (N,) with reduction "none". With d = a - b, A_l its approximation and
    H_l, V_l, D_l its horizontal, vertical and diagonal detail at level l, each as large as the image:

    approximation E|A_L| + sum_{l <= L} (E|H_l| + E|V_l| + E|D_l|) / 3

    Without thinning out, what an error costs does not depend on whether it begins at an even or an odd pixel. The
    filters keep the sum of squares over all bands that of d (PyWavelets' `swt2` with `norm=True`); the image is
    continued periodically.
    Korkmaz and Tekalp 2024, "Training transformer models by wavelet losses", arXiv:2404.11273, whose transform is that
    of luma by "sym19" at one level, with a weight for each band; their detail filters are sqrt(2) times as large.

    Args:
        a: an image.
        b: another.
        wavelet: "haar" (2 taps), "sym4" (8) or "sym19" (38).
        levels: how often the approximation is transformed again, with filters of twice the reach.
        approximation: weight of the last approximation; details have the weight 1.
        reduction: over the batch.

    Raises:
        ValueError: the shapes differ, not (N, C, H, W), smaller than the filters reach, not floating-point, an unknown
            name, no level, or a negative weight.

    >>> stationary_wavelet(torch.ones(1, 1, 8, 8), torch.zeros(1, 1, 8, 8), "haar")  # no detail, an approximation of 1
    tensor(1.)
    """
    one_of("wavelet", wavelet, LOW_PASS)
    whole("levels", levels)
    not_negative("approximation", approximation)
    checked_reduction(reduction)
    check_tensors(a=a, b=b)
    error, smallest = difference(a, b), (len(LOW_PASS[wavelet]) - 1) * 2 ** (levels - 1)
    if a.ndim != 4 or min(a.shape[-2:]) < smallest:
        least = f"at least {smallest}x{smallest} pixels, as far as {wavelet} reaches with levels={levels}"
        raise ValueError(f"expected images (N, C, H, W) of {least}; got {tuple(a.shape)}")
    low, details = wavelet_bands(error, wavelet, levels)
    values = approximation * low.abs().mean(dim=(1, 2, 3))
    for detail in details:
        values = values + detail.abs().mean(dim=(0, 2, 3, 4))
    return reduced(values, reduction)


class StationaryWaveletLoss(nn.Module):
    """`stationary_wavelet` with its settings stored.

    >>> StationaryWaveletLoss()(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8))
    tensor(0.)
    """

    def __init__(
        self,
        wavelet: Wavelet = "sym4",
        levels: int = 1,
        approximation: float = 1.0,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        self.wavelet: Wavelet = one_of("wavelet", wavelet, LOW_PASS)
        self.levels = whole("levels", levels)
        self.approximation = not_negative("approximation", approximation)
        self.reduction: Reduction = checked_reduction(reduction)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "wavelet", "levels", "approximation", "reduction")

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Two (N, C, H, W) -> scalar, or (N,) with reduction "none"."""
        return stationary_wavelet(a, b, self.wavelet, self.levels, self.approximation, self.reduction)


def wavelet_bands(image: Tensor, wavelet: Wavelet, levels: int) -> tuple[Tensor, list[Tensor]]:
    """The last approximation (N, C, H, W), and the details (3, N, C, H, W) of every level, fine to coarse.

    A detail's three are horizontal (low-pass along rows, high-pass along columns), vertical and diagonal.
    """
    details: list[Tensor] = []
    with torch.autocast(image.device.type, enabled=False):
        for level in range(levels):
            rows = _filtered(image, wavelet, 2**level)
            (image, horizontal), (vertical, diagonal) = (
                _filtered(band.mT, wavelet, 2**level).mT for band in rows.unbind(dim=0)
            )
            details.append(torch.stack([horizontal, vertical, diagonal]))
    return image, details


def _filtered(image: Tensor, wavelet: Wavelet, dilation: int) -> Tensor:
    """(N, C, H, W) -> (2, N, C, H, W): rows through the low-pass and the high-pass filter, with holes between taps."""
    channels = image.shape[1]
    low = image.new_tensor(LOW_PASS[wavelet]) / 2**0.5
    signs = 1 - 2 * (torch.arange(len(low), device=image.device) % 2)
    # Reversed, because a convolution in torch does not reverse its filter and one in the mathematics does.
    filters = torch.stack([low.flip(0), signs * low])[:, None, None].repeat(channels, 1, 1, 1)
    half = len(low) // 2
    padded = F.pad(image, [(half - 1) * dilation, half * dilation, 0, 0], "circular")
    both = F.conv2d(padded, filters, groups=channels, dilation=dilation)
    return torch.stack([both[:, 0::2], both[:, 1::2]])
