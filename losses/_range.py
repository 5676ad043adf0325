"""A word where images are in another range than a loss takes them to be: the value would mean nothing."""

import sys
import warnings

import torch
from torch import Tensor

OWN = (__name__.rpartition(".")[0], "torch")
"""Packages whose lines tell a user nothing."""
SHARE = 0.01
"""Fraction of an image's values that may lie outside. A young generator's few overshoots, or noise, are no mistake."""


class RangeWarning:
    """Warns once where many values lie farther outside their range than half of it: 8-bit ones, or those in [-1, 1].

    On a CPU it looks at all images until it has warned. Elsewhere every look waits for the device, so it looks at the
    first ones only. Compiled code does not look.
    """

    def __init__(self) -> None:
        self.done = False

    def __call__(self, loss: str, *images: Tensor, data_range: float = 1.0) -> None:
        """Images of any shape, which should be in [0, data_range]."""
        if self.done or torch.compiler.is_compiling():
            return
        self.done = images[0].device.type != "cpu"
        if any(_is_far_outside(image.detach(), data_range) for image in images):
            self.done = True
            warnings.warn(
                f"{loss}: expected images in [0, {data_range:g}], got values far outside; divide 8-bit values by 255, "
                "and [-1, 1] becomes [0, 1] by (image + 1) / 2",
                stacklevel=_users_level(),
            )


def _users_level() -> int:
    """Of the first caller that is neither of this library nor of torch."""
    frame, level = sys._getframe(2), 2  # pyright: ignore[reportPrivateUsage]
    while frame.f_back is not None and _is_own(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    return level


def _is_own(module: str) -> bool:
    return any(module == own or module.startswith(f"{own}.") for own in OWN)


def _is_far_outside(image: Tensor, data_range: float) -> bool:
    outside = (image < -data_range / 2) | (image > 1.5 * data_range)
    try:
        return bool(outside.float().mean() > SHARE)
    except RuntimeError:  # values that cannot be read, such as those under vmap
        return False
