"""What the settings of all super-resolvers have in common."""

from typing import ClassVar, Literal

from srgan_kit.generators.settings import GeneratorSettings, GeneratorSpec


class SRSettings(GeneratorSettings):
    """Settings of a generator that upscales an image."""

    scale: int
    image_channels: Literal[1, 3] = 3
    """Colour channels of the images: 3 for RGB, 1 for grey; a run sets it from data.channels."""
    takes_latent: ClassVar[bool] = False

    def channels_for(self, spec: GeneratorSpec) -> int:
        """Colour channels of the network's images: grey where the run's are, or where its file says so."""
        return min(self.image_channels, spec.image_channels)

    def exported(self) -> "SRSettings":
        """Settings of the network that a run writes: of what branches fold to, where there are any."""
        return self
