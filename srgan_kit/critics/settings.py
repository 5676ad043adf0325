"""What every critic's settings have in common: a name, the heads, and how the network is built from them."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field
from torch import nn

from srgan_kit.critics.heads import CodeNormalisation, HeadSettings
from srgan_kit.settings import Settings


@dataclass(frozen=True)
class CriticSpec:
    """What a run asks of its critic, whichever it is."""

    image_channels: int = 3
    """Channels of the images it judges."""
    size: int = 0
    """Their side."""
    categorical: tuple[int, ...] = ()
    """Classes of each categorical code of the generator."""
    continuous: int = 0
    """Number of its continuous codes."""
    condition: tuple[int, int] | None = None
    """(channels, side) of what the generator is given; None for nothing."""


class CriticSettings(Settings):
    """What every critic may have besides its score; a head for codes is there whenever the generator has codes."""

    any_size: ClassVar[bool] = False
    """Whether the network judges images of any size, and so a part of one."""
    name: str
    classes: int = Field(default=0, ge=0)
    """Classes of the class head; 0 for none."""
    minibatch_kernels: int = Field(default=0, ge=0)
    """Kernels of minibatch discrimination (Salimans et al. 2016, sec. 3.2); 0 for none."""
    conditional: bool = False
    """Whether it sees the generator's condition beside the image."""
    code_normalisation: CodeNormalisation = "none"
    """Normalisation of the hidden layer of the head for codes; InfoGAN's for MNIST is "batch"."""
    condition_hidden: int = Field(default=0, ge=0)
    """Width of a hidden layer on the image and the condition together, where it sees one; with 0 its score is a sum of
    what each says alone, and it cannot tell whether they fit."""

    @abstractmethod
    def build(self, spec: CriticSpec) -> nn.Module:
        """A new network with random weights.

        Raises:
            UserError: sizes that the network cannot have.
            ValueError: a conditional critic where there is no condition, heads that this critic cannot have.
        """

    def heads(self, spec: CriticSpec) -> HeadSettings:
        """The keyword arguments of `Heads`.

        Raises:
            ValueError: a conditional critic where there is no condition.
        """
        if self.conditional and spec.condition is None:
            raise ValueError("critic.conditional: this task gives the generator no condition")
        if self.condition_hidden and not self.conditional:
            raise ValueError("critic.condition_hidden: for a critic that sees the condition: critic.conditional = true")
        found = HeadSettings(
            classes=self.classes,
            categorical=spec.categorical,
            continuous=spec.continuous,
            minibatch_kernels=self.minibatch_kernels,
            condition=spec.condition if self.conditional else None,
            condition_hidden=self.condition_hidden,
        )
        if spec.categorical or spec.continuous:  # else there is no such head
            found["code_normalisation"] = self.code_normalisation
        return found
