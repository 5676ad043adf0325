"""Critics whose batch norm is replaced, so that they judge every image by itself."""

from typing import TypeVar

from torch import nn

BATCH_NORM = (nn.BatchNorm1d, nn.BatchNorm2d)
SLOPE = 0.2
"""Of the critics' LeakyReLU."""

Network = TypeVar("Network", bound=nn.Module)


def with_layer_norm(network: Network) -> Network:
    """The network itself, each batch norm replaced: an example is normalised over its own channels and positions.

    Scale and shift of each channel stay. Ba et al. 2016, arXiv:1607.06450; for critics with a gradient penalty
    Gulrajani et al. 2017, arXiv:1704.00028, sec. 4

    >>> with_layer_norm(nn.Sequential(nn.BatchNorm2d(4)))[0]
    GroupNorm(1, 4, eps=1e-05, affine=True)
    """
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, BATCH_NORM):
                norm = nn.GroupNorm(1, child.num_features, child.eps, child.affine)
                norm.weight, norm.bias = child.weight, child.bias
                setattr(module, name, norm)
    return network


def without_batch_norm(network: Network) -> Network:
    """The network itself without batch norm; if it had any, its weights are drawn anew so that layers keep the size of
    their input.

    N(0, 2 / ((1 + SLOPE^2) fan-in)). He et al. 2015, "Delving deep into rectifiers", arXiv:1502.01852, sec. 2.2

    >>> without_batch_norm(nn.Sequential(nn.BatchNorm2d(4)))[0]
    Identity()
    """
    if not any(isinstance(module, BATCH_NORM) for module in network.modules()):
        return network
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, BATCH_NORM):
                setattr(module, name, nn.Identity())
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, SLOPE)
    return network
