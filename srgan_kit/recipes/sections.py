"""The tables of a recipe that belong to no network and no data: techniques, terms, validation, optimisers."""

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
)
from pydantic_core.core_schema import (
    CoreSchema,
    no_info_wrap_validator_function,
    plain_serializer_function_ser_schema,
)

from srgan_kit.settings import Settings
from srgan_kit.suggestions import did_you_mean

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A term's weight: terms are minimised, so none is negative."""

SHARE = "share:"
"""How a weight begins that is a target share of the generator's gradient."""


def share_of(weight: object) -> float | None:
    """The target share of a weight such as "share:0.15"; None for a number.

    Raises:
        ValueError: a share that is not between 0 and 1.
    """
    if not isinstance(weight, str) or not weight.startswith(SHARE):
        return None
    try:
        share = float(weight.removeprefix(SHARE))
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        raise ValueError(f"expected a share between 0 and 1, such as 'share:0.15'; got {weight!r}")
    return share


def _number_or_share(value: object, number: ValidatorFunctionWrapHandler) -> float | str:
    return number(value) if share_of(value) is None else str(value)


def _number(value: object) -> object:
    if share_of(value) is not None:
        raise ValueError(f"expected a number, for only terms of the generator have shares; got {value!r}")
    return value


class _NumberOrShare:
    """Validates as `Weight` does, and takes shares too."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        as_it_is = plain_serializer_function_ser_schema(lambda value: value)
        return no_info_wrap_validator_function(_number_or_share, handler(Weight), serialization=as_it_is)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, object]:
        return {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": f"^{SHARE}0?\\.[0-9]+$"}]}


TermWeight = Annotated[float | str, _NumberOrShare()]
"""Of a term of the generator: a number, or a share of its gradient that is held, "share:0.15"."""
CriticWeight = Annotated[Weight, BeforeValidator(_number)]
"""Of a term of the critic: a number."""


class ViewSettings(Settings):
    """What a network that judges or compares images is shown of them in training: by default the whole images."""

    translation: int = Field(default=0, ge=0)
    """Largest shift in pixels, drawn anew for each image and step, the same for a real image and its generated partner.
    Where the network's strides and the generator's pixel shuffle keep step, the generator draws a checkerboard."""
    crop: int = Field(default=0, ge=0)
    """Side in pixels of a square that it sees, drawn likewise; 0 shows it the whole image. Less of each image in a step
    costs less; over the steps it sees all of it."""


class TechniquesConfig(ViewSettings):
    """What steadies any adversarial system. Those that are terms are switched on by their weight: weights.
    feature_matching, weights.historical_averaging; critic_weights.r1, .r2, .gradient_penalty, .historical_averaging,
    .mismatch. Minibatch discrimination is critic.minibatch_kernels, label smoothing variant.smoothing."""

    virtual_batch_norm: bool = False
    """Batch norm becomes virtual batch norm (Salimans et al. 2016, sec. 3.5), in both players; not in super-resolvers,
    which enlarge images of any size."""
    critic_norm: Literal["batch", "layer", "none"] = "batch"
    """What the critic's layers of batch norm are. "layer" normalises each image by itself (Gulrajani et al. 2017, sec.
    4); "none" leaves them out and draws the weights anew, so that the signal keeps its size (He et al. 2015). With
    both, what an image scores does not depend on the others of its batch."""
    spectral_norm: bool = False
    """The critic's layers have spectral norm (Miyato et al. 2018)."""
    instance_noise: float = Field(default=0.0, ge=0)
    """Standard deviation of noise on what the critic sees, falling to 0 after the last step (arXiv:1610.04490,
    sec. 5)."""
    feature_layer: int = -1
    """Which of the critic's feature maps `feature_matching` compares."""
    r1_every: int = Field(default=1, ge=1)
    """Steps from one R1 and R2 penalty to the next, each as much stronger."""


class ReconstructionConfig(Settings):
    """What the task reconstruction makes images from."""

    source: Literal["image", "features"] = "image"
    """An image's own code, by an encoder, or its features in the comparator of [perceptual]."""
    layer: str | None = None
    """The comparator's layer whose features are inverted; None takes the deepest of perceptual.layers."""
    scale: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """What the features are multiplied by before generator and critic see them. They should be about 1: those of some
    networks are hundreds, with which a new generator's image is all black and white."""


class ValidationConfig(Settings):
    """How the run is measured while it trains."""

    folder: Path | None = None
    """Folder of high-resolution images to validate on; None holds out some of the training images."""
    holdout: int = Field(default=16, ge=0)
    """How many training images to hold out where no folder is given, ..."""
    holdout_part: float = Field(default=0.1, gt=0, le=1)
    """... but at most this part of them, and at least one."""
    lr_folder: Path | None = None
    """Low-resolution partners of `folder`'s images; None makes them as `data.degradation` says, each time the same."""
    every: int = Field(default=1000, ge=1)
    """Steps between validations; a sample sheet is drawn at each."""
    images: int = Field(default=100, ge=1)
    """At most this many images are measured."""
    largest_side: int = Field(default=512, ge=32)
    """High-resolution pixels a side that are measured: of larger images only the middle."""
    lpips_weights: Path | None = None
    """State-dict file of SqueezeNet 1.1, by which LPIPS is measured beside PSNR where there is a critic or a term that
    compares features; None takes that of `lpips.weights`, or torchvision's where it was fetched before."""


OF_TORCHVISION = "torchvision:"
"""How a comparing network begins that is one of torchvision's classifiers."""
COMPARATORS = ("vgg16", "vgg19", "squeezenet", "critic")


def _comparator(name: str) -> str:
    own = name.removeprefix(OF_TORCHVISION)
    if name in COMPARATORS or (own != name and own.isidentifier()):
        return name
    hint = did_you_mean(name, COMPARATORS)
    raise ValueError(f"expected one of {', '.join(COMPARATORS)}, or {OF_TORCHVISION}NAME; got {name!r}{hint}")


Comparator = Annotated[
    str,
    AfterValidator(_comparator),
    WithJsonSchema(
        {"anyOf": [{"enum": [*COMPARATORS]}, {"type": "string", "pattern": f"^{OF_TORCHVISION}[a-z0-9_]+$"}]}
    ),
]


class PerceptualConfig(ViewSettings):
    """The feature loss, and the network by which `style` and `contextual` compare too."""

    network: Comparator = "vgg19"
    """Which network compares; "critic" is that of a run before, by features that it learned; "torchvision:" and a name
    is one of torchvision's classifiers, such as "torchvision:resnet50"."""
    layers: dict[str, Weight] = Field(default_factory=lambda: {"conv5_4": 1.0})
    """Layers by their paper names, each with its weight: `conv5_4` is before, `relu5_4` after the activation. A
    critic's are `map1`, the shallowest, `map2`, ...; a classifier's of torchvision the names of its parts, `layer2`."""
    distance: Literal["l1", "l2", "charbonnier", "euclidean"] = "l1"
    """Distance between feature maps; "euclidean" is half the sum of squares over an image's, as in DeePSiM."""
    weights: Path | None = None
    """State-dict file for the network (.pth or .safetensors), of a VGG whole or truncated; None takes torchvision's
    ImageNet weights. For a critic, the folder of its run, or its checkpoint."""


class LPIPSConfig(ViewSettings):
    """LPIPS as a loss. A model trained on it cannot be judged by it alone."""

    network: Literal["alex", "vgg", "squeeze"] = "squeeze"
    """Which network compares."""
    weights: Path | None = None
    """State-dict file for that network, with torchvision's keys; None takes torchvision's ImageNet weights."""


class DistillationConfig(Settings):
    """Whose results the generator learns beside the real images (super-resolution)."""

    teachers: tuple[str, ...] = ()
    """Pretrained models' names, or files of models with the same upscaling factor, our own or a community's; each step
    asks one of them, drawn at random. The term `distillation` needs one or more."""
    distance: Literal["l1", "l2"] = "l1"
    """Mean absolute or mean squared difference."""


Decay = Annotated[float, Field(ge=0, lt=1)]


class OptimizerConfig(Settings):
    """Adam with a linear warm-up and a cosine decay."""

    learning_rate: float = Field(default=1e-3, gt=0)
    """Peak learning rate."""
    final_learning_rate: float = Field(default=1e-6, ge=0)
    """Learning rate at the last step; the peak, where that is lower."""
    betas: tuple[Decay, Decay] = (0.9, 0.99)
    """Adam's decay rates of the first and second moment."""
    warmup: int = Field(default=200, ge=0)
    """Steps of linear warm-up."""
    clip_gradient: float = Field(default=1.0, gt=0)
    """Largest gradient norm; larger gradients are scaled down to it."""
