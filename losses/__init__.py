"""Losses for training image generators: functions of tensors, and modules that store a function's settings.

>>> import torch
>>> from losses import charbonnier
>>> charbonnier(torch.tensor([3.0]), torch.tensor([0.0]), eps=4.0)
tensor(5.)
"""

from .adversarial import NonSaturating
from .perceptual import VGGFeatureLoss
from .pixel import CharbonnierLoss, L1Loss, MSELoss, charbonnier, l1, mse
from .total_variation import TotalVariationLoss, total_variation

__all__ = [
    "CharbonnierLoss",
    "L1Loss",
    "MSELoss",
    "NonSaturating",
    "TotalVariationLoss",
    "VGGFeatureLoss",
    "charbonnier",
    "l1",
    "mse",
    "total_variation",
]
