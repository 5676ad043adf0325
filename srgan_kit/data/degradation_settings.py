"""Settings of `data.degradation`, how low-resolution images are made, as typed values; each is explained below it.

Three can be chosen: "bicubic", and the presets "light" and "second-order". A preset's table may be given in part:
what it leaves out stays as the preset has it.
"""

from math import inf
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from srgan_kit.settings import Settings


def _rising(limits: tuple[float, float]) -> tuple[float, float]:
    if not limits[0] <= limits[1] < inf:
        raise ValueError(f"expected the smallest, then the largest value, got {list(limits)}")
    return limits


def _odd(size: int) -> int:
    if size % 2 == 0:
        raise ValueError(f"expected an odd size, got {size}")
    return size


Probability = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Range = Annotated[tuple[Positive, Positive], AfterValidator(_rising)]
"""From the smallest to the largest value, between which one is drawn evenly."""
Odd = Annotated[int, Field(ge=1, le=99), AfterValidator(_odd)]
Sizes = Annotated[tuple[Odd, Odd], AfterValidator(_rising)]
Cutoffs = Annotated[tuple[Positive, Annotated[float, Field(gt=0, le=1)]], AfterValidator(_rising)]
Quality = Annotated[int, Field(ge=1, le=100)]
Qualities = Annotated[tuple[Quality, Quality], AfterValidator(_rising)]


class SincConfig(Settings):
    """A low-pass filter with a sharp edge, which draws rings beside edges."""

    probability: Probability = 0.8
    """How often it is applied."""
    size: Sizes = (7, 21)
    """Smallest and largest side of its kernel, in pixels; odd."""
    cutoff: Cutoffs = (0.33, 1.0)
    """Its cutoff frequency, as a fraction of the highest that the image can hold."""


class BlurConfig(Settings):
    """Blur with a kernel that is drawn anew each time. What is neither plateau nor generalised is Gaussian."""

    probability: Probability = 1.0
    """How often the image is blurred."""
    sinc: Probability = 0.1
    """Fraction of the kernels that are sinc filters; the other fractions are of the rest."""
    generalised: Probability = 0.15
    """Fraction of the kernels that fall off as exp(-(d²)^shape / 2)."""
    plateau: Probability = 0.15
    """Fraction of the kernels that fall off as 1 / (1 + (d²)^shape)."""
    anisotropic: Probability = 0.3
    """Fraction of the kernels with different widths along two rotated axes."""
    size: Sizes = (7, 21)
    """Smallest and largest side of the kernel, in pixels; odd."""
    sigma: Range = (0.2, 3.0)
    """Width: the standard deviation of a Gaussian, in pixels."""
    generalised_shape: Range = (0.5, 4.0)
    """1 for a Gaussian; more is flatter with a sharper edge."""
    plateau_shape: Range = (1.0, 2.0)
    """Exponent of the plateau kernels; more is flatter with a sharper edge."""
    cutoff: Cutoffs = (0.2, 1.0)
    """Cutoff of a sinc filter, as a fraction of the highest frequency."""

    @model_validator(mode="after")
    def _parts_fit(self) -> "BlurConfig":
        if self.generalised + self.plateau > 1:
            raise ValueError("generalised and plateau: expected parts that sum to at most 1")
        return self


class ResizeConfig(Settings):
    """A change of size on the way. In the last round factors are of the low-resolution size, before of the image's."""

    enlarge: Probability = 0.2
    """How often the factor is drawn above 1."""
    reduce: Probability = 0.7
    """How often the factor is drawn below 1; else it is 1."""
    factor: Annotated[
        tuple[Annotated[float, Field(gt=0, le=1)], Annotated[float, Field(ge=1, le=4)]], AfterValidator(_rising)
    ] = (0.15, 1.5)
    """Smallest and largest factor."""
    antialias: Probability = 0.0
    """Fraction of the bilinear and bicubic reductions, here and at the end, that are filtered first as by Pillow; the
    others alias, as by OpenCV."""

    @model_validator(mode="after")
    def _parts_fit(self) -> "ResizeConfig":
        if self.enlarge + self.reduce > 1:
            raise ValueError("enlarge and reduce: expected probabilities that sum to at most 1")
        return self


class NoiseConfig(Settings):
    """Gaussian or Poisson noise."""

    probability: Probability = 1.0
    """How often there is noise."""
    poisson: Probability = 0.5
    """Fraction of the noise that is Poisson: its variance grows with the light."""
    grey: Probability = 0.4
    """Fraction of the noise that is the same in all channels."""
    sigma: Range = (1.0, 30.0)
    """Standard deviation of Gaussian noise, in levels of 255."""
    strength: Range = (0.05, 3.0)
    """Strength of Poisson noise: 1 is that of as many photons as levels."""


class JPEGConfig(Settings):
    """Compression by Pillow's JPEG encoder, chroma halved as is usual."""

    probability: Probability = 1.0
    """How often the image is compressed."""
    quality: Qualities = (30, 95)
    """Lowest and highest quality, as Pillow counts it."""


class RoundConfig(Settings):
    """One round: blur, resize, noise, JPEG. The defaults are the first round of Real-ESRGAN."""

    blur: BlurConfig = BlurConfig()
    """Blur."""
    resize: ResizeConfig = ResizeConfig()
    """Change of size."""
    noise: NoiseConfig = NoiseConfig()
    """Noise."""
    jpeg: JPEGConfig = JPEGConfig()
    """Compression; in the last round at the end, before or after the reduction to the low-resolution size."""


LIGHT = RoundConfig(
    blur=BlurConfig(probability=0.8, sinc=0.05, size=(7, 9), sigma=(0.2, 2.0), cutoff=(0.33, 1.0)),
    resize=ResizeConfig(enlarge=0.2, reduce=0.3, factor=(0.5, 1.5), antialias=0.5),
    noise=NoiseConfig(probability=0.5, sigma=(1.0, 10.0), strength=(0.05, 1.0)),
    jpeg=JPEGConfig(probability=0.8, quality=(35, 95)),
)
"""What a photograph goes through that was taken well and compressed once; each step may be left out."""
LIGHT_SINC = SincConfig(probability=0.3, size=(7, 13), cutoff=(0.5, 1.0))
"""Faint rings, now and then."""
SECOND = RoundConfig(
    blur=BlurConfig(probability=0.8, sigma=(0.2, 1.5)),
    resize=ResizeConfig(enlarge=0.3, reduce=0.4, factor=(0.3, 1.2)),
    noise=NoiseConfig(sigma=(1.0, 25.0), strength=(0.05, 2.5)),
)
"""The second round of Real-ESRGAN."""


class BicubicConfig(Settings):
    """The MATLAB-exact bicubic alone."""

    name: Literal["bicubic"] = "bicubic"
    """Which degradation this is."""


class Degraded(Settings):
    """The validation that the presets share."""

    @model_validator(mode="before")
    @classmethod
    def _rest_as_preset(cls, values: Any) -> Any:
        """Tables that are given in part are completed by the preset's own, not by those of their class."""
        if not isinstance(values, dict):
            return values
        presets = {name: field.default.model_dump() for name, field in cls.model_fields.items() if name != "name"}
        return presets | {name: _completed(value, presets.get(name)) for name, value in values.items()}


class LightConfig(Degraded):
    """One mild round."""

    name: Literal["light"] = "light"
    """Which degradation this is."""
    first: RoundConfig = LIGHT
    """The round."""
    final_sinc: SincConfig = LIGHT_SINC
    """A filter at the low-resolution size."""

    @property
    def rounds(self) -> tuple[RoundConfig, ...]:
        """The rounds in order."""
        return (self.first,)


class SecondOrderConfig(Degraded):
    """Two rounds, as in Real-ESRGAN (Wang et al. 2021, arXiv:2107.10833, sec. 3 and 4.1)."""

    name: Literal["second-order"] = "second-order"
    """Which degradation this is."""
    first: RoundConfig = RoundConfig()
    """The first round."""
    second: RoundConfig = SECOND
    """The second."""
    final_sinc: SincConfig = SincConfig()
    """A filter at the low-resolution size."""

    @property
    def rounds(self) -> tuple[RoundConfig, ...]:
        """The rounds in order."""
        return self.first, self.second


RoundsConfig = LightConfig | SecondOrderConfig
"""Degradations that are drawn at random."""
DegradationConfig = Annotated[BicubicConfig | RoundsConfig, Field(discriminator="name")]


def _completed(given: Any, preset: Any) -> Any:
    """A table with what it lacks taken from the preset's, tables inside it likewise; anything else as given."""
    if not isinstance(given, dict) or not isinstance(preset, dict):
        return given
    return preset | {name: _completed(value, preset.get(name)) for name, value in given.items()}
