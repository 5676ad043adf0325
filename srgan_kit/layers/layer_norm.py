"""Layer normalisation in the place of batch norm (Ba et al. 2016, arXiv:1607.06450)."""

from typing import TypeVar

from torch import nn

BATCH_NORM = (nn.BatchNorm1d, nn.BatchNorm2d)

Network = TypeVar("Network", bound=nn.Module)


def with_layer_norm(network: Network) -> Network:
    """The network itself, each batch norm replaced: an example is normalised over its own channels and positions.

    So a critic judges every image by itself, as the gradient penalty needs and Gulrajani et al. advise (2017,
    arXiv:1704.00028, sec. 4); scale and shift of each channel stay.

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
