"""Where a result departs from what its input supports: a number for each pixel, in levels of 255."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from srgan_kit.images.resize import resize

LUMA = (0.299, 0.587, 0.114)


@torch.inference_mode()
def departure(result: np.ndarray, fidelity: np.ndarray, small: np.ndarray) -> np.ndarray:
    """How far a result is from what the input supports, near each pixel: (H, W) float32 >= 0, in levels of 255.

    (H, W, C) the result and what a fidelity model makes of the input at the same size; (h, w, C) the input; uint8 or
    uint16. With light y of the result, f of the other and s of the input, D MATLAB's antialiased bicubic to the
    input's size, U its bicubic back, and n the square root of the number of result pixels for one of the input:

        added = (y - f) - U D (y - f)     what the input says nothing about
        against = U (s - D y)             what the input contradicts
        departure = sqrt(mean of added^2 + (n against)^2 over the pixels of three by three input pixels)

    A level of `against` counts n times: an input pixel speaks for n^2 of the result, and white noise of one level is
    1 / n levels strong once it is reduced.

    Raises:
        ValueError: result and fidelity differ in size.
    """
    if result.shape[:2] != fidelity.shape[:2]:
        raise ValueError(f"expected two images of one size, got {result.shape[:2]} and {fidelity.shape[:2]}")
    light, other, low = _light(result), _light(fidelity), _light(small)
    large_size, small_size = ((each.shape[0], each.shape[1]) for each in (light, low))
    difference = light - other
    added = difference - resize(resize(difference, small_size), large_size)
    against = resize(low - resize(light, small_size), large_size)
    each = (light.numel() / low.numel()) ** 0.5
    energy = added.square_() + (each * against).square_()
    return _mean_around(energy, round(1.5 * each)).sqrt_().numpy()


def _light(pixels: np.ndarray) -> Tensor:
    """(H, W, C) -> (H, W) float32 luma in levels of 255."""
    levels = torch.from_numpy(pixels.astype(np.float32))
    levels = levels if pixels.dtype == np.uint8 else levels / 257
    return levels @ torch.tensor(LUMA) if pixels.shape[2] == 3 else levels[:, :, 0].clone()


def _mean_around(values: Tensor, reach: int) -> Tensor:
    """The mean over squares of 2 reach + 1 pixels, along one side after the other; at borders of what there is."""
    reach = max(1, reach)
    tall = F.avg_pool2d(values[None], (2 * reach + 1, 1), 1, (reach, 0), count_include_pad=False)
    return F.avg_pool2d(tall, (1, 2 * reach + 1), 1, (0, reach), count_include_pad=False)[0].clamp_(min=0)
