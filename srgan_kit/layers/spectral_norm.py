"""Spectral normalisation of a whole network (Miyato et al. 2018, arXiv:1802.05957)."""

from typing import TypeVar

from torch import nn
from torch.nn.utils.parametrizations import _SpectralNorm, spectral_norm
from torch.nn.utils.parametrize import is_parametrized

WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear)

Network = TypeVar("Network", bound=nn.Module)


def with_spectral_norm(network: Network) -> Network:
    """The network itself, each convolution and dense layer held at a largest singular value of 1; those that were stay.

    W / sigma(W), sigma by one step of power iteration per forward in training; sec. 2.1 and appendix A.

    >>> with_spectral_norm(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))[0].parametrizations.weight[0]
    _SpectralNorm()
    """
    for module in list(network.modules()):
        if isinstance(module, WEIGHTED) and not _is_normalised(module):
            spectral_norm(module)
    return network


def _is_normalised(module: nn.Module) -> bool:
    if not is_parametrized(module, "weight"):
        return False
    parametrizations = module.get_submodule("parametrizations.weight")
    return any(isinstance(step, _SpectralNorm) for step in parametrizations.children())
