"""How far compression or noise moved an image's pixels, estimated by a small convolutional network in NumPy.

`scripts/pretrained/artifact_level.py` trains it; docs/guide/choosing.md says how it is used.
"""

import math
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from safetensors.numpy import load_file

from srgan_kit.models.pretrained import pretrained_folder

FILE = "evidence/artifact-level.safetensors"
"""Its weights, below the folder of the pretrained models."""
MEAN = 5
"""Side of the squares whose mean is subtracted first."""
STRIDES = (1, 2, 1, 2, 1, 1)
"""Of the 3x3 convolutions."""
TINY = 1e-6
"""What is added below the root, whose derivative at 0 is infinite."""
LEAST = 0.25
"""Levels that are added before the logarithm, so that no artifacts have one."""
SMALLEST = 48
"""Side of the smallest image that is looked at."""


def artifact_level(light: np.ndarray) -> float | None:
    """The root mean square of what compression and noise added to an image, in levels of 255; a blind estimate.

    (H, W) levels of light -> levels, 0 for none; None where a side is below SMALLEST. With z_0 = asinh(x - mean of 5x5
    pixels) and convolutions k_i without borders, z_i = max(0, k_i * z_(i-1) + b_i), it is
    2^(w . [mean z_n, sqrt(mean z_n^2 + TINY)] + c) - LEAST. It does not look for blocks of 8x8, so an image that was
    resized after it was compressed shows too. Its training: `scripts/pretrained/artifact_level.py`.
    """
    if min(light.shape) < SMALLEST:
        return None
    weights = _weights()
    values = np.arcsinh(_high_pass(light.astype(np.float32)))[None]
    for number, stride in enumerate(STRIDES):
        values = _convolved(values, weights[f"{number}.weight"], weights[f"{number}.bias"], stride)
    flat = values.reshape(len(values), -1)
    features = np.concatenate([flat.mean(axis=1), np.sqrt(np.square(flat).mean(axis=1) + TINY)])
    logarithm = (weights["head.weight"] @ features + weights["head.bias"]).item()
    return max(0.0, 2.0**logarithm - LEAST)


@cache
def _weights() -> dict[str, np.ndarray]:
    return {name: value.astype(np.float32) for name, value in load_file(pretrained_folder() / FILE).items()}


def _high_pass(light: np.ndarray) -> np.ndarray:
    """(H, W) without the local mean, (H - 4, W - 4)."""
    rows = sliding_window_view(light, MEAN, axis=0).mean(axis=2)
    rim = MEAN // 2
    return light[rim:-rim, rim:-rim] - sliding_window_view(rows, MEAN, axis=1).mean(axis=2)


def _convolved(values: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int) -> np.ndarray:
    """(C, H, W) with (D, C, 3, 3) -> (D, ceil((H - 2) / stride), ceil((W - 2) / stride)), and the rectifier."""
    windows = sliding_window_view(values, (3, 3), axis=(1, 2))[:, ::stride, ::stride]
    size = windows.shape[1:3]
    columns = windows.transpose(0, 3, 4, 1, 2).reshape(-1, math.prod(size))
    made = weight.reshape(len(weight), -1) @ columns + bias[:, None]
    return np.maximum(made, 0).reshape(-1, *size)
