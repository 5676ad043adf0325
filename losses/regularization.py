"""Terms that keep the players of a game calm: gradient penalties and historical averaging."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ._settings import function, not_negative, number, whole
from ._tensors import check_floating_point, check_tensors, in_full_precision, spoilt_by
from .batch_parts import drawn_for_batch


def r1_penalty(score: Tensor, image: Tensor, gamma: float = 1.0) -> Tensor:
    """Squared gradient of the critic at real images, in [0, inf): zero where the critic is flat on the data.

    Scores (N, ...) of images (N, ...) that require gradients -> scalar, which can itself be differentiated.

    gamma / 2 E ||grad_x D(x)||^2, D(x) the sum of a sample's scores, the norm over all of its elements

    Mescheder et al. 2018, "Which training methods for GANs do actually converge?", eq. 9, arXiv:1801.04406

    Raises:
        ValueError: the images do not require gradients (call `image.requires_grad_()` before the critic), the scores do
            not depend on them, or are not one or more for each image (their mean, for instance).

    >>> image = torch.zeros(2, 3, requires_grad=True)
    >>> float(r1_penalty(2 * image.sum(dim=1), image))  # a gradient of (2, 2, 2) everywhere: 12 / 2
    6.0
    """
    not_negative("gamma", gamma)
    check_tensors(image=image)
    penalty = gamma / 2 * _gradient(score, image).square().sum(dim=1).mean()
    return spoilt_by(penalty, score)  # whose gradient may be a number all the same


def r2_penalty(score: Tensor, image: Tensor, gamma: float = 1.0) -> Tensor:
    """`r1_penalty` at fake images: (N, ...) scores of generated (N, ...) images -> scalar.

    The images may be the generator's output itself or a detached copy that requires gradients.
    Mescheder et al. 2018, eq. 10, arXiv:1801.04406

    >>> image = torch.zeros(2, 3, requires_grad=True)
    >>> float(r2_penalty(2 * image.sum(dim=1), image))
    6.0
    """
    return r1_penalty(score, image, gamma)


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    target: float = 1.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """How far the critic's slope between real and fake images is from the target, in [0, inf).

    Images (N, ...) of one shape -> scalar, which can be differentiated with respect to the critic's weights. Each
    sample has its own point x on the line from fake to real, drawn with `generator`; neither image gets a gradient.

    E (||grad_x D(x)|| - target)^2, D(x) the sum of a sample's scores, the norm over all of its elements

    Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", eq. 3, arXiv:1704.00028

    Raises:
        ValueError: images of different shapes or not floating-point, or a critic whose score does not depend on the
            image or is not one or more for each.

    >>> float(gradient_penalty(lambda x: 3 * x[:, 0], torch.zeros(4, 1), torch.ones(4, 1)))  # a slope of 3
    4.0
    """
    function("critic", critic)
    number("target", target)
    check_tensors(real=real, fake=fake)
    if real.shape != fake.shape or real.ndim < 2:
        raise ValueError(f"expected images (N, ...) of one shape, got {tuple(real.shape)} and {tuple(fake.shape)}")
    if not (real.is_floating_point() and fake.is_floating_point()):
        raise ValueError(f"expected floating-point images, got {real.dtype} and {fake.dtype}")
    dtype = torch.promote_types(real.dtype, fake.dtype)  # under autocast the fake ones may be in 16 bits
    shape = (real.shape[0], *[1] * (real.ndim - 1))

    def positions(batch: Tensor) -> Tensor:
        return torch.rand(batch.shape, generator=generator, dtype=dtype, device=batch.device)

    share = drawn_for_batch(torch.empty(shape, device=real.device), positions)
    between = torch.lerp(fake.detach().to(dtype), real.detach().to(dtype), share).requires_grad_()
    # vector_norm has gradient 0 at 0, where a plain square root has NaN.
    score = critic(between)
    slope = cast(Tensor, torch.linalg.vector_norm(_gradient(score, between), dim=1))  # pyright: ignore
    return spoilt_by((slope - target).square().mean(), score)  # a slope may be a number where the score is none


def historical_averaging(parameters: Iterable[Tensor], averages: Iterable[Tensor]) -> Tensor:
    """Squared distance of a player's parameters from their average over time, in [0, inf): part of the player's loss.

    Tensors in pairs of one shape -> scalar. Gradients reach the parameters only.

    sum ||theta - (1 / t) sum_{s <= t} theta_s||^2

    Salimans et al. 2016, "Improved Techniques for Training GANs", sec. 3.3, arXiv:1606.03498; `HistoricalAverage` keeps
    the averages.

    Raises:
        ValueError: different numbers or shapes.

    >>> historical_averaging([torch.tensor([1.0, 2.0])], [torch.tensor([1.0, 0.0])])
    tensor(4.)
    """
    pairs = _paired(parameters, averages)
    distances = [(in_full_precision(p) - a.detach()).square().sum() for p, a in pairs]
    return torch.stack(distances).sum()


class HistoricalAverage(nn.Module):
    """The average of a player's parameters over all updates so far; its state dict holds the averages and their number.

    >>> average = HistoricalAverage([torch.tensor([1.0])])
    >>> average.update([torch.tensor([3.0])])
    >>> average.averages
    [tensor([2.])]
    """

    count: Tensor

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        super().__init__()
        parameters = _listed("parameters", parameters)
        if not parameters:
            raise ValueError("parameters: expected at least one, got none")
        # At least fp32: a step of training is below the resolution of a 16-bit average.
        for position, parameter in enumerate(parameters):
            check_floating_point(parameters=parameter)
            self.register_buffer(f"average{position}", in_full_precision(parameter.detach()).clone())
        self.register_buffer("count", torch.ones((), dtype=torch.int64))

    def extra_repr(self) -> str:
        """How many there are."""
        return f"parameters={len(self.averages)}"

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "HistoricalAverage":
        """A cast of the model that this is in moves the averages and leaves their digits."""
        before = dict(self.named_buffers())
        super()._apply(fn, recurse)  # pyright: ignore[reportUnknownMemberType]
        for name, buffer in before.items():
            if self.get_buffer(name).dtype in (torch.float16, torch.bfloat16):
                self._buffers[name] = buffer.to(self.get_buffer(name).device)
        return self

    @property
    def averages(self) -> list[Tensor]:
        """In the order of the parameters."""
        return [buffer for name, buffer in self.named_buffers() if name != "count"]

    @torch.no_grad()
    def update(self, parameters: Iterable[Tensor]) -> None:
        """Take in the parameters of one more step.

        Raises:
            ValueError: not as many as at first, or of other shapes.
        """
        pairs = _paired(parameters, self.averages)
        self.count += 1
        for parameter, average in pairs:
            average += (parameter.detach() - average) / self.count

    def penalty(self, parameters: Sequence[Tensor]) -> Tensor:
        """`historical_averaging` against the averages."""
        return historical_averaging(parameters, self.averages)


@dataclass(frozen=True)
class LazyRegularization:
    """A penalty on some steps only, as strong on average as on all: Karras et al. 2020, arXiv:1912.04958, app. B.

    >>> [LazyRegularization(every=4).weight(step) for step in range(5)]
    [4.0, 0.0, 0.0, 0.0, 4.0]
    """

    every: int
    """Steps from one penalty to the next."""

    def __post_init__(self) -> None:
        whole("every", self.every)

    def is_due(self, step: int) -> bool:
        """Whether the penalty is to be computed in this step."""
        return step % self.every == 0

    def weight(self, step: int) -> float:
        """What to multiply the penalty by in this step."""
        return float(self.every) if self.is_due(step) else 0.0


def _paired(parameters: Iterable[Tensor], averages: Iterable[Tensor]) -> list[tuple[Tensor, Tensor]]:
    now, then = _listed("parameters", parameters), _listed("averages", averages)
    for parameter, average in zip(now, then, strict=False):
        check_floating_point(parameters=parameter, averages=average)
    if [p.shape for p in now] != [a.shape for a in then] or not now:
        shapes = [[tuple(t.shape) for t in tensors] for tensors in (now, then)]
        raise ValueError(f"expected parameters and averages of the same shapes, got {shapes[0]} and {shapes[1]}")
    return list(zip(now, then, strict=True))


def _listed(name: str, tensors: Iterable[Tensor]) -> list[Tensor]:
    try:
        return list(tensors)
    except TypeError:  # a tensor without dimensions, for one, only looks as if it could be gone through
        raise TypeError(f"{name}: expected a list of tensors, got {type(tensors).__name__}") from None


def _gradient(score: Tensor, image: Tensor) -> Tensor:
    """(N, elements): the gradient of each sample's summed score, in fp32 at least."""
    check_tensors(score=score)
    if image.ndim < 2 or score.shape[:1] != image.shape[:1]:
        shapes = f"{tuple(score.shape)} and {tuple(image.shape)}"
        raise ValueError(f"expected scores (N, ...), not yet averaged, of images (N, ...); got {shapes}")
    if not image.requires_grad:
        raise ValueError("image: expected one that requires gradients; call image.requires_grad_() before the critic")
    if not score.requires_grad:
        raise ValueError("score: expected one computed from the image with gradients, got one without")
    (gradient,) = torch.autograd.grad(score.sum(), image, create_graph=True, allow_unused=True)
    if cast(Tensor | None, gradient) is None:
        raise ValueError("score: expected one computed from this image, got one that does not depend on it")
    return in_full_precision(gradient).flatten(1)
