"""Self-ensemble: a network sees each image in the eight symmetries of the square, and its answers are averaged."""

from dataclasses import replace

from torch import Tensor, nn

from srgan_kit.images.symmetries import SYMMETRIES, turned, turned_back
from srgan_kit.models.super_resolution import UpscalingModel


class SelfEnsemble(nn.Module):
    """A network's mean over quarter turns and reflections of its input, each turned back; eight times the work.

    (N, C, h, w) -> (N, C, h * scale, w * scale).  f(x) = 1/8 * sum_t t^-1(network(t(x)))
    Timofte et al. 2016, "Seven ways to improve example-based single image super resolution", sec. 3.6, arXiv:1511.02228
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        total = None
        for turns, mirrored in SYMMETRIES:
            answer = self.network(turned(image, turns, mirrored)).float()
            answer = turned_back(answer, turns, mirrored)
            total = answer.contiguous() if total is None else total.add_(answer)
        assert total is not None
        return total / 8


def ensembled(model: UpscalingModel) -> UpscalingModel:
    """The same model as its self-ensemble; tiles, precision and everything else work as with any network."""
    return replace(model, network=SelfEnsemble(model.network))
