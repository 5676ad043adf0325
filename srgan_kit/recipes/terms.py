"""The tables of a recipe that belong to one content term each, named after it: what its loss in `losses/` is made with.

A table changes nothing unless its term has a weight. Those of `perceptual`, `lpips` and `distillation` are in
`sections.py`.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from srgan_kit.recipes.sections import ViewSettings, Weight
from srgan_kit.settings import Settings

Bandwidth = Annotated[float, Field(gt=0)]


class CharbonnierConfig(Settings):
    """A smooth absolute difference."""

    eps: float = Field(default=1e-3, gt=0)
    """Below about this difference it is quadratic."""


class HuberConfig(Settings):
    """Squared for small differences, absolute for large ones."""

    delta: float = Field(default=0.1, gt=0)
    """Where the one becomes the other; of images in [0, 1] no difference is above 1."""


class MSSSIMConfig(Settings):
    """Structural similarity at several scales."""

    scales: int | None = Field(default=None, ge=1, le=5)
    """How many; None takes as many as fit: five from 161 pixels a side, one from 11."""


class FocalFrequencyConfig(Settings):
    """Squared difference of spectra, in which the frequencies that are worst count most."""

    alpha: float = Field(default=1.0, ge=0)
    """How much more they count; 0 makes it the mean squared error."""
    patches: int = Field(default=1, ge=1)
    """The image is cut into so many patches a side, each with a spectrum of its own."""


class LocalDiscriminativeConfig(Settings):
    """L1 where the image looks as if artefacts were drawn."""

    window: int = Field(default=7, ge=3)
    """Side of the window around a pixel whose variance says so; odd."""


class ColorConsistencyConfig(Settings):
    """Distance of hue and saturation between blurred images."""

    sigma: float = Field(default=3.0, gt=0, le=100)
    """Standard deviation of the blur, in pixels; coarser than the detail that a critic may invent."""


class StationaryWaveletConfig(Settings):
    """Distance between the bands of a stationary wavelet transform."""

    wavelet: Literal["haar", "sym4", "sym19"] = "sym4"
    """The filters, of 2, 8 or 38 taps."""
    levels: int = Field(default=1, ge=1, le=8)
    """How often the coarsest band is transformed again."""
    approximation: float = Field(default=1.0, ge=0)
    """Weight of what is left as the coarsest band; details have the weight 1."""


class SobelConfig(Settings):
    """Distance between the slopes of images."""

    form: Literal["components", "magnitude"] = "components"
    """Slopes with their direction, or how steep the image is alone."""


class StyleConfig(Settings):
    """Which features occur together, by the network of [perceptual]."""

    layers: dict[str, Weight] = Field(default_factory=lambda: {f"relu{block}_1": 1.0 for block in range(1, 6)})
    """Layers of the network of [perceptual], each with its weight; those of Gatys et al. 2016."""


class ContextualConfig(Settings):
    """Whether each feature of the real image is found anywhere in the output, by the network of [perceptual]."""

    layers: dict[str, Weight] = Field(default_factory=lambda: {"conv4_2": 1.0})
    """Layers of the network of [perceptual], each with its weight; the memory it takes grows with the square of a map's
    places."""
    bandwidth: float = Field(default=0.5, gt=0)
    """How much the best match stands out."""


class DISTSConfig(ViewSettings):
    """DISTS as a loss. A model trained on it cannot be judged by it alone."""

    weights: Path | None = None
    """File of the fitted weights, `alpha` and `beta`; without it there is no DISTS. The authors' is `weights.pt` of the
    package dists-pytorch."""
    vgg: Path | None = None
    """State-dict file of its VGG16, with torchvision's keys; None takes torchvision's ImageNet weights."""


class MomentMatchingConfig(Settings):
    """Distance between the moments of a batch of outputs and of real images, at each pixel."""

    orders: int = Field(default=2, ge=1, le=8)
    """How many: the mean, the variance, ..."""


class MaximumMeanDiscrepancyConfig(Settings):
    """Distance between a batch of outputs and one of real images by a Gaussian kernel: a GAN without a critic."""

    bandwidths: tuple[Bandwidth, ...] = Field(default=(2.0, 5.0, 10.0, 20.0, 40.0, 80.0), min_length=1)
    """Standard deviations of the kernels that are summed, in distances between whole images; those of Li et al. 2015,
    which are for grey images of 28x28 pixels. They should reach from near to far images: distances grow with the root
    of the number of values."""
    estimate: Literal["biased", "unbiased"] = "biased"
    """Over all pairs, or without those of an image with itself: right on average, but negative now and then."""
