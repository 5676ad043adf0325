"""Which models upscale an image; what the dials `--detail` and `--denoise` lie between. Torch is not imported."""

from dataclasses import dataclass, replace
from typing import Literal

from srgan_kit.errors import UserError
from srgan_kit.models.pretrained import default_model, pretrained_models

CHAINED_FROM = 6.0
"""Output scale from which a second model follows the first, whose scale is 4 at most: docs/guide/dials-and-sizes.md."""


def models_after(scale: int, factor: float | None) -> tuple[str, ...]:
    """What upscales a result of `scale` times on to `factor` times: a fidelity model, because that result is clean."""
    return () if factor is None or factor < CHAINED_FROM else (default_model(factor / scale),)


@dataclass(frozen=True)
class Share:
    """A model that has a share in a result."""

    model: str
    """Its name."""
    fraction: float
    """What it has of the result, in (0, 1]; the others have the rest. Of weights it has another part: see `Dials`."""


@dataclass(frozen=True)
class Choice:
    """Which models upscale an image, and why."""

    model: str
    """Name of a pretrained model, or of the one that was asked for."""
    reason: str = ""
    """What was found, in a few words; nothing where the model was asked for."""
    photo: Share | None = None
    """The photo model between which and `model` the dial of denoising lies."""
    perceptual: Share | None = None
    """The perceptual model between which and those two the dial of detail lies."""
    perceptual_sees: Literal["input", "base"] = "input"
    """The input, or the result of those two, reduced to the input's size."""
    further: tuple[str, ...] = ()
    """Models that upscale the result again."""

    @property
    def name(self) -> str:
        """All of them: those that share with +, those that follow with "then"."""
        sharing = [self.model, *(share.model for share in (self.photo, self.perceptual) if share is not None)]
        return " then ".join(["+".join(sharing), *self.further])


@dataclass(frozen=True)
class Dials:
    """How much a result is to have of the photo model's clean-up, and then of the perceptual model's texture.

    First the base, of the fidelity and the photo model: one whose weights are (1 - denoise^1/2) fidelity + denoise^1/2
    photo, or where weights cannot be interpolated their results, mixed (1 - denoise) to denoise. Then detail is drawn
    on it: result = (1 - detail) base + detail perceptual. The perceptual model sees the input, or where denoise is
    more than 0 the base, reduced to the input's size. A dial that is None counts as 0 and asks for no model.

    Raises:
        UserError: a number outside of [0, 1].
    """

    detail: float | None = None
    """From the fidelity model, 0, to the perceptual model, 1."""
    denoise: float | None = None
    """From the fidelity model, 0, to the photo model, 1."""

    def __post_init__(self) -> None:
        for name, value in self.settings.items():
            if not 0 <= value <= 1:
                raise UserError(f"{name}: expected a number from 0 to 1, got {value:g}")

    def __str__(self) -> str:
        return ", ".join(f"{name} {value:g}" for name, value in self.settings.items())

    def __bool__(self) -> bool:
        return bool(self.settings)

    @property
    def settings(self) -> dict[str, float]:
        """The dials that are set, by name."""
        both = {"detail": self.detail, "denoise": self.denoise}
        return {name: value for name, value in both.items() if value is not None}

    def choose(self, factor: float) -> Choice:
        """The pretrained models of the smallest scale that reaches `factor`, else of the largest, at which all are.

        Raises:
            UserError: there is no such scale.
        """
        kinds = ["fidelity", *(["perceptual"] if self.detail is not None else [])]
        kinds += ["photo"] if self.denoise is not None else []
        scales = [own for own in (2, 3, 4) if all(f"x{own}-{kind}" in pretrained_models() for kind in kinds)]
        if not scales:
            raise UserError(f"{self}: expected pretrained models {', '.join(f'x4-{kind}' for kind in kinds)}")
        scale = next((own for own in scales if own >= factor), scales[-1])
        detail, denoise = self.detail or 0.0, self.denoise or 0.0
        further = models_after(scale, factor)
        fidelity, perceptual, photo = (f"x{scale}-{kind}" for kind in ("fidelity", "perceptual", "photo"))
        if detail == 1 and denoise == 0:
            return Choice(perceptual, str(self), further=further)
        choice = Choice(photo if denoise == 1 else fidelity, str(self), further=further)
        if 0 < denoise < 1:
            choice = replace(choice, photo=Share(photo, denoise))
        if detail:
            sees = "base" if denoise else "input"
            choice = replace(choice, perceptual=Share(perceptual, detail), perceptual_sees=sees)
        return choice
