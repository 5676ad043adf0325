"""The upscalers of a run: one for all images, or, where the model is `auto`, one for each kind, made when needed."""

from pathlib import Path

from srgan_kit.images.image import LoadedImage
from srgan_kit.models.pretrained import AUTO
from srgan_kit.models.super_resolution import load_model
from srgan_kit.upscaling.auto import Choice, choose, clean_model
from srgan_kit.upscaling.engine import Upscaler
from srgan_kit.upscaling.evidence import Evidence, evidence, of_file
from srgan_kit.upscaling.image import fill_hidden
from srgan_kit.upscaling.self_ensemble import ensembled

AUTO_SCALE = 4
"""Of `auto` where no scale is asked for."""


def evidence_of(image: LoadedImage, file: Path) -> Evidence:
    """What is known of an image from that file; what is hidden by transparency does not count."""
    seen = image.pixels if image.alpha is None else fill_hidden(image.pixels, image.alpha)
    return evidence(seen, *of_file(file))


class Upscalers:
    """Upscalers by model.

    Args:
        model: a name or path as `load_model` takes it, or "auto".
        scale: of the results; None for the model's own.
        fast: whether `auto` takes the models of the -fast tier.
        ensemble: whether each result is the mean over the square's symmetries.
        device: as `Upscaler` takes it, and so are precision and tile.

    Raises:
        UserError: no such model, device or precision.
    """

    def __init__(
        self,
        model: str = AUTO,
        scale: float | None = None,
        *,
        fast: bool = False,
        ensemble: bool = False,
        device: str = "auto",
        precision: str = "auto",
        tile: int | None = None,
    ) -> None:
        self.model, self._asked, self._fast, self._ensemble = model, scale, fast, ensemble
        self._settings = device, precision, tile
        self._made: dict[str, Upscaler] = {}
        # Also where it may not be used: a wrong device is an error before any work.
        self._first = self._upscaler(clean_model(scale, fast))

    @property
    def scale(self) -> float:
        """That of the results, where their size is not given otherwise."""
        if self._asked is not None:
            return self._asked
        return AUTO_SCALE if self.model == AUTO else self._first.scale

    @property
    def settings(self) -> dict[str, object]:
        """What a report says of all images."""
        own = {} if self.model == AUTO else {"scale": self._first.scale}
        dtype = str(self._first.dtype).removeprefix("torch.")
        name = AUTO if self.model == AUTO else self._first.model.name
        return {"model": name, **own, "device": str(self._first.device), "precision": dtype}

    def of(self, image: LoadedImage, file: Path, factor: float | None) -> tuple[Upscaler, Choice | None]:
        """The upscaler for an image from that file, upscaled by a factor, and why, where it was chosen."""
        if self.model != AUTO:
            return self._first, None
        choice = choose(evidence_of(image, file), factor, self._fast)
        return self._upscaler(choice.model), choice

    def _upscaler(self, name: str) -> Upscaler:
        name = self.model if self.model != AUTO else name
        if name not in self._made:
            loaded = load_model(name)
            self._made[name] = Upscaler(ensembled(loaded) if self._ensemble else loaded, *self._settings)
        return self._made[name]
