"""What the settings of all super-resolvers have in common."""

from typing import ClassVar

from srgan_kit.generators.settings import GeneratorSettings


class SRSettings(GeneratorSettings):
    """Settings of a generator that upscales an image."""

    scale: int
    takes_latent: ClassVar[bool] = False

    def exported(self) -> "SRSettings":
        """Settings of the network that a run writes: of what branches fold to, where there are any."""
        return self
