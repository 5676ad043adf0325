"""Structural similarity, at one scale and at several."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._range import RangeWarning
from ._settings import positive, shown, whole
from ._tensors import Reduction, check_tensors, checked_reduction, in_full_precision, reduced

WINDOW = 11
SIGMA = 1.5
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of the five scales, fine to coarse (Wang, Simoncelli and Bovik 2003, sec. 3.2)."""
SCALES = range(1, len(SCALE_WEIGHTS) + 1)


def ssim(a: Tensor, b: Tensor, *, data_range: float = 1.0, reduction: Reduction = "mean") -> Tensor:
    """Structural similarity, in [-1, 1]; 1 for equal images.

    Two (N, C, H, W) of at least 11x11 pixels, values in [0, data_range] -> scalar, or (N,) with reduction "none". The
    mean over channels and over the positions where an 11x11 Gaussian window (sigma 1.5) fits of, with local means m,
    variances s^2 and covariance s12, C1 = (0.01 data_range)^2 and C2 = (0.03 data_range)^2:

    (2 m1 m2 + C1) / (m1^2 + m2^2 + C1) * (2 s12 + C2) / (s1^2 + s2^2 + C2)

    Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity", eq. 13

    Raises:
        ValueError: different shapes, not (N, C, H, W), too small, not floating-point, a data range that is not
            positive, or an unknown reduction.

    >>> ssim(torch.zeros(1, 3, 16, 16), torch.ones(1, 3, 16, 16))  # C1 / (1 + C1): nothing in common but flatness
    tensor(9.9990e-05)
    """
    checked_reduction(reduction)
    values = _ssim(a, b, data_range)
    RangeWarning()("ssim", a, b, data_range=data_range)
    return reduced(values, reduction)


def ms_ssim(
    a: Tensor, b: Tensor, *, data_range: float = 1.0, reduction: Reduction = "mean", scales: int | None = None
) -> Tensor:
    """Structural similarity at up to five scales, in [0, 1]; 1 for equal images.

    Two (N, C, H, W), values in [0, data_range] -> scalar, or (N,) with reduction "none". Each scale halves the one
    before by averages of 2x2 pixels (of what is there, at an odd edge). With the two factors of `ssim`, l and cs, at
    every position, means over the positions, and weights w of S scales:

    prod_{j < S} max(mean cs_j, 0)^wj * max(mean l_S cs_S, 0)^wS, for each channel, then the mean over channels

    `scales` is S, 1 to 5; None takes as many as fit: five from 161 pixels a side, four from 81, three from 41, two from
    21, one from 11. Five have the published weights; fewer the first of these, divided by their sum. Values at
    different numbers of scales are not comparable.

    A negative mean counts as 0 and then gives no gradient, for itself or the other scales: its fractional power is no
    number. Images of opposite structure therefore do not come closer; mix with a pixel loss.
    Wang, Simoncelli and Bovik 2003, "Multi-scale structural similarity for image quality assessment", eq. 7. Kornia's
    `MS_SSIMLoss` is another thing: one scale, windows of five widths, mixed with L1 (Zhao et al. 2017,
    arXiv:1511.08861).

    Raises:
        ValueError: different shapes, not (N, C, H, W), too small, not floating-point, a data range that is not
            positive, an unknown reduction, or another number of scales.

    >>> image = torch.rand(1, 1, 128, 128)
    >>> ms_ssim(image, image)
    tensor(1.)
    """
    checked_reduction(reduction)
    values = _ms_ssim(a, b, data_range, scales)
    RangeWarning()("ms_ssim", a, b, data_range=data_range)
    return reduced(values, reduction)


def _ssim(a: Tensor, b: Tensor, data_range: float) -> Tensor:
    """(N,)."""
    first, second = _checked(a, b, data_range, smallest=WINDOW)
    luminance, structure = _luminance_and_structure(first, second, data_range)
    return (luminance * structure).mean(dim=(1, 2, 3))


def _ms_ssim(a: Tensor, b: Tensor, data_range: float, scales: int | None) -> Tensor:
    """(N,)."""
    first, second = _checked(a, b, data_range, _smallest(_checked_scales(scales) or 1))
    weights = _scale_weights(scales or max(s for s in SCALES if _smallest(s) <= min(a.shape[-2:])))
    terms: list[Tensor] = []
    for weight in weights[:-1]:
        _, structure = _luminance_and_structure(first, second, data_range)
        terms.append(_power(structure.mean(dim=(2, 3)), weight))
        first, second = F.avg_pool2d(first, 2, ceil_mode=True), F.avg_pool2d(second, 2, ceil_mode=True)
    luminance, structure = _luminance_and_structure(first, second, data_range)
    terms.append(_power((luminance * structure).mean(dim=(2, 3)), weights[-1]))
    return torch.stack(terms).prod(dim=0).mean(dim=1)


class SSIMLoss(nn.Module):
    """1 - `ssim`, in [0, 2].

    >>> image = torch.rand(1, 3, 16, 16)
    >>> SSIMLoss()(image, image)
    tensor(0.)
    """

    def __init__(self, *, data_range: float = 1.0, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.data_range = positive("data_range", data_range)
        self.reduction: Reduction = checked_reduction(reduction)
        self.warn = RangeWarning()

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "data_range", "reduction")

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Two (N, C, H, W) -> scalar, or (N,) with reduction "none"."""
        values = 1 - _ssim(a, b, self.data_range)
        self.warn("SSIMLoss", a, b, data_range=self.data_range)
        return reduced(values, self.reduction)


class MSSSIMLoss(nn.Module):
    """1 - `ms_ssim`, in [0, 1]; patches of any size from 11 pixels a side, those under 161 at fewer scales.

    >>> image = torch.rand(1, 3, 128, 128)
    >>> MSSSIMLoss()(image, image)
    tensor(0.)
    """

    def __init__(self, *, data_range: float = 1.0, reduction: Reduction = "mean", scales: int | None = None) -> None:
        super().__init__()
        self.data_range = positive("data_range", data_range)
        self.reduction: Reduction = checked_reduction(reduction)
        self.scales = _checked_scales(scales)
        self.warn = RangeWarning()

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "data_range", "reduction", "scales")

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Two (N, C, H, W) -> scalar, or (N,) with reduction "none"."""
        values = 1 - _ms_ssim(a, b, self.data_range, self.scales)
        self.warn("MSSSIMLoss", a, b, data_range=self.data_range)
        return reduced(values, self.reduction)


def _luminance_and_structure(a: Tensor, b: Tensor, data_range: float) -> tuple[Tensor, Tensor]:
    """Both factors of SSIM at every position where the window fits: two (N, C, H - 10, W - 10)."""
    with torch.autocast(a.device.type, enabled=False):
        # Variances do not depend on what is subtracted; around 0 they lose fewer digits.
        center = (a + b).detach().mean(dim=(2, 3), keepdim=True) / 2
        x, y = a - center, b - center
        moments = _blur(torch.cat([x, y, x * x, y * y, x * y], dim=1))
    shifted1, shifted2, square1, square2, product = moments.chunk(5, dim=1)
    mean1, mean2 = shifted1 + center, shifted2 + center
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    luminance = (2 * mean1 * mean2 + c1) / (mean1.square() + mean2.square() + c1)
    covariance = product - shifted1 * shifted2
    variances = square1 - shifted1.square() + square2 - shifted2.square()
    return luminance, (2 * covariance + c2) / (variances + c2)


def _blur(images: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, H - 10, W - 10): the Gaussian window as two one-dimensional convolutions."""
    channels = images.shape[1]
    offset = torch.arange(WINDOW, dtype=images.dtype, device=images.device) - WINDOW // 2
    gaussian = torch.exp(-offset.square() / (2 * SIGMA**2))
    gaussian = (gaussian / gaussian.sum()).expand(channels, 1, 1, WINDOW)
    # By channel, not channels as a batch: several times faster on a CPU, and on a GPU not rounded to TF32's 10 bits.
    rows = F.conv2d(images, gaussian, groups=channels)
    return F.conv2d(rows, gaussian.transpose(-2, -1), groups=channels)


def _power(term: Tensor, weight: float) -> Tensor:
    """max(term, 0)^weight, whose gradient is 0 where it would be infinite; NaN stays NaN."""
    nothing = term < torch.finfo(term.dtype).tiny
    return torch.where(nothing, 0, torch.where(nothing, 1, term).pow(weight))


def _checked(a: Tensor, b: Tensor, data_range: float, smallest: int) -> tuple[Tensor, Tensor]:
    positive("data_range", data_range)
    check_tensors(a=a, b=b)
    if a.shape != b.shape or a.ndim != 4:
        raise ValueError(f"expected two images (N, C, H, W) of one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    if not (a.is_floating_point() and b.is_floating_point()):
        raise ValueError(f"expected floating-point images, got {a.dtype} and {b.dtype}")
    if min(a.shape[-2:]) < smallest:
        raise ValueError(f"expected at least {smallest}x{smallest} pixels, got {tuple(a.shape)}")
    return in_full_precision(a), in_full_precision(b)


def _smallest(scales: int) -> int:
    """The side of an image whose coarsest scale the window still fits."""
    return (WINDOW - 1) * 2 ** (scales - 1) + 1


def _scale_weights(scales: int) -> tuple[float, ...]:
    """The published weights for all five, else the first of them, divided by their sum."""
    weights = SCALE_WEIGHTS[:scales]
    # The published ones add up to 1.0001, and stay as they are.
    return weights if scales == len(SCALE_WEIGHTS) else tuple(weight / sum(weights) for weight in weights)


def _checked_scales(scales: int | None) -> int | None:
    if scales is not None and whole("scales", scales) not in SCALES:
        raise ValueError(f"scales: expected 1 to {len(SCALE_WEIGHTS)}, or None for as many as fit; got {scales}")
    return scales
