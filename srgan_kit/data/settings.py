"""Settings of a run's images and labels, and of what is cut from the images."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from srgan_kit.data.binarise import Binarisation
from srgan_kit.data.degradation_settings import BicubicConfig, DegradationConfig, RoundsConfig
from srgan_kit.data.labels import LabelledDraws
from srgan_kit.data.mixture import Mixture
from srgan_kit.losses import processes
from srgan_kit.settings import NAMED, Settings


class SourceConfig(Settings):
    """One of several sources of training images."""

    folder: Path
    """As `data.folder`, but no .npz file."""
    lr_folder: Path | None = None
    """As `data.lr_folder`: all sources have one, or none has."""
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """How many samples are drawn from this source, in proportion to the other weights."""


class DataConfig(Settings):
    """The training images and what is cut from them."""

    folder: Path | None = None
    """Folder of training images, searched recursively, or a .zip of one; WebDataset shards, a .tar file or a folder of
    them; a table of the package `datasets`, in a folder written by `save_to_disk` or of .parquet files; for the tasks
    unconditional and reconstruction also an .npz file with `images` or `x_train`. `--data` sets it."""
    lr_folder: Path | None = None
    """Low-resolution partners with the same names, likewise; None makes them as `degradation` says."""
    sources: tuple[SourceConfig, ...] = ()
    """Several of these instead of `folder`, each a table [[data.sources]] with `folder`, `weight` and, for
    super-resolution, `lr_folder`. Sample i's source is a function of i and the weights."""
    degradation: Annotated[DegradationConfig, NAMED] = BicubicConfig()
    """How low-resolution images are made (super-resolution): bicubic, light or second-order, a table of its own."""
    patch: int = Field(default=40, ge=4)
    """Side of a training crop, in low-resolution pixels."""
    batch: int = Field(default=16, ge=1)
    """Crops that go through the networks together: per step, process and part (see `accumulate`)."""
    accumulate: int = Field(default=1, ge=1)
    """Parts of `batch` crops each that a process takes one after the other in a step, for batches that memory does not
    hold: their gradients add up to the whole batch's. Refused where a layer or term takes statistics of a batch."""
    augment: Literal["none", "flips", "flips-and-rotations"] = "flips-and-rotations"
    """How a crop may be flipped and rotated."""
    reductions: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (1.0,)
    """Factors of which one is drawn for each crop, to reduce its image by first (super-resolution)."""
    shuffle_channels: bool = False
    """Whether a crop's colour channels change places at random (super-resolution)."""
    grey: float = Field(default=0.0, ge=0, le=1)
    """Fraction of the crops that are grey: one of their channels stands for all three (super-resolution). Without any,
    training on degraded colour gives grey images a tint."""
    pipeline: Literal["loader", "device"] = "loader"
    """Who makes super-resolution's batches: a data loader on the CPU, or the training device, which then holds all
    images; the crops are the same, bit for bit."""
    size: int = Field(default=64, ge=1)
    """Side of the images of the tasks unconditional and reconstruction."""
    channels: Literal[1, 2, 3] = 3
    """Channels of the images of all tasks: 3 for RGB, 1 for grey; 2 for points in the plane, given as (N, 2, 1, 1)."""
    binarise: Binarisation = "none"
    """How those images become black and white, held-out ones too: "random" draws each value, white by its chance, anew
    each time that an image is trained on; "fixed" draws it once, the same in every run; "threshold" compares with one
    half. Held-out images are drawn once."""
    cache_megabytes: int = Field(default=2000, ge=0)
    """Decoded images are kept in memory up to this many megabytes (super-resolution); those beyond it are read per
    crop. What the first start finds of images that do not all fit is kept in the user's cache folder, so that the next
    one need not decode them."""
    workers: Annotated[int, Field(ge=0)] | None = None
    """Processes that prepare crops beside the training process. None where the CPU trains: one if images are degraded
    at random, which takes a tenth of a step or more, else none; beside an accelerator: one for each core but one, at
    most 8."""

    @property
    def all_sources(self) -> tuple[SourceConfig, ...]:
        """The sources, however they were given; none where no training images were named."""
        if self.folder is None:
            return self.sources
        return (SourceConfig(folder=self.folder, lr_folder=self.lr_folder),)

    @property
    def paired(self) -> bool:
        """Whether low-resolution images are given."""
        return self.lr_folder is not None or any(source.lr_folder is not None for source in self.sources)

    @property
    def mixture(self) -> Mixture:
        """Which source each sample is drawn from."""
        return Mixture.of([source.weight for source in self.all_sources])

    @model_validator(mode="after")
    def _sources_fit(self) -> "DataConfig":
        if self.sources and (self.folder is not None or self.lr_folder is not None):
            given = "folder" if self.folder is not None else "lr_folder"
            raise ValueError(f"{given} and sources: two ways to say where images are; give one of them")
        if self.sources and self.paired and not all(source.lr_folder for source in self.sources):
            raise ValueError("sources: some have an lr_folder and some have none; give it to all of them or to none")
        return self

    @property
    def parts(self) -> int:
        """How many parts of `batch` a step's whole batch has, in all processes together."""
        return self.accumulate * processes()

    @property
    def random_degradation(self) -> RoundsConfig | None:
        """The degradation, if it is drawn at random; None for the bicubic."""
        return None if isinstance(self.degradation, BicubicConfig) else self.degradation


class LabelsConfig(Settings):
    """Which of the labels (folder names, or the .npz file's) the run may see; a balanced choice at random."""

    fraction: float = Field(default=1.0, gt=0, le=1)
    """Fraction of the images that keep their label."""
    count: int | None = Field(default=None, ge=1)
    """How many images keep their label, in all classes together; replaces `fraction`."""
    share: float = Field(default=0.0, ge=0, le=1)
    """Fraction of the samples that are drawn from the labelled images, so that a batch has some where labels are few;
    the others are drawn from all images."""
    batch: int = Field(default=0, ge=0)
    """Labelled images per step, process and part in a batch of their own, from which alone classes are learned; those
    of `data.batch` then teach everything else. 0 for none."""
    seed: int | None = Field(default=None, ge=0, lt=2**31)
    """Seed of the choice of the images that keep their label; None for the run's."""

    @property
    def amount(self) -> int | float | None:
        """How many images keep their label, or which fraction of them; None where all do."""
        if self.count is not None:
            return self.count
        return self.fraction if self.fraction < 1 else None

    def draws(self, data: DataConfig) -> LabelledDraws:
        """Which samples are drawn from the labelled images alone, in batches as `data` says."""
        return LabelledDraws(self.share, data.batch * data.parts, self.batch * data.parts)

    @model_validator(mode="after")
    def _one_way(self) -> "LabelsConfig":
        if self.batch and self.share:
            raise ValueError("share and batch are two ways to bring labels into a step; set one of them to 0")
        return self
