"""What a super-resolved image looks like, and whether it still shows what was given: LPIPS and LR consistency."""

import hashlib
from pathlib import Path

import torch
from torch import Tensor

from srgan_kit import losses
from srgan_kit.images.pixels import to_8bit
from srgan_kit.images.resize import Padding, resize_8bit


class PerceptualDistance:
    """LPIPS between 8-bit images, under a name that says whether published figures can stand beside it.

    Args:
        loss: the distance, with reduction "none".
        name: what to call it in a report.
    """

    def __init__(self, loss: losses.LPIPSLoss, name: str) -> None:
        self.loss, self.name = loss, name

    def to(self, device: torch.device | str) -> "PerceptualDistance":
        """Move the network there; itself."""
        self.loss.to(device)
        return self

    @torch.inference_mode()
    def __call__(self, image: Tensor, target: Tensor) -> Tensor:
        """Two (N, 3, H, W), float in [0, 1] or uint8 -> (N,) in [0, inf), 0 for equal images."""
        first, second = (to_8bit(each).to(self.loss.mean.device).float() / 255 for each in (image, target))
        return self.loss(first, second)


def lpips_like(weights_path: Path | None = None) -> PerceptualDistance:
    """LPIPS on SqueezeNet 1.1; "LPIPS-like" by name unless the weights are torchvision's own ImageNet ones.

    The heads are always those of the `lpips` package, version 0.1; they were fitted to torchvision's weights.
    Zhang et al. 2018, "The unreasonable effectiveness of deep features as a perceptual metric", arXiv:1801.03924

    Args:
        weights_path: a file of SqueezeNet 1.1's weights, or None for torchvision's.

    Raises:
        ValueError: the file is not one.
        RuntimeError: torchvision's weights are not at hand and cannot be downloaded.
    """
    loss = losses.LPIPSLoss("squeeze", weights=weights_path, reduction="none")
    own = weights_path is None or _is_torchvisions(weights_path)
    return PerceptualDistance(loss, "LPIPS (squeeze)" if own else "LPIPS-like (squeeze)")


def lr_consistency(image: Tensor, low: Tensor, scale: int, padding: Padding = "symmetric") -> Tensor:
    """PSNR between the super-resolved image, reduced again, and the low-resolution one.

    (N, C, h * scale, w * scale) and (N, C, h, w), float in [0, 1] or uint8 -> (N,) float64 in dB, infinite for equal
    images. Both are rounded to 8 bits; reduced by MATLAB's bicubic, bit for bit; over all channels, without a border
    cut.

    PSNR = 10 log10(255^2 / mean((downscale(image) - low)^2))
    Lugmayr et al. 2020, "SRFlow: learning the super-resolution space with normalizing flow", LR-PSNR, arXiv:2006.14200

    Raises:
        ValueError: the image is not `scale` times as large.
    """
    height, width = (scale * side for side in low.shape[-2:])
    if image.shape != (*low.shape[:-2], height, width) or image.dim() != 4:
        shapes = f"{tuple(image.shape)} for {tuple(low.shape)}"
        raise ValueError(f"lr_consistency: expected an image {scale} times as large, got {shapes}")
    difference = resize_8bit(to_8bit(image), 1 / scale, padding).double() - to_8bit(low).double()
    return 10 * torch.log10(255**2 / difference.square().mean(dim=(1, 2, 3)))


def fetched_weights() -> Path | None:
    """The file of SqueezeNet's weights that torchvision has left where it keeps those it fetched; None without one."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / _torchvisions_name()
    return path if path.is_file() else None


def _is_torchvisions(path: Path) -> bool:
    """Whether this is the very file that torchvision names by the start of its SHA-256."""
    start = _torchvisions_name().removesuffix(".pth").rpartition("-")[2]
    return hashlib.sha256(path.read_bytes()).hexdigest().startswith(start)


def _torchvisions_name() -> str:
    # Here, because importing torchvision takes a second that only these functions need.
    from torchvision.models import SqueezeNet1_1_Weights

    return SqueezeNet1_1_Weights.IMAGENET1K_V1.url.rpartition("/")[2]
