"""Losses for training image generators: functions of tensors, and modules that store a function's settings.

All of them raise a TypeError for a list or an array in place of a tensor, a ValueError for an empty tensor, and a
ValueError for an invalid setting when a module is made. A NaN in the input is a NaN in the loss.

>>> import torch
>>> from losses import charbonnier
>>> charbonnier(torch.tensor([3.0]), torch.tensor([0.0]), eps=4.0)
tensor(5.)
"""

from ._distributed import alone, global_mean, processes
from .adversarial import AdversarialLoss, Hinge, LeastSquares, Minimax, NonSaturating, Wasserstein
from .autoregressive import (
    bits_per_dimension,
    categorical_pixel_nll,
    mixture_of_logistics_nll,
    sample_mixture_of_logistics,
)
from .batch_parts import batch_layout, batch_part, drawn_for_batch
from .categorical import (
    CategoricalGAN,
    SemiSupervised,
    entropy_from_logits,
    labelled_cross_entropy,
    marginal_entropy,
    real_logit,
    unlabelled_loss,
)
from .checkerboard import PhaseBalanceLoss, PhaseBiasLoss, PhaseEvennessLoss, phase_balance, phase_bias, phase_evenness
from .color import ColorConsistencyLoss, color_consistency
from .consistency import ConsistencyLoss, consistency
from .contextual import ContextualLoss, contextual
from .dists import DISTSLoss, structure_and_texture
from .edges import SobelLoss, sobel
from .energy import EnergyMargin, pulling_away, reconstruction_energy
from .f_divergence import FDivergence, estimate_divergence
from .focal_frequency import FocalFrequencyLoss, focal_frequency, fourier_l1
from .information import (
    categorical_entropy,
    categorical_information,
    gaussian_information,
    uniform_entropy,
    uniform_information,
)
from .local_discriminative import LocalDiscriminativeLoss, artifact_map, local_discriminative
from .lpips import LPIPSLoss
from .matching import feature_matching, maximum_mean_discrepancy, moment_matching
from .minibatch import MinibatchDiscrimination, minibatch_similarity
from .networks.squeezenet import SqueezeNetFeatures
from .networks.torchvision_features import TorchvisionFeatures
from .perceptual import FeatureLoss, VGGFeatureLoss, feature_distance
from .pixel import CharbonnierLoss, HuberLoss, L1Loss, MSELoss, charbonnier, huber, l1, mse
from .regularization import (
    HistoricalAverage,
    LazyRegularization,
    gradient_penalty,
    historical_averaging,
    r1_penalty,
    r2_penalty,
)
from .relativistic import RelativisticAverage, RelativisticPairing
from .structural import MSSSIMLoss, SSIMLoss, ms_ssim, ssim
from .style import StyleLoss, gram_matrix
from .total_variation import TotalVariationLoss, total_variation
from .variational import (
    bernoulli_nll,
    discretised_logistic_nll,
    gaussian_kl,
    gaussian_nll,
    importance_log_weights,
    iwae_bound,
    learned_similarity,
    negative_elbo,
    reparameterise,
)
from .wavelet import StationaryWaveletLoss, stationary_wavelet

__all__ = [
    "AdversarialLoss",
    "CategoricalGAN",
    "CharbonnierLoss",
    "ColorConsistencyLoss",
    "ConsistencyLoss",
    "ContextualLoss",
    "DISTSLoss",
    "EnergyMargin",
    "FDivergence",
    "FeatureLoss",
    "FocalFrequencyLoss",
    "Hinge",
    "HistoricalAverage",
    "HuberLoss",
    "L1Loss",
    "LPIPSLoss",
    "LazyRegularization",
    "LeastSquares",
    "LocalDiscriminativeLoss",
    "MSELoss",
    "MSSSIMLoss",
    "MinibatchDiscrimination",
    "Minimax",
    "NonSaturating",
    "PhaseBalanceLoss",
    "PhaseBiasLoss",
    "PhaseEvennessLoss",
    "RelativisticAverage",
    "RelativisticPairing",
    "SSIMLoss",
    "SemiSupervised",
    "SobelLoss",
    "SqueezeNetFeatures",
    "StationaryWaveletLoss",
    "StyleLoss",
    "TorchvisionFeatures",
    "TotalVariationLoss",
    "VGGFeatureLoss",
    "Wasserstein",
    "alone",
    "artifact_map",
    "batch_layout",
    "batch_part",
    "bernoulli_nll",
    "bits_per_dimension",
    "categorical_entropy",
    "categorical_information",
    "categorical_pixel_nll",
    "charbonnier",
    "color_consistency",
    "consistency",
    "contextual",
    "discretised_logistic_nll",
    "drawn_for_batch",
    "entropy_from_logits",
    "estimate_divergence",
    "feature_distance",
    "feature_matching",
    "focal_frequency",
    "fourier_l1",
    "gaussian_information",
    "gaussian_kl",
    "gaussian_nll",
    "global_mean",
    "gradient_penalty",
    "gram_matrix",
    "historical_averaging",
    "huber",
    "importance_log_weights",
    "iwae_bound",
    "l1",
    "labelled_cross_entropy",
    "learned_similarity",
    "local_discriminative",
    "marginal_entropy",
    "maximum_mean_discrepancy",
    "minibatch_similarity",
    "mixture_of_logistics_nll",
    "moment_matching",
    "ms_ssim",
    "mse",
    "negative_elbo",
    "phase_balance",
    "phase_bias",
    "phase_evenness",
    "processes",
    "pulling_away",
    "r1_penalty",
    "r2_penalty",
    "real_logit",
    "reconstruction_energy",
    "reparameterise",
    "sample_mixture_of_logistics",
    "sobel",
    "ssim",
    "stationary_wavelet",
    "structure_and_texture",
    "total_variation",
    "uniform_entropy",
    "uniform_information",
    "unlabelled_loss",
]
