"""What every generator's settings have in common: a name, and how the network is built from them."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from srgan_kit.settings import Settings


@dataclass(frozen=True)
class GeneratorSpec:
    """What a run asks of its generator, whichever it is."""

    image_channels: int = 3
    """Channels of the images it makes."""
    size: int = 0
    """Their side in training."""
    latent: int = 0
    """Size of the latent vector; 0 for none."""
    condition: tuple[int, int] | None = None
    """(channels, side) of what it is given; None for nothing."""


class GeneratorSettings(Settings):
    """A generator's settings, with the name that recipes choose it by."""

    name: str
    takes_latent: ClassVar[bool] = True
    """Whether it can be given a latent vector."""

    @abstractmethod
    def build(self, spec: GeneratorSpec = GeneratorSpec()) -> nn.Module:
        """A new network with random weights.

        Raises:
            UserError: sizes that the network cannot make.
            ValueError: the spec lacks what this generator needs.
        """

    def values(self) -> dict[str, object]:
        """The settings without the name: the network's own keyword arguments."""
        return self.model_dump(exclude={"name"})
