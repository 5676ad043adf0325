"""Recipes: a complete, named training run as typed values. Unknown keys are errors; each field is explained below it.

Its networks' settings stand beside the networks, those of its images beside the data.
"""

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from srgan_kit.critics import CriticConfig
from srgan_kit.data.settings import DataConfig, LabelsConfig
from srgan_kit.generators import SUPER_RESOLVERS, GeneratorConfig
from srgan_kit.generators.autoregressive.network import PixelSettings
from srgan_kit.generators.encoder import EncoderConfig
from srgan_kit.generators.model import LatentConfig
from srgan_kit.generators.super_resolution.community import CommunityConfig
from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.generators.super_resolution.settings import SRSettings
from srgan_kit.recipes.checks import check_recipe
from srgan_kit.recipes.sections import (
    CriticWeight,
    DistillationConfig,
    LPIPSConfig,
    OptimizerConfig,
    PerceptualConfig,
    ReconstructionConfig,
    TechniquesConfig,
    TermWeight,
    ValidationConfig,
    share_of,
)
from srgan_kit.recipes.terms import (
    CharbonnierConfig,
    ColorConsistencyConfig,
    ContextualConfig,
    DISTSConfig,
    FocalFrequencyConfig,
    HuberConfig,
    LocalDiscriminativeConfig,
    MaximumMeanDiscrepancyConfig,
    MomentMatchingConfig,
    MSSSIMConfig,
    SobelConfig,
    StationaryWaveletConfig,
    StyleConfig,
)
from srgan_kit.recipes.variant import VariantSetting
from srgan_kit.settings import NAMED, Settings, table_of
from srgan_kit.variants import VARIANTS


class Recipe(Settings):
    """One complete training run."""

    name: str
    """The recipe's name; the run folder is called after it."""
    description: str = ""
    """What the recipe is for, in a sentence."""
    paper: str = ""
    """The paper that it follows."""
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
    """Weights to start from: a pretrained model's name, a run's folder, or a file of the same generator: ours, or
    for `rrdb` an ESRGAN or Real-ESRGAN checkpoint."""
    initialise_parts: Literal["all", "trunk"] = "all"
    """Which of them: "trunk" leaves the last convolution as it is, so that a model of another scale can start it."""
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
    generator_batch: Literal["shared", "own"] = "shared"
    """What the generator learns from: the batch and the samples of the critic's last step, or a batch of its own,
    with its own samples."""
    techniques: TechniquesConfig = TechniquesConfig()
    """What steadies the players."""
    reconstruction: ReconstructionConfig = ReconstructionConfig()
    """The task reconstruction's source."""
    weights: dict[str, TermWeight] = Field(default_factory=dict)
    """Weights of the generator's terms: numbers, or shares of its gradient that are held, such as "share:0.15", beside
    at least one number. Terms of content, each on if it has a weight other than 0: pixel, mse, charbonnier, huber,
    fourier, focal_frequency, stationary_wavelet, sobel, ssim, ms_ssim, color_consistency, local_discriminative,
    perceptual, style, contextual, lpips, dists, distillation, total_variation, consistency, phase_balance,
    phase_evenness, phase_bias, moment_matching, maximum_mean_discrepancy; of techniques, on if they have one; the
    variant's own have default weights unless named here."""
    share_every: int = Field(default=10, ge=1)
    """Steps from one measurement of the generator's gradient to the next, by which weights that are shares adapt."""
    critic_weights: dict[str, CriticWeight] = Field(default_factory=dict)
    """Weights of the critic's terms, likewise."""
    perceptual: PerceptualConfig = PerceptualConfig()
    """Settings of the term `perceptual`."""
    lpips: LPIPSConfig = LPIPSConfig()
    """Settings of the term `lpips`."""
    distillation: DistillationConfig = DistillationConfig()
    """Settings of the term `distillation`."""
    charbonnier: CharbonnierConfig = CharbonnierConfig()
    """Settings of the term `charbonnier`."""
    huber: HuberConfig = HuberConfig()
    """Settings of the term `huber`."""
    ms_ssim: MSSSIMConfig = MSSSIMConfig()
    """Settings of the term `ms_ssim`."""
    focal_frequency: FocalFrequencyConfig = FocalFrequencyConfig()
    """Settings of the term `focal_frequency`."""
    local_discriminative: LocalDiscriminativeConfig = LocalDiscriminativeConfig()
    """Settings of the term `local_discriminative`."""
    color_consistency: ColorConsistencyConfig = ColorConsistencyConfig()
    """Settings of the term `color_consistency`."""
    stationary_wavelet: StationaryWaveletConfig = StationaryWaveletConfig()
    """Settings of the term `stationary_wavelet`."""
    sobel: SobelConfig = SobelConfig()
    """Settings of the term `sobel`."""
    style: StyleConfig = StyleConfig()
    """Settings of the term `style`."""
    contextual: ContextualConfig = ContextualConfig()
    """Settings of the term `contextual`."""
    dists: DISTSConfig = DISTSConfig()
    """Settings of the term `dists`."""
    moment_matching: MomentMatchingConfig = MomentMatchingConfig()
    """Settings of the term `moment_matching`."""
    maximum_mean_discrepancy: MaximumMeanDiscrepancyConfig = MaximumMeanDiscrepancyConfig()
    """Settings of the term `maximum_mean_discrepancy`."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """The generator's optimiser."""
    critic_optimizer: OptimizerConfig = OptimizerConfig(learning_rate=1e-4)
    """The critic's optimiser."""
    ema: float = Field(default=0.999, ge=0, lt=1)
    """Decay per step of the exponential moving average of the generator's weights, which is what a run exports."""
    critic_ema: float = Field(default=0.0, ge=0, lt=1)
    """The same of the critic's weights, by which it is measured; 0 measures the critic as it plays."""
    data: DataConfig = DataConfig()
    """Training data."""
    labels: LabelsConfig = LabelsConfig()
    """How many labels the run may see."""
    validation: ValidationConfig = ValidationConfig()
    """Validation."""
    log_every: int = Field(default=50, ge=1)
    """Steps between lines of the log."""
    checkpoint_every: int = Field(default=500, ge=1)
    """Steps between checkpoints."""

    def without_paths(self) -> "Recipe":
        """The same recipe with nothing in it about the machine that it ran on."""
        no_folders = {"folder": None, "lr_folder": None}
        no_sources = {"sources": ()}
        source, teachers = self.initialise_from, tuple(Path(name).name for name in self.distillation.teachers)
        generator = self.generator
        if isinstance(generator, CommunityConfig):
            generator = generator.model_copy(update={"file": Path(generator.file.name)})
        return self.model_copy(
            update={
                "generator": generator,
                "data": self.data.model_copy(update=no_folders | no_sources),
                "validation": self.validation.model_copy(update={**no_folders, "lpips_weights": None}),
                "perceptual": self.perceptual.model_copy(update={"weights": None}),
                "lpips": self.lpips.model_copy(update={"weights": None}),
                "dists": self.dists.model_copy(update={"weights": None, "vgg": None}),
                "distillation": self.distillation.model_copy(update={"teachers": teachers}),
                "initialise_from": None if source is None else Path(source).name,
            }
        )

    @property
    def image_shape(self) -> tuple[int, int]:
        """(channels, side) of the images that the generator makes in training."""
        if self.task == "super-resolution":
            return self.data.channels, self.data.patch * self.scale
        return self.data.channels, self.data.size

    @property
    def scale(self) -> int:
        """Upscaling factor of a super-resolution run."""
        assert isinstance(self.generator, SRSettings | PixelSettings)
        return self.generator.scale

    @property
    def generator_weights(self) -> dict[str, float]:
        """The weight of every term: the variant's default ones, replaced and added to by the recipe's.

        A weight that is a share begins as the default one, or as 1.
        """
        default, own = self.variant.weights, self.weights
        return {**default, **{k: default.get(k, 1.0) if isinstance(w, str) else w for k, w in own.items()}}

    @property
    def shares(self) -> dict[str, float]:
        """The shares of the generator's gradient that are held, of the terms that have one for a weight."""
        return {name: share for name, weight in self.weights.items() if (share := share_of(weight)) is not None}

    @property
    def all_critic_weights(self) -> dict[str, float]:
        """The same for the critic."""
        return {**self.variant.critic_weights, **self.critic_weights}

    @field_validator("generator", mode="before")
    @classmethod
    def _scale_known(cls, value: object) -> object:
        """A scale that the generator lacks is refused with the generators that have it."""
        table = table_of(value)
        name = table.get("name") if isinstance(table, dict) else None
        if not (isinstance(table, dict) and isinstance(name, str) and name in SUPER_RESOLVERS and "scale" in table):
            return value
        scales = {name: get_args(kind.model_fields["scale"].annotation) for name, kind in SUPER_RESOLVERS.items()}
        own, wanted = scales[name], table["scale"]
        able = [name for name, those in scales.items() if wanted in those]
        if own and able and wanted not in own:
            expected = ", ".join(map(str, own))
            raise ValueError(f"scale: {name!r} has {expected}, got {wanted}; use {' or '.join(able)} for it")
        return value

    @model_validator(mode="after")
    def _fits(self) -> "Recipe":
        check_recipe(self)
        return self
