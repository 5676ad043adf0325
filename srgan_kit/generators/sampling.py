"""Which latent vectors a grid of images shows: draws, interpolations, traversals of a code; and the images.

Draw i is a function of (seed, i) alone, made on the CPU: the first 4 of 64 are those of 4, on every machine.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from srgan_kit.contracts import Codes
from srgan_kit.errors import UserError
from srgan_kit.generators.autoregressive.network import PixelNetwork
from srgan_kit.generators.model import LatentConfig, Model

TRAVERSED = 2.0
"""Noise and continuous codes are traversed from minus this to this: beyond a code's prior, as in InfoGAN's figure 2."""
PIXELS_AT_ONCE = 2**20
"""As many values of images are made in one batch, or one image."""
DRAWN_AT_ONCE = 64
"""As many images of an autoregressive model are drawn at the same time."""


@dataclass(frozen=True)
class Latents:
    """The latent vectors of a grid's images, row after row."""

    noise: Tensor
    """(N, D)."""
    codes: Codes
    """Codes of the N images."""
    columns: int = 1
    """Images in a row; those of a row have something in common."""

    def __len__(self) -> int:
        return len(self.noise)

    def part(self, rows: slice) -> "Latents":
        """Some of them, in one column."""
        return Latents(self.noise[rows], Codes(self.codes.categorical[rows], self.codes.continuous[rows]))

    def repeated(self, columns: int) -> "Latents":
        """Each of them `columns` times, side by side."""
        categorical, continuous = self.codes.categorical, self.codes.continuous
        noise, *codes = (each.repeat_interleave(columns, dim=0) for each in (self.noise, categorical, continuous))
        return Latents(noise, Codes(*codes), columns)


def draw(model: Model, count: int, seed: int, truncation: float | None = None) -> Latents:
    """Latent vectors from the model's prior, or from the truncated one: noise beyond +-truncation is drawn again.

    Truncation: Brock et al. 2019, "Large Scale GAN Training", sec. 3.1, arXiv:1809.11096
    """
    drawn: list[tuple[Tensor, Codes]] = []
    for number in range(count):
        generator = _generator(seed, 0, number)
        noise, codes = model.draw(1, torch.device("cpu"), generator)
        drawn.append((noise if truncation is None else truncated(noise, truncation, generator), codes))
    noise = torch.cat([noise for noise, _ in drawn])
    categorical = torch.cat([codes.categorical for _, codes in drawn])
    return Latents(noise, Codes(categorical, torch.cat([codes.continuous for _, codes in drawn])))


def truncated(noise: Tensor, bound: float, generator: torch.Generator | None = None) -> Tensor:
    """Standard Gaussian noise (...) with every value beyond +-bound drawn again, from between: |z| <= bound."""
    again = nn.init.trunc_normal_(torch.empty_like(noise), a=-bound, b=bound, generator=generator)
    return torch.where(noise.abs() <= bound, noise, again)


def slerp(start: Tensor, end: Tensor, position: float) -> Tensor:
    """Spherical linear interpolation between vectors (..., D): `start` at position 0, `end` at 1; norms are kept.

    x(t) = sin((1 - t) w) / sin(w) * start + sin(t w) / sin(w) * end, w the angle between start and end

    On a straight line, where w is 0 or 180 degrees and the sphere gives no way, it is linear.
    White 2016, "Sampling Generative Networks", sec. 2.1, arXiv:1609.04468
    """
    a, b = start.double(), end.double()
    cosine = nn.functional.cosine_similarity(a, b, dim=-1, eps=1e-300).clamp(-1, 1)[..., None]
    angle = torch.acos(cosine)
    straight = angle.sin() < 1e-6
    sine = torch.where(straight, torch.ones_like(angle), angle.sin())
    first = torch.where(straight, 1 - torch.full_like(angle, position), torch.sin((1 - position) * angle) / sine)
    second = torch.where(straight, torch.full_like(angle, position), torch.sin(position * angle) / sine)
    return (first * a + second * b).to(start.dtype)


def interpolation(latents: Latents, columns: int) -> Latents:
    """2 R draws as rows from the noise of draw i to that of draw R + i by `slerp`; the codes are those of draw i."""
    rows = len(latents) // 2
    start, end = latents.noise[:rows], latents.noise[rows:]
    noise = [slerp(start, end, step / max(1, columns - 1)) for step in range(columns)]
    held = latents.part(slice(rows)).repeated(columns)
    return Latents(torch.stack(noise, dim=1).flatten(0, 1), held.codes, columns)


def find_code(name: str, latent: LatentConfig) -> tuple[str, int]:
    """The kind and the number in a name such as categorical.0, continuous.1 or noise.7.

    Raises:
        UserError: the model has none of that name; the message lists those it has.
    """
    there = {"categorical": len(latent.categorical), "continuous": latent.continuous, "noise": latent.noise}
    kind, _, number = name.partition(".")
    if kind in there and number.isascii() and number.isdigit() and int(number) < there[kind]:
        return kind, int(number)
    listed = [f"{kind}.0" + (f" ... {kind}.{count - 1}" if count > 1 else "") for kind, count in there.items() if count]
    raise UserError(f"code {name!r}: this model has {', '.join(listed) or 'no latent vector'}")


def code_values(code: tuple[str, int], latent: LatentConfig, columns: int) -> list[float]:
    """What a traversal shows: all classes of a categorical code, else `columns` values from -2 to 2."""
    kind, number = code
    if kind == "categorical":
        return [float(value) for value in range(latent.categorical[number])]
    return torch.linspace(-TRAVERSED, TRAVERSED, columns, dtype=torch.float64).tolist()


def traversal(latents: Latents, code: tuple[str, int], values: list[float]) -> Latents:
    """Rows in which the code takes the values, and all else is that of one draw.

    Chen et al. 2016, "InfoGAN", fig. 2, arXiv:1606.03657
    """
    kind, number = code
    table = latents.repeated(len(values))
    tensor = table.noise if kind == "noise" else getattr(table.codes, kind)
    tensor[:, number] = torch.tensor(values, dtype=torch.float64).to(tensor.dtype).repeat(len(latents))
    return table


@torch.no_grad()
def make_images(model: Model, latents: Latents, condition: Tensor | None = None, seed: int = 0) -> Tensor:
    """The images (N, C, H, W) on the CPU, in [0, 1].

    What an autoregressive model draws besides is the same in every image of a row, so that it shows the code alone.

    Args:
        model: in evaluation mode.
        latents: one for each image.
        condition: (1, C, h, w) that all images are made of, on the model's device; or None.
        seed: of what autoregressive models draw.
    """
    device = next(model.parameters()).device
    made: dict[int, Tensor] = {}
    for numbers in _batches(model, latents, condition):
        noise = latents.noise[numbers].to(device)
        codes = Codes(latents.codes.categorical[numbers].to(device), latents.codes.continuous[numbers].to(device))
        given = None if condition is None else condition.expand(len(numbers), -1, -1, -1)
        generator = _generator(seed, 1, numbers[0] // latents.columns)
        images = model.generate(model.vector(noise, codes), given, len(numbers), generator)
        made |= zip(numbers, images.float().clamp(0, 1).cpu(), strict=True)
    return torch.stack([made[number] for number in range(len(latents))])


def _batches(model: Model, latents: Latents, condition: Tensor | None) -> Iterator[list[int]]:
    """The numbers of the images to make at a time; those of autoregressive models are in one column."""
    numbers = list(range(len(latents)))
    if model.autoregressive:
        rows = len(latents) // latents.columns
        for first in range(0, rows, DRAWN_AT_ONCE):
            for column in range(latents.columns):
                yield numbers[column :: latents.columns][first : first + DRAWN_AT_ONCE]
        return
    channels, height, width = model.image_shape
    if condition is not None:  # a super-resolver: an image of any size, at most 4 times as large
        height, width = (4 * side for side in condition.shape[2:])
    size = max(1, PIXELS_AT_ONCE // (channels * height * width))
    yield from (numbers[start : start + size] for start in range(0, len(numbers), size))


def values_to_draw(model: Model, images: int) -> int:
    """How many values an autoregressive model draws for the images, one after the other; 0 for other models."""
    channels, height, width = model.image_shape
    return images * channels * height * width if model.autoregressive else 0


@contextmanager
def each_value_drawn(model: Model, tell: Callable[[int], object]) -> Iterator[None]:
    """Calls `tell(images)` whenever a value was drawn in so many images at once."""
    if not isinstance(model.decoder, PixelNetwork):
        yield
        return

    def note(head: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor) -> None:
        tell(len(logits))

    hook = model.decoder.head.register_forward_hook(note)
    try:
        yield
    finally:
        hook.remove()


def _generator(*key: int) -> torch.Generator:
    """Random numbers of their own for each key."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))
