"""EBGAN's critic: an auto-encoder, whose score is the energy of an image (Zhao et al. 2016, arXiv:1609.03126)."""

from itertools import pairwise
from typing import Annotated, Literal, Unpack

from pydantic import Field
from torch import Tensor, nn

from srgan_kit import losses
from srgan_kit.contracts import Critique
from srgan_kit.critics.heads import CodeHead, HeadSettings, provided
from srgan_kit.critics.settings import CriticSettings, CriticSpec
from srgan_kit.errors import UserError
from srgan_kit.generators.latent.dcgan import DCGANGenerator
from srgan_kit.layers.check_shape import expect
from srgan_kit.layers.dcgan import halving_layers, initialise, pyramid, widths
from srgan_kit.layers.dropout import BatchDropout
from srgan_kit.settings import DEEPEST

Energy = Literal["euclidean", "mean-square"]
Layout = Literal["convolutional", "local", "dense"]


class AutoencoderCriticConfig(CriticSettings):
    """The energy of an image is how badly it is reconstructed."""

    name: Literal["autoencoder"] = "autoencoder"
    """Which critic this is."""
    layout: Layout = "convolutional"
    """Which layers encoder and decoder are made of. "local" has a code at every fourth pixel, which holds the texture
    there: for super-resolution, where one code of the whole image would lose all detail."""
    channels: int = Field(default=64, ge=1)
    """Width of the first convolution."""
    embedding: int = Field(default=128, ge=1)
    """Size of the code; with the layout "local" its channels, for the 48 values of 4x4 pixels."""
    energy: Energy = "euclidean"
    """How the energy of an image is computed."""
    encoder_layers: Annotated[int, Field(ge=0, le=DEEPEST)] = 1
    """Hidden layers of a dense encoder; 0 for a single linear layer to the code."""
    decoder_layers: Annotated[int, Field(ge=0, le=DEEPEST)] = 1
    """Hidden layers of a dense decoder; 0 for a single linear layer, as in the paper's grid search."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Part of a dense encoder's hidden activations that is left out in training."""

    def build(self, spec: CriticSpec) -> "AutoencoderCritic":
        """A new network with random weights."""
        if self.minibatch_kernels or self.conditional:
            heads = "no critic.conditional, no critic.minibatch_kernels"
            raise ValueError(f"critic 'autoencoder' sees an image alone: {heads}")
        own = (self.channels, self.embedding, self.energy, self.layout)
        depths = (self.encoder_layers, self.decoder_layers)
        return AutoencoderCritic(spec.size, spec.image_channels, *own, depths, self.dropout, **self.heads(spec))


class AutoencoderCritic(nn.Module):
    """Encodes an image and decodes it again; the score is how far the result is from the image: low is real.

    (N, image_channels, size, size) -> Critique with score (N,), reconstruction, embedding (N, embedding) and the
    encoder's hidden maps; the embedding of "local" is (N, embedding * (size / 4)^2). Embedding and reconstruction come
    from linear layers, so either sign and any range occur.

    E(x) = ||decode(encode(x)) - x||, sec. 2.3

    Args:
        size: side of the images; for "convolutional" 4, 5, 6 or 7 times a power of two, for "local" divisible by 4.
        image_channels: 3 for RGB, 1 for grey.
        channels: width of the layer next to the image; "dense" layers all have it.
        embedding: size of the code between encoder and decoder.
        energy: which distance, see `losses.reconstruction_energy`.
        layout: "convolutional", DCGAN's critic and generator, for images in [0, 1]; "local", two halvings and two
            doublings around a code at every fourth pixel, without batch norm; or "dense", by default one hidden layer
            on each side, for values of any range, such as points of the plane: size=1, image_channels=2.
        depths: hidden layers of a dense encoder and of a dense decoder.
        dropout: part of a dense encoder's hidden activations that is left out in training.
        heads: the keyword arguments of `Heads`: classes that a linear layer, and codes that a `CodeHead` reads from the
            embedding; no minibatch_kernels and no condition, because the score is of one image.

    Raises:
        UserError: a size that is not of that form, minibatch kernels or a condition; from forward, images of another
            shape.
    """

    def __init__(
        self,
        size: int,
        image_channels: int = 3,
        channels: int = 64,
        embedding: int = 128,
        energy: Energy = "euclidean",
        layout: Layout = "convolutional",
        depths: tuple[int, int] = (1, 1),
        dropout: float = 0.0,
        **heads: Unpack[HeadSettings],
    ) -> None:
        super().__init__()
        minibatch_kernels, condition = heads.get("minibatch_kernels", 0), heads.get("condition")
        if minibatch_kernels or condition:
            came = f"minibatch_kernels={minibatch_kernels}, condition={condition}"
            raise UserError(f"AutoencoderCritic: an energy is of the image alone, expected neither of {came}")
        self.image_shape = (image_channels, size, size)
        self.energy: Energy = energy
        self.layout: Layout = layout
        if layout == "convolutional":
            base, halvings = pyramid("AutoencoderCritic", size)
            width = widths(channels, halvings)[-1] * base**2
            self.encoder = halving_layers(image_channels, channels, halvings)
            self.decoder = DCGANGenerator(embedding, size, image_channels, channels)
        elif layout == "local":
            if size % 4 or size < 8:
                raise UserError(f"AutoencoderCritic: expected a size that 4 divides, 8 or more, got {size}")
            width = embedding * (size // 4) ** 2
            self.encoder, self.decoder = _local_layers(image_channels, channels, embedding)
        else:
            values = image_channels * size**2
            sizes = [values, *[channels] * depths[0]]
            self.encoder = nn.ModuleList(_hidden(*pair, dropout) for pair in pairwise(sizes))
            width = sizes[-1]
            inner: list[nn.Module] = []
            sizes = [embedding, *[channels] * depths[1]]
            for pair in pairwise(sizes):
                inner += [nn.Linear(*pair), nn.LeakyReLU(0.2)]
            self.decoder = nn.Sequential(*inner, nn.Linear(sizes[-1], values), nn.Unflatten(1, self.image_shape))
        self.embed = nn.Identity() if layout == "local" else nn.Linear(width, embedding)
        embedding = width if layout == "local" else embedding
        classes, categorical, continuous = (
            heads.get("classes", 0),
            heads.get("categorical", ()),
            heads.get("continuous", 0),
        )
        self.class_head = nn.Linear(embedding, classes) if classes else None
        codes = (embedding, categorical, continuous, heads.get("code_normalisation", "none"))
        self.code_head = CodeHead(*codes) if categorical or continuous else None
        self.provides = provided(classes, categorical, continuous) | {"autoencoder"}
        if layout == "convolutional":
            self.apply(initialise)

    def forward(self, image: Tensor, condition: Tensor | None = None) -> Critique:
        """(N, image_channels, size, size) -> Critique; a condition is not looked at."""
        inside = self.layout != "dense"  # whose layers work on [-1, 1]
        hidden = expect("AutoencoderCritic", "images", image, *self.image_shape)
        hidden = hidden * 2 - 1 if inside else hidden
        features: list[Tensor] = []
        for layer in self.encoder:
            hidden = layer(hidden)
            features.append(hidden)
        embedding = self.embed(hidden.flatten(1))
        decoded = self.decoder(hidden if self.layout == "local" else embedding)
        reconstruction = (decoded + 1) / 2 if inside else decoded
        return Critique(
            score=losses.reconstruction_energy(image, reconstruction, self.energy),
            features=features,
            class_logits=self.class_head(embedding) if self.class_head else None,
            codes=self.code_head(embedding) if self.code_head else None,
            reconstruction=reconstruction,
            embedding=embedding,
        )


def _hidden(before: int, after: int, dropout: float) -> nn.Sequential:
    """A dense layer whose output is a map (N, after, 1, 1)."""
    left = [BatchDropout(dropout)] if dropout else []
    return nn.Sequential(
        nn.Flatten(), nn.Linear(before, after), nn.LeakyReLU(0.2), nn.Unflatten(1, (after, 1, 1)), *left
    )


def _local_layers(image_channels: int, channels: int, embedding: int) -> tuple[nn.ModuleList, nn.Sequential]:
    """(N, image_channels, H, W) -> (N, embedding, H / 4, W / 4), the last of three maps, and back."""
    encoder = nn.ModuleList(
        [
            nn.Sequential(nn.Conv2d(image_channels, channels, 4, stride=2, padding=1), nn.LeakyReLU(0.2)),
            nn.Sequential(nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1), nn.LeakyReLU(0.2)),
            nn.Conv2d(2 * channels, embedding, 1),
        ]
    )
    decoder = nn.Sequential(
        nn.Conv2d(embedding, 2 * channels, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(2 * channels, channels, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(channels, image_channels, 4, stride=2, padding=1),
    )
    return encoder, decoder
