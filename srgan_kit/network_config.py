"""Settings of the networks that a recipe can name, as typed values; each field is explained below it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Depth = Annotated[int, Field(ge=1, le=300)]
"""Layers or blocks of a network; more cannot be trained, and would take minutes to build."""


class Settings(BaseModel):
    """What every part of a recipe has in common: immutable, and strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class EnlargerSettings(Settings):
    """`generators/enlarger.py`: 3x3 head and tail, one pixel shuffle, interpolated image skip."""

    scale: Literal[2, 3, 4] = 4
    """Upscaling factor."""
    channels: int = Field(default=64, ge=1)
    """Width of the trunk."""
    image_skip: Literal["bilinear", "nearest"] = "bilinear"
    """How the input is enlarged before the residual is added."""


class ResidualSRConfig(EnlargerSettings):
    """`generators/residual.py`: residual groups without batch norm."""

    name: Literal["residual"] = "residual"
    """Which generator this is."""
    groups: Depth = 6
    """Residual groups."""
    convolutions: Depth = 3
    """Convolutions in a group; 2 gives SRResNet's blocks without batch norm."""
    latent: int = Field(default=0, ge=0)
    """Size of a latent vector that modulates every group; a run sets it from [latent]."""


class ReparameterisedConfig(EnlargerSettings):
    """`generators/reparameterised.py`: residual groups whose convolutions have branches in training."""

    name: Literal["reparameterised"]
    """Which generator this is."""
    groups: Depth = 6
    """Residual groups."""
    convolutions: Depth = 3
    """Convolutions in a group; 2 gives SRResNet's blocks without batch norm."""
    latent: int = Field(default=0, ge=0)
    """Size of a latent vector that modulates every group; a run sets it from [latent]."""

    def plain(self) -> ResidualSRConfig:
        """The network that it folds to, which is what a run exports."""
        return ResidualSRConfig.model_validate(self.model_dump(exclude={"name"}))


class LargeKernelConfig(EnlargerSettings):
    """`generators/large_kernel.py`: blocks with a large kernel on some of the channels."""

    name: Literal["large-kernel"]
    """Which generator this is."""
    blocks: Depth = 4
    """Residual blocks."""
    kernel: int = Field(default=13, ge=3)
    """Side of the large kernel; odd."""
    partial: int = Field(default=16, ge=1)
    """Channels that it works on; at most `channels`."""

    @model_validator(mode="after")
    def _possible(self) -> "LargeKernelConfig":
        _check_odd(self.kernel)
        if self.partial > self.channels:
            raise ValueError(f"partial: expected at most channels = {self.channels}, got {self.partial}")
        return self


class DepthwiseConfig(EnlargerSettings):
    """`generators/depthwise.py`: blocks of one depthwise and two 1x1 convolutions."""

    name: Literal["depthwise"]
    """Which generator this is."""
    blocks: Depth = 10
    """Residual blocks."""
    kernel: int = Field(default=5, ge=3)
    """Side of the depthwise kernel; odd."""
    expansion: int = Field(default=2, ge=1)
    """How many times wider a block is inside."""

    @model_validator(mode="after")
    def _possible(self) -> "DepthwiseConfig":
        _check_odd(self.kernel)
        return self


class AttentionConfig(EnlargerSettings):
    """`generators/attention.py`: blocks with parameter-free attention."""

    name: Literal["attention"]
    """Which generator this is."""
    blocks: Depth = 6
    """Residual blocks, of three convolutions each."""


def _check_odd(kernel: int) -> None:
    if kernel % 2 == 0:
        raise ValueError(f"kernel: expected an odd side, got {kernel}")


class SRResNetConfig(Settings):
    """`generators/srresnet.py`: the SRGAN paper's generator."""

    name: Literal["srresnet"]
    """Which generator this is."""
    scale: Literal[2, 3, 4] = 4
    """Upscaling factor."""
    channels: int = Field(default=64, ge=1)
    """Width of the trunk."""
    blocks: Depth = 16
    """Residual blocks."""


class RRDBNetConfig(Settings):
    """`generators/rrdb.py`: ESRGAN's generator."""

    name: Literal["rrdb"]
    """Which generator this is."""
    scale: Literal[2, 4] = 4
    """Upscaling factor."""
    channels: int = Field(default=64, ge=1)
    """Width of the trunk."""
    blocks: Depth = 23
    """Residual-in-residual dense blocks."""
    growth: int = Field(default=32, ge=1)
    """Channels each dense convolution adds."""


class DCGANConfig(Settings):
    """`generators/dcgan.py`: transposed convolutions from a latent vector."""

    name: Literal["dcgan"]
    """Which generator this is."""
    channels: int = Field(default=64, ge=1)
    """Width of the last hidden layer; each earlier one is twice as wide."""


class ResNetConfig(Settings):
    """`generators/resnet.py`: residual upsampling blocks from a latent vector."""

    name: Literal["resnet"]
    """Which generator this is."""
    channels: int = Field(default=64, ge=1)
    """Width of the last block."""


class MLPConfig(Settings):
    """`generators/mlp.py`: dense layers from a latent vector."""

    name: Literal["mlp"]
    """Which generator this is."""
    hidden: int = Field(default=500, ge=1)
    """Width of the hidden layers."""
    layers: Depth = 2
    """Hidden layers."""
    output: Literal["logits", "linear"] = "logits"
    """"linear" for data that are no images, such as points in the plane."""
    normalisation: Literal["batch", "none"] = "batch"
    """Normalisation of the hidden layers."""
    activation: Literal["softplus", "relu"] = "softplus"
    """Activation of the hidden layers."""


class InversionConfig(Settings):
    """`generators/inversion.py`: up-convolutions from feature maps."""

    name: Literal["inversion"]
    """Which generator this is."""
    channels: int = Field(default=64, ge=1)
    """Width of the last hidden layer."""


class PixelConfig(Settings):
    """`generators/pixelcnn.py`, `generators/pixelrnn.py`: autoregressive networks, value after value."""

    name: Literal["pixelcnn", "row-lstm", "diagonal-bilstm"]
    """Which generator this is."""
    levels: int = Field(default=256, ge=2, le=256)
    """Levels of a value; 2 for binary images."""
    channels: int = Field(default=32, ge=1)
    """Width."""
    layers: Depth = 7
    """Residual or recurrent layers."""
    scale: Literal[2, 3, 4] = 4
    """Upscaling factor of the task super-resolution."""


SRConfig = (
    ResidualSRConfig
    | ReparameterisedConfig
    | LargeKernelConfig
    | DepthwiseConfig
    | AttentionConfig
    | SRResNetConfig
    | RRDBNetConfig
)
"""Generators that enlarge an image."""
GeneratorConfig = Annotated[
    SRConfig | DCGANConfig | ResNetConfig | MLPConfig | InversionConfig | PixelConfig, Field(discriminator="name")
]


class LatentConfig(Settings):
    """What the generator makes an image from, besides its condition. The sizes add up to the latent vector."""

    noise: int = Field(default=0, ge=0)
    """Standard Gaussian numbers; with an encoder, the size of its code."""
    categorical: tuple[Annotated[int, Field(ge=2)], ...] = ()
    """Classes of each categorical code."""
    continuous: int = Field(default=0, ge=0)
    """Codes uniform on [-1, 1]."""

    @property
    def size(self) -> int:
        """Of the latent vector, with categorical codes one-hot."""
        return self.noise + sum(self.categorical) + self.continuous


class EncoderConfig(Settings):
    """`generators/encoder.py`: from an image to its code, where the variant or the task needs one."""

    layout: Literal["convolutional", "dense"] = "convolutional"
    """Which encoder."""
    channels: int = Field(default=64, ge=1)
    """Width of the first convolution."""
    hidden: int = Field(default=500, ge=1)
    """Width of dense hidden layers."""
    layers: Depth = 2
    """Dense hidden layers."""


class CriticHeads(Settings):
    """What every critic may have besides its score; a head for codes is there whenever the generator has codes."""

    classes: int = Field(default=0, ge=0)
    """Classes of the class head; 0 for none."""
    minibatch_kernels: int = Field(default=0, ge=0)
    """Kernels of minibatch discrimination (Salimans et al. 2016, sec. 3.2); 0 for none."""
    conditional: bool = False
    """Whether it sees the generator's condition beside the image."""


class SRGANCriticConfig(CriticHeads):
    """`critics/srgan.py`: the SRGAN paper's discriminator."""

    name: Literal["srgan"]
    """Which critic this is."""
    channels: int = Field(default=64, ge=1)
    """Width of the first layer."""


class DCGANCriticConfig(CriticHeads):
    """`critics/dcgan.py`: strided convolutions."""

    name: Literal["dcgan"]
    """Which critic this is."""
    channels: int = Field(default=64, ge=1)
    """Width of the first layer."""


class MLPCriticConfig(CriticHeads):
    """`critics/mlp.py`: dense layers."""

    name: Literal["mlp"]
    """Which critic this is."""
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = (1000, 500, 250, 250, 250)
    """Widths of the hidden layers."""
    noise: float = Field(default=0.0, ge=0)
    """Standard deviation of the Gaussian noise on hidden layers in training."""
    input_noise: float = Field(default=0.0, ge=0)
    """The same on the image."""
    weight_norm: bool = False
    """Whether each unit of the hidden layers has weights of length 1."""


class AutoencoderCriticConfig(CriticHeads):
    """`critics/autoencoder.py`: the energy of an image is how badly it is reconstructed."""

    name: Literal["autoencoder"]
    """Which critic this is."""
    layout: Literal["convolutional", "dense"] = "convolutional"
    """Of which layers."""
    channels: int = Field(default=64, ge=1)
    """Width of the first convolution."""
    embedding: int = Field(default=128, ge=1)
    """Size of the code."""
    energy: Literal["euclidean", "mean-square"] = "euclidean"
    """How the energy of an image is computed."""


class UNetCriticConfig(CriticHeads):
    """`critics/unet.py`: one score per pixel, spectral norm."""

    name: Literal["unet"]
    """Which critic this is."""
    channels: int = Field(default=32, ge=1)
    """Width of the first layer."""


CriticConfig = Annotated[
    SRGANCriticConfig | UNetCriticConfig | DCGANCriticConfig | MLPCriticConfig | AutoencoderCriticConfig,
    Field(discriminator="name"),
]
