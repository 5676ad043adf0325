"""Consistency with the input: a super-resolved image, reduced again, should be the low-resolution one."""

from collections.abc import Callable

from torch import Tensor, nn

from ._frozen import freeze, keep_weights_out
from ._settings import function, shown
from ._tensors import check_floating_point, check_tensors, spoilt_by
from .distances import Distance, checked_distance, sample_distances


def consistency(
    image: Tensor, low_resolution: Tensor, downscale: Callable[[Tensor], Tensor], distance: Distance = "l1"
) -> Tensor:
    """Distance between the reduced image and the low-resolution one, in [0, inf).

    (N, C, H, W) and (N, C, h, w) in [0, 1] -> scalar. `downscale` is the operator that made the low-resolution image,
    as a function through which gradients flow, such as a MATLAB-exact bicubic.

    distance(downscale(image), low_resolution)

    Raises:
        ValueError: `downscale` gives another shape than the low-resolution image's, images that are not
            floating-point, or an unknown distance.

    >>> import torch
    >>> consistency(torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 2, 2), lambda x: x[..., ::2, ::2])
    tensor(1.)
    """
    checked_distance(distance)
    check_floating_point(image=image, low_resolution=low_resolution)
    function("downscale", downscale)
    reduced = downscale(image)
    check_tensors(downscale=reduced)
    if reduced.shape != low_resolution.shape:
        shapes = f"{tuple(image.shape)} to {tuple(reduced.shape)}, expected {tuple(low_resolution.shape)}"
        raise ValueError(f"downscale: reduced {shapes}")
    value = sample_distances(reduced, low_resolution, distance).mean()
    return spoilt_by(value, image)  # the operator may leave out pixels at the border


class ConsistencyLoss(nn.Module):
    """`consistency` with the operator and the distance stored; an operator that is a module is frozen.

    >>> import torch
    >>> loss = ConsistencyLoss(lambda image: image[..., ::2, ::2])
    >>> loss(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 2, 2))
    tensor(0.)
    """

    def __init__(self, downscale: Callable[[Tensor], Tensor], distance: Distance = "l1") -> None:
        super().__init__()
        function("downscale", downscale)
        self.downscale = downscale
        self._freeze()
        keep_weights_out(self)
        self.distance: Distance = checked_distance(distance)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "distance")

    def forward(self, image: Tensor, low_resolution: Tensor) -> Tensor:
        """(N, C, H, W) and (N, C, h, w) -> scalar."""
        self._freeze()
        return consistency(image, low_resolution, self.downscale, self.distance)

    def _freeze(self) -> None:
        if isinstance(self.downscale, nn.Module):
            freeze(self.downscale)
