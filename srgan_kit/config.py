"""Recipes: a complete, named training run as typed values. Unknown keys are errors; each field is explained below it.

Reading a recipe: `load_recipe("fidelity-x4")` or `load_recipe("my.toml", ["steps=100", "data.batch=8"])`.
"""

import json
import tomllib
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from srgan_kit.errors import UserError


class Settings(BaseModel):
    """What every part of a recipe has in common: immutable, and strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


# --- networks -------------------------------------------------------------------------------------------------------


class ResidualSRConfig(Settings):
    """`generators/residual.py`: residual groups without batch norm, one pixel-shuffle tail, interpolated image skip."""

    name: Literal["residual"] = "residual"
    """Which generator this is."""
    scale: Literal[2, 3, 4] = 4
    """Upscaling factor."""
    channels: int = Field(default=64, ge=1)
    """Width of the trunk."""
    groups: int = Field(default=6, ge=1)
    """Residual groups."""
    convolutions: int = Field(default=3, ge=1)
    """Convolutions in a group; 2 gives SRResNet's blocks without batch norm."""
    image_skip: Literal["bilinear", "nearest"] = "bilinear"
    """How the input is enlarged before the residual is added."""


class SRResNetConfig(Settings):
    """`generators/srresnet.py`: the SRGAN paper's generator."""

    name: Literal["srresnet"]
    """Which generator this is."""
    scale: Literal[2, 3, 4] = 4
    """Upscaling factor."""
    channels: int = Field(default=64, ge=1)
    """Width of the trunk."""
    blocks: int = Field(default=16, ge=1)
    """Residual blocks."""


class RRDBNetConfig(Settings):
    """`generators/rrdb.py`: ESRGAN's generator."""

    name: Literal["rrdb"]
    """Which generator this is."""
    scale: Literal[2, 4] = 4
    """Upscaling factor."""
    channels: int = Field(default=64, ge=1)
    """Width of the trunk."""
    blocks: int = Field(default=23, ge=1)
    """Residual-in-residual dense blocks."""
    growth: int = Field(default=32, ge=1)
    """Channels each dense convolution adds."""


GeneratorConfig = Annotated[ResidualSRConfig | SRResNetConfig | RRDBNetConfig, Field(discriminator="name")]


class SRGANCriticConfig(Settings):
    """`critics/srgan.py`: the SRGAN paper's discriminator."""

    name: Literal["srgan"]
    """Which critic this is."""
    channels: int = Field(default=64, ge=1)
    """Width of the first layer."""
    patch: int = Field(default=96, ge=16)
    """Side of the images it sees, in output pixels; fixed by its dense layers."""


class UNetCriticConfig(Settings):
    """`critics/unet.py`: one score per pixel, spectral norm."""

    name: Literal["unet"]
    """Which critic this is."""
    channels: int = Field(default=32, ge=1)
    """Width of the first layer."""


CriticConfig = Annotated[SRGANCriticConfig | UNetCriticConfig, Field(discriminator="name")]


# --- data and losses ------------------------------------------------------------------------------------------------


class DataConfig(Settings):
    """The training images and what is cut from them."""

    folder: Path | None = None
    """Folder of high-resolution training images, searched recursively; `--data` sets it."""
    lr_folder: Path | None = None
    """Folder of low-resolution partners with the same names; None makes them by the MATLAB-exact bicubic."""
    patch: int = Field(default=40, ge=4)
    """Side of a training crop, in low-resolution pixels."""
    batch: int = Field(default=16, ge=1)
    """Crops per step and process."""
    augment: Literal["none", "flips", "flips-and-rotations"] = "flips-and-rotations"
    """How a crop may be turned."""
    cache_megabytes: int = Field(default=2000, ge=0)
    """Decoded images are kept in memory as uint8 up to this many megabytes; those beyond it are read per crop."""
    workers: int = Field(default=0, ge=0)
    """Processes that prepare crops beside the training process; 0 is best on few cores."""


class ValidationConfig(Settings):
    """How the run is measured while it trains."""

    folder: Path | None = None
    """Folder of high-resolution images to validate on; None holds out some of the training images."""
    holdout: int = Field(default=16, ge=0)
    """How many training images to hold out where no folder is given."""
    lr_folder: Path | None = None
    """Low-resolution partners of `folder`'s images; None makes them by the MATLAB-exact bicubic."""
    every: int = Field(default=1000, ge=1)
    """Steps between validations; a sample sheet is drawn at each."""
    images: int = Field(default=100, ge=1)
    """At most this many images are measured."""
    largest_side: int = Field(default=512, ge=32)
    """Of larger images only the middle is measured: as many high-resolution pixels a side."""


class PerceptualConfig(Settings):
    """The VGG feature loss."""

    network: Literal["vgg16", "vgg19"] = "vgg19"
    """Which VGG."""
    layers: dict[str, float] = Field(default_factory=lambda: {"conv5_4": 1.0})
    """Layers by their paper names, each with its weight: `conv5_4` is before, `relu5_4` after the activation."""
    distance: Literal["l1", "l2"] = "l1"
    """Distance between feature maps."""
    weights: Path | None = None
    """State-dict file for the VGG, whole or truncated; None takes torchvision's ImageNet weights."""


Decay = Annotated[float, Field(ge=0, lt=1)]


class OptimizerConfig(Settings):
    """Adam with a linear warm-up and a cosine decay."""

    learning_rate: float = Field(default=1e-3, gt=0)
    """Peak learning rate."""
    final_learning_rate: float = Field(default=1e-6, ge=0)
    """Learning rate at the last step."""
    betas: tuple[Decay, Decay] = (0.9, 0.99)
    """Adam's decay rates of the first and second moment."""
    warmup: int = Field(default=200, ge=0)
    """Steps of linear warm-up."""
    clip_gradient: float = Field(default=1.0, gt=0)
    """Largest gradient norm; larger gradients are scaled down to it."""


class Recipe(Settings):
    """One complete training run."""

    name: str
    """The recipe's name; the run folder is called after it."""
    description: str = ""
    """What the recipe is for, in a sentence."""
    task: Literal["super-resolution"] = "super-resolution"
    """What is trained."""
    variant: Literal["none", "gan"] = "none"
    """The adversarial system; `none` trains the generator alone on the content terms."""
    steps: int = Field(gt=0)
    """Optimisation steps."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of initialisation, crops and everything else random."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Mixed precision; auto is bf16 where the hardware has it."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train."""
    generator: GeneratorConfig = ResidualSRConfig()
    """The generator."""
    initialise_from: str | None = None
    """Weights to start from: an embedded model's name or a .safetensors file of the same generator."""
    critic: CriticConfig | None = None
    """The critic; needed by every variant but `none`."""
    weights: dict[str, float]
    """Weights of the generator's terms: pixel, mse, charbonnier, perceptual, total_variation, adversarial."""
    critic_weights: dict[str, float] = Field(default_factory=dict)
    """Weight of each term of the critic's loss: critic."""
    perceptual: PerceptualConfig = PerceptualConfig()
    """Settings of the term `perceptual`."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """The generator's optimiser."""
    critic_optimizer: OptimizerConfig = OptimizerConfig(learning_rate=1e-4)
    """The critic's optimiser."""
    ema: float = Field(default=0.999, ge=0, lt=1)
    """Decay per step of the exponential moving average of the generator's weights, which is what a run exports."""
    data: DataConfig = DataConfig()
    """Training data."""
    validation: ValidationConfig = ValidationConfig()
    """Validation."""
    log_every: int = Field(default=50, ge=1)
    """Steps between lines of the log."""
    checkpoint_every: int = Field(default=500, ge=1)
    """Steps between checkpoints."""

    def without_paths(self) -> "Recipe":
        """The same recipe with nothing in it about the machine that it ran on."""
        no_folders = {"folder": None, "lr_folder": None}
        source = self.initialise_from
        return self.model_copy(
            update={
                "data": self.data.model_copy(update=no_folders),
                "validation": self.validation.model_copy(update=no_folders),
                "perceptual": self.perceptual.model_copy(update={"weights": None}),
                "initialise_from": None if source is None else Path(source).name,
            }
        )

    @model_validator(mode="after")
    def _players_fit(self) -> "Recipe":
        if self.validation.lr_folder is not None and self.validation.folder is None:
            raise ValueError("validation.lr_folder needs validation.folder")
        if self.variant == "none":
            if self.critic is not None or self.critic_weights or "adversarial" in self.weights:
                raise ValueError("variant 'none' has no critic: remove critic, critic_weights and weights.adversarial")
            return self
        if self.critic is None:
            raise ValueError(f"variant {self.variant!r} needs a [critic], such as critic.name = 'unet'")
        side = self.data.patch * self.generator.scale
        if isinstance(self.critic, SRGANCriticConfig) and self.critic.patch != side:
            raise ValueError(f"critic.patch is {self.critic.patch} but crops are {side} (data.patch x generator.scale)")
        return self


# --- reading --------------------------------------------------------------------------------------------------------


def recipe_names() -> list[str]:
    """The shipped recipes."""
    return sorted(f.name.removesuffix(".toml") for f in _shipped().iterdir() if f.name.endswith(".toml"))


def load_recipe(name_or_file: str, overrides: list[str] | None = None, data: Path | None = None) -> Recipe:
    """The recipe of that name or in that TOML file, with `key=value` overrides applied (dotted keys, TOML values).

    `data` replaces `data.folder`.

    Raises:
        UserError: no such recipe, TOML that does not parse, an unknown key, a value of the wrong type or range.
    """
    values = _read_toml(name_or_file)
    for override in overrides or []:
        _apply(values, override)
    if data is not None:
        _apply(values, f"data.folder={json.dumps(str(data))}")
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise UserError(f"recipe {name_or_file}: {_first_problem(error)}") from None


def generator_config(text: str) -> ResidualSRConfig | SRResNetConfig | RRDBNetConfig:
    """The generator's settings from the JSON that a weight file carries.

    Raises:
        UserError: the text does not describe a generator of this version.
    """
    try:
        return TypeAdapter[ResidualSRConfig | SRResNetConfig | RRDBNetConfig](GeneratorConfig).validate_json(text)
    except ValidationError as error:
        raise UserError(f"generator settings: {_first_problem(error)}") from None


def _shipped() -> Traversable:
    return resources.files("srgan_kit") / "recipes"


def _read_toml(name_or_file: str) -> dict[str, object]:
    if name_or_file in recipe_names():
        text = (_shipped() / f"{name_or_file}.toml").read_text(encoding="utf-8")
    elif name_or_file.endswith(".toml"):
        try:
            text = Path(name_or_file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"recipe {name_or_file}: cannot be read ({error})") from None
    else:
        raise UserError(f"recipe {name_or_file!r}: expected one of {', '.join(recipe_names())}, or a .toml file")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"recipe {name_or_file}: not valid TOML ({error})") from None


def _apply(values: dict[str, object], override: str) -> None:
    """Set one dotted key in place. A value that is not TOML is taken as text, so that paths need no quotes."""
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise UserError(f"--set {override!r}: expected key=value, such as steps=100 or data.batch=8")
    try:
        value: object = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, last = key.split(".")
    table = values
    for parent in parents:
        inner = table.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise UserError(f"--set {override!r}: {parent} is a value, not a table")
        table = inner
    table[last] = value


def _first_problem(error: ValidationError) -> str:
    """The first thing wrong, as `where: what (got ...)`."""
    problem = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if problem["type"] == "extra_forbidden":
        return f"unknown key {where!r}{more}"
    message = problem["msg"].removeprefix("Value error, ")
    got = "" if problem["type"] in ("missing", "value_error") else f", got {json.dumps(problem['input'], default=str)}"
    return f"{where + ': ' if where else ''}{message}{got}{more}"
