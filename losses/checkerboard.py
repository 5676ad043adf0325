"""Against checkerboard artifacts of a pixel shuffle: as much change at every phase as in the real image, no pattern."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._settings import positive, shown, whole
from ._tensors import check_tensors, in_full_precision, spoilt_by


def phase_balance(image: Tensor, target: Tensor, period: int = 4, eps: float = 1 / 255) -> Tensor:
    """How far the changes of an image at each phase of a grid are from the target's, in [0, inf); 0 for equal images.

    (..., H, W) twice, nominally in [0, 1], H and W more than `period` >= 2 -> scalar

    L = E |ln (D_p(image) + eps) - ln (D_p(target) + eps)|,  D_p = mean |x(i, j + 1) - x(i, j)| over all i and all
    j = p mod period

    E is the mean over leading dimensions, phases p, and both axes. A pixel shuffle with checkerboard artifacts changes
    more at some phases than at others; an image that is too smooth everywhere changes too little at all of them. No
    place is compared with another, so texture need not lie where the target has it. It is this project's own, after the
    ratio that `srgan_kit.metrics.checkerboard` measures; eps keeps flat images from ruling.

    Raises:
        ValueError: different shapes, not floating-point, too small, a period below 2, or eps not positive.

    >>> image = torch.tensor([0.0, 0.0, 1.0, 1.0, 2.0]).expand(1, 5, 5)  # changes at every second column
    >>> phase_balance(image, image)
    tensor(0.)
    """
    return _log_ratios(image, target, period, eps).abs().mean()


def phase_evenness(image: Tensor, target: Tensor, period: int = 4, eps: float = 1 / 255) -> Tensor:
    """How unevenly an image changes over the phases of a grid beside a target, in [0, inf); 0 for equal images.

    (..., H, W) twice, nominally in [0, 1], H and W more than `period` >= 2 -> scalar

    L = E |r_p - mean_q r_q|,  r_p = ln (D_p(image) + eps) - ln (D_p(target) + eps)

    with D_p and E as in `phase_balance`, from which it differs in this: an image that is smoother or rougher everywhere
    costs nothing. So it is the one for outputs that should stay smooth, such as those of noisy inputs.

    Raises:
        ValueError: as `phase_balance`.

    >>> ramp = torch.arange(6.0).expand(1, 6, 6)
    >>> phase_evenness(ramp, 2 * ramp, period=2)  # half the contrast, at both phases alike
    tensor(0.)
    """
    ratios = _log_ratios(image, target, period, eps)
    return (ratios - ratios.mean(dim=-1, keepdim=True)).abs().mean()


class PhaseBalanceLoss(nn.Module):
    """`phase_balance` with its settings stored.

    >>> PhaseBalanceLoss()(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8))
    tensor(0.)
    """

    def __init__(self, period: int = 4, eps: float = 1 / 255) -> None:
        super().__init__()
        self.period, self.eps = whole("period", period, 2), positive("eps", eps)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "period", "eps")

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """(..., H, W) twice -> scalar; see `phase_balance`."""
        return phase_balance(image, target, self.period, self.eps)


class PhaseEvennessLoss(nn.Module):
    """`phase_evenness` with its settings stored.

    >>> PhaseEvennessLoss()(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8))
    tensor(0.)
    """

    def __init__(self, period: int = 4, eps: float = 1 / 255) -> None:
        super().__init__()
        self.period, self.eps = whole("period", period, 2), positive("eps", eps)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "period", "eps")

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """(..., H, W) twice -> scalar; see `phase_evenness`."""
        return phase_evenness(image, target, self.period, self.eps)


def phase_bias(image: Tensor, target: Tensor, period: int = 4, window: int = 8, eps: float = 1e-3) -> Tensor:
    """How strong a pattern of a given period is in what two images differ by, in [0, inf); 0 for equal images.

    (..., H, W) twice, nominally in [0, 1], H and W >= `period` * `window`, `period` and `window` >= 2 -> scalar

    L = E sqrt(mean_p (m_p - mean_q m_q)^2 + eps^2) - eps

    p and q are the `period`^2 places in a cell of the grid, and m_p is the mean of image - target over the pixels at
    place p of `window` x `window` cells. E is the mean over leading dimensions and over such windows, each half over
    the one before. In the mean over a window texture at the wrong place all but cancels, and a pattern that every cell
    repeats stays: L is near the pattern's standard deviation. That is what feature losses reward where a generator has
    no texture to offer: their networks take a pattern for one. `phase_balance` does not see a pattern that changes
    alike at all phases. This loss is this project's own; eps makes it smooth at 0.

    Raises:
        ValueError: different shapes, not floating-point, too small, a period or window below 2, or eps not positive.

    >>> pattern = torch.tensor([[0.1, -0.1], [-0.1, 0.1]]).repeat(8, 8)
    >>> phase_bias(0.5 + pattern, torch.full((16, 16), 0.5), period=2)
    tensor(0.0990)
    """
    _check(image, target, period, eps, whole("period", period, 2) * whole("window", window, 2))
    height, width = (side // period * period for side in image.shape[-2:])
    error = (in_full_precision(image) - in_full_precision(target))[..., :height, :width]
    places = F.pixel_unshuffle(error.reshape(-1, 1, height, width), period)
    local = F.avg_pool2d(places, window, stride=window // 2)
    bias = local - local.mean(dim=1, keepdim=True)
    value = ((bias.square().mean(dim=1) + eps**2).sqrt() - eps).mean()
    return spoilt_by(value, image, target)  # pixels beyond the last window count for nothing


class PhaseBiasLoss(nn.Module):
    """`phase_bias` with its settings stored.

    >>> PhaseBiasLoss()(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32))
    tensor(0.)
    """

    def __init__(self, period: int = 4, window: int = 8, eps: float = 1e-3) -> None:
        super().__init__()
        self.period, self.window = whole("period", period, 2), whole("window", window, 2)
        self.eps = positive("eps", eps)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "period", "window", "eps")

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """(..., H, W) twice -> scalar; see `phase_bias`."""
        return phase_bias(image, target, self.period, self.window, self.eps)


def _log_ratios(image: Tensor, target: Tensor, period: int, eps: float) -> Tensor:
    """(2, ..., period): ln (D_p(image) + eps) - ln (D_p(target) + eps) along x and y."""
    _check(image, target, period, eps, period + 1)
    image, target = in_full_precision(image), in_full_precision(target)
    return torch.stack(
        [
            (_changes(a, period) + eps).log() - (_changes(b, period) + eps).log()
            for a, b in ((image, target), (image.mT, target.mT))
        ]
    )


def _changes(image: Tensor, period: int) -> Tensor:
    """(..., H, W) -> (..., period): the mean absolute difference along x, of each phase."""
    change = image.diff(dim=-1).abs().mean(dim=-2)
    return torch.stack([change[..., phase::period].mean(dim=-1) for phase in range(period)], dim=-1)


def _check(image: Tensor, target: Tensor, period: int, eps: float, smallest: int) -> None:
    check_tensors(image=image, target=target)
    whole("period", period, 2)
    positive("eps", eps)
    if image.shape != target.shape:
        raise ValueError(f"expected two tensors of one shape, got {tuple(image.shape)} and {tuple(target.shape)}")
    if not (image.is_floating_point() and target.is_floating_point()):
        raise ValueError(f"expected floating-point tensors, got {image.dtype} and {target.dtype}")
    if image.ndim < 2 or min(image.shape[-2:]) < smallest:
        raise ValueError(f"expected images (..., H, W) with sides of at least {smallest}, got {tuple(image.shape)}")
