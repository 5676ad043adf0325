"""How much of an image lies at high frequencies."""

import torch
from torch import Tensor

from srgan_kit.metrics.psnr_ssim import luma


def high_frequency_energy(images: Tensor, scale: int = 4) -> Tensor:
    """Mean square of what luma has above the frequencies that an image `scale` times smaller can hold.

    (N, 3, H, W) RGB or (N, 1, H, W) grey, float in [0, 1] or uint8, scale >= 1 -> (N,) float64 >= 0, in squares of
    8-bit levels.

    With c(u, v) the orthonormal cosine transform of luma, whose edges cost nothing: the sum of c^2 over u >= H / scale
    or v >= W / scale, over H W. With a scale of 1 there is nothing above. Noise and patterns count too: what is wanted
    is the energy of the original, not more.

    Raises:
        ValueError: not images, or a scale below 1.
    """
    if images.dim() != 4 or images.shape[1] not in (1, 3) or scale < 1 or not images.numel():
        got = f"{tuple(images.shape)} and a scale of {scale}"
        raise ValueError(f"high_frequency_energy: expected (N, 1 or 3, H, W) and a scale >= 1, got {got}")
    light = luma(images.expand(-1, 3, -1, -1))
    squares = _cosines(_cosines(light).mT).mT.square()
    height, width = light.shape[-2:]
    low = squares[:, : -(-height // scale), : -(-width // scale)].sum(dim=(1, 2))
    return (squares.sum(dim=(1, 2)) - low).clamp(min=0) / (height * width)


def _cosines(rows: Tensor) -> Tensor:
    """The orthonormal cosine transform (DCT-II) along the last axis, by the Fourier transform of the mirrored rows."""
    size = rows.shape[-1]
    mirrored = torch.fft.rfft(torch.cat([rows, rows.flip(-1)], dim=-1))[..., :size]
    turn = torch.arange(size, dtype=torch.float64, device=rows.device) * (-torch.pi / (2 * size))
    values = (mirrored * torch.polar(torch.ones_like(turn), turn)).real / (2 * size) ** 0.5
    first = torch.full((size,), 1.0, dtype=torch.float64, device=rows.device)
    first[0] = 0.5**0.5
    return values * first
