"""Recipes: a complete, named training run as typed values. Unknown keys are errors; each field is explained below it.

Reading a recipe: `load_recipe("fidelity-x4")` or `load_recipe("my.toml", ["steps=100", "data.batch=8"])`.
"""

import dataclasses
import json
import tomllib
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from srgan_kit.contracts import REQUIREMENTS, Variant
from srgan_kit.degradation_config import BicubicConfig, DegradationConfig, RoundsConfig
from srgan_kit.errors import UserError
from srgan_kit.network_config import (
    CriticConfig,
    EncoderConfig,
    GeneratorConfig,
    InversionConfig,
    LatentConfig,
    PixelConfig,
    ReparameterisedConfig,
    ResidualSRConfig,
    Settings,
    SRConfig,
)
from srgan_kit.recipe_problems import first_problem
from srgan_kit.suggestions import did_you_mean
from srgan_kit.variants import VARIANTS

# --- techniques -----------------------------------------------------------------------------------------------------


class TechniquesConfig(Settings):
    """What steadies any adversarial system. Those that are terms are switched on by their weight: weights.
    feature_matching, weights.historical_averaging; critic_weights.r1, .gradient_penalty, .historical_averaging.
    Minibatch discrimination is critic.minibatch_kernels, label smoothing variant.smoothing."""

    virtual_batch_norm: bool = False
    """Batch norm becomes virtual batch norm (Salimans et al. 2016, sec. 3.5), in both players; not in super-resolvers,
    which enlarge images of any size."""
    spectral_norm: bool = False
    """The critic's layers have spectral norm (Miyato et al. 2018)."""
    instance_noise: float = Field(default=0.0, ge=0)
    """Standard deviation of noise on what the critic sees, falling to 0 at the last step (arXiv:1610.04490, sec. 5)."""
    translation: int = Field(default=0, ge=0)
    """Largest shift in pixels of what the critic sees, drawn anew for each image and step, the same for a real image
    and its generated partner (differentiable augmentation: Zhao et al. 2020, arXiv:2006.10738)."""
    feature_layer: int = -1
    """Which of the critic's feature maps `feature_matching` compares."""
    r1_every: int = Field(default=1, ge=1)
    """Steps from one R1 penalty to the next, each as much stronger."""


# --- the variant ----------------------------------------------------------------------------------------------------


def variant_name(variant: Variant) -> str:
    """The name it is chosen by."""
    return next(name for name, kind in VARIANTS.items() if type(variant) is kind)


def _read_variant(value: object) -> Variant:
    """A name, or a table of its name and settings; a variant stays as it is."""
    if type(value) in VARIANTS.values():
        return cast(Variant, value)
    table = {"name": value} if isinstance(value, str) else value
    name = table.get("name") if isinstance(table, dict) else value
    if not isinstance(table, dict) or not isinstance(name, str) or name not in VARIANTS:
        hint = did_you_mean(name, VARIANTS) if isinstance(name, str) else ""
        raise ValueError(f"expected one of {', '.join(VARIANTS)}; got {name!r:.80}{hint}")
    kind = VARIANTS[table["name"]]
    settings = {key: setting for key, setting in table.items() if key != "name"}
    known = [field.name for field in dataclasses.fields(cast(Any, kind))]
    for key in settings:
        if key not in known:
            of = f"its settings are {', '.join(known)}" if known else "it has no settings"
            raise ValueError(f"{table['name']} has no setting {key!r}; {of}")
    try:
        return TypeAdapter(kind).validate_python(settings)
    except ValidationError as error:
        raise ValueError(first_problem(error)) from None


def _write_variant(variant: Variant) -> dict[str, object]:
    return {"name": variant_name(variant), **dataclasses.asdict(cast(Any, variant))}


VariantSetting = Annotated[Any, BeforeValidator(_read_variant), PlainSerializer(_write_variant)]
"""A `Variant`, read from a recipe."""


def _table_of(value: object) -> object:
    """A name alone is short for a table of it."""
    return {"name": value} if isinstance(value, str) else value


NAMED = BeforeValidator(_table_of)
"""Of settings whose kind is chosen by `name`."""
SHORT = ("variant", "generator", "critic", "data.degradation")
"""Their keys."""


# --- data and losses ------------------------------------------------------------------------------------------------


class DataConfig(Settings):
    """The training images and what is cut from them."""

    folder: Path | None = None
    """Folder of training images, searched recursively; for super-resolution also a .zip of one, for the other tasks an
    .npz file with `images` or `x_train`; `--data` sets it."""
    lr_folder: Path | None = None
    """Folder of low-resolution partners with the same names; None makes them as `degradation` says."""
    degradation: Annotated[DegradationConfig, NAMED] = BicubicConfig()
    """How low-resolution images are made (super-resolution): bicubic, light or second-order, a table of its own."""
    patch: int = Field(default=40, ge=4)
    """Side of a training crop, in low-resolution pixels."""
    batch: int = Field(default=16, ge=1)
    """Crops per step and process."""
    augment: Literal["none", "flips", "flips-and-rotations"] = "flips-and-rotations"
    """How a crop may be turned."""
    reductions: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (1.0,)
    """Factors of which one is drawn for each crop, to reduce its image by first (super-resolution)."""
    shuffle_channels: bool = False
    """Whether a crop's colour channels change places at random (super-resolution)."""
    grey: float = Field(default=0.0, ge=0, le=1)
    """Part of the crops that are grey: one of their channels stands for all three (super-resolution). Without any, what
    is learnt on degraded colour gives grey pictures a tint."""
    pipeline: Literal["loader", "device"] = "loader"
    """Who makes super-resolution's batches: a data loader on the CPU, or the training device, which then holds all
    images; the crops are the same, bit for bit."""
    size: int = Field(default=64, ge=1)
    """Side of the images of the tasks unconditional and reconstruction."""
    channels: Literal[1, 2, 3] = 3
    """Their channels: 3 for RGB, 1 for grey; 2 for points in the plane, given as (N, 2, 1, 1)."""
    cache_megabytes: int = Field(default=2000, ge=0)
    """Decoded images are kept in memory as uint8 up to this many megabytes; those beyond it are read per crop."""
    workers: int = Field(default=0, ge=0)
    """Processes that prepare crops beside the training process; 0 is best on few cores."""

    @property
    def random_degradation(self) -> RoundsConfig | None:
        """The degradation, if it is drawn at random; None for the bicubic."""
        return None if isinstance(self.degradation, BicubicConfig) else self.degradation


class LabelsConfig(Settings):
    """Which of the labels (folder names, or the .npz file's) the run may see; a balanced choice by the run's seed."""

    fraction: float = Field(default=1.0, gt=0, le=1)
    """Part of the images that keep their label."""
    count: int | None = Field(default=None, ge=1)
    """How many images keep their label, in all classes together; replaces `fraction`."""
    share: float = Field(default=0.0, ge=0, le=1)
    """Part of the samples that are drawn from the labelled images, so that a batch has some of a few labels; the others
    are drawn from all images."""

    @property
    def amount(self) -> int | float | None:
        """How many images keep their label, or what part of them; None where all do."""
        if self.count is not None:
            return self.count
        return self.fraction if self.fraction < 1 else None


class ReconstructionConfig(Settings):
    """What the task reconstruction makes images from."""

    source: Literal["image", "features"] = "image"
    """An image's own code, by an encoder, or its features in the comparator of [perceptual]."""
    layer: str | None = None
    """The comparator's layer whose features are inverted; None takes the deepest of perceptual.layers."""


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
    """Of larger images only the middle is measured: as many high-resolution pixels a side."""


class PerceptualConfig(Settings):
    """The VGG feature loss."""

    network: Literal["vgg16", "vgg19", "squeezenet"] = "vgg19"
    """Which network compares."""
    layers: dict[str, float] = Field(default_factory=lambda: {"conv5_4": 1.0})
    """Layers by their paper names, each with its weight: `conv5_4` is before, `relu5_4` after the activation."""
    distance: Literal["l1", "l2", "charbonnier", "euclidean"] = "l1"
    """Distance between feature maps; "euclidean" is half the sum of squares over an image's, as in DeePSiM."""
    weights: Path | None = None
    """State-dict file for the VGG, whole or truncated; None takes torchvision's ImageNet weights."""
    translation: int = Field(default=0, ge=0)
    """Largest shift in pixels, drawn anew for each pair of images and step, of both images before they are compared.
    Where the comparator's strides and the generator's pixel shuffle keep step, the generator learns to draw a grid."""


class LPIPSConfig(Settings):
    """LPIPS as a loss. A model trained on it cannot be judged by it alone."""

    network: Literal["alex", "vgg", "squeeze"] = "squeeze"
    """Which network compares."""
    weights: Path | None = None
    """State-dict file for that network, with torchvision's keys; None takes torchvision's ImageNet weights."""
    translation: int = Field(default=0, ge=0)
    """Largest shift in pixels of both images before they are compared, as with the VGG feature loss."""


class DistillationConfig(Settings):
    """Whose results the generator learns beside the real images (super-resolution)."""

    teachers: tuple[str, ...] = ()
    """Embedded models' names, or files of models with the same upscaling factor, our own or a community's; each step
    asks one of them, drawn at random. The term `distillation` needs one or more."""
    distance: Literal["l1", "l2"] = "l1"
    """Mean absolute or mean squared difference."""


Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""Of a term: terms are minimised, so none is negative."""
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
    task: Literal["super-resolution", "unconditional", "reconstruction"] = "super-resolution"
    """What is trained."""
    variant: VariantSetting = VARIANTS["none"]()
    """The generative system: a name of `variants/`, or a table of its name and settings; `none` trains the generator
    alone on the content terms."""
    steps: int = Field(gt=0, lt=2**31)
    """Optimisation steps."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of initialisation, crops and everything else random."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Mixed precision; auto is bf16 where the hardware has it."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train."""
    generator: Annotated[GeneratorConfig, NAMED] = ResidualSRConfig()
    """The generator."""
    initialise_from: str | None = None
    """Weights to start from: an embedded model's name or a .safetensors file of the same generator."""
    initialise_parts: Literal["all", "trunk", "deeper"] = "all"
    """Which of them: "trunk" leaves the last convolution as it is, so that a model of another scale can start it;
    "deeper" adds groups at the end that start close to the identity, so that a model of fewer groups can."""
    compile: bool = False
    """Whether `torch.compile` translates the generator's training step; it changes rounding and speed alone."""
    latent: LatentConfig = LatentConfig()
    """What the generator makes an image from, besides its condition."""
    encoder: EncoderConfig = EncoderConfig()
    """The encoder, where the variant or the task needs one."""
    critic: Annotated[CriticConfig | None, NAMED] = None
    """The critic, for variants that have one."""
    critic_steps: int = Field(default=1, ge=1)
    """Steps of the critic for each step of the generator."""
    techniques: TechniquesConfig = TechniquesConfig()
    """What steadies the players."""
    labels: LabelsConfig = LabelsConfig()
    """How many labels the run may see."""
    reconstruction: ReconstructionConfig = ReconstructionConfig()
    """The task reconstruction's source."""
    weights: dict[str, Weight] = Field(default_factory=dict)
    """Weights of the generator's terms. Terms of content, each on if it has a weight other than 0: pixel, mse,
    charbonnier, fourier, perceptual, lpips, distillation, total_variation, consistency, phase_balance, phase_evenness,
    phase_bias; of techniques, on if they have one; the variant's own have their published weights unless named here."""
    critic_weights: dict[str, Weight] = Field(default_factory=dict)
    """Weights of the critic's terms, likewise."""
    perceptual: PerceptualConfig = PerceptualConfig()
    """Settings of the term `perceptual`."""
    lpips: LPIPSConfig = LPIPSConfig()
    """Settings of the term `lpips`."""
    distillation: DistillationConfig = DistillationConfig()
    """Settings of the term `distillation`."""
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
        source, teachers = self.initialise_from, tuple(Path(name).name for name in self.distillation.teachers)
        return self.model_copy(
            update={
                "data": self.data.model_copy(update=no_folders),
                "validation": self.validation.model_copy(update=no_folders),
                "perceptual": self.perceptual.model_copy(update={"weights": None}),
                "lpips": self.lpips.model_copy(update={"weights": None}),
                "distillation": self.distillation.model_copy(update={"teachers": teachers}),
                "initialise_from": None if source is None else Path(source).name,
            }
        )

    @property
    def image_shape(self) -> tuple[int, int]:
        """(channels, side) of the images that the generator makes in training."""
        if self.task == "super-resolution":
            return 3, self.data.patch * self.scale
        return self.data.channels, self.data.size

    @property
    def scale(self) -> int:
        """Upscaling factor of a super-resolution run."""
        assert isinstance(self.generator, SRConfig | PixelConfig)
        return self.generator.scale

    @property
    def generator_weights(self) -> dict[str, float]:
        """Of every term that may occur: the variant's published ones, replaced and added to by the recipe's."""
        return {**self.variant.weights, **self.weights}

    @property
    def all_critic_weights(self) -> dict[str, float]:
        """The same for the critic."""
        return {**self.variant.critic_weights, **self.critic_weights}

    @model_validator(mode="after")
    def _data_fit(self) -> "Recipe":
        data = self.data
        if not data.reductions:
            raise ValueError("data.reductions: expected at least one factor")
        if self.task != "super-resolution":
            for key in ("reductions", "shuffle_channels", "grey", "pipeline"):
                if getattr(data, key) != DataConfig.model_fields[key].default:
                    raise ValueError(f"data.{key}: for the task super-resolution, not for {self.task}")
        if data.lr_folder is not None and (data.pipeline == "device" or data.reductions != (1.0,)):
            raise ValueError("data.lr_folder: its images need data.pipeline = 'loader' and no data.reductions")
        if self.validation.lr_folder is not None and self.validation.folder is None:
            raise ValueError("validation.lr_folder needs validation.folder")
        if data.random_degradation is None:
            return self
        degradation = f"data.degradation.name = {data.degradation.name!r}"
        if self.task != "super-resolution":
            raise ValueError(f"{degradation}: for the task super-resolution, not for {self.task}")
        if data.lr_folder is not None:
            raise ValueError(f"{degradation}: data.lr_folder has low-resolution images already; remove one of the two")
        if data.pipeline == "device":
            raise ValueError(f"{degradation}: made on the CPU; set data.pipeline = 'loader', and data.workers to share")
        if self.generator_weights.get("consistency"):
            raise ValueError(f"{degradation}: weights.consistency compares with the bicubic; remove one of the two")
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> "Recipe":
        enlarges = isinstance(self.generator, SRConfig)
        pixel = isinstance(self.generator, PixelConfig)
        if self.task == "super-resolution" and not (enlarges or pixel):
            raise ValueError(f"generator {self.generator.name!r} enlarges no image; use residual, srresnet or rrdb")
        if self.task != "super-resolution" and enlarges:
            expected = "dcgan, resnet, mlp, inversion or an autoregressive one"
            raise ValueError(f"generator {self.generator.name!r} is for super-resolution; {self.task} needs {expected}")
        features = self.task == "reconstruction" and self.reconstruction.source == "features"
        if features != isinstance(self.generator, InversionConfig) and not pixel:
            raise ValueError("generator 'inversion' and reconstruction.source = 'features' need each other")
        modulated = isinstance(self.generator, ResidualSRConfig | ReparameterisedConfig)
        if self.latent.size and enlarges and not modulated:
            raise ValueError(f"generator {self.generator.name!r} takes no latent vector: use 'residual'")
        for part, got in (
            ("techniques", self.techniques.translation),
            ("perceptual", self.perceptual.translation),
            ("lpips", self.lpips.translation),
        ):
            if got >= self.image_shape[1]:
                side = self.image_shape[1]
                raise ValueError(f"{part}.translation: expected less than the images' side of {side}, got {got}")
        needs_critic = "critic" in self.variant.requirements()
        if needs_critic and self.critic is None:
            raise ValueError(f"variant {variant_name(self.variant)!r} needs {REQUIREMENTS['critic']}")
        if not needs_critic and (self.critic is not None or self.critic_weights):
            raise ValueError(f"variant {variant_name(self.variant)!r} has no critic: remove critic and critic_weights")
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
    recipe = _recipe_of(_read_toml(name_or_file), name_or_file, overrides, data)
    if (
        recipe.name in ("", ".", "..")
        or Path(recipe.name).name != recipe.name
        or "\\" in recipe.name
        or not recipe.name.isprintable()
    ):
        got = f"got {recipe.name!r}"
        raise UserError(f"recipe {name_or_file}: name: expected a name of one folder, which the run gets, {got}")
    return recipe


def load_recipe_again(
    values: dict[str, Any], source: str, overrides: list[str] | None = None, data: Path | None = None
) -> Recipe:
    """A recipe that a run was saved with, with overrides, as in `load_recipe`."""
    return _recipe_of(values, source, overrides, data)


def _recipe_of(values: dict[str, Any], source: str, overrides: list[str] | None, data: Path | None) -> Recipe:
    for override in overrides or []:
        _apply(values, override)
    if data is not None:
        _apply(values, f"data.folder={json.dumps(str(data))}")
    try:
        return Recipe.model_validate(values)
    except RecursionError:
        raise UserError(f"recipe {source}: nested too deeply") from None
    except ValidationError as error:
        raise UserError(f"recipe {source}: {first_problem(error, Recipe)}") from None


def generator_config(text: str) -> SRConfig:
    """A super-resolver's settings from the JSON that a weight file carries.

    Raises:
        UserError: the text does not describe a generator of this version.
    """
    try:
        return TypeAdapter[SRConfig](Annotated[SRConfig, Field(discriminator="name")]).validate_json(text)
    except ValidationError as error:
        raise UserError(f"generator settings: {first_problem(error)}") from None


def _shipped() -> Traversable:
    return resources.files("srgan_kit") / "recipes"


def _read_toml(name_or_file: str) -> dict[str, object]:
    if name_or_file in recipe_names():
        text = (_shipped() / f"{name_or_file}.toml").read_text(encoding="utf-8")
    elif name_or_file.endswith(".toml"):
        try:
            text = Path(name_or_file).read_text(encoding="utf-8-sig")  # some editors begin with a mark
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"recipe {name_or_file}: cannot be read ({error})") from None
    else:
        raise UserError(f"recipe {name_or_file!r}: expected one of {', '.join(recipe_names())}, or a .toml file")
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise UserError(f"recipe {name_or_file}: not valid TOML ({reason})") from None


def _apply(values: dict[str, object], override: str) -> None:
    """Set one dotted key in place. A value that is not TOML is taken as text, so that paths need no quotes."""
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise UserError(f"--set {override!r}: expected key=value, such as steps=100 or data.batch=8")
    try:
        value: object = tomllib.loads(f"value = {text}")["value"]
    except RecursionError:
        raise UserError(f"--set {override[:80]!r}...: nested too deeply") from None
    except ValueError:  # TOMLDecodeError is one, and what Python says of numbers of thousands of digits
        value = text
    *parents, last = key.split(".")
    table: dict[str, Any] = values
    for depth, parent in enumerate(parents):
        inner = table.setdefault(parent, {})
        if ".".join(parents[: depth + 1]) in SHORT:
            inner = table[parent] = _table_of(inner)
        if not isinstance(inner, dict):
            raise UserError(f"--set {override!r}: {parent} is a value, not a table")
        table = inner
    table[last] = value
