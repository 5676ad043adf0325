"""PyTorch's tensors as images: the only file of upscaling's interface to Python that knows torch."""

import numpy as np
import torch
from torch import Tensor

from srgan_kit.errors import UserError


def arrays_of(image: Tensor) -> list[np.ndarray]:
    """(C, H, W) or (N, C, H, W), float in [0, 1] or uint8, on any device -> N arrays (H, W, C), float64 or uint8.

    Raises:
        UserError: a tensor of another kind.
    """
    is_shaped = image.ndim in (3, 4) and 1 <= image.shape[-3] <= 4 and image.numel() > 0
    if not is_shaped or not (image.is_floating_point() or image.dtype == torch.uint8):
        kind = f"{tuple(image.shape)} {str(image.dtype).removeprefix('torch.')}"
        raise UserError(f"image: expected a tensor (C, H, W) or (N, C, H, W), C 1 to 4, float or uint8, got {kind}")
    batch = (image if image.ndim == 4 else image[None]).detach().cpu().permute(0, 2, 3, 1)
    return list((batch.double() if image.is_floating_point() else batch).numpy())


def tensor_of(results: list[np.ndarray], image: Tensor) -> Tensor:
    """N arrays (H, W, C) -> a tensor of the device, the type and the number of dimensions of `image`."""
    batch = torch.stack([torch.from_numpy(np.ascontiguousarray(each)).permute(2, 0, 1) for each in results])
    return (batch if image.ndim == 4 else batch[0]).to(image.device, image.dtype).contiguous()
